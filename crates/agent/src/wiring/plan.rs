//! What one service is made from: the API first, and those that `services` asks for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jackline_core::{Service, Settings, Snapshot, SourceSpec};
use jackline_discovery::{
    EtcdConfig, RegistrationAddress, RegistrationConfig, ServiceConfig, SourceConfig, SupervisorConfig,
    SupervisorList,
};
use jackline_proxy::{CopyMode, ProxyConfig};
use jackline_trust::TrustConfig;
use jackline_way::Ways;

use super::{address, members, name_servers, settings, sources, supervisor, trust};
use crate::config::{Config, Distribution, EtcdService, ServerUrl, SupervisorService};

/// Threads that carry the API's sessions.
const API_THREADS: usize = 2;
/// The other services have few sessions, and must not take the API's descriptors.
const FURTHER_THREADS: usize = 1;
/// See [`FURTHER_THREADS`].
const FURTHER_SESSIONS_MAX: usize = 1024;

/// Where supervisors listen, if the configuration does not say.
const K3S_SUPERVISOR: u16 = 6443;
const RKE2_SUPERVISOR: u16 = 9345;

/// The API's published snapshot, for services whose servers are the same.
pub(crate) type Siblings = Arc<dyn Fn() -> Arc<Snapshot> + Send + Sync>;

/// A service, ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) service: Service,
    /// The key that names its listeners.
    pub(crate) listen_key: &'static str,
    pub(crate) proxy: ProxyConfig,
    pub(crate) trust: TrustConfig,
    pub(crate) settings: Settings,
    pub(crate) sources: jackline_discovery::Config,
    /// The folder of its state file and its journal.
    pub(crate) state_dir: PathBuf,
    /// How much that journal may take on disk, in bytes.
    pub(crate) journal_size: u64,
    pub(crate) seed: u64,
}

impl Plan {
    /// Kubernetes's API.
    pub(crate) fn api(config: &Config, ways: &Arc<Ways>, seed: u64) -> Self {
        let (specs, sources) = sources(config, ways);
        Self {
            service: Service::Api,
            listen_key: "listen",
            proxy: ProxyConfig {
                threads: API_THREADS,
                sessions_max: limit(config.limits.sessions),
                endpoint_sessions_max: limit(config.limits.sessions_per_endpoint),
                ..proxy(config, ways, config.listen.clone(), seed)
            },
            trust: trust(config),
            settings: settings(config, specs),
            sources,
            state_dir: config.state_dir.clone(),
            journal_size: config.journal_size.0,
            seed,
        }
    }

    /// The other services. `api` is what the API's knows.
    pub(crate) fn further(config: &Config, ways: &Arc<Ways>, api: &Siblings, seed: u64) -> Vec<Self> {
        let etcd = config.services.etcd.as_ref();
        let etcd = etcd.map(|etcd| Self::etcd((config, ways), etcd, seed));
        let supervisor = config.services.supervisor.as_ref();
        let supervisor = supervisor.map(|supervisor| Self::supervisor((config, ways), supervisor, api, seed));
        etcd.into_iter().chain(supervisor).collect()
    }

    /// Etcd: its members by their own list, by supervisors' word, and those that are configured.
    fn etcd((config, ways): (&Config, &Arc<Ways>), etcd: &EtcdService, seed: u64) -> Self {
        let endpoints = members(&etcd.endpoints);
        let mut all = vec![(
            "registration".to_owned(),
            SourceConfig::Registration(RegistrationConfig {
                servers: endpoints.clone(),
                dns_servers: name_servers(config),
                ..RegistrationConfig::default()
            }),
        )];
        if etcd.ca_file.is_some() {
            all.push((
                "members".to_owned(),
                SourceConfig::Members(EtcdConfig {
                    endpoints,
                    ca_file: etcd.ca_file.clone(),
                    client_certificate: etcd.client_certificate.clone(),
                    client_key: etcd.client_key.clone(),
                    dns_servers: name_servers(config),
                    ..EtcdConfig::default()
                }),
            ));
        }
        all.extend(db_info(config));
        let trust = TrustConfig {
            ca_file: etcd.ca_file.clone(),
            server_name: etcd.server_name.clone(),
            client_certificate: etcd.client_certificate.clone(),
            client_key: etcd.client_key.clone(),
            ..TrustConfig::default()
        };
        Self::of(
            Service::Etcd,
            (config, ways),
            etcd.listen.clone(),
            trust,
            all,
            seed,
        )
    }

    /// Supervisors: the servers that the API's service knows, and those that the node was joined with, at their own port.
    fn supervisor(
        (config, ways): (&Config, &Arc<Ways>),
        supervisor: &SupervisorService,
        api: &Siblings,
        seed: u64,
    ) -> Self {
        let port = supervisor.port;
        let beside = |server: &ServerUrl| match server {
            ServerUrl::Host { host, .. } => address(&ServerUrl::Host {
                host: host.clone(),
                port,
            }),
            // Its records tell the API's ports; the addresses come from the API's service.
            ServerUrl::Service(_) => None,
        };
        let servers: Vec<RegistrationAddress> = config.servers.iter().filter_map(beside).collect();
        let mut all = Vec::new();
        if !servers.is_empty() {
            all.push((
                "registration".to_owned(),
                SourceConfig::Registration(RegistrationConfig {
                    servers,
                    dns_servers: name_servers(config),
                    ..RegistrationConfig::default()
                }),
            ));
        }
        all.push((
            Service::Api.name().to_owned(),
            SourceConfig::Service(ServiceConfig {
                snapshot: Arc::clone(api),
                port,
            }),
        ));
        let listen = supervisor.listen.clone();
        Self::of(
            Service::Supervisor,
            (config, ways),
            listen,
            trust(config),
            all,
            seed,
        )
    }

    fn of(
        service: Service,
        (config, ways): (&Config, &Arc<Ways>),
        listen: Vec<SocketAddr>,
        trust: TrustConfig,
        sources: Vec<(String, SourceConfig)>,
        seed: u64,
    ) -> Self {
        let specs = super::specs(&sources);
        let listen_key = match service {
            Service::Api => "listen",
            Service::Etcd => "services.etcd.listen",
            Service::Supervisor => "services.supervisor.listen",
        };
        Self {
            service,
            listen_key,
            proxy: ProxyConfig {
                threads: FURTHER_THREADS,
                sessions_max: Some(FURTHER_SESSIONS_MAX),
                ..proxy(config, ways, listen, seed)
            },
            trust,
            settings: further_settings(service, config, specs),
            sources: super::discovery(sources, ways),
            state_dir: config.state_dir.join("services").join(service.name()),
            journal_size: config.journal_size.0,
            seed,
        }
    }
}

/// A member leaves etcd's own list, and a server the API's service, only when it is gone for good: absence there is as good
/// as two witnesses' (M3).
fn further_settings(service: Service, config: &Config, specs: Vec<SourceSpec>) -> Settings {
    Settings {
        service,
        prefer_local: false,
        port: None,
        unwitnessed_grace: config.timing.grace,
        ..settings(config, specs)
    }
}

/// The supervisors' word on etcd's members. They tell it to servers only, so only where there is a token.
fn db_info(config: &Config) -> Option<(String, SourceConfig)> {
    let section = config.supervisor.as_ref()?;
    let asked: SupervisorConfig = supervisor(section);
    asked.token.as_ref()?;
    let port = asked.port.or(Some(match section.distribution {
        Distribution::K3s => K3S_SUPERVISOR,
        Distribution::Rke2 => RKE2_SUPERVISOR,
    }));
    let source = SourceConfig::Supervisor(SupervisorConfig {
        port,
        list: SupervisorList::Members,
        ..asked
    });
    Some(("supervisor".to_owned(), source))
}

fn proxy(config: &Config, ways: &Arc<Ways>, listen: Vec<SocketAddr>, seed: u64) -> ProxyConfig {
    ProxyConfig {
        listen,
        threads: FURTHER_THREADS,
        hold: config.timing.hold,
        sessions_max: None,
        endpoint_sessions_max: None,
        allow_loopback: config.allow_loopback_upstreams,
        ways: Arc::clone(ways),
        seed,
        copy: CopyMode::Adaptive,
    }
}

/// A limit as it is configured: nought is none.
fn limit(configured: u32) -> Option<usize> {
    usize::try_from(configured).ok().filter(|limit| *limit > 0)
}
