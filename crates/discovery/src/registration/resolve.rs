//! How names become records: the hosts file first, as everywhere on the system, then the name servers' A, AAAA and SRV
//! records, under the search domains where the name is not complete.
//!
//! Nothing is cached and the system's configuration is read at each refresh: a node's resolver may come up after
//! jackline, or change under it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use jackline_core::LocalFault;
use jackline_way::local_fault;
use tokio::time::{Instant, timeout_at};

use super::RECORDS_MAX;
use super::system;
use crate::address::usable;
use crate::ask_error::foreign_words;
use crate::config::SystemFiles;

/// A question is repeated after a part of what time there is, but within these bounds.
const PATIENCE_MIN: Duration = Duration::from_millis(500);
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// What is needed to resolve names in one refresh.
pub(crate) struct Lookups {
    hosts: Hosts,
    /// Or in words why there is none; the hosts file may still know the name.
    resolver: Result<TokioResolver, String>,
}

/// What was found for one host, by family.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) v4: Outcome<IpAddr>,
    pub(crate) v6: Outcome<IpAddr>,
}

/// What one SRV record says: a server of the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Target {
    /// Its complete name, in lower case.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
}

/// What was found for one name and one type of record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// At least one; all hold for the time to live, where there is any.
    Told(Vec<T>, Option<Duration>),
    /// The name servers say that there is none.
    NoRecord,
    /// No answer that counts.
    Failed(String, Option<LocalFault>),
}

impl Lookups {
    /// Reads the system's configuration, and takes `dns_servers` in place of its name servers if there are any.
    pub(crate) async fn prepare(dns_servers: &[SocketAddr], files: &SystemFiles, deadline: Instant) -> Self {
        let patience = ((deadline - Instant::now()) / 3).clamp(PATIENCE_MIN, PATIENCE_MAX);
        let (dns_servers, files) = (dns_servers.to_vec(), files.clone());
        let read = tokio::task::spawn_blocking(move || Self {
            hosts: system::hosts(&files.hosts),
            resolver: system::resolver(&files.resolv_conf, &dns_servers, patience),
        });
        match timeout_at(deadline, read).await {
            Ok(Ok(lookups)) => lookups,
            _ => Self {
                hosts: Hosts::default(),
                resolver: Err("the system's resolver configuration could not be read in time".to_owned()),
            },
        }
    }

    /// All addresses of the host `name`.
    pub(crate) async fn find_host(&self, name: &str, deadline: Instant) -> Found {
        let parsed = match parse(name) {
            Ok(parsed) => parsed,
            Err(words) => {
                return Found {
                    v4: Outcome::Failed(words.clone(), None),
                    v6: Outcome::Failed(words, None),
                };
            }
        };
        let listed = Found {
            v4: self.in_hosts(&parsed, RecordType::A),
            v6: self.in_hosts(&parsed, RecordType::AAAA),
        };
        if listed.v4.has_records() || listed.v6.has_records() {
            return listed;
        }
        let (v4, v6) = tokio::join!(
            self.ask(&parsed, RecordType::A, deadline),
            self.ask(&parsed, RecordType::AAAA, deadline)
        );
        Found {
            v4: v4.map(addresses),
            v6: v6.map(addresses),
        }
    }

    /// All servers of the service `name`, best first by priority and weight; `RECORDS_MAX` and one at most.
    pub(super) async fn find_service(&self, name: &str, deadline: Instant) -> Outcome<Target> {
        match parse(name) {
            Ok(parsed) => self.ask(&parsed, RecordType::SRV, deadline).await.map(targets),
            Err(words) => Outcome::Failed(words, None),
        }
    }

    fn in_hosts(&self, name: &Name, kind: RecordType) -> Outcome<IpAddr> {
        let lookup = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let found = lookup.map_or(Outcome::NoRecord, |lookup| {
            // The file tells no time to live; that of the crate means nothing.
            Outcome::Told(lookup.answers().to_vec(), None)
        });
        found.map(addresses)
    }

    async fn ask(&self, name: &Name, kind: RecordType, deadline: Instant) -> Outcome<Record> {
        let resolver = match &self.resolver {
            Ok(resolver) => resolver,
            Err(reason) => return Outcome::Failed(reason.clone(), None),
        };
        match timeout_at(deadline, resolver.lookup(name.clone(), kind)).await {
            Ok(Ok(lookup)) => {
                // Aliases on the way count too: the answer holds for as long as its weakest link.
                let ttl = lookup.answers().iter().map(|record| record.ttl).min();
                let ttl = ttl.map(|seconds| Duration::from_secs(seconds.into()));
                Outcome::Told(lookup.answers().to_vec(), ttl)
            }
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Outcome::NoRecord,
            Ok(Err(error)) => {
                let local = if let NetError::Io(io) = &error {
                    local_fault(io)
                } else {
                    None
                };
                Outcome::Failed(foreign_words(&error.to_string()), local)
            }
            Err(_) => Outcome::Failed("the name servers did not answer in time".to_owned(), None),
        }
    }
}

fn parse(name: &str) -> Result<Name, String> {
    Name::from_ascii(name).map_err(|error| format!("not a DNS name: {}", foreign_words(&error.to_string())))
}

/// The addresses that a server can have.
fn addresses(records: Vec<Record>) -> Vec<IpAddr> {
    let told = records.iter().filter_map(|record| record.data.ip_addr());
    let mut addresses: Vec<IpAddr> = told.filter(|ip| usable(*ip)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The servers of a service. A port of 0 is none, and the root as host says that there is no server.
fn targets(records: Vec<Record>) -> Vec<Target> {
    let mut told: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) if srv.port != 0 && !srv.target.is_root() => {
                let host = srv.target.to_lowercase().to_ascii();
                let port = srv.port;
                Some((srv.priority, std::cmp::Reverse(srv.weight), Target { host, port }))
            }
            _ => None,
        })
        .collect();
    told.sort_unstable();
    let mut targets: Vec<Target> = Vec::new();
    for (_, _, target) in told {
        // One more than the bound, so that whoever cuts can tell.
        if targets.len() <= RECORDS_MAX && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

impl<T> Outcome<T> {
    /// With other records; without any there is none.
    fn map<U>(self, read: impl FnOnce(Vec<T>) -> Vec<U>) -> Outcome<U> {
        match self {
            Self::Told(records, ttl) => match read(records) {
                none if none.is_empty() => Outcome::NoRecord,
                some => Outcome::Told(some, ttl),
            },
            Self::NoRecord => Outcome::NoRecord,
            Self::Failed(words, local) => Outcome::Failed(words, local),
        }
    }

    pub(super) fn has_records(&self) -> bool {
        matches!(self, Self::Told(..))
    }

    /// How long the answer holds, if it says so.
    pub(super) fn ttl(&self) -> Option<Duration> {
        match self {
            Self::Told(_, ttl) => *ttl,
            _ => None,
        }
    }

    pub(super) fn local(&self) -> Option<LocalFault> {
        match self {
            Self::Failed(_, local) => *local,
            _ => None,
        }
    }
}

impl Outcome<Target> {
    /// What people should know of it, if anything went wrong.
    pub(super) fn complaint(&self, name: &str) -> Option<String> {
        match self {
            Self::Told(..) => None,
            Self::NoRecord => Some(format!("{name} has no SRV record")),
            Self::Failed(words, _) => Some(format!("SRV records of {name} could not be had: {words}")),
        }
    }
}

impl Found {
    /// What people should know of it, if anything went wrong.
    pub(crate) fn complaint(&self, name: &str) -> Option<String> {
        use Outcome::{Failed, NoRecord, Told};
        match (&self.v4, &self.v6) {
            (Told(..), Told(..) | NoRecord) | (NoRecord, Told(..)) => None,
            (NoRecord, NoRecord) => Some(format!("{name} has no address")),
            (Failed(v4, _), Failed(v6, _)) if v4 == v6 => Some(format!("{name} could not be resolved: {v4}")),
            (Failed(v4, _), Failed(v6, _)) => {
                Some(format!("{name} could not be resolved: A: {v4}, AAAA: {v6}"))
            }
            (Failed(v4, _), _) => Some(format!("A records of {name} could not be had: {v4}")),
            (_, Failed(v6, _)) => Some(format!("AAAA records of {name} could not be had: {v6}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::SRV;

    use super::*;

    #[tokio::test]
    async fn the_hosts_file_goes_before_name_servers_that_are_dead() {
        let mut hosts = Hosts::default();
        hosts
            .read_hosts_conf(&b"10.0.0.1 cp.example cp\nfd00::1 cp.example\n10.0.0.2 four\n"[..])
            .expect("a hosts file");
        let lookups = Lookups {
            hosts,
            resolver: Err("there is no resolver".to_owned()),
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        let both = lookups.find_host("cp.example", deadline).await;
        assert_eq!(both.v4, Outcome::Told(vec![IpAddr::from([10, 0, 0, 1])], None));
        assert!(both.v6.has_records());
        let four = lookups.find_host("four", deadline).await;
        assert_eq!(
            four.v6,
            Outcome::NoRecord,
            "no name server is asked for what the file tells"
        );
        let none = lookups.find_host("elsewhere.example", deadline).await;
        assert_eq!(
            none.complaint("elsewhere.example").as_deref(),
            Some("elsewhere.example could not be resolved: there is no resolver")
        );
    }

    #[tokio::test]
    async fn the_system_configuration_can_be_read() {
        let deadline = Instant::now() + Duration::from_secs(30);
        let lookups = Lookups::prepare(&[], &SystemFiles::default(), deadline).await;
        assert!(lookups.find_host("localhost", deadline).await.v4.has_records());
    }

    #[test]
    fn servers_of_a_service_are_ordered_by_priority_then_weight_and_bounded() {
        let record = |priority, weight, port, host: &str| {
            let target = Name::from_ascii(host).expect("a name");
            let data = RData::SRV(SRV::new(priority, weight, port, target));
            Record::from_rdata(Name::root(), 60, data)
        };
        let order = targets(vec![
            record(20, 0, 6443, "far.example."),
            record(10, 1, 6443, "light.example."),
            record(10, 9, 6444, "Heavy.example."),
            record(10, 9, 6444, "heavy.example."),
            record(0, 0, 0, "no-port.example."),
            record(0, 0, 6443, "."),
        ]);
        let hosts: Vec<_> = order
            .iter()
            .map(|target| (target.host.as_str(), target.port))
            .collect();
        assert_eq!(
            hosts,
            [
                ("heavy.example.", 6444),
                ("light.example.", 6443),
                ("far.example.", 6443)
            ]
        );
        let many = (1..=1000)
            .map(|port| record(0, 0, port, "many.example."))
            .collect();
        assert_eq!(targets(many).len(), RECORDS_MAX + 1);
    }
}
