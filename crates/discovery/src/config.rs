//! What can be configured, as plain data. Reading it from a file is the agent's; judging it is each source's.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jackline_core::{Snapshot, SourceKind};
use jackline_way::Ways;

mod registration_address;

pub(crate) use registration_address::Place;
pub use registration_address::{AddressError, RegistrationAddress};

/// All sources. The index of each is its [`jackline_core::SourceId`].
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The sources, in the order of the core's settings.
    pub sources: Vec<SourceConfig>,
    /// How servers are reached. Default: directly.
    pub ways: Arc<Ways>,
}

/// One source.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// Endpoints that the configuration lists.
    Static(StaticConfig),
    /// The addresses that the node was joined with.
    Registration(RegistrationConfig),
    /// The K3s or RKE2 supervisors.
    Supervisor(SupervisorConfig),
    /// EndpointSlices, or Endpoints, of `default/kubernetes`.
    Kubernetes,
    /// Etcd's own keys, asked of its members.
    Etcd(EtcdConfig),
    /// Etcd's members themselves, asked of them: for the etcd service. The configuration's `prefix` only makes sure of the quorum.
    Members(EtcdConfig),
    /// Control-plane Nodes (M3a), and the own one.
    Nodes(NodesConfig),
    /// The node's own Lease, the heartbeat witness.
    Heartbeat(HeartbeatConfig),
    /// State files of K3s's and RKE2's own balancer (P4).
    Import(ImportConfig),
    /// What another service of this very process knows.
    Service(ServiceConfig),
}

impl SourceConfig {
    /// The kind that the core judges this source's word by.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Static(_) => SourceKind::Static,
            Self::Registration(_) => SourceKind::Registration,
            Self::Supervisor(_) => SourceKind::Supervisor,
            Self::Kubernetes => SourceKind::Kubernetes,
            Self::Etcd(_) | Self::Members(_) => SourceKind::Etcd,
            Self::Nodes(_) => SourceKind::Nodes,
            Self::Heartbeat(_) => SourceKind::Heartbeat,
            Self::Import(_) => SourceKind::Import,
            Self::Service(_) => SourceKind::Service,
        }
    }
}

/// Endpoints that the configuration lists.
#[derive(Clone, Debug, Default)]
pub struct StaticConfig {
    /// The endpoints.
    pub endpoints: Vec<SocketAddr>,
}

/// The addresses that the node was joined with.
#[derive(Clone, Debug, Default)]
pub struct RegistrationConfig {
    /// Where to join, at most 64; further ones are left out and told in the report's note.
    pub servers: Vec<RegistrationAddress>,
    /// Name servers to ask. Empty: those that the system is configured with.
    pub dns_servers: Vec<SocketAddr>,
    /// What else the system says of names.
    pub system: SystemFiles,
}

/// The files by which a system says how names are resolved; read anew at each refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemFiles {
    /// Names that need no name server: `/etc/hosts`.
    pub hosts: PathBuf,
    /// Search domains, and name servers where the configuration has none: `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
}

impl Default for SystemFiles {
    fn default() -> Self {
        Self {
            hosts: PathBuf::from("/etc/hosts"),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
        }
    }
}

/// The K3s or RKE2 supervisors.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// Whose supervisors: decides the path.
    pub distribution: Distribution,
    /// The node token; without one the node's client certificate is presented.
    pub token: Option<TokenOrigin>,
    /// The supervisor's port; `None`: K3s serves it on each endpoint's own port, RKE2 on 9345.
    pub port: Option<u16>,
    /// What they are asked for.
    pub list: SupervisorList,
}

/// What supervisors are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SupervisorList {
    /// Apiservers (`/v1-k3s/apiservers`): open to every node.
    #[default]
    Apiservers,
    /// Etcd's members (`/db/info`): open to servers, who hold the server token.
    Members,
}

/// The distributions with a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// K3s.
    K3s,
    /// RKE2.
    Rke2,
}

/// Where the node token comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// Written into the configuration.
    Inline(String),
    /// The first line of this file, read anew at each refresh.
    File(PathBuf),
}

impl fmt::Debug for TokenOrigin {
    /// Never shows the token itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(<redacted>)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// The node's own Lease.
#[derive(Clone, Debug)]
pub struct HeartbeatConfig {
    /// The own Node's name, which is the Lease's.
    pub node: String,
}

/// Control-plane Nodes, and the own one.
#[derive(Clone, Debug, Default)]
pub struct NodesConfig {
    /// The own Node's name: it tells the zone (S1). `None`, or what no Node can be called: it is not asked for.
    pub own: Option<String>,
}

/// Etcd's own keys, asked of its members.
#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// Members to begin with, at most 16, hosts and no services; they tell of the others. Each is verified for what it is called here.
    pub endpoints: Vec<RegistrationAddress>,
    /// Etcd's own CA, PEM: not the cluster's.
    pub ca_file: Option<PathBuf>,
    /// A client certificate that etcd takes, PEM …
    pub client_certificate: Option<PathBuf>,
    /// … and its key. Both are read again when they change.
    pub client_key: Option<PathBuf>,
    /// What the apiservers' keys begin with, as `--etcd-prefix` says it.
    pub prefix: String,
    /// Name servers for members that are called by name. Empty: those that the system is configured with.
    pub dns_servers: Vec<SocketAddr>,
    /// What else the system says of names.
    pub system: SystemFiles,
}

impl Default for EtcdConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            ca_file: None,
            client_certificate: None,
            client_key: None,
            prefix: "/registry".to_owned(),
            dns_servers: Vec::new(),
            system: SystemFiles::default(),
        }
    }
}

/// State files of K3s's and RKE2's own balancer (P4).
#[derive(Clone, Debug, Default)]
pub struct ImportConfig {
    /// The files, at most 16; never written.
    pub files: Vec<PathBuf>,
}

/// What another service of this very process knows.
#[derive(Clone)]
pub struct ServiceConfig {
    /// That service's published snapshot.
    pub snapshot: Arc<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    /// Where the same servers offer this service.
    pub port: u16,
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceConfig")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_token_is_never_shown() {
        assert!(!format!("{:?}", TokenOrigin::Inline("secret".to_owned())).contains("secret"));
    }
}
