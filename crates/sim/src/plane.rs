//! The control plane: servers, what etcd holds, and what each server says when it is asked.
//!
//! Data and pure questions only. How servers live and die is `life`'s, what they answer `answers`'s, etcd's quorum
//! `etcd`'s.

pub(crate) mod answers;
pub(crate) mod etcd;
pub(crate) mod life;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jackline_core::Timestamp;

use crate::meter::Meter;
use etcd::Etcd;

/// The port of apiservers and supervisors.
pub(crate) const API_PORT: u16 = 6443;
/// The port of etcd's members.
pub(crate) const ETCD_PORT: u16 = 2379;

/// A server, by its place in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub usize);

/// What runs on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Apiserver, etcd and supervisor.
    Server,
    /// Etcd and supervisor: answers API calls with 503 "apiserver disabled".
    EtcdOnly,
    /// Apiserver and supervisor.
    ControlPlane,
}

/// The machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Up,
    /// Its kernel says nothing: without power, without a cable, or paused as a virtual machine.
    Silent,
}

/// The server's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Dead,
    /// Not listening yet.
    Booting,
    /// Answers, and says that it is not ready.
    Accepting,
    Ready,
    /// Told to stop, with a delay: `/readyz` fails, everything is served.
    Leaving,
    /// Its listener is closed, what is in flight is finished.
    Closing,
}

/// An apiserver's lease in etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    None,
    Held,
    /// Not renewed any more.
    Until(Timestamp),
}

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) ip: Ipv4Addr,
    pub(crate) host: Host,
    pub(crate) process: Process,
    /// Grows with each start of the process: connections belong to one.
    pub(crate) incarnation: u32,
    /// It ended by itself, once what was in flight had been answered.
    pub(crate) finished: bool,
    /// Stopped as by SIGSTOP: its kernel accepts and acknowledges.
    pub(crate) frozen: bool,
    pub(crate) lease: Lease,
    /// What its watch cache says of the Endpoints.
    pub(crate) seen: Vec<SocketAddr>,
    /// Says this in place of the truth: a cache that is stale, short or empty.
    pub(crate) says_instead: Option<Vec<SocketAddr>>,
    /// How long its answers take, if it is overloaded: `/readyz`, and requests.
    pub(crate) slow: Option<(Duration, Duration)>,
    /// Failing checks of `/readyz`.
    pub(crate) failing: Vec<String>,
    /// Answers writes and stores none.
    pub(crate) loses_writes: bool,
    /// Another cluster's: it has nothing to do with our etcd, and another CA.
    pub(crate) foreign: bool,
    /// The CA that signed its certificate.
    pub(crate) authority: u32,
    /// Cut off from etcd.
    pub(crate) cut_from_etcd: bool,
    /// Its Node object.
    pub(crate) node: Option<Ipv4Addr>,
    /// What it has to bear.
    pub(crate) meter: Meter,
    /// `topology.kubernetes.io/zone` of its Node.
    pub(crate) zone: Option<String>,
}

/// The control plane.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) servers: Vec<Server>,
    owners: BTreeMap<Ipv4Addr, ServerId>,
    /// The Endpoints object as etcd holds it.
    pub(crate) listed: Vec<SocketAddr>,
    /// The key `k3s/apiaddresses`.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) etcd: Etcd,
    /// The cluster's CA now.
    pub(crate) authority: u32,
    /// Whether the anonymous may read `/readyz` (stock Kubernetes) or not (K3s, RKE2, k0s).
    pub(crate) anonymous: bool,
    /// When each node's own Lease was renewed last.
    pub(crate) renewals: Vec<Timestamp>,
    /// Servers that the annotation drains for the whole fleet.
    pub(crate) drained: Vec<SocketAddr>,
}

impl Server {
    pub(crate) fn new(name: &str, role: Role, ip: Ipv4Addr) -> Self {
        Self {
            name: name.to_owned(),
            role,
            ip,
            host: Host::Up,
            process: Process::Dead,
            incarnation: 0,
            finished: false,
            frozen: false,
            lease: Lease::None,
            seen: Vec::new(),
            says_instead: None,
            slow: None,
            failing: Vec::new(),
            loses_writes: false,
            foreign: false,
            authority: 0,
            cut_from_etcd: false,
            node: (role != Role::EtcdOnly).then_some(ip),
            meter: Meter::default(),
            zone: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.ip), API_PORT)
    }

    pub(crate) fn has_api(&self) -> bool {
        self.role != Role::EtcdOnly
    }

    /// Whether its process runs: not dead, not silent, not frozen.
    pub(crate) fn runs(&self) -> bool {
        self.host == Host::Up && self.process != Process::Dead && !self.frozen
    }

    /// Whether new connections are taken, by its kernel at least.
    pub(crate) fn listens(&self) -> bool {
        matches!(
            self.process,
            Process::Accepting | Process::Ready | Process::Leaving
        )
    }

    /// Whether it is a member of our etcd that takes part.
    pub(crate) fn votes(&self) -> bool {
        self.is_member() && self.runs() && !self.cut_from_etcd
    }

    /// Whether it is a member of our etcd.
    pub(crate) fn is_member(&self) -> bool {
        self.role != Role::ControlPlane && !self.foreign
    }
}

impl Plane {
    pub(crate) fn new(anonymous: bool) -> Self {
        Self {
            servers: Vec::new(),
            owners: BTreeMap::new(),
            listed: Vec::new(),
            addresses: Vec::new(),
            etcd: Etcd::default(),
            authority: 1,
            anonymous,
            renewals: Vec::new(),
            drained: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, mut server: Server) -> ServerId {
        if server.authority == 0 {
            server.authority = self.authority;
        }
        let id = ServerId(self.servers.len());
        self.owners.insert(server.ip, id);
        self.servers.push(server);
        id
    }

    /// Whose machine has this address now.
    pub(crate) fn at(&self, ip: IpAddr) -> Option<ServerId> {
        match ip {
            IpAddr::V4(ip) => self.owners.get(&ip).copied(),
            IpAddr::V6(_) => None,
        }
    }

    /// Gives an address to a machine; whoever had it before has it no more.
    pub(crate) fn own(&mut self, ip: Ipv4Addr, id: ServerId) {
        self.owners.insert(ip, id);
    }

    /// Nobody has this address any more.
    pub(crate) fn disown(&mut self, ip: Ipv4Addr) {
        self.owners.remove(&ip);
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.servers.len()).map(ServerId)
    }

    /// Whether our cluster's etcd takes writes now.
    pub(crate) fn has_quorum(&self, now: Timestamp) -> bool {
        self.etcd.leader.is_some() && now >= self.etcd.writable_from
    }

    /// Whether etcd answers this server.
    pub(crate) fn reaches_etcd(&self, server: &Server, now: Timestamp) -> bool {
        !server.cut_from_etcd && self.has_quorum(now)
    }

    /// Whether this server is as good as can be: `/readyz` says 200, and requests are served.
    pub(crate) fn is_ready(&self, id: ServerId, now: Timestamp) -> bool {
        let server = &self.servers[id.0];
        let own = server.foreign || self.reaches_etcd(server, now);
        server.runs()
            && server.has_api()
            && server.process == Process::Ready
            && server.failing.is_empty()
            && own
    }
}

impl std::ops::Index<ServerId> for Plane {
    type Output = Server;

    fn index(&self, id: ServerId) -> &Server {
        &self.servers[id.0]
    }
}

impl std::ops::IndexMut<ServerId> for Plane {
    fn index_mut(&mut self, id: ServerId) -> &mut Server {
        &mut self.servers[id.0]
    }
}
