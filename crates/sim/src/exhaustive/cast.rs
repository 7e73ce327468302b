//! Who plays: three servers, and the settings of the node that depends on them.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Settings, SourceId, SourceKind, SourceSpec};

/// How many servers there are. The state of the world is kept in arrays of this length.
pub const SERVERS: usize = 3;

/// The registration address: always the first server's.
pub(super) const STATIC: SourceId = SourceId(0);
/// The list as Kubernetes tells it, watched through a server.
pub(super) const KUBERNETES: SourceId = SourceId(1);
/// The list as any server's supervisor tells it.
pub(super) const SUPERVISOR: SourceId = SourceId(2);
/// The lease keys, as etcd tells them.
pub(super) const ETCD: SourceId = SourceId(3);
/// How many sources there are.
pub(super) const SOURCES: usize = 4;
/// Those whose answers come when the checker says so.
pub(super) const ASKED: [SourceId; 3] = [KUBERNETES, SUPERVISOR, ETCD];

/// A server for which this much time has passed since its end has lost its lease.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// An apiserver, and a supervisor.
    ControlPlane,
    /// A supervisor that answers API calls with 503 "apiserver disabled".
    EtcdOnly,
}

/// Three servers and their roles. Etcd itself is out of harm's way, as an outside datastore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cast {
    /// In a word.
    pub name: &'static str,
    /// Who they are. The node was joined with the first.
    pub roles: [Role; SERVERS],
    /// The first of those that may change places: they and all after them are alike.
    pub alike_from: usize,
}

/// The cluster of k3s#11349: the node was joined with an etcd-only server, two others serve the API.
pub const SPLIT_ROLES: Cast = Cast {
    name: "split-roles",
    roles: [Role::EtcdOnly, Role::ControlPlane, Role::ControlPlane],
    alike_from: 1,
};

/// Three control planes; the node was joined with the first.
pub const THREE_CONTROL_PLANES: Cast = Cast {
    name: "three-control-planes",
    roles: [Role::ControlPlane; SERVERS],
    alike_from: 1,
};

/// All of them.
pub const CASTS: [Cast; 2] = [SPLIT_ROLES, THREE_CONTROL_PLANES];

impl Cast {
    /// Whether the server serves the API when it is up.
    pub(super) fn serves_api(&self, server: usize) -> bool {
        self.roles[server] == Role::ControlPlane
    }

    /// Indices of the servers that serve the API.
    pub(super) fn control_planes(&self) -> impl Iterator<Item = usize> + use<> {
        let roles = self.roles;
        (0..SERVERS).filter(move |&server| roles[server] == Role::ControlPlane)
    }

    /// The node's settings. The grace is as short as a lease, so that a few moves are enough to archive somebody.
    pub(super) fn settings(&self) -> Settings {
        let spec = |name: &str, kind| SourceSpec {
            name: name.to_owned(),
            kind,
        };
        let short = LEASE - Duration::from_secs(1);
        Settings {
            node: "node-1".to_owned(),
            sources: vec![
                spec("registration", SourceKind::Static),
                spec("kubernetes", SourceKind::Kubernetes),
                spec("supervisor", SourceKind::Supervisor),
                spec("etcd", SourceKind::Etcd),
            ],
            grace: short,
            unwitnessed_grace: short,
            ..Settings::default()
        }
    }
}

/// The address of a server.
pub(super) fn address(server: usize) -> SocketAddr {
    let last = u8::try_from(server + 1).unwrap_or(u8::MAX);
    SocketAddr::from(([10, 0, 0, last], 6443))
}

/// The server at an address.
pub(super) fn server_at(address: SocketAddr) -> Option<usize> {
    (0..SERVERS).find(|&server| self::address(server) == address)
}

/// A server's name, for people.
pub(super) fn name(server: usize) -> char {
    ['A', 'B', 'C'].get(server).copied().unwrap_or('?')
}
