//! Where members can be reached, and what their certificates must be good for: an address, or a name that is resolved
//! at every refresh.

use std::net::SocketAddr;
use std::sync::Arc;

use jackline_way::Ways;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use crate::config::{Place, RegistrationAddress, SystemFiles};
use crate::dial::Access;
use crate::registration::resolve::{Lookups, Outcome};

/// So many addresses of one member's name are used.
const ADDRESSES_MAX: usize = 8;

/// How one member can be reached.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// What verifies it: a name of its own, other than an apiserver's.
    pub(super) access: Access,
    /// `host:port`, as it is called.
    pub(super) authority: String,
}

/// Every address of `members` once, in their order; `resolved` has those of each.
pub(super) fn reachable(
    members: &[RegistrationAddress],
    resolved: Vec<Vec<SocketAddr>>,
    (tls, ways): (&Arc<ClientConfig>, &Arc<Ways>),
) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (member, addresses) in members.iter().zip(resolved) {
        for address in addresses {
            if targets.iter().any(|target| target.address == address) {
                continue;
            }
            let Some(name) = server_name(member) else {
                continue;
            };
            targets.push(Target {
                address,
                access: Access {
                    ways: Arc::clone(ways),
                    tls: Arc::clone(tls),
                    name,
                    authorization: None,
                },
                authority: member.to_string(),
            });
        }
    }
    targets
}

/// The addresses of each of `members`, in their order; those that have none are told in `notes`.
pub(super) async fn resolve(
    members: &[RegistrationAddress],
    dns_servers: &[SocketAddr],
    system: &SystemFiles,
    deadline: Instant,
    notes: &mut Vec<String>,
) -> Vec<Vec<SocketAddr>> {
    let mut lookups = None;
    if members
        .iter()
        .any(|member| matches!(member.place(), Place::Name(..)))
    {
        lookups = Some(Lookups::prepare(dns_servers, system, deadline).await);
    }
    // Names may take half of the time, so that some is left for asking.
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let searches = members.iter().map(|member| {
        let lookups = lookups.as_ref();
        async move {
            match (member.place(), lookups) {
                (Place::Address(address), _) => (vec![*address], None),
                (Place::Name(name, port), Some(lookups)) => {
                    let found = lookups.find_host(name, half).await;
                    let complaint = found.complaint(name);
                    let ips = [found.v4, found.v6]
                        .into_iter()
                        .flat_map(|outcome| match outcome {
                            Outcome::Told(ips, _) => ips,
                            _ => Vec::new(),
                        });
                    let addresses = ips.take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, *port));
                    (addresses.collect(), complaint)
                }
                (Place::Name(..), None) => (Vec::new(), None),
                (Place::Service(_), _) => {
                    let complaint = format!("{member} is no member of etcd; write https:// and its host");
                    (Vec::new(), Some(complaint))
                }
            }
        }
    });
    let mut resolved = Vec::new();
    for (addresses, complaint) in futures_util::future::join_all(searches).await {
        notes.extend(complaint);
        resolved.push(addresses);
    }
    resolved
}

/// What the certificate of `member` must be good for: what it is called, by name or by address.
fn server_name(member: &RegistrationAddress) -> Option<ServerName<'static>> {
    match member.place() {
        Place::Address(address) => Some(ServerName::from(address.ip())),
        Place::Name(name, _) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        Place::Service(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_service_is_no_member() {
        let members = ["srv://_etcd-client-ssl._tcp.example", "https://10.0.0.1:2379"]
            .map(|member| member.parse().expect("an address"));
        let mut notes = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        let resolved = resolve(&members, &[], &SystemFiles::default(), deadline, &mut notes).await;
        assert_eq!(resolved, [vec![], vec![SocketAddr::from(([10, 0, 0, 1], 2379))]]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("write https:// and its host"), "{notes:?}");
    }
}
