//! The answer to `GET /status`. Its fields are a promise: they may become more, they never change their meaning.
//!
//! Described field by field in `docs/status.md` and, for machines, in `docs/status-schema.json`. Times are RFC 3339 in
//! UTC with milliseconds and are for people: no decision hangs on them (P5). A field that has nothing to tell is
//! `null`, never absent. Readers ignore fields that they do not know.

use std::net::SocketAddr;

use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};

/// The words of the core that the schema uses as they are.
pub use jackline_core::{
    Administration, Capability, Class, Depth, Drainer, Health, Mode, NodeState, Service, SourceKind,
    SourceState, Standing,
};

/// The node, and all that it knows, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of jackline.
    pub version: String,
    /// The node's name.
    pub node: String,
    /// The process's id.
    pub pid: u32,
    /// When the process started.
    pub started: Time,
    /// When this was told.
    pub now: Time,
    /// The node's own state.
    pub state: NodeState,
    /// Since when it is that.
    pub since: Time,
    /// Why, in words (H9).
    pub state_reason: String,
    /// The node's zone, configured or told by its own Node (S1).
    pub zone: Option<String>,
    /// Whether certificates can be judged (H8).
    pub trust: Trust,
    /// The node's own Lease, where it is read.
    pub heartbeat: Option<Heartbeat>,
    /// Where clients are accepted.
    pub listen: Vec<SocketAddr>,
    /// What an operator should know besides, each a sentence.
    pub warnings: Vec<String>,
    /// Every known endpoint, best first: new sessions go to the first that answers (S1, S2).
    pub endpoints: Vec<Endpoint>,
    /// Every source, in the order of the configuration.
    pub sources: Vec<Source>,
    /// Counts of the data plane.
    pub sessions: Sessions,
    /// What is remembered across restarts.
    pub state_file: StateFile,
    /// What is balanced besides the API, in the order of the configuration. All above is the API's.
    #[serde(default)]
    pub services: Vec<ServiceStatus>,
}

/// A service besides the API. What its fields mean they mean in [`Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Which.
    pub name: Service,
    /// The state that the node is in with it.
    pub state: NodeState,
    /// Since when it is that.
    pub since: Time,
    /// Why, in words (H9).
    pub state_reason: String,
    /// Whether certificates can be judged (H8).
    pub trust: Trust,
    /// Where clients are accepted; empty: nowhere yet, and the reason is among the warnings.
    pub listen: Vec<SocketAddr>,
    /// What an operator should know besides, each a sentence.
    pub warnings: Vec<String>,
    /// Every known endpoint, best first.
    pub endpoints: Vec<Endpoint>,
    /// Every source.
    pub sources: Vec<Source>,
    /// Counts of the data plane.
    pub sessions: Sessions,
    /// What is remembered across restarts.
    pub state_file: StateFile,
}

/// What certificates are judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Held, or lost.
    pub state: TrustState,
    /// Lost since when.
    pub since: Option<Time>,
    /// What the servers present instead, in words.
    pub reason: Option<String>,
}

/// Whether certificates can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustState {
    /// Nothing speaks against the CA file that we have.
    Held,
    /// No server's certificate verifies: the cluster's CA was rotated or the CA file is stale.
    Lost,
}

/// The node's own Lease, as another server than the one in use told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When the kubelet renewed it last, by the kubelet's clock.
    pub renewed: Time,
    /// When that was read.
    pub read: Time,
    /// It is proven to be late: writes are lost on the way, or the kubelet is silent.
    pub late: bool,
    /// When the node is NotReady unless it is renewed: 40 s after it was.
    pub not_ready: Time,
}

/// One apiserver's address, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// IP and port.
    pub address: SocketAddr,
    /// What the sources say.
    pub standing: Standing,
    /// What our tests say.
    pub health: Health,
    /// Since when they say that.
    pub health_since: Time,
    /// What the operator says.
    pub administration: Administration,
    /// Who drains it: this node's operator, or one of the cluster for the whole fleet (D2).
    #[serde(default)]
    pub drained_by: Vec<Drainer>,
    /// Why it stands where it stands, in words (H9).
    pub reason: String,
    /// Its class in the order of choice (S1).
    pub class: Class,
    /// Whether something speaks against it that is not proven yet.
    pub suspected: bool,
    /// Whether it is avoided, for it looks ready and loses the node's writes.
    #[serde(default)]
    pub avoided: bool,
    /// Whether it serves Kubernetes (H6).
    pub api: Capability,
    /// Whether its supervisor answers (H6).
    pub discovery: Capability,
    /// How deep the last probe reached (H1).
    pub depth: Option<Depth>,
    /// Open sessions with it.
    pub sessions: u64,
    /// The names of the sources that list it.
    pub sources: Vec<String>,
    /// When a probe of it last ended.
    pub last_probe: Option<Time>,
    /// When it was ready last, in this run or an earlier one.
    pub last_ready: Option<Time>,
    /// Its zone, where a source tells it.
    pub zone: Option<String>,
    /// The control-plane Node that it is tied to, where a source tells it.
    #[serde(default)]
    pub node: Option<Node>,
}

/// The control-plane Node of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What the cluster thinks of its kubelet, which says nothing of its apiserver; `null`: not told in this run.
    pub ready: Option<bool>,
    /// It is being deleted: it counts as gone (M3a).
    pub leaving: bool,
}

/// One source of endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SourceKind,
    /// How it fares.
    pub state: SourceState,
    /// How its answer is kept up to date.
    pub mode: Mode,
    /// What it lists.
    pub endpoints: Vec<SocketAddr>,
    /// When it last answered.
    pub last_report: Option<Time>,
    /// When it will be asked next; `null`: never again, or it is being asked now.
    pub next_refresh: Option<Time>,
    /// Why the last refresh failed.
    pub error: Option<String>,
    /// A remark, e.g. why it is polled and not watched.
    pub note: Option<String>,
}

/// Counts of the data plane, since the process started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Open now.
    pub open: u64,
    /// Opened.
    pub opened_total: u64,
    /// Closed.
    pub closed_total: u64,
    /// Clients that got no upstream within the hold time and were reset (S6).
    pub refused_total: u64,
    /// Bytes from clients to apiservers.
    pub bytes_upstream_total: u64,
    /// Bytes from apiservers to clients.
    pub bytes_downstream_total: u64,
}

/// What is remembered across restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Where it is.
    pub path: String,
    /// When it was written last.
    pub saved: Option<Time>,
    /// Whether what is known is on disk.
    pub status: StateFileStatus,
    /// What was wrong with it at start, or why it cannot be written, in words.
    pub note: Option<String>,
}

/// Whether what is known is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateFileStatus {
    /// There was nothing to remember yet.
    Empty,
    /// It is, but for what changed within the last moments.
    Saved,
    /// It cannot be written: a restart would forget what was learnt since (P3).
    MemoryOnly,
}

/// The word that the schema has for `value`, one of the enums above: the same word in JSON, in metrics, in tables.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        // Not one of them: nothing of ours comes here.
        _ => String::new(),
    }
}
