//! The part of a stage that has a host for each server and each node: who lives where, and what plays do to hosts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::{interval, timeout};

use super::{Cast, RealEtcd, Stage};
use crate::etcd::{Etcd, EtcdFiles};
use crate::hosts::Hosts;
use crate::node::Status;
use crate::place::Place;
use crate::verdict::{counted, millis, seconds};
use crate::{ControlPlane, Plan, PlaneError, Role, Server};

/// A host that nobody lives on, for an address that moves.
pub(crate) const SPARE: &str = "spare";

/// Between two looks at etcd.
const GLANCE: Duration = Duration::from_millis(100);

/// How the names of nodes on etcd members begin; a number follows, counted from one.
pub(super) const ETCD_NODE: &str = "etcd-node-";

/// The name of an agent, counted from one.
pub(super) fn agent(number: usize) -> String {
    format!("agent-{number}")
}

/// The hosts of a cast that wants them: one for each server and each agent, and the spare one.
pub(super) fn raise(cast: &Cast) -> anyhow::Result<Option<Hosts>> {
    if !cast.hosts {
        return Ok(None);
    }
    let servers = cast.plan.servers.iter().map(|server| server.name.clone());
    let agents = (1..=cast.agents).map(agent);
    let names: Vec<String> = servers.chain(agents).chain([SPARE.to_owned()]).collect();
    Hosts::raise(&names).map(Some)
}

/// The control plane, each server on its host.
pub(super) fn start_plane(cast: &Cast, hosts: Option<&Hosts>) -> Result<ControlPlane, PlaneError> {
    let mut plan: Plan = cast.plan.clone();
    let place = |name: &str| {
        hosts
            .and_then(|hosts| hosts.place(name).ok())
            .unwrap_or(Place::Here)
    };
    for server in &mut plan.servers {
        let host = hosts.and_then(|hosts| hosts.host(&server.name).ok());
        server.address = host.map(|host| host.address());
    }
    ControlPlane::start_on(plan, place)
}

/// Real etcd for a cast that wants it: a member for each server that has one.
pub(super) fn plan_etcd(
    cast: &Cast,
    plane: &ControlPlane,
    hosts: Option<&Hosts>,
) -> anyhow::Result<Option<Etcd>> {
    let there = match cast.etcd {
        RealEtcd::No => false,
        RealEtcd::WhereThere => jackline_borrowed::etcd().is_ok(),
        RealEtcd::Needed => true,
    };
    if !there {
        return Ok(None);
    }
    let servers = plane.servers().iter();
    let members = servers.filter(|server| server.role() != Role::ControlPlaneOnly);
    let at = members.map(|server| {
        let place = hosts.and_then(|hosts| hosts.place(server.name()).ok());
        let IpAddr::V4(address) = server.address().ip() else {
            anyhow::bail!("{} has no IPv4 address", server.name());
        };
        Ok((server.name().to_owned(), place.unwrap_or(Place::Here), address))
    });
    let at = at.collect::<anyhow::Result<Vec<_>>>()?;
    Etcd::plan(&at).map(Some)
}

/// What a node is given to read etcd with: one member, on a member's own host that one. It tells of the others.
pub(super) fn etcd_of(name: &str, cast: &Cast, etcd: &Etcd) -> Option<(Vec<String>, EtcdFiles)> {
    if cast.hosts {
        let own = cast.plan.servers.iter().find(|server| server.name == name)?;
        let member = own.role != Role::ControlPlaneOnly;
        return member.then(|| (vec!["https://127.0.0.1:2379".to_owned()], etcd.files()));
    }
    let files = name.starts_with(ETCD_NODE).then(|| etcd.files())?;
    Some((vec![format!("https://{}", etcd.client(0))], files))
}

impl Stage {
    /// Starts etcd's members, where there are any, and waits for their quorum.
    ///
    /// # Errors
    /// When one does not come up.
    pub(crate) async fn start_etcd(&mut self) -> anyhow::Result<()> {
        let Some(mut etcd) = self.etcd.take() else {
            return Ok(());
        };
        let members = counted(etcd.len() as u64, "member", "members");
        self.say(format!("real etcd starts: {members}"));
        let started = etcd.start_all().await;
        self.etcd = Some(etcd);
        started
    }

    /// Waits until real etcd has no key that begins so, by what its first member has.
    ///
    /// # Errors
    /// When it still has one after this time.
    pub(crate) async fn wait_lease_gone(&mut self, prefix: &str, limit: Duration) -> anyhow::Result<()> {
        let etcd = self.etcd()?;
        let (gateway, client) = (etcd.gateway(0), etcd.client(0));
        let gone = async {
            let mut glances = interval(GLANCE);
            loop {
                glances.tick().await;
                if gateway.keys(client, prefix).await?.is_empty() {
                    return anyhow::Ok(());
                }
            }
        };
        timeout(limit, gone)
            .await
            .with_context(|| format!("{prefix} does not run out in etcd"))?
    }

    /// # Errors
    /// When the cast has no real etcd.
    pub(crate) fn etcd(&mut self) -> anyhow::Result<&mut Etcd> {
        self.etcd.as_mut().context("the cast has no real etcd")
    }

    /// # Errors
    /// When the cast has no hosts.
    pub(crate) fn hosts(&self) -> anyhow::Result<&Hosts> {
        self.hosts.as_ref().context("the cast has no hosts")
    }

    /// The names of the nodes that have clients.
    pub(crate) fn agents(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name().to_owned()).collect()
    }

    /// The server that each agent's new connections went to last, by the number of the agent.
    ///
    /// # Errors
    /// When some agent's went nowhere.
    pub(crate) fn servers_in_use(&self) -> anyhow::Result<Vec<Server>> {
        (0..self.nodes.len())
            .map(|node| self.server_in_use_of(node))
            .collect()
    }

    /// Tells on the timeline how nodes say that they are: while all is lost for them, no expectation is tied to it.
    pub(crate) fn say_what_they_say(&self, names: &[&str]) {
        let all = self.nodes.iter().chain(&self.residents);
        let words = all.filter(|node| names.contains(&node.name())).map(|node| {
            let status = node.status();
            let state = status.map_or("silent".to_owned(), |status| status.state.clone());
            format!("{} says that it is {state}", node.name())
        });
        let words: Vec<String> = words.collect();
        self.say(words.join(", "));
    }

    /// The fault was really there: packets met it.
    pub(crate) fn check_packets(&mut self, what: &str, packets: u64) {
        self.check(
            format!("packets {what}: the fault was there"),
            packets > 0,
            counted(packets, "packet", "packets"),
        );
    }

    /// The nodes on servers' hosts are attached at the end, but for this one.
    pub(crate) fn check_residents_attached(&mut self, but: Option<&str>) {
        let others = self.residents.iter().filter(|node| Some(node.name()) != but);
        let mut found: Vec<String> = Vec::new();
        let mut count = 0_u64;
        for node in others {
            count += 1;
            let status = node.status();
            if !status.as_ref().is_some_and(|status| status.attached()) {
                let state = status.map_or("silent".to_owned(), |status| status.state.clone());
                found.push(format!("{} is {state}", node.name()));
            }
        }
        let got = if found.is_empty() {
            format!("all {count} are")
        } else {
            found.join(", ")
        };
        let whose = but.map_or(String::new(), |but| format!(", but that of {but}"));
        self.check(
            format!("the jacklines of the servers' own hosts are attached{whose}"),
            found.is_empty() && count > 0,
            got,
        );
    }

    /// Every agent has this server as ready again within the limit, and some agent had lost it since the fault.
    pub(crate) async fn check_ready_again(
        &mut self,
        server: &Server,
        fault: Instant,
        back: Instant,
        limit: Duration,
    ) {
        let address = server.address();
        let ready = |status: &Status| {
            status
                .endpoint(address)
                .is_some_and(|endpoint| endpoint.health == "ready")
        };
        let left = limit.saturating_sub(back.elapsed());
        let held = self.wait_nodes(Instant::now(), left, ready).await;
        let mut found = Vec::new();
        for node in &self.nodes {
            let changes = node.seen().endpoints;
            let mut changes = changes
                .iter()
                .filter(|change| change.address == address && change.at >= fault);
            // Its first change from being ready is to something else; the last one tells when it was found.
            if let Some(last) = changes.next_back() {
                found.push(last.at.saturating_duration_since(back));
            }
        }
        let got = if held {
            format!(
                "{} of {} had lost it, the last found it after {}",
                found.len(),
                counted(self.nodes.len() as u64, "agent", "agents"),
                seconds(millis(found.iter().max().copied().unwrap_or_default()))
            )
        } else {
            "not every one did".to_owned()
        };
        self.check(
            format!(
                "every agent finds {} ready again within {}",
                server.name(),
                seconds(millis(limit))
            ),
            held && !found.is_empty(),
            got,
        );
    }
}
