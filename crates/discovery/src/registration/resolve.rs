//! How one name becomes addresses: the hosts file first, as everywhere on the system, then all A and AAAA records.
//!
//! Nothing is cached and the system's configuration is read at each refresh: a node's resolver may come up after
//! jackline, or change under it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use jackline_core::LocalFault;
use tokio::time::{Instant, timeout_at};

use crate::address::usable;
use crate::ask_error::{foreign_words, local_fault};

/// Name servers that are asked.
const NAME_SERVERS_MAX: usize = 8;

/// A question is repeated after a part of what time there is, but within these bounds.
const PATIENCE_MIN: Duration = Duration::from_millis(500);
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// What is needed to resolve names in one refresh.
pub(crate) struct Lookups {
    hosts: Hosts,
    /// Or in words why there is none; the hosts file may still know the name.
    resolver: Result<TokioResolver, String>,
}

/// What was found for one name.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) v4: Outcome,
    pub(crate) v6: Outcome,
}

/// What was found for one family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At least one.
    Addresses(Vec<IpAddr>),
    /// The name servers say that there is none.
    NoRecord,
    /// No answer that counts.
    Failed(String, Option<LocalFault>),
}

impl Lookups {
    /// Reads the system's configuration, or takes `dns_servers` in its place.
    ///
    /// # Errors
    /// In words, when even that takes too long.
    pub(crate) async fn prepare(dns_servers: &[SocketAddr], deadline: Instant) -> Result<Self, String> {
        let patience = ((deadline - Instant::now()) / 3).clamp(PATIENCE_MIN, PATIENCE_MAX);
        if !dns_servers.is_empty() {
            return Ok(Self {
                hosts: Hosts::default(),
                resolver: of_servers(dns_servers, patience),
            });
        }
        let read = tokio::task::spawn_blocking(move || Self {
            hosts: Hosts::from_system().unwrap_or_default(),
            resolver: of_system(patience),
        });
        match timeout_at(deadline, read).await {
            Ok(Ok(lookups)) => Ok(lookups),
            _ => Err("the system's resolver configuration could not be read in time".to_owned()),
        }
    }

    /// All addresses of `name`.
    pub(crate) async fn find(&self, name: &str, deadline: Instant) -> Found {
        let parsed = match Name::from_ascii(name) {
            Ok(parsed) => parsed,
            Err(error) => {
                let failed = || Outcome::Failed(format!("not a DNS name: {error}"), None);
                return Found {
                    v4: failed(),
                    v6: failed(),
                };
            }
        };
        let listed = Found {
            v4: self.in_hosts(&parsed, RecordType::A),
            v6: self.in_hosts(&parsed, RecordType::AAAA),
        };
        if listed.v4.has_addresses() || listed.v6.has_addresses() {
            return listed;
        }
        let (v4, v6) = tokio::join!(
            self.ask(&parsed, RecordType::A, deadline),
            self.ask(&parsed, RecordType::AAAA, deadline)
        );
        Found { v4, v6 }
    }

    fn in_hosts(&self, name: &Name, kind: RecordType) -> Outcome {
        let lookup = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        lookup.map_or(Outcome::NoRecord, |lookup| {
            Outcome::of(lookup.answers().iter().filter_map(|record| record.data.ip_addr()))
        })
    }

    async fn ask(&self, name: &Name, kind: RecordType, deadline: Instant) -> Outcome {
        let resolver = match &self.resolver {
            Ok(resolver) => resolver,
            Err(reason) => return Outcome::Failed(reason.clone(), None),
        };
        match timeout_at(deadline, resolver.lookup(name.clone(), kind)).await {
            Ok(Ok(lookup)) => Outcome::of(lookup.answers().iter().filter_map(|record| record.data.ip_addr())),
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

fn of_system(patience: Duration) -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|error| {
        format!(
            "/etc/resolv.conf is no good: {}",
            foreign_words(&error.to_string())
        )
    })?;
    adapt(builder.options_mut(), patience);
    builder.build().map_err(|error| error.to_string())
}

fn of_servers(servers: &[SocketAddr], patience: Duration) -> Result<TokioResolver, String> {
    let at = |mut connection: ConnectionConfig, port| {
        connection.port = port;
        connection
    };
    let name_servers = servers.iter().take(NAME_SERVERS_MAX).map(|server| {
        let connections = vec![
            at(ConnectionConfig::udp(), server.port()),
            at(ConnectionConfig::tcp(), server.port()),
        ];
        NameServerConfig::new(server.ip(), true, connections)
    });
    let config = ResolverConfig::from_name_servers(name_servers.collect());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    adapt(builder.options_mut(), patience);
    builder.build().map_err(|error| error.to_string())
}

fn adapt(options: &mut ResolverOpts, patience: Duration) {
    options.timeout = options.timeout.min(patience);
    options.attempts = options.attempts.clamp(2, 5);
    // Nothing is remembered from refresh to refresh, and the hosts file is asked by us.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
}

impl Outcome {
    fn of(addresses: impl Iterator<Item = IpAddr>) -> Self {
        let mut addresses: Vec<IpAddr> = addresses.filter(|ip| usable(*ip)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            Self::NoRecord
        } else {
            Self::Addresses(addresses)
        }
    }

    pub(crate) fn has_addresses(&self) -> bool {
        matches!(self, Self::Addresses(_))
    }

    pub(crate) fn local(&self) -> Option<LocalFault> {
        match self {
            Self::Failed(_, local) => *local,
            _ => None,
        }
    }
}

impl Found {
    /// What people should know of it, if anything went wrong.
    pub(crate) fn complaint(&self, name: &str) -> Option<String> {
        use Outcome::{Addresses, Failed, NoRecord};
        match (&self.v4, &self.v6) {
            (Addresses(_), Addresses(_) | NoRecord) | (NoRecord, Addresses(_)) => None,
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
        let both = lookups.find("cp.example", deadline).await;
        assert_eq!(both.v4, Outcome::Addresses(vec![IpAddr::from([10, 0, 0, 1])]));
        assert!(both.v6.has_addresses());
        let four = lookups.find("four", deadline).await;
        assert_eq!(
            four.v6,
            Outcome::NoRecord,
            "no name server is asked for what the file tells"
        );
        let none = lookups.find("elsewhere.example", deadline).await;
        assert_eq!(
            none.complaint("elsewhere.example").as_deref(),
            Some("elsewhere.example could not be resolved: there is no resolver")
        );
    }

    #[tokio::test]
    async fn the_system_configuration_can_be_read() {
        let lookups = Lookups::prepare(&[], Instant::now() + Duration::from_secs(30))
            .await
            .expect("in time");
        assert!(
            lookups
                .find("localhost", Instant::now() + Duration::from_secs(30))
                .await
                .v4
                .has_addresses()
        );
    }
}
