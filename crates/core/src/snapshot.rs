//! The one published value: what data plane, admin and metrics read. Written by the driver, never changed in place.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::SourceId;
use crate::finding::Depth;
use crate::report::Mode;
use crate::settings::SourceKind;

/// The state of the node and of all that it knows, at one moment.
///
/// Counts of sessions are not here: the data plane's session table is the one truth about them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// Grows with every change.
    pub generation: u64,
    /// The node's own state.
    pub state: NodeState,
    /// Since when.
    pub state_since: Timestamp,
    /// Why, in words.
    pub state_reason: String,
    /// Whether certificates can be judged.
    pub trust: Trust,
    /// The node's own zone: configured, or told by its own Node.
    pub zone: Option<String>,
    /// The node's own Lease, where it is read.
    pub heartbeat: Option<HeartbeatView>,
    /// Every known endpoint, best first (S1, S2).
    pub endpoints: Vec<EndpointView>,
    /// Every source, in the order of the settings.
    pub sources: Vec<SourceView>,
}

/// The node's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Some endpoint is ready.
    Attached,
    /// None is ready, but some are alive or not-ready.
    Degraded,
    /// None is even that.
    Isolated,
}

/// What certificates are judged by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Trust {
    /// Nothing speaks against the CA that we have.
    Held,
    /// No certificate verifies although some servers present one: the CA was rotated or the file is stale (H8).
    Lost {
        /// Since when.
        since: Timestamp,
        /// What the servers present, in words.
        reason: String,
    },
}

/// What the sources say of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Some source lists it.
    Listed,
    /// It was listed and is no longer: still probed, still a candidate (M3).
    Retained,
    /// Proven gone: tried only while isolated (M5).
    Archived,
}

/// What our tests say of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Not tested, or the tests said nothing.
    Unknown,
    /// Serves.
    Ready,
    /// Its HTTP stack answers; readiness may not be asked (401, 403).
    Alive,
    /// Answers that it is not ready.
    NotReady,
    /// Refused, reset, timed out.
    Unreachable,
    /// Another one's server at this address: its certificate does not verify while a witness's does (H8).
    Impostor,
}

/// What the operator says of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Administration {
    /// May be used.
    Enabled,
    /// Gets no new session while another can.
    Draining,
}

/// Who drains an endpoint (D2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drainer {
    /// This node's operator.
    Operator,
    /// An operator of the cluster, for all nodes: the annotation `jackline.dev/drain`.
    Fleet,
}

/// Whether an endpoint can do something (H6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Not tried, or not clear.
    Unknown,
    /// It can.
    Yes,
    /// It said that it cannot.
    No,
}

/// An endpoint as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EndpointView {
    /// Its address.
    pub address: SocketAddr,
    /// What the sources say.
    pub standing: Standing,
    /// What our tests say.
    pub health: Health,
    /// What the operator says.
    pub administration: Administration,
    /// Who drains it; empty: nobody.
    pub drained_by: Vec<Drainer>,
    /// Why it stands where it stands, in words (H9).
    pub reason: String,
    /// Since when health is what it is.
    pub health_since: Timestamp,
    /// Whether something speaks against it that is not proven yet.
    pub suspected: bool,
    /// Whether it is avoided, for it lost the node's writes.
    pub avoided: bool,
    /// Whether it serves Kubernetes.
    pub api: Capability,
    /// Whether its supervisor answers.
    pub discovery: Capability,
    /// Who lists it.
    pub sources: Vec<SourceId>,
    /// How deep the last probe reached.
    pub depth: Option<Depth>,
    /// When a probe last ended.
    pub last_probe: Option<Timestamp>,
    /// When it was ready last in this run.
    pub last_ready: Option<Timestamp>,
    /// Its zone.
    pub zone: Option<String>,
    /// The control-plane Node that it is tied to (M3a).
    pub node: Option<NodeView>,
    /// Its class in S1's order.
    pub class: Class,
    /// How long a connect to it usually takes; hedges go by it (S3).
    pub connect_usual: Duration,
    /// How long its first byte usually takes after a first flight; repeats go by it (S4).
    pub answer_usual: Duration,
}

/// The Node of an endpoint as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its condition `Ready`: what the cluster thinks of its kubelet; `None`: not told in this run.
    pub ready: Option<bool>,
    /// It is being deleted.
    pub leaving: bool,
}

/// The classes of S1's order, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Ready and listed.
    ReadyListed,
    /// Ready and retained.
    ReadyRetained,
    /// Alive.
    Alive,
    /// Not tested.
    Unknown,
    /// Not ready.
    NotReady,
    /// Would be one of the above, but an operator drains it while another endpoint is ready.
    Draining,
    /// Archived.
    Archived,
    /// Unreachable.
    Unreachable,
    /// A remembered address whose file was another cluster's (P2): tried after all others.
    Hint,
    /// Serves no API (H6): dialled only when nothing else is left, for its supervisor's paths.
    NoApi,
    /// Does not verify, and no witness does (H8): dialled last, the clients verify for themselves.
    Unverified,
    /// Does not verify while a witness does (H8): never dialled for a client.
    Impostor,
}

/// The node's own Lease as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeartbeatView {
    /// When the kubelet renewed it last, in microseconds since 1970 by the kubelet's clock.
    pub renewed: u64,
    /// When that was read.
    pub read: Timestamp,
    /// Whether it is proven to be late.
    pub late: bool,
}

/// A source as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceView {
    /// Its name, from the settings.
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
    pub last_report: Option<Timestamp>,
    /// When it will be asked next; `None`: never again, or it is being asked now.
    pub next_refresh: Option<Timestamp>,
    /// Why the last refresh failed.
    pub error: Option<String>,
    /// A remark, e.g. why it is polled. Empty: none.
    pub note: String,
}

/// How a source fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// Not asked yet.
    Waiting,
    /// Its last answer was good.
    Good,
    /// Its last answer was empty: it knows nothing (M2).
    Empty,
    /// Its last refresh failed.
    Failed,
}
