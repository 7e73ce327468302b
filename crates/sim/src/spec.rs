//! What a node is given: its sources, its clients, its settings. Plain data.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Settings, SourceKind, SourceSpec};

use crate::plane::ServerId;

/// A node as it is set up.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Its number: its own chance hangs on it, not on its place.
    pub number: u32,
    /// What it was joined with.
    pub registration: Registration,
    /// Its sources.
    pub sources: Vec<SourceKind>,
    /// Endpoints configured by hand, if [`SourceKind::Static`] is among the sources.
    pub statics: Vec<SocketAddr>,
    /// What another balancer's state file holds, if [`SourceKind::Import`] is among the sources.
    pub imported: Vec<SocketAddr>,
    /// A service outside the cluster tells [`SourceKind::Import`] the present addresses of all servers with an API instead.
    pub outside: bool,
    /// It has a credential that servers take.
    pub credential: bool,
    /// That credential may watch the Endpoints.
    pub may_watch: bool,
    /// Its clients.
    pub clients: Vec<ClientKind>,
    /// The core's settings but for name and sources.
    pub settings: Settings,
}

/// What a node was joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The world's one DNS name.
    Name,
    /// The address that this server had at the beginning.
    Address(SocketAddr),
}

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// One HTTP/2 connection with watches, a Lease renewed on it each 10 s, pings of client-go.
    Kubelet,
    /// One connection with a watch that the server speaks on now and then.
    Watcher,
    /// A new connection and one request, each time after this pause.
    Caller(Duration),
}

impl NodeSpec {
    /// A node with the usual sources and clients, joined to `registration`.
    pub fn usual(name: &str, number: u32, registration: Registration) -> Self {
        Self {
            name: name.to_owned(),
            number,
            registration,
            sources: vec![
                SourceKind::Registration,
                SourceKind::Kubernetes,
                SourceKind::Nodes,
                SourceKind::Supervisor,
            ],
            statics: Vec::new(),
            imported: Vec::new(),
            outside: false,
            credential: true,
            may_watch: true,
            clients: vec![ClientKind::Kubelet, ClientKind::Caller(Duration::from_secs(1))],
            settings: Settings::default(),
        }
    }

    /// The settings of its policy.
    pub(crate) fn to_settings(&self) -> Settings {
        let sources = self.sources.iter().map(|&kind| SourceSpec {
            name: kind_word(kind).to_owned(),
            kind,
        });
        Settings {
            node: self.name.clone(),
            sources: sources.collect(),
            ..self.settings.clone()
        }
    }

    /// Where the registration address leads at the beginning, if it is an address.
    pub(crate) fn joined_to(&self) -> Option<SocketAddr> {
        match self.registration {
            Registration::Name => None,
            Registration::Address(address) => Some(address),
        }
    }
}

/// The word for a kind of source.
pub(crate) fn kind_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Static => "static",
        SourceKind::Registration => "registration",
        SourceKind::Kubernetes => "kubernetes",
        SourceKind::Etcd => "etcd",
        SourceKind::Nodes => "nodes",
        SourceKind::Heartbeat => "heartbeat",
        SourceKind::Supervisor => "supervisor",
        SourceKind::Import => "import",
        SourceKind::Service => "service",
    }
}

/// A server as it is set up.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Its name.
    pub name: String,
    /// What runs on it.
    pub role: crate::plane::Role,
    /// It has no Node object (K3s's `--disable-agent`).
    pub without_node: bool,
    /// The zone that its Node tells.
    pub zone: Option<String>,
}

/// A whole world as it is set up.
#[derive(Clone, Debug)]
pub struct WorldSpec {
    /// The seed of the world's chance.
    pub seed: u64,
    /// Its servers, at 10.0.0.1 and on.
    pub servers: Vec<ServerSpec>,
    /// Its nodes.
    pub nodes: Vec<NodeSpec>,
    /// Whether the anonymous may read `/readyz`.
    pub anonymous: bool,
    /// One way through the network.
    pub delay: Duration,
    /// Servers that the registration name tells.
    pub name_tells: Vec<ServerId>,
}

impl WorldSpec {
    /// The address of the server with this number at the beginning.
    pub fn address(server: ServerId) -> SocketAddr {
        SocketAddr::from((address_of(server.0), crate::plane::API_PORT))
    }
}

/// The address of the machine with this number.
pub(crate) fn address_of(number: usize) -> [u8; 4] {
    let number = u16::try_from(number + 1).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    [10, 0, high, low]
}
