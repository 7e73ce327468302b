//! The registration address: what the node was joined with. Names are resolved at every refresh, and each address that
//! a name gives is an endpoint of its own (M4).
//!
//! A name that cannot be resolved keeps the addresses that it had: an answer that fails removes nothing (M2), and this
//! report replaces the earlier one whole. How a name is resolved is `resolve.rs`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt;
use jackline_core::{Listing, LocalFault, Mode, Report, SourceFailure};

use crate::config::{RegistrationAddress, RegistrationConfig};
use crate::refresh::{Voice, failure};
use crate::source::Question;

pub(crate) mod resolve;

use resolve::{Found, Lookups, Outcome};

/// So many registration addresses are used.
const SERVERS_MAX: usize = 64;

/// So many addresses of one name are used (M4).
const ADDRESSES_MAX: usize = 64;

/// So many names are resolved at the same time.
const LOOKUPS_MAX: usize = 16;

/// The source.
pub(crate) struct Registration {
    servers: Vec<RegistrationAddress>,
    dns_servers: Vec<SocketAddr>,
    left_out: usize,
    /// The last good answer for each name.
    known: Mutex<BTreeMap<String, Addresses>>,
}

/// A name's addresses, each family as last told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Addresses {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

/// What became of one name in this refresh.
struct Resolved {
    addresses: Vec<IpAddr>,
    fresh: bool,
    complaint: Option<String>,
    local: Option<LocalFault>,
}

impl Registration {
    pub(crate) fn new(config: RegistrationConfig) -> Self {
        let mut servers = config.servers;
        let left_out = servers.len().saturating_sub(SERVERS_MAX);
        servers.truncate(SERVERS_MAX);
        Self {
            servers,
            dns_servers: config.dns_servers,
            left_out,
            known: Mutex::default(),
        }
    }

    pub(crate) async fn ask(&self, question: &Question, voice: &Voice) -> Result<(), SourceFailure> {
        if self.servers.is_empty() {
            return Err(failure(
                "no registration address is configured; configure servers".to_owned(),
            ));
        }
        let names: BTreeSet<&str> = self
            .servers
            .iter()
            .filter_map(RegistrationAddress::name)
            .collect();
        let fixed = names.is_empty();
        let resolved = if fixed {
            BTreeMap::new()
        } else {
            self.resolve(names, question).await
        };
        if resolved.values().all(|name| !name.fresh)
            && self.servers.iter().all(|server| server.name().is_some())
        {
            return Err(all_failed(&resolved));
        }
        let mut endpoints = BTreeSet::new();
        for server in &self.servers {
            endpoints.extend(server.address());
            let found = server.name().and_then(|name| resolved.get(name));
            let addresses = found.map(|name| name.addresses.as_slice()).unwrap_or_default();
            endpoints.extend(addresses.iter().map(|ip| SocketAddr::new(*ip, server.port())));
        }
        let mut notes: Vec<String> = resolved.into_values().filter_map(|name| name.complaint).collect();
        if self.left_out > 0 {
            notes.push(format!(
                "{} registration addresses beyond the first {SERVERS_MAX} are left out",
                self.left_out
            ));
        }
        voice.report(Report {
            endpoints: endpoints.into_iter().map(Listing::from).collect(),
            mode: if fixed { Mode::Fixed } else { Mode::Poll },
            note: notes.join("; "),
            ..Report::default()
        });
        Ok(())
    }

    async fn resolve(&self, names: BTreeSet<&str>, question: &Question) -> BTreeMap<String, Resolved> {
        let lookups = match Lookups::prepare(&self.dns_servers, question.deadline).await {
            Ok(lookups) => lookups,
            Err(reason) => {
                let not_found = || Found {
                    v4: Outcome::Failed(reason.clone(), None),
                    v6: Outcome::Failed(reason.clone(), None),
                };
                return names
                    .into_iter()
                    .map(|name| (name.to_owned(), self.learn(name, not_found())))
                    .collect();
            }
        };
        let (lookups, deadline) = (&lookups, question.deadline);
        let mut searches = Vec::new();
        for name in names {
            searches.push(async move { (name, lookups.find(name, deadline).await) });
        }
        let found: Vec<_> = futures_util::stream::iter(searches)
            .buffer_unordered(LOOKUPS_MAX)
            .collect()
            .await;
        found
            .into_iter()
            .map(|(name, found)| (name.to_owned(), self.learn(name, found)))
            .collect()
    }

    /// Merges what was found with what was known.
    fn learn(&self, name: &str, found: Found) -> Resolved {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(name.to_owned()).or_default();
        let fresh = found.v4.has_addresses() || found.v6.has_addresses();
        let local = if fresh {
            None
        } else {
            found.v4.local().or(found.v6.local())
        };
        let mut complaint = found.complaint(name);
        if fresh {
            // A family without records is believed only beside one that has some.
            merge(&mut known.v4, found.v4);
            merge(&mut known.v6, found.v6);
        }
        let mut addresses: Vec<IpAddr> = known.v4.iter().chain(&known.v6).copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.len() > ADDRESSES_MAX {
            let more = format!(
                "{name} has {} addresses, the first {ADDRESSES_MAX} are used",
                addresses.len()
            );
            complaint = Some(complaint.map_or(more.clone(), |earlier| format!("{earlier}; {more}")));
            addresses.truncate(ADDRESSES_MAX);
        }
        if !fresh && !addresses.is_empty() {
            complaint = complaint.map(|words| format!("{words}; the addresses that it had are kept"));
        }
        Resolved {
            addresses,
            fresh,
            complaint,
            local,
        }
    }
}

fn merge(known: &mut Vec<IpAddr>, outcome: Outcome) {
    match outcome {
        Outcome::Addresses(addresses) => *known = addresses,
        Outcome::NoRecord => known.clear(),
        Outcome::Failed(..) => {}
    }
}

fn all_failed(resolved: &BTreeMap<String, Resolved>) -> SourceFailure {
    let complaints: Vec<&str> = resolved
        .values()
        .filter_map(|name| name.complaint.as_deref())
        .collect();
    let all_local = resolved.values().all(|name| name.local.is_some());
    SourceFailure {
        local: resolved
            .values()
            .find_map(|name| name.local)
            .filter(|_| all_local),
        ..failure(format!(
            "{}; is the name right, and do the name servers answer?",
            complaints.join("; ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    fn registration() -> Registration {
        Registration::new(RegistrationConfig::default())
    }

    fn failed() -> Outcome {
        Outcome::Failed("timed out".to_owned(), None)
    }

    #[test]
    fn a_family_that_fails_keeps_what_it_had_and_one_without_records_does_not() {
        let registration = registration();
        let both = Found {
            v4: Outcome::Addresses(ips(&["10.0.0.1"])),
            v6: Outcome::Addresses(ips(&["fd00::1"])),
        };
        assert_eq!(
            registration.learn("cp", both).addresses,
            ips(&["10.0.0.1", "fd00::1"])
        );
        let half = registration.learn(
            "cp",
            Found {
                v4: Outcome::Addresses(ips(&["10.0.0.2"])),
                v6: failed(),
            },
        );
        assert_eq!(half.addresses, ips(&["10.0.0.2", "fd00::1"]));
        assert!(half.complaint.expect("a complaint").contains("AAAA"));
        let only_v4 = Found {
            v4: Outcome::Addresses(ips(&["10.0.0.2"])),
            v6: Outcome::NoRecord,
        };
        let resolved = registration.learn("cp", only_v4);
        assert_eq!(
            (resolved.addresses, resolved.complaint),
            (ips(&["10.0.0.2"]), None)
        );
    }

    #[test]
    fn an_empty_answer_removes_nothing() {
        let registration = registration();
        registration.learn(
            "cp",
            Found {
                v4: Outcome::Addresses(ips(&["10.0.0.1"])),
                v6: Outcome::NoRecord,
            },
        );
        let empty = registration.learn(
            "cp",
            Found {
                v4: Outcome::NoRecord,
                v6: Outcome::NoRecord,
            },
        );
        assert!(!empty.fresh);
        assert_eq!(empty.addresses, ips(&["10.0.0.1"]));
        assert!(empty.complaint.expect("a complaint").contains("kept"));
    }

    #[test]
    fn a_name_gives_64_addresses_at_most() {
        let many: Vec<IpAddr> = (0..100).map(|i| IpAddr::from([10, 0, 1, i])).collect();
        let resolved = registration().learn(
            "cp",
            Found {
                v4: Outcome::Addresses(many),
                v6: Outcome::NoRecord,
            },
        );
        assert_eq!(resolved.addresses.len(), ADDRESSES_MAX);
        assert!(resolved.complaint.expect("a complaint").contains("100 addresses"));
    }
}
