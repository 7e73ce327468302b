//! Every key, with its default and its bounds, in the order in which they are shown and documented.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use jackline_way::{Exception, NoProxy, ProxyUrlError, WayConfig};

use super::environment;
use super::layers::Layers;
use super::services;
use super::value::{ProxyChoice, show_duration};
use super::{
    ByteSize, Cluster, Config, Distribution, Etcd, Kubernetes, Limits, LogFormat, LogLevel, MemberUrl,
    NameServer, Node, ServerUrl, Supervisor, Timing,
};
use crate::profile::{Found, Profile};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is done again and again is not done more often than this.
const PERIOD_MIN: Duration = Duration::from_millis(100);
/// A journal smaller than this holds nothing worth the name …
const JOURNAL_MIN: ByteSize = ByteSize(256 << 10);
/// … and nobody reads one that is larger.
const JOURNAL_MAX: ByteSize = ByteSize(4 << 30);

/// Which profile is wanted: read before the others, for it gives them values.
pub(crate) fn profile(layers: &mut Layers<'_>) -> Profile {
    layers
        .derived("profile", "the one whose distribution is found", || {
            Some(Profile::Auto)
        })
        .unwrap_or_default()
}

/// Reads all other keys. Problems are gathered in `layers`; where there is one, the default stands in.
pub(crate) fn config(layers: &mut Layers<'_>, profile: Found) -> Config {
    let servers: Vec<ServerUrl> = layers.value("servers", Vec::new());
    let endpoints: Vec<SocketAddr> = layers.value("endpoints", Vec::new());
    let node = node(layers, &servers, &endpoints);
    let dns_servers: Vec<NameServer> = layers
        .derived("dns-servers", "the system's resolver configuration", || {
            Some(Vec::new())
        })
        .unwrap_or_default();
    let listen = layers.value("listen", default_listen());
    let state_dir = state_dir(layers);
    let socket = socket(layers);
    let status_listen = layers.optional("status-listen");
    let cluster = cluster(layers);
    let supervisor = supervisor(layers);
    let etcd = etcd(layers);
    let kubernetes = kubernetes(layers, &cluster);
    let services = services::read(layers, &servers);
    let way = way(layers);
    Config {
        profile,
        node,
        servers,
        endpoints,
        dns_servers,
        listen,
        state_dir,
        socket,
        status_listen,
        cluster,
        supervisor,
        etcd,
        kubernetes,
        services,
        way,
        import: layers.value("import", Vec::new()),
        fleet_size: layers.value("fleet-size", 0),
        limits: Limits {
            sessions: layers.value("limits.sessions", 0),
            sessions_per_endpoint: layers.value("limits.sessions-per-endpoint", 0),
        },
        timing: timing(layers),
        allow_loopback_upstreams: layers.value("allow-loopback-upstreams", false),
        journal_size: journal_size(layers),
        metrics_listen: layers
            .derived("metrics-listen", "nowhere", || Some(Vec::new()))
            .unwrap_or_default(),
        log_level: layers.value("log.level", LogLevel::Info),
        log_format: layers.value("log.format", LogFormat::Text),
        shown: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Where what is remembered is.
pub(crate) fn state_dir(layers: &mut Layers<'_>) -> PathBuf {
    layers.value("state-dir", PathBuf::from("/var/lib/jackline"))
}

/// Where the admin socket is.
pub(crate) fn socket(layers: &mut Layers<'_>) -> PathBuf {
    layers.value("socket", PathBuf::from("/run/jackline/jackline.sock"))
}

fn default_listen() -> Vec<SocketAddr> {
    const PORT: u16 = 6440;
    vec![
        SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, PORT)),
        SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, PORT)),
    ]
}

fn node(layers: &mut Layers<'_>, servers: &[ServerUrl], endpoints: &[SocketAddr]) -> Node {
    let name = layers.derived("node.name", "this machine's host name", host_name);
    let first = servers
        .iter()
        .find_map(ServerUrl::address)
        .or_else(|| endpoints.first().copied());
    let address = layers.derived(
        "node.address",
        "the address of the route to the first server",
        || route_to(first?),
    );
    Node {
        // A machine without a name is told apart by its address alone.
        name: name.unwrap_or_else(|| "localhost".to_owned()),
        address,
        zone: layers.optional("node.zone"),
        prefer_local: layers.value("node.prefer-local", false),
    }
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty() && name != "(none)").then_some(name)
}

/// The address that the kernel would send from to reach `server`. Connecting a datagram socket sends nothing.
fn route_to(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

fn cluster(layers: &mut Layers<'_>) -> Cluster {
    Cluster {
        ca_file: layers.optional("cluster.ca-file"),
        server_name: layers.value("cluster.server-name", "kubernetes".to_owned()),
        kubeconfig: layers.optional("cluster.kubeconfig"),
        client_certificate: layers.optional("cluster.client-certificate"),
        client_key: layers.optional("cluster.client-key"),
        token_file: layers.optional("cluster.token-file"),
    }
}

/// All keys are read, so that they are known, also where the section is not there.
fn supervisor(layers: &mut Layers<'_>) -> Option<Supervisor> {
    const RKE2: u16 = 9345;
    let there = layers.section("supervisor");
    let distribution = layers.value("supervisor.distribution", Distribution::K3s);
    let token_file = layers.optional("supervisor.token-file");
    let token = layers.optional("supervisor.token");
    let port = layers.derived("supervisor.port", "k3s: the endpoint's own; rke2: 9345", || {
        (distribution == Distribution::Rke2).then_some(RKE2)
    });
    there.then_some(Supervisor {
        distribution,
        token_file,
        token,
        port,
    })
}

/// As with the supervisor.
fn etcd(layers: &mut Layers<'_>) -> Option<Etcd> {
    const HERE: &str = "127.0.0.1";
    const ETCD: u16 = 2379;
    let there = layers.section("etcd");
    let local = MemberUrl(ServerUrl::Host {
        host: HERE.to_owned(),
        port: ETCD,
    });
    let etcd = Etcd {
        endpoints: layers.value("etcd.endpoints", vec![local]),
        ca_file: layers.optional("etcd.ca-file"),
        client_certificate: layers.optional("etcd.client-certificate"),
        client_key: layers.optional("etcd.client-key"),
        prefix: layers.value("etcd.prefix", "/registry".to_owned()),
    };
    there.then_some(etcd)
}

fn kubernetes(layers: &mut Layers<'_>, cluster: &Cluster) -> Kubernetes {
    let known = cluster.ca_file.is_some() || cluster.kubeconfig.is_some();
    let enabled = layers
        .derived(
            "kubernetes.enabled",
            "on where cluster.ca-file or cluster.kubeconfig is given",
            || Some(known),
        )
        .unwrap_or(known);
    let nodes = layers
        .derived("kubernetes.nodes", "as kubernetes.enabled", || Some(enabled))
        .unwrap_or(enabled);
    let heartbeat = layers
        .derived("kubernetes.heartbeat", "as kubernetes.enabled", || Some(enabled))
        .unwrap_or(enabled);
    Kubernetes {
        enabled,
        nodes,
        heartbeat,
    }
}

/// The ways to servers. What the environment says of proxies is heeded, and everything of ours goes before it.
fn way(layers: &mut Layers<'_>) -> WayConfig {
    let proxy = layers.common("way.proxy", environment::PROXY, |word| {
        let proxy = word.parse().map_err(|error: ProxyUrlError| error.to_string());
        proxy.map(|proxy| ProxyChoice(Some(proxy)))
    });
    let no_proxy: Vec<Exception> = layers.common("way.no-proxy", environment::NO_PROXY, |word| {
        Ok(NoProxy::of_variable(word).iter().cloned().collect())
    });
    WayConfig {
        proxy: proxy.0,
        no_proxy: no_proxy.into_iter().collect(),
        routes: layers.value("way.routes", Vec::new()),
        proxy_protocol: layers.value("way.proxy-protocol", Vec::new()),
    }
}

fn timing(layers: &mut Layers<'_>) -> Timing {
    Timing {
        grace: within(layers, "timing.grace", 10 * MINUTE, SECOND, 365 * DAY),
        unwitnessed_grace: within(layers, "timing.unwitnessed-grace", DAY, SECOND, 365 * DAY),
        refresh_watched: within(layers, "timing.refresh-watched", 2 * MINUTE, PERIOD_MIN, HOUR),
        refresh_polled: within(layers, "timing.refresh-polled", MINUTE, PERIOD_MIN, HOUR),
        probe_used: within(layers, "timing.probe-used", 15 * SECOND, PERIOD_MIN, 10 * MINUTE),
        probe_idle: within(layers, "timing.probe-idle", 30 * SECOND, PERIOD_MIN, 10 * MINUTE),
        drain_time: within(layers, "timing.drain-time", 30 * SECOND, Duration::ZERO, HOUR),
        settling_time: within(layers, "timing.settling-time", MINUTE, Duration::ZERO, DAY),
        hold: within(layers, "timing.hold", SECOND, Duration::ZERO, MINUTE),
        shutdown_time: within(layers, "timing.shutdown-time", 10 * SECOND, Duration::ZERO, HOUR),
    }
}

fn within(
    layers: &mut Layers<'_>,
    key: &'static str,
    default: Duration,
    least: Duration,
    most: Duration,
) -> Duration {
    let value = layers.value(key, default);
    if value < least || value > most {
        let remedy = format!(
            "write a duration from {} to {}; the default is {}",
            show_duration(least),
            show_duration(most),
            show_duration(default)
        );
        layers.refuse(key, format!("{} is out of bounds", show_duration(value)), remedy);
    }
    value
}

fn journal_size(layers: &mut Layers<'_>) -> ByteSize {
    let size = layers.value("journal.size", ByteSize(16 << 20));
    if size < JOURNAL_MIN || size > JOURNAL_MAX {
        layers.refuse(
            "journal.size",
            "the size is out of bounds",
            "write a size from 256KiB to 4GiB; the default is 16MiB",
        );
    }
    size
}
