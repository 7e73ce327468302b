//! What the other crates are told, made from the configuration. Pure: nothing is opened here.
//!
//! [`plan`] puts together what each service is made from.

pub(crate) mod plan;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use jackline_core::{Settings, SourceSpec};
use jackline_discovery::{
    Distribution as DiscoveryDistribution, EtcdConfig, HeartbeatConfig, HostNames, ImportConfig, NodesConfig,
    RegistrationAddress, RegistrationConfig, SourceConfig, StaticConfig, SupervisorConfig, SupervisorList,
    TokenOrigin,
};
use jackline_trust::TrustConfig;
use jackline_way::Ways;

use crate::config::{Config, Distribution, Etcd, MemberUrl, ServerUrl, Supervisor};

/// The sources in the order of their numbers, with their names.
pub(crate) fn sources(config: &Config, ways: &Arc<Ways>) -> (Vec<SourceSpec>, jackline_discovery::Config) {
    let mut all: Vec<(String, SourceConfig)> = Vec::new();
    if !config.endpoints.is_empty() {
        all.push((
            "static".to_owned(),
            SourceConfig::Static(StaticConfig {
                endpoints: config.endpoints.clone(),
            }),
        ));
    }
    if !config.servers.is_empty() {
        all.push((
            "registration".to_owned(),
            SourceConfig::Registration(registration(config)),
        ));
    }
    if let Some(supervisor) = &config.supervisor {
        all.push((
            "supervisor".to_owned(),
            SourceConfig::Supervisor(self::supervisor(supervisor)),
        ));
    }
    if let Some(etcd) = &config.etcd {
        all.push(("etcd".to_owned(), SourceConfig::Etcd(self::etcd(etcd, config))));
    }
    if config.kubernetes.enabled {
        all.push(("kubernetes".to_owned(), SourceConfig::Kubernetes));
    }
    if config.kubernetes.nodes {
        let own = Some(config.node.name.clone());
        all.push(("nodes".to_owned(), SourceConfig::Nodes(NodesConfig { own })));
    }
    if config.kubernetes.heartbeat {
        let node = config.node.name.clone();
        all.push((
            "heartbeat".to_owned(),
            SourceConfig::Heartbeat(HeartbeatConfig { node }),
        ));
    }
    all.extend(config.import.iter().map(|file| import(file)));
    (specs(&all), discovery(all, ways))
}

/// What the core is told of sources.
fn specs(sources: &[(String, SourceConfig)]) -> Vec<SourceSpec> {
    let spec = |(name, source): &(String, SourceConfig)| SourceSpec {
        name: name.clone(),
        kind: source.kind(),
    };
    sources.iter().map(spec).collect()
}

/// The sources themselves, in the same order.
fn discovery(sources: Vec<(String, SourceConfig)>, ways: &Arc<Ways>) -> jackline_discovery::Config {
    jackline_discovery::Config {
        sources: sources.into_iter().map(|(_, source)| source).collect(),
        ways: Arc::clone(ways),
    }
}

/// The configuration has checked it; discovery's own reading is the same but for the port that none is given.
fn address(url: &ServerUrl) -> Option<RegistrationAddress> {
    url.to_string().parse().ok()
}

fn members(urls: &[MemberUrl]) -> Vec<RegistrationAddress> {
    urls.iter().filter_map(|url| address(&url.0)).collect()
}

fn name_servers(config: &Config) -> Vec<SocketAddr> {
    config.dns_servers.iter().map(|server| server.0).collect()
}

fn registration(config: &Config) -> RegistrationConfig {
    RegistrationConfig {
        servers: config.servers.iter().filter_map(address).collect(),
        dns_servers: name_servers(config),
        ..RegistrationConfig::default()
    }
}

fn supervisor(supervisor: &Supervisor) -> SupervisorConfig {
    let inline = supervisor
        .token
        .as_ref()
        .map(|token| TokenOrigin::Inline(token.expose().to_owned()));
    SupervisorConfig {
        distribution: match supervisor.distribution {
            Distribution::K3s => DiscoveryDistribution::K3s,
            Distribution::Rke2 => DiscoveryDistribution::Rke2,
        },
        token: inline.or_else(|| supervisor.token_file.clone().map(TokenOrigin::File)),
        port: supervisor.port,
        list: SupervisorList::Apiservers,
    }
}

fn etcd(etcd: &Etcd, config: &Config) -> EtcdConfig {
    EtcdConfig {
        endpoints: members(&etcd.endpoints),
        ca_file: etcd.ca_file.clone(),
        client_certificate: etcd.client_certificate.clone(),
        client_key: etcd.client_key.clone(),
        prefix: etcd.prefix.clone(),
        dns_servers: name_servers(config),
        ..EtcdConfig::default()
    }
}

fn import(file: &Path) -> (String, SourceConfig) {
    let files = vec![file.to_owned()];
    (
        format!("import:{}", file.display()),
        SourceConfig::Import(ImportConfig { files }),
    )
}

/// What the core is told.
pub(crate) fn settings(config: &Config, sources: Vec<SourceSpec>) -> Settings {
    let timing = &config.timing;
    let address = config
        .node
        .address
        .map_or_else(String::new, |address| format!("/{address}"));
    Settings {
        node: format!("{}{address}", config.node.name),
        local: local(config),
        prefer_local: config.node.prefer_local,
        zone: config.node.zone.clone(),
        port: config.profile.api_port,
        node_name: Some(config.node.name.clone()),
        fleet_size: config.fleet_size,
        sources,
        grace: timing.grace,
        unwitnessed_grace: timing.unwitnessed_grace,
        refresh_watched: timing.refresh_watched,
        refresh_polled: timing.refresh_polled,
        probe_used: timing.probe_used,
        probe_idle: timing.probe_idle,
        drain_time: timing.drain_time,
        settling_time: timing.settling_time,
        ..Settings::default()
    }
}

/// The node's own addresses, as far as they matter: its address, and those of the configured servers that are ours.
fn local(config: &Config) -> Vec<IpAddr> {
    let servers = config.servers.iter().filter_map(ServerUrl::address);
    let configured = config
        .endpoints
        .iter()
        .copied()
        .chain(servers)
        .map(|address| address.ip());
    let mut local: Vec<IpAddr> = config.node.address.into_iter().collect();
    for ip in configured.filter(|ip| !ip.is_loopback()) {
        // Only an address of this machine can be bound.
        if !local.contains(&ip) && UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok() {
            local.push(ip);
        }
    }
    local
}

/// What servers are verified by.
pub(crate) fn trust(config: &Config) -> TrustConfig {
    let cluster = &config.cluster;
    TrustConfig {
        ca_file: cluster.ca_file.clone(),
        server_name: cluster.server_name.clone(),
        kubeconfig: cluster.kubeconfig.clone(),
        client_certificate: cluster.client_certificate.clone(),
        client_key: cluster.client_key.clone(),
        token_file: cluster.token_file.clone(),
    }
}

/// How names of hosts that are no servers are resolved.
pub(crate) fn host_names(config: &Config) -> HostNames {
    HostNames {
        dns_servers: name_servers(config),
        ..HostNames::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use jackline_core::{Policy, Service, SourceKind, Timestamp};
    use jackline_discovery::{SourceConfig, SupervisorList};

    use super::plan::{Plan, Siblings};
    use super::{settings, sources, trust};
    use crate::config::{Config, Environment, Flags, load};

    fn config(variables: &[(&str, &str)]) -> Config {
        let flags = Flags {
            config: Some(PathBuf::from("/dev/null")),
            root: Some(PathBuf::from("/nonexistent")),
            ..Flags::default()
        };
        let environment: Environment = variables.iter().copied().collect();
        load(&flags, &environment).expect("valid")
    }

    #[test]
    fn every_source_has_its_place_and_its_name() {
        let config = config(&[
            (
                "JACKLINE_SERVERS",
                "https://api.example, https://[fd00::1]:7443, srv://_k8s._tcp.Example",
            ),
            ("JACKLINE_ENDPOINTS", "10.0.0.2:6443"),
            ("JACKLINE_SUPERVISOR_TOKEN", "hunter2"),
            ("JACKLINE_CLUSTER_CA_FILE", "/ca.crt"),
            (
                "JACKLINE_ETCD_ENDPOINTS",
                "https://127.0.0.1,https://etcd.example:12379",
            ),
            ("JACKLINE_ETCD_CA_FILE", "/etcd-ca.crt"),
            ("JACKLINE_ETCD_PREFIX", "/other"),
            ("JACKLINE_IMPORT", "/a.json,/b.json"),
        ]);
        let (specs, discovery) = sources(&config, &Arc::default());
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "static",
                "registration",
                "supervisor",
                "etcd",
                "kubernetes",
                "nodes",
                "heartbeat",
                "import:/a.json",
                "import:/b.json"
            ]
        );
        assert_eq!(specs[7].kind, SourceKind::Import);
        let SourceConfig::Etcd(etcd) = &discovery.sources[3] else {
            panic!("not etcd")
        };
        let members: Vec<String> = etcd.endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(members, ["127.0.0.1:2379", "etcd.example:12379"]);
        assert_eq!(etcd.prefix, "/other");
        let SourceConfig::Registration(registration) = &discovery.sources[1] else {
            panic!("not the registration address")
        };
        let addresses: Vec<String> = registration.servers.iter().map(ToString::to_string).collect();
        assert_eq!(
            addresses,
            ["api.example:6443", "[fd00::1]:7443", "srv://_k8s._tcp.example"],
            "none is lost on the way"
        );
        assert!(!format!("{discovery:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_not_configured_is_no_source() {
        let config = config(&[("JACKLINE_SERVERS", "https://10.0.0.1")]);
        let names: Vec<String> = sources(&config, &Arc::default())
            .0
            .into_iter()
            .map(|spec| spec.name)
            .collect();
        assert_eq!(names, ["registration"]);
    }

    #[test]
    fn each_service_has_sources_a_folder_and_a_name_of_its_own() {
        let config = config(&[
            ("JACKLINE_SERVERS", "https://10.0.0.1, srv://_k8s._tcp.example"),
            ("JACKLINE_SUPERVISOR_TOKEN", "hunter2"),
            ("JACKLINE_SERVICES_ETCD_CA_FILE", "/etcd-ca.crt"),
            ("JACKLINE_SERVICES_SUPERVISOR_PORT", "9346"),
            ("JACKLINE_STATE_DIR", "/state"),
            ("JACKLINE_TIMING_GRACE", "20s"),
        ]);
        let nothing = Policy::new(settings(&config, Vec::new()), 1, Timestamp::ZERO).snapshot();
        let api: Siblings = Arc::new(move || Arc::clone(&nothing));
        let plans = Plan::further(&config, &Arc::default(), &api, 7);
        let told: Vec<(Service, Vec<&str>, &Path)> = plans
            .iter()
            .map(|plan| {
                let names = plan.settings.sources.iter().map(|spec| spec.name.as_str());
                (plan.service, names.collect(), plan.state_dir.as_path())
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    Service::Etcd,
                    vec!["registration", "members", "supervisor"],
                    Path::new("/state/services/etcd")
                ),
                (
                    Service::Supervisor,
                    vec!["registration", "api"],
                    Path::new("/state/services/supervisor")
                ),
            ]
        );
        assert_eq!(plans[0].settings.unwitnessed_grace.as_secs(), 20);
        assert_eq!(plans[0].trust.ca_file.as_deref(), Some(Path::new("/etcd-ca.crt")));
        let SourceConfig::Supervisor(info) = &plans[0].sources.sources[2] else {
            panic!("not the supervisors")
        };
        assert_eq!((info.port, info.list), (Some(6443), SupervisorList::Members));
        let SourceConfig::Registration(joined) = &plans[1].sources.sources[0] else {
            panic!("not the registration address")
        };
        let joined: Vec<String> = joined.servers.iter().map(ToString::to_string).collect();
        assert_eq!(joined, ["10.0.0.1:9346"], "records tell the API's ports");
    }

    #[test]
    fn the_nodes_identity_is_its_name_and_its_address() {
        let config = config(&[
            ("JACKLINE_SERVERS", "https://10.0.0.1"),
            ("JACKLINE_NODE_NAME", "node-1"),
            ("JACKLINE_NODE_ADDRESS", "10.0.0.5"),
            ("JACKLINE_TIMING_GRACE", "20s"),
            ("JACKLINE_CLUSTER_SERVER_NAME", "apiserver"),
        ]);
        let settings = settings(&config, Vec::new());
        assert_eq!(settings.node, "node-1/10.0.0.5");
        assert_eq!(settings.local, [config.node.address.expect("given")]);
        assert_eq!(settings.grace.as_secs(), 20);
        assert_eq!(trust(&config).server_name, "apiserver");
    }
}
