//! What can be configured, as plain data. Reading it from a file is the agent's; judging it is each source's.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use jackline_core::SourceKind;
use thiserror::Error;

/// The longest host name that DNS allows.
const HOST_MAX: usize = 253;

/// All sources. The index of each is its [`jackline_core::SourceId`].
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The sources, in the order of the core's settings.
    pub sources: Vec<SourceConfig>,
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
    /// Control-plane Nodes (M3a), and the own one.
    Nodes(NodesConfig),
    /// The node's own Lease, the heartbeat witness.
    Heartbeat(HeartbeatConfig),
    /// State files of K3s's and RKE2's own balancer (P4).
    Import(ImportConfig),
}

impl SourceConfig {
    /// The kind that the core judges this source's word by.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Static(_) => SourceKind::Static,
            Self::Registration(_) => SourceKind::Registration,
            Self::Supervisor(_) => SourceKind::Supervisor,
            Self::Kubernetes => SourceKind::Kubernetes,
            Self::Etcd(_) => SourceKind::Etcd,
            Self::Nodes(_) => SourceKind::Nodes,
            Self::Heartbeat(_) => SourceKind::Heartbeat,
            Self::Import(_) => SourceKind::Import,
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
    /// Name servers to ask. Empty: what the system is configured with, `/etc/hosts` and search domains included.
    pub dns_servers: Vec<SocketAddr>,
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
    /// Members to begin with, at most 16; they tell of the others. Each is verified for what it is called here.
    pub endpoints: Vec<RegistrationAddress>,
    /// Etcd's own CA, PEM: not the cluster's.
    pub ca_file: Option<PathBuf>,
    /// A client certificate that etcd takes, PEM …
    pub client_certificate: Option<PathBuf>,
    /// … and its key. Both are read again when they change.
    pub client_key: Option<PathBuf>,
    /// What the apiservers' keys begin with, as `--etcd-prefix` says it.
    pub prefix: String,
    /// Name servers for members that are called by name. Empty: what the system is configured with.
    pub dns_servers: Vec<SocketAddr>,
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
        }
    }
}

/// State files of K3s's and RKE2's own balancer (P4).
#[derive(Clone, Debug, Default)]
pub struct ImportConfig {
    /// The files, at most 16; never written.
    pub files: Vec<PathBuf>,
}

/// One registration address: a host, by name or by address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationAddress {
    host: Host,
    port: u16,
}

/// The host of a registration address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Host {
    /// An address: fixed.
    Address(IpAddr),
    /// A name: resolved at every refresh.
    Name(String),
}

/// Why a registration address cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not `https`.
    #[error("{0:?} is not an https address; write https://host:port")]
    Scheme(String),
    /// It has a path, a query or a user.
    #[error("{0:?} is more than a host and a port; write https://host:port")]
    NotBare(String),
    /// No port, and no scheme that implies one.
    #[error("{0:?} has no port; write host:port, e.g. 10.0.0.1:6443")]
    NoPort(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} has no valid port; ports go from 1 to 65535")]
    Port(String),
    /// The host is neither an address nor a name.
    #[error("{0:?} has no valid host; write a name, an IPv4 address or an IPv6 address in brackets")]
    Host(String),
}

impl RegistrationAddress {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that is to be resolved; `None`: it is an address already.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }

    /// The endpoint, where the host is an address.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Address(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl fmt::Display for RegistrationAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl FromStr for RegistrationAddress {
    type Err = AddressError;

    /// Reads `https://host[:port][/]` (443 where no port is written, as in any URL) or `host:port`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (rest, implied) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                (rest.strip_suffix('/').unwrap_or(rest), Some(443))
            }
            Some(_) => return Err(AddressError::Scheme(text.to_owned())),
            None => (text, None),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(AddressError::NotBare(text.to_owned()));
        }
        let (host, port) = split_port(rest).ok_or_else(|| AddressError::Host(text.to_owned()))?;
        let port = match port {
            Some(digits) => parse_port(digits).ok_or_else(|| AddressError::Port(text.to_owned()))?,
            None => implied.ok_or_else(|| AddressError::NoPort(text.to_owned()))?,
        };
        let host = parse_host(host).ok_or_else(|| AddressError::Host(text.to_owned()))?;
        Ok(Self { host, port })
    }
}

/// Splits `host:port`, `[v6]:port`, `host` and `[v6]`. `None`: a bracket without its counterpart, or a bare IPv6 address.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        // Only an IPv6 address stands in brackets.
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match after {
            "" => Some((host, None)),
            _ => after.strip_prefix(':').map(|port| (host, Some(port))),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` takes a leading plus sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

fn parse_host(host: &str) -> Option<Host> {
    if let Ok(ip) = host.parse() {
        return Some(Host::Address(ip));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A last label of digits only would be a mistyped IPv4 address.
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    (name.len() <= HOST_MAX && !numeric && name.split('.').all(label_is_good))
        .then(|| Host::Name(host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        let read = |text: &str| {
            text.parse::<RegistrationAddress>()
                .map(|address| address.to_string())
        };
        assert_eq!(read("https://10.0.0.1:6443"), Ok("10.0.0.1:6443".to_owned()));
        assert_eq!(
            read("HTTPS://Cluster.Example:6443/"),
            Ok("cluster.example:6443".to_owned())
        );
        assert_eq!(
            read("https://[2001:db8::1]:9345"),
            Ok("[2001:db8::1]:9345".to_owned())
        );
        assert_eq!(
            read("https://cluster.example"),
            Ok("cluster.example:443".to_owned())
        );
        assert_eq!(
            read("cluster.example.:6443"),
            Ok("cluster.example.:6443".to_owned())
        );
        assert_eq!(read("10.0.0.1:6443"), Ok("10.0.0.1:6443".to_owned()));
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_remedy() {
        let refuse = |text: &str| text.parse::<RegistrationAddress>().expect_err(text);
        assert!(matches!(refuse("http://10.0.0.1:6443"), AddressError::Scheme(_)));
        assert!(matches!(
            refuse("https://10.0.0.1:6443/cacerts"),
            AddressError::NotBare(_)
        ));
        assert!(matches!(
            refuse("https://user@10.0.0.1:6443"),
            AddressError::NotBare(_)
        ));
        assert!(matches!(refuse("10.0.0.1"), AddressError::NoPort(_)));
        assert!(matches!(refuse("10.0.0.1:0"), AddressError::Port(_)));
        assert!(matches!(refuse("10.0.0.1:+80"), AddressError::Port(_)));
        assert!(matches!(refuse("10.0.0.1:65536"), AddressError::Port(_)));
        assert!(matches!(refuse("2001:db8::1:6443"), AddressError::Host(_)));
        assert!(matches!(refuse("[10.0.0.1]:6443"), AddressError::Host(_)));
        assert!(matches!(refuse("10.0.0.256:6443"), AddressError::Host(_)));
        assert!(matches!(refuse("a b:6443"), AddressError::Host(_)));
        assert!(matches!(refuse(":6443"), AddressError::Host(_)));
        assert!(refuse("10.0.0.1").to_string().contains("write host:port"));
    }

    #[test]
    fn an_inline_token_is_never_shown() {
        assert!(!format!("{:?}", TokenOrigin::Inline("secret".to_owned())).contains("secret"));
    }
}
