//! What the core is told at construction. Plain data; every duration has its default from the design.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of a [`crate::Policy`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Name and address of the node: its own order of endpoints hangs on it (S2).
    pub node: String,
    /// The node's own addresses: an endpoint on one of them is the local apiserver.
    pub local: Vec<IpAddr>,
    /// Prefer the local apiserver (a control-plane node).
    pub prefer_local: bool,
    /// The node's zone; `None`: as the own Node's label says.
    pub zone: Option<String>,
    /// The name of the own Node; `None`: not known.
    #[serde(default)]
    pub node_name: Option<String>,
    /// The port of endpoints whose source tells none (M7); `None`: only a listed endpoint's.
    pub port: Option<u16>,
    /// How many nodes the cluster has, roughly; from 1,000 up usual probes are half as frequent and caps wider (H7, R1).
    pub fleet_size: u32,
    /// What is balanced.
    #[serde(default)]
    pub service: Service,
    /// The sources, at most 64. Their index is their [`crate::SourceId`].
    pub sources: Vec<SourceSpec>,
    /// How long absence from Endpoints and Nodes must last (M3). Default 10 min of attached running time.
    pub grace: Duration,
    /// How long absence must last where no Node source speaks of the endpoint (M3). Default 24 h.
    pub unwitnessed_grace: Duration,
    /// How long an archived endpoint is remembered (M5). Default 30 days of attached running time.
    pub archive_age: Duration,
    /// How many archived endpoints are remembered (M5). Default 64.
    pub archive_max: usize,
    /// How many endpoints are known at most, archived ones included. Default 512.
    pub endpoints_max: usize,
    /// The pace of forced refreshes beside a healthy watch (R2). Default 120 s.
    pub refresh_watched: Duration,
    /// The pace of refreshes without a watch (R2). Default 60 s.
    pub refresh_polled: Duration,
    /// The pace of probes of the endpoint in use (H7). Default 15 s.
    pub probe_used: Duration,
    /// The pace of probes of the others (H7). Default 30 s.
    pub probe_idle: Duration,
    /// How long sessions take to move (D2). Default 30 s.
    pub drain_time: Duration,
    /// How long the first choice must have been ready before sessions move back to it (D2). Default 60 s.
    pub settling_time: Duration,
    /// How long a flapping endpoint must stay good at the most (H4). Default 60 s.
    pub damping_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: String::new(),
            local: Vec::new(),
            prefer_local: false,
            zone: None,
            node_name: None,
            port: None,
            fleet_size: 0,
            service: Service::Api,
            sources: Vec::new(),
            grace: Duration::from_secs(600),
            unwitnessed_grace: Duration::from_secs(24 * 3600),
            archive_age: Duration::from_secs(30 * 24 * 3600),
            archive_max: 64,
            endpoints_max: 512,
            refresh_watched: Duration::from_secs(120),
            refresh_polled: Duration::from_secs(60),
            probe_used: Duration::from_secs(15),
            probe_idle: Duration::from_secs(30),
            drain_time: Duration::from_secs(30),
            settling_time: Duration::from_secs(60),
            damping_max: Duration::from_secs(60),
        }
    }
}

/// What is balanced: each service has listeners, endpoints, sources and a policy of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Kubernetes's API.
    #[default]
    Api,
    /// Etcd, for servers without a member of their own.
    Etcd,
    /// K3s's and RKE2's supervisors.
    Supervisor,
}

impl Service {
    /// Its name: in configuration, `status`, metrics, logs and paths alike.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Etcd => "etcd",
            Self::Supervisor => "supervisor",
        }
    }

    /// What answers for it.
    pub(crate) const fn server(self) -> &'static str {
        match self {
            Self::Api => "an apiserver",
            Self::Etcd => "a member of etcd",
            Self::Supervisor => "a supervisor",
        }
    }

    /// Whether sessions stay with the server that they were opened to for as long as it lives. A supervisor's are
    /// tunnels to that very server: elsewhere they would be another tunnel, and moving them gains nothing.
    pub const fn keeps_sessions(self) -> bool {
        matches!(self, Self::Supervisor)
    }
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Unique; shown in `status`, logs and metrics.
    pub name: String,
    /// What kind it is: what its word counts for follows from this.
    pub kind: SourceKind,
}

/// The kinds of source, and what the word of each counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Configured endpoints: never removed but by configuration (M4).
    Static,
    /// The registration address, resolved again and again (M4).
    Registration,
    /// Endpoints and EndpointSlices of `default/kubernetes`: the Endpoints source of M3.
    Kubernetes,
    /// Etcd's own keys, from which those are made: a word of the Endpoints source too, where it has quorum (M3, M6).
    Etcd,
    /// Control-plane Nodes: the Node source of M3a. Lists no endpoints of its own.
    Nodes,
    /// The node's own Lease, the heartbeat witness. Lists nothing.
    Heartbeat,
    /// A K3s or RKE2 supervisor: adds, never takes away (M6).
    Supervisor,
    /// Another balancer's state file (P4): adds, never takes away (M6).
    Import,
    /// What another service of this very jackline knows. It has been through M3 there, so it is a word of the Endpoints
    /// source here.
    Service,
}
