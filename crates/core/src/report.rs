//! What a source answers.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::local_fault::LocalFault;

/// A source's complete current answer. It replaces that source's own earlier one, whole and at once (M1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// The endpoints that it lists.
    pub endpoints: Vec<Listing>,
    /// The Nodes that it lists ([`crate::SourceKind::Nodes`] only).
    pub nodes: Vec<NodeListing>,
    /// How it will be kept up to date.
    pub mode: Mode,
    /// The server that answered, if a server did.
    pub answered_by: Option<SocketAddr>,
    /// Servers that were asked before, and gave no answer: for the *discovery* capability (H6).
    #[serde(default)]
    pub tried: Vec<SocketAddr>,
    /// Whether the answering server was verified to a CA, and answered whole and with quorum. Another answer only adds (M6).
    pub verified: bool,
    /// It tells a part only, for the credential may read no more: it adds, and takes nothing away (M6).
    #[serde(default)]
    pub partial: bool,
    /// Servers that are drained for the whole fleet, all of them ([`crate::SourceKind::Kubernetes`] only); `None`: not read,
    /// which changes nothing (M2).
    #[serde(default)]
    pub draining: Option<Vec<FleetDrain>>,
    /// The node's own Lease ([`crate::SourceKind::Heartbeat`] only); `None`: it may not be read (then `valid_for` says for how long), or
    /// is not there.
    #[serde(default)]
    pub heartbeat: Option<Heartbeat>,
    /// How long the answer itself says that it holds (a name's TTL): then the source is asked again, instead of at the
    /// usual pace. The core bounds it ([`crate::pace::VALID_MIN`], [`crate::pace::VALID_MAX`]). Of no account while isolated (R1),
    /// beside an open watch, and for an empty answer, that of a Lease apart: a refusal says how long it need not be asked again.
    #[serde(default)]
    pub valid_for: Option<Duration>,
    /// A remark for `status`, e.g. why a watch was not to be had. Empty: none.
    pub note: String,
}

/// The node's own Lease, as its kubelet renewed it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The renewal's own time in microseconds since 1970: to tell one renewal from another, and for people.
    pub renewed: u64,
    /// How long ago that was by this machine's wall clock, which is the kubelet's too; zero if it lies ahead.
    pub age: Duration,
}

/// How a source's answer is kept up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A watch is open and reports each change.
    Watch,
    /// Asked again and again.
    #[default]
    Poll,
    /// Does not change while the process runs.
    Fixed,
}

/// One endpoint in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listing {
    /// Its address.
    pub ip: IpAddr,
    /// Its port; `None` where the source tells none (M7: then the port of a listed endpoint or of the settings).
    pub port: Option<u16>,
    /// Its zone, where the source tells it.
    pub zone: Option<String>,
}

impl From<SocketAddr> for Listing {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: Some(address.port()),
            zone: None,
        }
    }
}

/// A server that is drained for the whole fleet (D2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FleetDrain {
    /// Its address.
    pub ip: IpAddr,
    /// Its port; `None`: every endpoint at this address.
    pub port: Option<u16>,
    /// For how long from now; `None`: for as long as it is named.
    pub lasts: Option<Duration>,
}

/// One control-plane Node, or the own one, in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeListing {
    /// `metadata.name`.
    pub name: String,
    /// `status.addresses`, internal ones first.
    pub addresses: Vec<IpAddr>,
    /// Whether it carries a control-plane role label (an etcd-only Node does not).
    pub control_plane: bool,
    /// `topology.kubernetes.io/zone`.
    pub zone: Option<String>,
    /// Its condition `Ready`: what the cluster thinks of its kubelet. `None`: not told.
    #[serde(default)]
    pub ready: Option<bool>,
    /// It carries a deletion timestamp, which nobody can take back: it goes as soon as its finalizers let it.
    #[serde(default)]
    pub leaving: bool,
}

/// Why a refresh gave no answer.
#[derive(Clone, Default, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceFailure {
    /// In words, ending in what to do where something can be done.
    pub reason: String,
    /// Servers that were asked and what each said, for `status` and for the *discovery* capability (H6).
    pub tried: Vec<(SocketAddr, String)>,
    /// Those of them with whom no connection came about: what a client would find too (H3).
    #[serde(default)]
    pub unreached: Vec<SocketAddr>,
    /// The server asked for this pause (`Retry-After`, 429).
    pub retry_after: Option<Duration>,
    /// Whether the fault is ours ([`LocalFault`]): then it says nothing about any server.
    pub local: Option<LocalFault>,
}
