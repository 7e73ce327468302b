//! What a control plane is started with: plain data. What it does with it is the business of `plane`.

use std::net::Ipv4Addr;
use std::time::Duration;

/// A control plane to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The servers, in this order. 1 to [`SERVERS_MAX`]. None runs until it is started.
    pub servers: Vec<PlannedServer>,
    /// What a caller without credentials may do.
    pub anonymous: Anonymous,
    /// Waits of a person's length are divided by this: leases, their renewal, bookmarks, the time that a stopping
    /// server gives its last requests. At least 1. How long a server takes to start is never compressed.
    pub factor: u32,
    /// How long a server takes to start.
    pub boot: Boot,
    /// All the chance that there is (how slow a slow answer is).
    pub seed: u64,
}

/// More servers than this are refused.
pub const SERVERS_MAX: usize = 64;

impl Default for Plan {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            anonymous: Anonymous::Refused,
            factor: 10,
            boot: Boot::default(),
            seed: 1,
        }
    }
}

impl Plan {
    /// One server more, at the next free address.
    #[must_use]
    pub fn with(mut self, name: &str, role: Role) -> Self {
        self.servers.push(PlannedServer {
            name: name.to_owned(),
            role,
            address: None,
            agentless: false,
        });
        self
    }
}

/// How long a server takes to start. The default is what was measured on real apiservers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// From the start until connections are accepted.
    pub accepts: Duration,
    /// From the start until `/readyz` is good and the server is in the list; not less than [`Boot::accepts`].
    pub ready: Duration,
}

impl Default for Boot {
    fn default() -> Self {
        Self {
            accepts: Duration::from_millis(800),
            ready: Duration::from_secs(2),
        }
    }
}

/// A server to be.
#[derive(Clone, Debug)]
pub struct PlannedServer {
    /// Unique: the name of the server, and of its Node.
    pub name: String,
    /// What runs on it.
    pub role: Role,
    /// Where; `None`: at the next free address of the block that the control plane found for itself.
    pub address: Option<Ipv4Addr>,
    /// It has no Node object (K3s `--disable-agent`).
    pub agentless: bool,
}

/// What runs on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An apiserver and an etcd member.
    Server,
    /// An etcd member only: answers 503 "apiserver disabled" to all but the supervisor's paths.
    EtcdOnly,
    /// An apiserver only.
    ControlPlaneOnly,
}

impl Role {
    /// Whether an apiserver runs on it.
    #[must_use]
    pub fn serves_api(self) -> bool {
        self != Self::EtcdOnly
    }
}

/// What a caller without credentials may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing but the supervisor's open paths: 401 (K3s, RKE2, k0s).
    Refused,
    /// Read `/readyz`, `/livez`, `/healthz` and `/version` (kubeadm).
    Allowed,
}

/// The waits of a control plane, compressed where a person's length is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// An apiserver leaves the list this long after it last renewed its lease.
    pub lease: Duration,
    /// It renews this often, and rewrites the list on the same occasion.
    pub renew: Duration,
    /// A watch that wants bookmarks gets one this often.
    pub bookmark: Duration,
    /// A stopping server gives its last requests this long.
    pub finish: Duration,
    pub boot: Boot,
}

impl Timing {
    pub(crate) fn compressed(factor: u32) -> Self {
        let factor = factor.max(1);
        Self {
            lease: Duration::from_secs(15) / factor,
            renew: Duration::from_secs(10) / factor,
            bookmark: Duration::from_secs(60) / factor,
            finish: Duration::from_secs(60) / factor,
            boot: Boot::default(),
        }
    }
}
