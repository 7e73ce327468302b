//! The registration address: what the node was joined with. Names are resolved at every refresh, and each address that
//! a name gives is an endpoint of its own (M4); so is each server that a service's SRV records name, at its own port.
//! Priorities and weights order nothing here: every record is a candidate, and the core orders candidates (S1, S2).
//!
//! A report says how long its names' answers hold. A name that cannot be resolved keeps what it told before
//! (`memory.rs`). How a name is resolved is `resolve.rs`'s, what this machine's files say of names `system.rs`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use jackline_core::{Listing, Mode, Report, SourceFailure};
use jackline_way::Ways;
use tokio::time::Instant;

use crate::config::{Place, RegistrationAddress, RegistrationConfig, SystemFiles};
use crate::refresh::{Voice, failure};
use crate::source::Question;

mod memory;
pub(crate) mod resolve;
mod system;

use memory::{Learned, Memory};
use resolve::{Lookups, Target};

/// So many registration addresses are used.
const SERVERS_MAX: usize = 64;

/// So many records of one name are used, and so many endpoints of one registration address (M4).
const RECORDS_MAX: usize = 64;

/// So many hosts are resolved in one refresh.
const HOSTS_MAX: usize = 256;

/// So many names are resolved at the same time.
const LOOKUPS_MAX: usize = 16;

/// Beside answers that say how long they hold: what says nothing of it (the hosts file, a failure) is looked at again after this.
const UNTIMED: Duration = Duration::from_secs(60);

/// The source.
pub(crate) struct Registration {
    servers: Vec<RegistrationAddress>,
    dns_servers: Vec<SocketAddr>,
    system: SystemFiles,
    ways: Arc<Ways>,
    left_out: usize,
    memory: Mutex<Memory>,
}

/// What became of all names in this refresh.
#[derive(Default)]
struct Resolved {
    services: BTreeMap<String, Learned<Target>>,
    hosts: BTreeMap<String, Learned<IpAddr>>,
    /// Hosts beyond the bound.
    left_out: usize,
}

impl Registration {
    pub(crate) fn new(config: RegistrationConfig, ways: Arc<Ways>) -> Self {
        let mut servers = config.servers;
        let left_out = servers.len().saturating_sub(SERVERS_MAX);
        servers.truncate(SERVERS_MAX);
        Self {
            servers,
            dns_servers: config.dns_servers,
            system: config.system,
            ways,
            left_out,
            memory: Mutex::default(),
        }
    }

    pub(crate) async fn ask(&self, question: &Question, voice: &Voice) -> Result<(), SourceFailure> {
        if self.servers.is_empty() {
            return Err(failure(
                "no registration address is configured; configure servers".to_owned(),
            ));
        }
        let fixed = self.servers.iter().all(|server| server.address().is_some());
        let resolved = if fixed {
            Resolved::default()
        } else {
            self.resolve(question.deadline).await
        };
        let no_literal = self.servers.iter().all(|server| server.address().is_none());
        if no_literal && !resolved.is_fresh() {
            return Err(resolved.failure());
        }
        let (endpoints, cut) = self.endpoints(&resolved);
        voice.report(Report {
            endpoints: endpoints.into_iter().map(Listing::from).collect(),
            mode: if fixed { Mode::Fixed } else { Mode::Poll },
            valid_for: resolved.valid_for(),
            note: self.note(&resolved, cut),
            ..Report::default()
        });
        Ok(())
    }

    /// Services first, then all hosts, those that the services lead to among them.
    async fn resolve(&self, deadline: Instant) -> Resolved {
        let lookups = &Lookups::prepare(&self.dns_servers, &self.system, deadline).await;
        let places = || self.servers.iter().map(RegistrationAddress::place);
        let services: BTreeSet<String> = places()
            .filter_map(|place| match place {
                Place::Service(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        // A silent name server leaves half of the time for the hosts that are known.
        let now = Instant::now();
        let half = now + deadline.saturating_duration_since(now) / 2;
        let found = at_once(services, |name| async move {
            let found = lookups.find_service(&name, half).await;
            (name, found)
        })
        .await;
        let services: BTreeMap<_, _> = found
            .into_iter()
            .map(|(name, found)| {
                let learned = self.memory().learn_service(&name, found);
                (name, learned)
            })
            .collect();
        // Plain names go first: they are configured, and the bound may cut off the rest.
        let mut hosts = BTreeSet::new();
        let plain = places().filter_map(|place| match place {
            Place::Name(name, _) => Some(name),
            _ => None,
        });
        let led_to = services.values().flat_map(|service| &service.records);
        let mut left_out = BTreeSet::new();
        for host in plain.chain(led_to.map(|target| &target.host)) {
            if hosts.len() < HOSTS_MAX || hosts.contains(host) {
                hosts.insert(host.clone());
            } else {
                left_out.insert(host);
            }
        }
        let left_out = left_out.len();
        self.memory().keep_hosts(&hosts);
        let found = at_once(hosts, |name| async move {
            let found = lookups.find_host(&name, deadline).await;
            (name, found)
        })
        .await;
        let hosts = found
            .into_iter()
            .map(|(name, found)| {
                let learned = self.memory().learn_host(&name, found);
                (name, learned)
            })
            .collect();
        Resolved {
            services,
            hosts,
            left_out,
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Each lesson is learnt whole, or panics before anything is changed.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All endpoints, and which registration addresses lead to more than are used.
    fn endpoints(&self, resolved: &Resolved) -> (BTreeSet<SocketAddr>, Vec<String>) {
        let mut all = BTreeSet::new();
        let mut cut = Vec::new();
        for server in &self.servers {
            let mut endpoints: Vec<SocketAddr> = Vec::new();
            match server.place() {
                Place::Address(address) => endpoints.push(*address),
                Place::Name(name, port) => endpoints.extend(self.endpoints_at(resolved, name, *port)),
                Place::Service(name) => {
                    let targets = resolved.services.get(name).map(|service| &service.records);
                    for target in targets.into_iter().flatten() {
                        endpoints.extend(self.endpoints_at(resolved, &target.host, target.port));
                    }
                }
            }
            if endpoints.len() > RECORDS_MAX {
                cut.push(format!(
                    "{server} leads to more than {RECORDS_MAX} endpoints, the first {RECORDS_MAX} are used"
                ));
            }
            all.extend(endpoints.into_iter().take(RECORDS_MAX));
        }
        (all, cut)
    }

    /// Endpoints at a name; an exception from a proxy may be such a name.
    fn endpoints_at(&self, resolved: &Resolved, host: &str, port: u16) -> Vec<SocketAddr> {
        let addresses = resolved.addresses_of(host);
        self.ways.name_leads_to(host, port, addresses);
        addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    /// What people should know of this report.
    fn note(&self, resolved: &Resolved, cut: Vec<String>) -> String {
        let mut notes: Vec<String> = resolved.complaints().map(ToOwned::to_owned).collect();
        notes.extend(cut);
        if resolved.left_out > 0 {
            notes.push(format!(
                "{} hosts beyond the first {HOSTS_MAX} are left out",
                resolved.left_out
            ));
        }
        if self.left_out > 0 {
            notes.push(format!(
                "{} registration addresses beyond the first {SERVERS_MAX} are left out",
                self.left_out
            ));
        }
        notes.join("; ")
    }
}

impl Resolved {
    /// Whether any name led anywhere just now.
    fn is_fresh(&self) -> bool {
        self.hosts.values().any(|host| host.fresh)
    }

    fn addresses_of(&self, host: &str) -> &[IpAddr] {
        self.hosts.get(host).map_or(&[], |host| host.records.as_slice())
    }

    /// How long the whole holds; `None` where nothing says so.
    fn valid_for(&self) -> Option<Duration> {
        let of_hosts = self.hosts.values().map(|host| host.ttl);
        let all = || {
            of_hosts
                .clone()
                .chain(self.services.values().map(|service| service.ttl))
        };
        all().any(|ttl| ttl.is_some()).then_some(())?;
        all().map(|ttl| ttl.unwrap_or(UNTIMED)).min()
    }

    fn complaints(&self) -> impl Iterator<Item = &str> {
        let of_services = self.services.values().map(|service| &service.complaint);
        let of_hosts = self.hosts.values().map(|host| &host.complaint);
        of_services.chain(of_hosts).filter_map(Option::as_deref)
    }

    /// That nothing could be resolved; our own fault only where every name failed by it (H3).
    fn failure(&self) -> SourceFailure {
        let of_services = self
            .services
            .values()
            .filter(|service| !service.fresh)
            .map(|service| service.local);
        let faults = || {
            of_services
                .clone()
                .chain(self.hosts.values().map(|host| host.local))
        };
        let all_local = faults().all(|fault| fault.is_some());
        let complaints: Vec<&str> = self.complaints().collect();
        SourceFailure {
            local: faults().flatten().next().filter(|_| all_local),
            ..failure(format!(
                "{}; is the name right, and do the name servers answer?",
                complaints.join("; ")
            ))
        }
    }
}

/// Resolves all `names`, so many at the same time.
async fn at_once<T, F: Future<Output = T>>(names: BTreeSet<String>, resolve: impl Fn(String) -> F) -> Vec<T> {
    let searches: Vec<F> = names.into_iter().map(resolve).collect();
    futures_util::stream::iter(searches)
        .buffer_unordered(LOOKUPS_MAX)
        .collect()
        .await
}
