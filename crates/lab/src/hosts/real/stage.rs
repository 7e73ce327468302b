//! The stage of one play on real apiservers: it brings the cluster and the nodes up, keeps what is found out, and concludes.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::{join_all, try_join_all};
use tokio::process::Command;
use tokio::time::{interval, timeout};

use super::RealPlay;
use super::api::Api;
use super::apiserver::Way;
use super::assets::Assets;
use super::caller::Caller;
use super::cluster::{Cluster, files};
use crate::clients::REQUEST_TIMEOUT;
use crate::credentials::Folder;
use crate::node::{Engine, Node, NodeConfig, SILENT, Status};
use crate::place::Place;
use crate::runner::Setting;
use crate::timeline::Timeline;
use crate::verdict::{Check, NodeLog, Outcome, Recovery, Requests, counted, millis, seconds};

/// The port of every node's listener.
const LISTEN_PORT: u16 = 6440;

/// Clients' books are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server that is ready is on every list within this: they are made anew each 10 s.
const LISTED_WITHIN: Duration = Duration::from_secs(60);

/// Where a play on real apiservers happens.
pub(super) struct RealStage {
    pub(super) callers: Vec<Caller>,
    pub(super) nodes: Vec<Node>,
    pub(super) cluster: Cluster,
    pub(super) manifest: String,
    pub(super) requests: Requests,
    timeline: Timeline,
    patience: Duration,
    play: &'static RealPlay,
    checks: Vec<Check>,
    recoveries: Vec<Duration>,
    stuck: BTreeSet<usize>,
    /// The nodes' credentials. The last field: it goes when those who use it are gone.
    _credentials: Folder,
}

impl RealStage {
    /// Brings the apiservers up, and makes the ServiceAccount and the nodes; no node runs yet.
    ///
    /// # Errors
    /// When the machine or a real program fails: there is nothing to be played.
    pub(super) async fn set(
        play: &'static RealPlay,
        assets: &Assets,
        setting: &Setting,
    ) -> anyhow::Result<Self> {
        let names: Vec<&str> = play.agents.iter().map(|(name, _)| *name).collect();
        let mut cluster = Cluster::raise(assets, play.anonymous, &names)?;
        for server in &mut cluster.servers {
            server.start().await?;
        }
        try_join_all(cluster.servers.iter().map(|server| server.wait_ready())).await?;
        let all = cluster.servers.len();
        let listed = cluster.wait_lists(LISTED_WITHIN, |told| told.len() == all).await;
        anyhow::ensure!(listed.is_some(), "the servers do not list each other");
        let manifest = manifest(&setting.engine).await?;
        cluster.apply(&manifest, |kind| kind == "ServiceAccount").await?;
        if play.granted {
            cluster.apply(&manifest, |kind| kind != "ServiceAccount").await?;
        }
        let credentials = cluster.credentials()?;
        let token = cluster.token().await?;
        let nodes = nodes(play, &cluster, &credentials, &token, setting)?;
        Ok(Self {
            callers: Vec::new(),
            nodes,
            cluster,
            manifest,
            requests: Requests::default(),
            timeline: setting.timeline.clone(),
            patience: setting.options.patience,
            play,
            checks: Vec::new(),
            recoveries: Vec::new(),
            stuck: BTreeSet::new(),
            _credentials: credentials,
        })
    }

    pub(super) fn say(&self, text: impl Into<String>) {
        self.timeline.say(text);
    }

    pub(super) fn check(&mut self, what: impl Into<String>, passed: bool, got: impl Into<String>) {
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

    pub(super) async fn start_nodes(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            node.start().await?;
        }
        Ok(())
    }

    /// A client for each node, which asks through its listener with the kubelet's certificate.
    pub(super) fn start_callers(&mut self) -> anyhow::Result<()> {
        for node in &self.nodes {
            let place = node.config.place.clone();
            let api = Api::new(place, node.listener(), &node.identity, REQUEST_TIMEOUT)?;
            self.callers.push(Caller::start(api));
        }
        Ok(())
    }

    /// The address of a server, by its number.
    pub(super) fn address(&self, server: usize) -> SocketAddr {
        self.cluster.servers[server].address()
    }

    /// Takes a server away; when the signal was sent.
    pub(super) async fn stop(&mut self, server: usize, way: Way) -> anyhow::Result<Instant> {
        let name = self.cluster.servers[server].name().to_owned();
        self.say(format!("{name} gets {}", way.signal()));
        self.cluster.servers[server].stop(way).await
    }

    /// Starts a server, or lets it go on; when its `/readyz` said ok.
    pub(super) async fn bring_back(&mut self, server: usize) -> anyhow::Result<Instant> {
        let one = &mut self.cluster.servers[server];
        one.start().await?;
        let began = Instant::now();
        let ready = one.wait_ready().await?;
        let name = one.name().to_owned();
        let took = seconds(millis(ready.saturating_duration_since(began)));
        self.say(format!("{name} is ready, {took} after it was started again"));
        Ok(ready)
    }

    /// No server that is up tells this one any more; how long that took. `None`: not within the limit.
    pub(super) async fn wait_left_lists(&self, server: usize, limit: Duration) -> Option<Duration> {
        let ip = self.address(server).ip().to_string();
        self.cluster.wait_lists(limit, |told| !told.contains(&ip)).await
    }

    /// The status of every node satisfies this. How long each took; `None`: one that did not within the limit.
    pub(super) async fn wait_nodes(
        &self,
        since: Instant,
        limit: Duration,
        holds: impl Fn(&Status) -> bool,
    ) -> Vec<Option<Duration>> {
        let deadline = Instant::now() + limit;
        let waits = self.nodes.iter().map(|node| node.wait(since, deadline, &holds));
        let found = join_all(waits).await.into_iter();
        found
            .map(|at| at.map(|at| at.saturating_duration_since(since)))
            .collect()
    }

    /// Every node is attached again; the times are recoveries.
    pub(super) async fn recovered(&mut self, ready: Instant) {
        let times = self.wait_nodes(ready, self.patience, Status::attached).await;
        for (index, time) in times.iter().enumerate() {
            let name = self.nodes[index].name();
            if let Some(time) = time {
                let time = seconds(millis(*time));
                self.say(format!("{name} attached {time} after the server was ready"));
            } else {
                self.say(format!("{name} is stuck"));
                self.stuck.insert(index);
            }
        }
        self.recoveries.extend(times.into_iter().flatten());
    }

    /// Every client is answered that asked after this, or waits in vain.
    pub(super) async fn wait_answered(&self, since: Instant) {
        let answered = |caller: &Caller| caller.book.first_answered(since).is_some();
        let waiting = async {
            let mut ticks = interval(LOOK_EVERY);
            while !self.callers.iter().all(answered) {
                ticks.tick().await;
            }
        };
        // Who is not answered by then is told in the verdict.
        let _ = timeout(REQUEST_TIMEOUT, waiting).await;
    }

    pub(super) fn recoveries(&self) -> &[Duration] {
        &self.recoveries
    }

    pub(super) fn stuck(&self) -> usize {
        self.stuck.len()
    }

    /// The processes that were started are still the same ones, and every server is still known to every node.
    pub(super) fn check_nothing_lost(&mut self) {
        let addresses: Vec<SocketAddr> = self
            .cluster
            .servers
            .iter()
            .map(|server| server.address())
            .collect();
        let mut lost = Vec::new();
        for node in &mut self.nodes {
            if !node.is_running() {
                lost.push(format!("{} ended", node.name()));
            }
            let status = node.status().unwrap_or_default();
            for address in &addresses {
                let kept = status
                    .endpoint(*address)
                    .is_some_and(|found| found.standing != "archived");
                if !kept {
                    lost.push(format!("{} forgot {address}", node.name()));
                }
            }
        }
        let got = if lost.is_empty() {
            format!(
                "{} run since the beginning and know all servers",
                counted(self.nodes.len() as u64, "node", "nodes")
            )
        } else {
            lost.join(", ")
        };
        self.check(
            "no jackline ended or was restarted, none forgot a server",
            lost.is_empty(),
            got,
        );
    }

    /// The outcome. An error of the play is a check that did not hold.
    pub(super) async fn conclude(mut self, played: anyhow::Result<()>) -> Outcome {
        if let Err(error) = played {
            self.check("the play can be played to its end", false, format!("{error:#}"));
        }
        self.callers.clear();
        let passed = !self.checks.is_empty() && self.checks.iter().all(|check| check.passed);
        let tail = |node: &Node| NodeLog {
            node: node.name().to_owned(),
            tail: node.log_tail(),
        };
        Outcome {
            scenario: self.play.name.to_owned(),
            passed,
            nodes: self.nodes.len(),
            nodes_stuck: self.stuck.len(),
            requests: self.requests,
            recovery_ms: Recovery::of(&self.recoveries),
            checks: self.checks.clone(),
            figures: Vec::new(),
            took_ms: millis(self.timeline.elapsed()),
            timeline: self.timeline.finish(),
            story: self.play.story,
            logs: if passed {
                Vec::new()
            } else {
                self.nodes.iter().map(tail).collect()
            },
        }
    }

    /// A node's state in a few words.
    pub(super) fn sketch(&self, node: usize) -> String {
        let status = self.nodes[node].status();
        status.map_or(SILENT.to_owned(), |status| status.sketch())
    }
}

/// What `jackline rbac` prints.
async fn manifest(engine: &Engine) -> anyhow::Result<String> {
    let output = Command::new(&engine.program).arg("rbac").output().await;
    let output = output.context("running jackline rbac")?;
    anyhow::ensure!(output.status.success(), "jackline rbac failed");
    Ok(String::from_utf8(output.stdout)?)
}

fn nodes(
    play: &RealPlay,
    cluster: &Cluster,
    credentials: &Folder,
    token: &str,
    setting: &Setting,
) -> anyhow::Result<Vec<Node>> {
    let joined_to = cluster.servers[play.joined_to].address();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, LISTEN_PORT));
    let node = |&(name, access): &(&str, _)| {
        let host = cluster.hosts.host(name)?;
        let folder = cluster.folder.path().join(name);
        let config = NodeConfig {
            name: name.to_owned(),
            place: Place::On(Arc::clone(host)),
            address: Some(host.address().into()),
            prefer_local: false,
            listen,
            page: None,
            servers: vec![format!("https://{joined_to}")],
            dns_servers: Vec::new(),
            state_dir: folder.join("state"),
            socket: folder.join("jackline.sock"),
            access,
            supervisor: false,
            kubernetes: true,
            etcd: None,
            credentials: files(credentials, name, listen, token)?,
            factor: play.factor,
        };
        Node::new(config, &folder, setting.engine.clone(), setting.timeline.clone())
    };
    play.agents.iter().map(node).collect()
}
