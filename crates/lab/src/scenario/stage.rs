//! The stage of one play: it sets up the cast, keeps what is found out, and concludes with the outcome.
//!
//! What plays are told in is beside it: `deeds` done to servers and nodes, `waits`, and expectations (`measure`).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use super::{Cast, Joins, Scenario, hosting};
use crate::clients::Kind;
use crate::clients::judge::{Evidence, Kill};
use crate::clients::ledger::Ledger;
use crate::etcd::Etcd;
use crate::hosts::Hosts;
use crate::node::{Engine, Node, NodeConfig, NodeRole};
use crate::options::LabOptions;
use crate::place::Place;
use crate::timeline::Timeline;
use crate::verdict::{Check, Figure, NodeLog, Outcome, Recovery, counted, millis};
use crate::{ControlPlane, NameServer};

/// The port of every node's listener; the addresses differ.
const LISTEN_PORT: u16 = 6440;

/// The port of every node's page, where the cast wants pages.
const PAGE_PORT: u16 = 6442;

/// Every client must have had an answer this long after its start.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(20);

/// Clients work for this long before the play begins, so that "as usual" has a meaning.
const WARM_UP: Duration = Duration::from_millis(1_500);

/// Where a play happens.
pub(crate) struct Stage {
    pub(crate) plane: ControlPlane,
    pub(crate) nodes: Vec<Node>,
    /// The nodes on servers' own hosts; they have no clients.
    pub(crate) residents: Vec<Node>,
    pub(crate) names: Option<NameServer>,
    /// Real etcd, where the cast has it.
    pub(crate) etcd: Option<Etcd>,
    pub(crate) timeline: Timeline,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) patience: Duration,
    pub(crate) factor: u32,
    pub(super) scenario: &'static Scenario,
    pub(super) clients: Vec<Kind>,
    pub(super) rate: u32,
    pub(super) fault: Option<Instant>,
    pub(super) kills: Vec<Kill>,
    pub(super) recoveries: Vec<Duration>,
    pub(super) stuck: BTreeSet<usize>,
    pub(super) checks: Vec<Check>,
    pub(super) figures: Vec<Figure>,
    /// Where each server and each node has a host of its own. It goes after all that is on them.
    pub(crate) hosts: Option<Hosts>,
    /// Nodes' files. The last field: it goes when those who use it are gone.
    pub(super) folder: TempDir,
}

impl Stage {
    /// Sets up the cast; nothing runs yet. Called within a tokio runtime.
    ///
    /// # Errors
    /// When the lab has no addresses, certificates or files.
    pub(crate) fn set(
        scenario: &'static Scenario,
        options: &LabOptions,
        engine: &Engine,
        timeline: Timeline,
    ) -> anyhow::Result<Self> {
        let cast = (scenario.cast)();
        let factor = cast.plan.factor;
        let hosts = hosting::raise(&cast).context("raising the hosts")?;
        let plane = hosting::start_plane(&cast, hosts.as_ref()).context("setting up the control plane")?;
        let etcd = hosting::plan_etcd(&cast, &plane, hosts.as_ref()).context("preparing etcd")?;
        if let Some(etcd) = &etcd {
            plane.write_into(etcd.access());
        }
        let folder = tempfile::Builder::new()
            .prefix("jackline-lab-")
            .tempdir()
            .context("making a folder")?;
        let mut stage = Self {
            plane,
            nodes: Vec::new(),
            residents: Vec::new(),
            names: None,
            etcd,
            timeline,
            ledger: Arc::default(),
            patience: options.patience,
            factor,
            scenario,
            clients: cast.clients.clone(),
            rate: options.rate,
            fault: None,
            kills: Vec::new(),
            recoveries: Vec::new(),
            stuck: BTreeSet::new(),
            checks: Vec::new(),
            figures: Vec::new(),
            hosts,
            folder,
        };
        let registration: Vec<String> = stage.registration(cast.joins)?.into_iter().collect();
        let roles = std::iter::repeat_n(NodeRole::Agent, cast.agents)
            .chain(std::iter::repeat_n(NodeRole::Etcd, cast.etcd_nodes));
        for (number, role) in (1..).zip(roles) {
            let name = match role {
                NodeRole::Agent => hosting::agent(number),
                NodeRole::Etcd => format!("{}{number}", hosting::ETCD_NODE),
            };
            let node = stage.node(&name, &cast, &registration, engine)?;
            stage.nodes.push(node);
        }
        if cast.hosts {
            for server in &cast.plan.servers {
                let node = stage.node(&server.name, &cast, &registration, engine)?;
                stage.residents.push(node);
            }
        }
        Ok(stage)
    }

    fn registration(&mut self, joins: Joins) -> anyhow::Result<Option<String>> {
        let first = self
            .plane
            .servers()
            .first()
            .context("a plan without servers")?
            .address();
        let name = match joins {
            Joins::FirstServer => return Ok(Some(format!("https://{first}"))),
            Joins::Name(name) => name,
            Joins::Nothing => return Ok(None),
        };
        let names = NameServer::start(self.plane.free_address()?).context("starting a name server")?;
        let addresses: Vec<IpAddr> = self
            .plane
            .servers()
            .iter()
            .map(|server| server.address().ip())
            .collect();
        names.set(name, &addresses);
        self.names = Some(names);
        Ok(Some(format!("https://{name}:{}", first.port())))
    }

    fn node(
        &self,
        name: &str,
        cast: &Cast,
        registration: &[String],
        engine: &Engine,
    ) -> anyhow::Result<Node> {
        let host = self.hosts.as_ref().map(|hosts| hosts.host(name)).transpose()?;
        let listen = match host {
            Some(_) => Ipv4Addr::LOCALHOST,
            None => self.plane.free_address()?,
        };
        let listen = SocketAddr::from((listen, LISTEN_PORT));
        let folder = self.folder.path().join(name);
        let config = NodeConfig {
            name: name.to_owned(),
            place: host.map_or(Place::Here, |host| Place::On(Arc::clone(host))),
            address: host.map(|host| host.address().into()),
            prefer_local: self.plane.server(name).is_ok(),
            listen,
            page: cast.pages.then(|| SocketAddr::from((listen.ip(), PAGE_PORT))),
            servers: registration.to_vec(),
            dns_servers: self.names.iter().map(NameServer::address).collect(),
            state_dir: folder.join("state"),
            socket: folder.join("jackline.sock"),
            access: cast.access,
            supervisor: cast.supervisor,
            kubernetes: cast.kubernetes,
            etcd: self
                .etcd
                .as_ref()
                .and_then(|etcd| hosting::etcd_of(name, cast, etcd)),
            credentials: self.plane.credentials(name, &format!("https://{listen}"))?,
            factor: self.factor,
        };
        Node::new(config, &folder, engine.clone(), self.timeline.clone())
    }

    /// The play's prelude: everything up and used.
    ///
    /// # Errors
    /// When a server, a node or a client does not come up: then there is nothing to be played.
    pub(crate) async fn open(&mut self) -> anyhow::Result<()> {
        self.raise().await?;
        let started = Instant::now();
        self.start_clients();
        self.wait_clients_answered(started, WARM_UP_TIMEOUT).await?;
        self.pass(WARM_UP).await;
        Ok(())
    }

    /// The same without clients.
    ///
    /// # Errors
    /// When a server or a node does not come up.
    pub(crate) async fn raise(&mut self) -> anyhow::Result<()> {
        let names: Vec<String> = self
            .plane
            .servers()
            .iter()
            .map(|server| server.name().to_owned())
            .collect();
        self.say(format!(
            "{} start: {}",
            counted(names.len() as u64, "server", "servers"),
            names.join(", ")
        ));
        self.start_etcd().await?;
        self.plane.start_all()?;
        self.wait_servers_ready().await?;
        self.start_nodes().await?;
        self.wait_attached(Instant::now(), "at the beginning").await;
        anyhow::ensure!(self.stuck.is_empty(), "not every node attached at the beginning");
        self.wait_all_servers_known().await;
        Ok(())
    }

    pub(crate) fn check(&mut self, what: impl Into<String>, passed: bool, got: impl Into<String>) {
        let check = Check {
            what: what.into(),
            passed,
            got: got.into(),
        };
        if !passed {
            self.say(format!("does not hold: {}: {}", check.what, check.got));
        }
        self.checks.push(check);
    }

    /// A check that is a figure on the page of figures too.
    pub(crate) fn figure(&mut self, what: &str, target: &str, met: bool, got: impl Into<String>) {
        let got = got.into();
        self.check(format!("{what}: {target}"), met, got.clone());
        self.figures.push(Figure {
            what: what.to_owned(),
            target: target.to_owned(),
            got,
            met,
        });
    }

    pub(crate) fn recoveries(&self) -> &[Duration] {
        &self.recoveries
    }

    pub(crate) fn stuck(&self) -> usize {
        self.stuck.len()
    }

    pub(crate) fn kills(&self) -> &[Kill] {
        &self.kills
    }

    /// No more requests; returns when those under way have ended, with all that the clients' books prove.
    pub(crate) async fn finish_clients(&mut self) -> Evidence {
        self.rest_clients().await;
        self.evidence()
    }

    /// What the clients' books prove so far.
    pub(crate) fn evidence(&self) -> Evidence {
        let seen = |id: usize| {
            self.plane
                .sighting(&id.to_string())
                .map(|sighting| sighting.server)
        };
        Evidence::new(self.ledger.requests(), self.ledger.connections(), seen)
    }

    /// The outcome. An error of the play is a check that did not hold.
    pub(crate) async fn conclude(mut self, played: anyhow::Result<()>) -> Outcome {
        if let Err(error) = played {
            self.check(
                "the scenario can be played to its end",
                false,
                format!("{error:#}"),
            );
        }
        let evidence = self.finish_clients().await;
        let requests = evidence.tally(self.fault, &self.kills);
        if requests.failed > 0 {
            self.say(format!(
                "{} requests failed: {}",
                requests.failed,
                evidence.reasons(self.fault, &self.kills)
            ));
        }
        self.check_journals().await;
        let passed = !self.checks.is_empty() && self.checks.iter().all(|check| check.passed);
        let tail = |node: &Node| NodeLog {
            node: node.name().to_owned(),
            tail: node.log_tail(),
        };
        Outcome {
            scenario: self.scenario.name.to_owned(),
            passed,
            nodes: self.nodes.len() + self.residents.len(),
            nodes_stuck: self.stuck.len(),
            requests,
            recovery_ms: Recovery::of(&self.recoveries),
            checks: self.checks.clone(),
            figures: self.figures.clone(),
            took_ms: millis(self.timeline.elapsed()),
            timeline: self.timeline.finish(),
            story: self.scenario.story,
            logs: if passed {
                Vec::new()
            } else {
                self.nodes.iter().map(tail).collect()
            },
        }
    }
}
