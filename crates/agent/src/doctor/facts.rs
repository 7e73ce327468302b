//! What was seen of a node, as plain data: the only thing that a check looks at. Gathering it is `gather`'s.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub use jackline_discovery::BalancerState;
use jackline_trust::inspect::Description;

use crate::profile::{Profile, Reserved, Role};

/// All that was seen. What was not is empty or `None`, and a check is silent about it; [`Facts::unseen`] says why.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// This machine's clock, in seconds since 1970.
    pub now: i64,
    /// Whose node this is, and what it is in its cluster.
    pub node: Node,
    /// Why jackline's own configuration is refused, if it is.
    pub configuration: Option<String>,
    /// State files of the distribution's own balancer.
    pub balancers: Vec<BalancerFile>,
    /// What is wrong with jackline's own state file, if anything, with the file.
    pub memory: Option<(String, String)>,
    /// What sources told.
    pub told: Vec<Told>,
    /// Sources that gave no answer, each with the reason.
    pub silent: Vec<(String, String)>,
    /// Every server that was tested, and what it said.
    pub servers: BTreeMap<SocketAddr, Server>,
    /// Addresses that the node was joined with, in the order of the configuration.
    pub registration: Vec<Registration>,
    /// Sockets of this machine that listen.
    pub listeners: Vec<Listener>,
    /// Certificates in files.
    pub certificates: Vec<CertificateFile>,
    /// Files with private keys and tokens.
    pub secrets: Vec<SecretFile>,
    /// Problems of CA and credential, a sentence each.
    pub trust: Vec<String>,
    /// Whether the machine's clock is kept by somebody; `None`: nothing tells.
    pub clock_is_kept: Option<bool>,
    /// Name servers of the system; `None`: not known.
    pub name_servers: Option<Vec<String>>,
    /// Routes; `None`: not known.
    pub routes: Option<Vec<Route>>,
    /// Network devices, each with its MTU in bytes.
    pub links: BTreeMap<String, u32>,
    /// Connections that the firewall tracks, and how many it may.
    pub conntrack: Option<(u64, u64)>,
    /// Firewalls that are switched on, each with the file that says so.
    pub firewalls: Vec<(String, String)>,
    /// Proxy variables.
    pub proxies: Vec<ProxyVariable>,
    /// Servers that the node's kubelet is pointed at.
    pub kubelets: Vec<KubeletServer>,
    /// The node's own Lease.
    pub heartbeat: Option<Heartbeat>,
    /// Etcd's members, as far as one told them; `None`: not asked.
    pub etcd_members: Option<Vec<SocketAddr>>,
    /// What could not be looked at: which check, and why.
    pub unseen: Vec<(&'static str, String)>,
}

/// Whose node this is.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The profile in use.
    pub profile: Profile,
    /// Its role, where one is known.
    pub role: Option<Role>,
    /// The systemd unit of the distribution's program, where its restart is a remedy.
    pub unit: Option<String>,
    /// The node's name.
    pub name: String,
    /// Where jackline is configured to listen.
    pub listen: Vec<SocketAddr>,
    /// Ports that the distribution takes for itself.
    pub reserved: Vec<Reserved>,
}

/// What a state file of the distribution's own balancer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// The API; on K3s the supervisor as well.
    Api,
    /// Supervisors only.
    Supervisors,
    /// Etcd.
    Etcd,
}

/// A state file of the distribution's own balancer.
#[derive(Clone, Debug)]
pub struct BalancerFile {
    /// Where it is.
    pub path: String,
    /// What it is for.
    pub carries: Carries,
    /// What it holds, or what is wrong with it in words.
    pub holds: Result<BalancerState, String>,
}

/// What a source told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The source's name.
    pub source: String,
    /// Whether it speaks of the cluster as it is: etcd, a supervisor or the API, and not a file or the configuration.
    pub is_cluster: bool,
    /// Whom it lists.
    pub endpoints: Vec<SocketAddr>,
    /// Who answered, if a server did.
    pub by: Option<SocketAddr>,
    /// Its remark; empty: none.
    pub note: String,
}

/// What a server said when it was tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// In a word.
    pub says: Says,
    /// In words.
    pub words: String,
    /// The certificate that it presents, where it was looked at.
    pub certificate: Option<Description>,
    /// So many seconds its clock is ahead of ours (negative: behind), where it told its time.
    pub ahead: Option<i64>,
}

/// What a server said, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is ready.
    Ready,
    /// It lives, and does not tell more to this credential.
    Alive,
    /// It lives and is not ready.
    NotReady,
    /// It serves no API: an etcd-only server.
    NoApi,
    /// Its certificate does not verify.
    Untrusted,
    /// No answer.
    Nothing,
    /// This machine's own fault: says nothing of the server.
    OurFault,
}

impl Says {
    /// Whether a client's session makes sense there.
    #[must_use]
    pub const fn serves(self) -> bool {
        matches!(self, Self::Ready | Self::Alive | Self::NotReady)
    }
}

/// An address that the node was joined with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// As it is configured, e.g. `https://cluster.example:6443`.
    pub url: String,
    /// Its host; empty for SRV records.
    pub host: String,
    /// Where it leads; empty: nowhere, or it was not asked.
    pub addresses: Vec<SocketAddr>,
    /// Whether it is a name.
    pub is_name: bool,
    /// Whether it was resolved: an empty list of addresses means something then.
    pub resolved: bool,
}

/// A socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Its number.
    pub inode: u64,
    /// The process that has it, where that can be seen: id and name.
    pub process: Option<(u32, String)>,
}

/// Certificates in a file.
#[derive(Clone, Debug)]
pub struct CertificateFile {
    /// Where.
    pub path: String,
    /// What it is for.
    pub purpose: &'static str,
    /// What they say, or what is wrong with the file.
    pub certificates: Result<Vec<Description>, String>,
}

/// A file with a private key or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Where.
    pub path: String,
    /// Its mode: the permission bits.
    pub mode: u32,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to …
    pub network: IpAddr,
    /// … and how many leading bits of it count.
    pub bits: u8,
    /// Through which device.
    pub device: String,
    /// It refuses instead of leading anywhere.
    pub rejects: bool,
}

impl Route {
    /// Whether `ip` goes this way.
    #[must_use]
    pub fn leads_to(&self, ip: IpAddr) -> bool {
        match (self.network, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                u64::from(network.to_bits()) >> shift == u64::from(ip.to_bits()) >> shift
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let bits = u32::from(self.bits.min(128));
                let shift = 128 - bits;
                bits == 0 || network.to_bits() >> shift == ip.to_bits() >> shift
            }
            _ => false,
        }
    }
}

/// A proxy variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyVariable {
    /// Its name, upper case.
    pub name: String,
    /// Its value; user and password of a proxy are taken out.
    pub value: String,
    /// Who reads it: the file, or `this process`.
    pub from: String,
}

/// The server that a kubelet is pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletServer {
    /// The kubeconfig.
    pub path: String,
    /// Its server.
    pub url: String,
}

/// The node's own Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How long ago it was renewed, in seconds; negative: in the future of this machine's clock.
    pub age: i64,
}

impl Facts {
    /// Servers that are ready.
    pub fn ready(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.servers
            .iter()
            .filter(|(_, server)| server.says == Says::Ready)
            .map(|(address, _)| *address)
    }

    /// Those that sources of the cluster list, each once.
    #[must_use]
    pub fn listed(&self) -> Vec<SocketAddr> {
        let cluster = self.told.iter().filter(|told| told.is_cluster);
        let mut listed: Vec<SocketAddr> = cluster.flat_map(|told| told.endpoints.clone()).collect();
        listed.sort_unstable();
        listed.dedup();
        listed
    }

    /// The sources that list `address`, by name.
    #[must_use]
    pub fn listed_by(&self, address: SocketAddr) -> Vec<&str> {
        self.told
            .iter()
            .filter(|told| told.endpoints.contains(&address))
            .map(|told| told.source.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn a_route_leads_to_what_its_bits_say() {
        let route = |network: &str, bits| Route {
            network: network.parse().expect("an address"),
            bits,
            device: "eth0".to_owned(),
            rejects: false,
        };
        let leads = |route: &Route, ip: &str| route.leads_to(ip.parse().expect("an address"));
        assert!(leads(&route("0.0.0.0", 0), "10.0.0.1") && !leads(&route("0.0.0.0", 0), "fd00::1"));
        assert!(leads(&route("::", 0), "fd00::1"));
        assert!(leads(&route("10.0.0.0", 8), "10.9.9.9") && !leads(&route("10.0.0.0", 8), "11.0.0.1"));
        assert!(leads(&route("fd00::", 64), "fd00::9") && !leads(&route("fd00::", 64), "fd01::9"));
        assert!(leads(&route("10.0.0.1", 32), "10.0.0.1") && !leads(&route("10.0.0.1", 32), "10.0.0.2"));
    }
}
