//! The stage of one play: it sets up the cast, and offers what plays are told in: what is done to servers, what is
//! waited for, what is checked. Each deed tells itself on the timeline.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::{Cast, Joins, Scenario};
use crate::clients::judge::{Evidence, Kill};
use crate::clients::ledger::Ledger;
use crate::clients::{Kind, Setting};
use crate::node::{Engine, Node, NodeConfig, NodeRole, SILENT};
use crate::options::LabOptions;
use crate::timeline::Timeline;
use crate::verdict::{Check, NodeLog, Outcome, Recovery, counted, millis, seconds};
use crate::{ControlPlane, NameServer, Server, Shutdown, StartAs};

/// The port of every node's listener; the addresses differ.
const LISTEN_PORT: u16 = 6440;

/// A server that is not ready this long after its start is the lab's own fault.
const SERVER_TIMEOUT: Duration = Duration::from_secs(20);

/// Every client must have had an answer this long after its start.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(20);

/// Clients work for this long before the play begins, so that "as usual" has a meaning.
const WARM_UP: Duration = Duration::from_millis(1_500);

/// Where a play happens.
pub(crate) struct Stage {
    pub(crate) plane: ControlPlane,
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: Option<NameServer>,
    pub(crate) timeline: Timeline,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) patience: Duration,
    pub(crate) factor: u32,
    scenario: &'static Scenario,
    clients: Vec<Kind>,
    rate: u32,
    fault: Option<Instant>,
    kills: Vec<Kill>,
    recoveries: Vec<Duration>,
    stuck: BTreeSet<usize>,
    checks: Vec<Check>,
    /// Nodes' files. The last field: it goes when those who use it are gone.
    folder: TempDir,
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
        let plane = ControlPlane::start(cast.plan.clone()).context("setting up the control plane")?;
        let folder = tempfile::Builder::new()
            .prefix("jackline-lab-")
            .tempdir()
            .context("making a folder")?;
        let mut stage = Self {
            plane,
            nodes: Vec::new(),
            names: None,
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
            folder,
        };
        let registration = stage.registration(cast.joins)?;
        let roles = std::iter::repeat_n(NodeRole::Agent, cast.agents)
            .chain(std::iter::repeat_n(NodeRole::Etcd, cast.etcd_nodes));
        for (number, role) in (1..).zip(roles) {
            stage.add_node(number, role, &cast, &registration, engine)?;
        }
        Ok(stage)
    }

    fn registration(&mut self, joins: Joins) -> anyhow::Result<String> {
        let first = self
            .plane
            .servers()
            .first()
            .context("a plan without servers")?
            .address();
        let Joins::Name(name) = joins else {
            return Ok(format!("https://{first}"));
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
        Ok(format!("https://{name}:{}", first.port()))
    }

    fn add_node(
        &mut self,
        number: usize,
        role: NodeRole,
        cast: &Cast,
        registration: &str,
        engine: &Engine,
    ) -> anyhow::Result<()> {
        let name = match role {
            NodeRole::Agent => format!("agent-{number}"),
            NodeRole::Etcd => format!("etcd-node-{number}"),
        };
        let listen = SocketAddr::from((self.plane.free_address()?, LISTEN_PORT));
        let folder = self.folder.path().join(&name);
        let config = NodeConfig {
            listen,
            servers: vec![registration.to_owned()],
            dns_servers: self.names.iter().map(NameServer::address).collect(),
            state_dir: folder.join("state"),
            socket: folder.join("jackline.sock"),
            access: cast.access,
            supervisor: true,
            credentials: self.plane.credentials(&name, &format!("https://{listen}"))?,
            factor: self.factor,
            name,
        };
        self.nodes
            .push(Node::new(config, &folder, engine.clone(), self.timeline.clone())?);
        Ok(())
    }

    /// The play's prelude: everything up and used.
    ///
    /// # Errors
    /// When a server, a node or a client does not come up: then there is nothing to be played.
    pub(crate) async fn open(&mut self) -> anyhow::Result<()> {
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
        self.plane.start_all()?;
        self.wait_servers_ready().await?;
        self.start_nodes().await?;
        self.wait_attached(Instant::now(), "at the beginning").await;
        anyhow::ensure!(self.stuck.is_empty(), "not every node attached at the beginning");
        let started = Instant::now();
        self.start_clients();
        self.wait_clients_answered(started, WARM_UP_TIMEOUT).await?;
        self.pass(WARM_UP).await;
        Ok(())
    }

    // --- deeds ---

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.timeline.say(text);
    }

    /// From now on requests count.
    pub(crate) fn fault_begins(&mut self) -> Instant {
        *self.fault.get_or_insert_with(Instant::now)
    }

    pub(crate) fn server(&self, name: &str) -> anyhow::Result<Server> {
        Ok(self.plane.server(name)?)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, name: &str) -> anyhow::Result<Instant> {
        let server = self.server(name)?;
        self.fault_begins();
        self.say(format!("{name} is killed"));
        let at = Instant::now();
        server.kill();
        self.kills.push(Kill {
            server: name.to_owned(),
            at,
        });
        Ok(at)
    }

    /// A clean stop; returns once it is gone.
    pub(crate) async fn stop(&mut self, name: &str, shutdown: Shutdown) -> anyhow::Result<Instant> {
        let server = self.server(name)?;
        self.fault_begins();
        self.say(match shutdown {
            Shutdown::AtOnce => format!("{name} is stopped cleanly"),
            Shutdown::Delayed(delay) => {
                format!(
                    "{name} is stopped cleanly, with a shutdown delay of {}",
                    seconds(millis(delay))
                )
            }
        });
        let at = Instant::now();
        server.stop(shutdown).await;
        Ok(at)
    }

    pub(crate) fn start_server(&self, name: &str, as_what: StartAs) -> anyhow::Result<()> {
        let how = match &as_what {
            StartAs::Fresh => "",
            StartAs::EmptyList => ", telling an empty list until it is ready",
            StartAs::ShortList(_) => ", telling a short list until it is ready",
            StartAs::DeadList => ", telling a list of dead servers until it is ready",
        };
        self.say(format!("{name} starts{how}"));
        Ok(self.server(name)?.start(as_what)?)
    }

    /// The server that the first node sends its new sessions to.
    ///
    /// # Errors
    /// When the node uses none.
    pub(crate) fn server_in_use(&self) -> anyhow::Result<Server> {
        let status = self
            .nodes
            .first()
            .and_then(Node::status)
            .context("the first node is silent")?;
        let used = status
            .endpoints
            .iter()
            .max_by_key(|endpoint| endpoint.sessions)
            .filter(|used| used.sessions > 0);
        let used = used.context("the first node has no sessions")?;
        let server = self
            .plane
            .servers()
            .iter()
            .find(|server| server.address() == used.address);
        server
            .cloned()
            .with_context(|| format!("no server of ours is at {}", used.address))
    }

    /// Connections that the servers have accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.plane.servers().iter().map(Server::accepted).sum()
    }

    pub(crate) async fn start_nodes(&mut self) -> anyhow::Result<()> {
        let count = counted(self.nodes.len() as u64, "node", "nodes");
        self.say(format!("{count} started, each with a jackline of its own"));
        for started in join_all(self.nodes.iter_mut().map(Node::start)).await {
            started?;
        }
        Ok(())
    }

    /// The clients of every node.
    pub(crate) fn start_clients(&mut self) {
        let kinds = self.clients.clone();
        for index in 0..self.nodes.len() {
            let setting = self.client_setting(index);
            self.nodes[index].add_clients(&kinds, &setting);
        }
        let words: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let rate = self.rate;
        self.say(format!(
            "each node's clients start ({}): {rate} requests a second each",
            words.join(", ")
        ));
    }

    fn client_setting(&self, index: usize) -> Setting {
        let node = &self.nodes[index];
        Setting {
            node: index,
            kind: Kind::Fresh,
            listener: node.listener(),
            identity: Arc::clone(&node.identity),
            plane: self.plane.clone(),
            ledger: Arc::clone(&self.ledger),
            rate: self.rate,
        }
    }

    /// Lets time pass: the length is the story's, nothing is waited for.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// A person's wait, divided by the factor.
    pub(crate) fn compressed(&self, real: Duration) -> Duration {
        real / self.factor.max(1)
    }

    // --- waits ---

    /// Every server that runs becomes ready.
    ///
    /// # Errors
    /// When one does not: the lab's own fault.
    pub(crate) async fn wait_servers_ready(&self) -> anyhow::Result<()> {
        let serving = |server: &&Server| server.role().serves_api() && server.is_running();
        let ready = self
            .plane
            .wait_until(SERVER_TIMEOUT, |plane| {
                plane
                    .servers()
                    .iter()
                    .filter(serving)
                    .all(|server| server.is_ready() && plane.list().contains(&server.address()))
            })
            .await;
        anyhow::ensure!(
            ready,
            "a server did not become ready within {} s",
            SERVER_TIMEOUT.as_secs()
        );
        Ok(())
    }

    /// A server becomes ready; says since when some server has been ready without a break.
    ///
    /// # Errors
    /// When it does not: the lab's own fault.
    pub(crate) async fn wait_ready(&self, name: &str) -> anyhow::Result<Instant> {
        let server = self.server(name)?;
        let ready = self.plane.wait_until(SERVER_TIMEOUT, |_| server.is_ready()).await;
        anyhow::ensure!(
            ready,
            "{name} did not become ready within {} s",
            SERVER_TIMEOUT.as_secs()
        );
        self.say(format!("{name} is ready"));
        server
            .ready_since()
            .with_context(|| format!("{name} is ready and no longer"))
    }

    /// Every node says that it is attached; one that does not within the patience is stuck. The times count from
    /// `since` and go into the verdict only by [`Stage::recovered`].
    pub(crate) async fn wait_attached(&mut self, since: Instant, when: &str) -> Vec<Option<Duration>> {
        let deadline = Instant::now() + self.patience;
        let waits = self
            .nodes
            .iter()
            .map(|node| node.wait(since, deadline, |status| status.attached()));
        let attached = join_all(waits).await;
        let mut times = Vec::new();
        for (index, at) in attached.into_iter().enumerate() {
            if at.is_none() {
                self.stuck.insert(index);
                self.say(format!("{} is stuck {when}", self.nodes[index].name()));
            }
            times.push(at.map(|at| at.saturating_duration_since(since)));
        }
        times
    }

    /// As [`Stage::wait_attached`], and the times are recoveries.
    pub(crate) async fn recovered(&mut self, since: Instant, when: &str) {
        let times = self.wait_attached(since, when).await;
        let recovered: Vec<Duration> = times.into_iter().flatten().collect();
        if let Some(worst) = recovered.iter().max() {
            let count = counted(recovered.len() as u64, "node", "nodes");
            self.say(format!(
                "{count} attached again, the last after {}",
                seconds(millis(*worst))
            ));
        }
        self.recoveries.extend(recovered);
    }

    /// Every node says that it is not attached. `false`: some did not within the limit.
    pub(crate) async fn wait_not_attached(&self, since: Instant, limit: Duration) -> bool {
        self.wait_nodes(since, limit, |status| !status.attached()).await
    }

    /// The status of every node satisfies this. `false`: of some it did not within the limit.
    pub(crate) async fn wait_nodes(
        &self,
        since: Instant,
        limit: Duration,
        holds: impl Fn(&crate::node::Status) -> bool,
    ) -> bool {
        let deadline = Instant::now() + limit;
        let waits = self.nodes.iter().map(|node| node.wait(since, deadline, &holds));
        join_all(waits).await.iter().all(Option::is_some)
    }

    /// A client of every node gets an answer to a request that began after this.
    pub(crate) async fn wait_clients_answered(&self, since: Instant, limit: Duration) -> anyhow::Result<()> {
        let all =
            |_: &ControlPlane| (0..self.nodes.len()).all(|node| self.ledger.answered_since(node, since));
        let answered = tokio::time::timeout(limit, async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !all(&self.plane) {
                ticks.tick().await;
            }
        });
        anyhow::ensure!(
            answered.await.is_ok(),
            "a node's clients got no answer within {} s",
            limit.as_secs()
        );
        Ok(())
    }

    // --- checks ---

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

    /// What is shown under the timeline, as it is right now.
    pub(crate) fn gauge(&self) -> impl Fn() -> String + Send + 'static {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.name().to_owned(), node.readings()))
            .collect();
        let ledger = Arc::clone(&self.ledger);
        move || {
            let words = nodes.iter().map(|(name, readings)| {
                let reading = readings.borrow();
                format!(
                    "{name} {}",
                    reading
                        .status
                        .as_ref()
                        .map_or(SILENT, |status| status.state.as_str())
                )
            });
            let words: Vec<String> = words.collect();
            let (sent, failed) = ledger.counts();
            format!(
                "{}; {sent} requests, {failed} without an answer",
                words.join(", ")
            )
        }
    }

    /// How the cluster is reached with curl and kubectl, several lines.
    pub(crate) fn how_to_reach(&self) -> String {
        let mut text = String::from("The cluster stays up until Ctrl-C. Its servers:\n");
        for server in self.plane.servers() {
            let state = if server.is_ready() { "ready" } else { "not ready" };
            let _ = writeln!(text, "  {} https://{} ({state})", server.name(), server.address());
        }
        for node in &self.nodes {
            let (files, listener) = (&node.config.credentials, node.listener());
            let _ = write!(
                text,
                "{name}, log {log}:\n  \
                 curl --cacert {ca} --cert {certificate} --key {key} \\\n    \
                 --resolve kubernetes:{port}:{ip} 'https://kubernetes:{port}/readyz?verbose'\n  \
                 kubectl --kubeconfig {kubeconfig} get endpointslices -l kubernetes.io/service-name=kubernetes\n  \
                 curl --unix-socket {socket} http://jackline/status\n",
                name = node.name(),
                log = node.log_file().display(),
                ca = files.ca_file.display(),
                certificate = files.kubelet_certificate.display(),
                key = files.kubelet_key.display(),
                port = listener.port(),
                ip = listener.ip(),
                kubeconfig = files.kube_proxy_kubeconfig.display(),
                socket = node.config.socket.display(),
            );
        }
        text
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
        let clients: Vec<_> = self.nodes.iter_mut().flat_map(Node::take_clients).collect();
        join_all(clients.into_iter().map(crate::clients::Client::finish)).await;
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
        let passed = !self.checks.is_empty() && self.checks.iter().all(|check| check.passed);
        let tail = |node: &Node| NodeLog {
            node: node.name().to_owned(),
            tail: node.log_tail(),
        };
        Outcome {
            scenario: self.scenario.name.to_owned(),
            passed,
            nodes: self.nodes.len(),
            nodes_stuck: self.stuck.len(),
            requests,
            recovery_ms: Recovery::of(&self.recoveries),
            checks: self.checks.clone(),
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
