//! Where members can be reached, and what their certificates must be good for: an address, or a name that is resolved
//! at every refresh.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use crate::config::RegistrationAddress;
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

/// Every address of `members` once, in their order. What cannot be resolved is told in `notes`.
pub(super) async fn find(
    members: &[RegistrationAddress],
    dns_servers: &[SocketAddr],
    tls: &Arc<ClientConfig>,
    deadline: Instant,
    notes: &mut Vec<String>,
) -> Vec<Target> {
    let resolved = resolve(members, dns_servers, deadline, notes).await;
    let mut targets: Vec<Target> = Vec::new();
    for (member, ips) in members.iter().zip(resolved) {
        for ip in ips {
            let address = SocketAddr::new(ip, member.port());
            if targets.iter().any(|target| target.address == address) {
                continue;
            }
            let Some(name) = server_name(member, ip) else {
                continue;
            };
            targets.push(Target {
                address,
                access: Access {
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

/// The addresses of each of `members`, in their order; names that have none are told in `notes`.
async fn resolve(
    members: &[RegistrationAddress],
    dns_servers: &[SocketAddr],
    deadline: Instant,
    notes: &mut Vec<String>,
) -> Vec<Vec<IpAddr>> {
    let mut lookups = None;
    if members.iter().any(|member| member.name().is_some()) {
        match Lookups::prepare(dns_servers, deadline).await {
            Ok(ready) => lookups = Some(ready),
            Err(reason) => notes.push(reason),
        }
    }
    // Names may take half of the time, so that some is left for asking.
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let searches = members.iter().map(|member| {
        let lookups = lookups.as_ref();
        async move {
            match (member.address(), member.name(), lookups) {
                (Some(address), _, _) => (vec![address.ip()], None),
                (None, Some(name), Some(lookups)) => {
                    let found = lookups.find(name, half).await;
                    let complaint = found.complaint(name);
                    let ips = [found.v4, found.v6]
                        .into_iter()
                        .flat_map(|outcome| match outcome {
                            Outcome::Addresses(ips) => ips,
                            _ => Vec::new(),
                        });
                    (ips.take(ADDRESSES_MAX).collect(), complaint)
                }
                _ => (Vec::new(), None),
            }
        }
    });
    let mut resolved = Vec::new();
    for (ips, complaint) in futures_util::future::join_all(searches).await {
        notes.extend(complaint);
        resolved.push(ips);
    }
    resolved
}

/// What the certificate of `member` must be good for: what it is called, by name or by address.
fn server_name(member: &RegistrationAddress, ip: IpAddr) -> Option<ServerName<'static>> {
    match member.name() {
        Some(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        None => Some(ServerName::from(ip)),
    }
}
