//! Puts a running jackline together. Everything of the API's that can fail fails here, before the first session; after that nothing
//! but a signal ends it. What fails of another service is that service's own matter ([`Berth`]).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use jackline_admin::operate::Operate;
use jackline_admin::{Identity, View};
use jackline_core::{Service, Timestamp};
use jackline_way::Ways;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::{Running, StartError, kernel};
use crate::berth::Berth;
use crate::claim::{self, Socket};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, Ground};
use crate::lines;
use crate::proxy_names;
use crate::systemd::handed::Handed;
use crate::view::Shown;
use crate::wiring;
use crate::wiring::plan::{Plan, Siblings};

/// Claims, binds, reads, starts: in this order, so that what fails leaves nothing half-done.
pub(super) fn start(config: &Config, mut handed: Handed) -> Result<Running, StartError> {
    let (clock, seed) = (Clock::start(), seed());
    let socket = Socket::open(&config.socket)?;
    let lock = claim::lock(&config.state_dir)?;
    let ways = Arc::new(Ways::new(config.way.clone()));
    let plan = Plan::api(config, &ways, seed);
    let (api_listeners, mut further_listeners) = share(config, &mut handed);
    let bound = jackline_proxy::bind_beside(&plan.proxy, api_listeners)?;
    let metrics = metrics_listeners(&config.metrics_listen)?;
    let identity = identity(config, bound.addresses().to_vec());
    let warnings: Vec<String> = config
        .warnings
        .iter()
        .chain(&handed.warnings)
        .chain(bound.warnings())
        .cloned()
        .collect();
    let stop = CancellationToken::new();
    let ground = ground(config, clock, &identity.listen, &stop);
    tell_start(config, &identity.listen);
    let api = Engine::start(plan, &ground, bound, None)?;
    for warning in warnings
        .iter()
        .cloned()
        .chain(api.trust.problems())
        .chain(api.note())
    {
        tracing::warn!(target: "jackline", event = lines::WARNING, "{warning}");
    }

    let published = Arc::clone(&api.published);
    let known: Siblings = Arc::new(move || published.load_full());
    let further = Plan::further(config, &ways, &known, seed);
    let further: Vec<Arc<Berth>> = further
        .into_iter()
        .map(|plan| {
            let given = further_listeners.remove(plan.listen_key).unwrap_or_default();
            let (ground, identity) = (ground.clone(), identity.clone());
            let cluster = Arc::clone(&api.trust);
            Arc::new(Berth::new(plan, given, ground, identity, cluster))
        })
        .collect();
    let shown = Shown {
        further: further.clone(),
        ..api.show(identity, warnings)
    };
    let shown = Arc::new(shown);
    show(&socket, metrics, Arc::clone(&shown), &stop)?;
    if let Some(address) = config.status_listen {
        show_page(address, shown, &stop)?;
    }
    proxy_names::watch(&ways, &wiring::host_names(config));
    further.iter().for_each(|berth| Arc::clone(berth).open());
    Ok(Running {
        api,
        further,
        stop,
        _claims: (socket, lock),
    })
}

/// Listeners that were handed over.
type Handover = Vec<std::net::TcpListener>;

/// Which of the handed listeners are the API's, and which the others' by the key that names theirs. The API has what nobody else is
/// configured to have.
fn share(config: &Config, handed: &mut Handed) -> (Handover, BTreeMap<&'static str, Handover>) {
    let further = config
        .listeners()
        .into_iter()
        .filter(|(service, _, _)| *service != Service::Api)
        .map(|(_, key, listen)| (key, handed.take(listen)))
        .collect();
    (handed.rest(), further)
}

/// Where the metrics are answered on TCP.
fn metrics_listeners(listen: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let bind = |&address: &SocketAddr| {
        let failed = |source| StartError::Metrics { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        tracing::info!(target: "jackline", event = lines::METRICS_OPEN, listen = %bound, "the metrics are answered on TCP");
        TcpListener::from_std(listener).map_err(failed)
    };
    listen.iter().map(bind).collect()
}

/// Answers on the admin socket, and the metrics where they are wanted besides, until `stop`.
fn show(
    socket: &Socket,
    metrics: Vec<TcpListener>,
    shown: Arc<Shown>,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    let listener = socket
        .listener()
        .and_then(UnixListener::from_std)
        .map_err(kernel("admin socket"))?;
    tokio::spawn(jackline_admin::serve(
        listener,
        Arc::clone(&shown) as Arc<dyn View>,
        Arc::clone(&shown) as Arc<dyn Operate>,
        stop.clone().cancelled_owned(),
    ));
    for listener in metrics {
        let view = Arc::clone(&shown) as Arc<dyn View>;
        tokio::spawn(jackline_admin::serve_metrics(
            listener,
            view,
            stop.clone().cancelled_owned(),
        ));
    }
    Ok(())
}

/// The page, until `stop`.
fn show_page(address: SocketAddr, shown: Arc<Shown>, stop: &CancellationToken) -> Result<(), StartError> {
    let page = |source| StartError::Page { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(page)?;
    listener.set_nonblocking(true).map_err(page)?;
    let listener = TcpListener::from_std(listener).map_err(page)?;
    let address = listener.local_addr().map_err(page)?;
    tracing::info!(target: "jackline", event = lines::PAGE_OPEN, "the status page is at http://{address}/");
    let stop = stop.clone().cancelled_owned();
    tokio::spawn(jackline_admin::serve_page(listener, shown, stop));
    Ok(())
}

/// `bound` are the API's listeners, with their true ports.
fn ground(config: &Config, clock: Clock, bound: &[SocketAddr], stop: &CancellationToken) -> Ground {
    let configured = config
        .listeners()
        .into_iter()
        .flat_map(|(_, _, listen)| listen.to_vec());
    Ground {
        clock,
        stop: stop.clone(),
        listen: bound.iter().copied().chain(configured).collect(),
        own: config.node.address,
        allow_loopback: config.allow_loopback_upstreams,
    }
}

fn identity(config: &Config, listen: Vec<SocketAddr>) -> Identity {
    Identity {
        node: config.node.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: Timestamp::ZERO,
        listen,
    }
}

fn tell_start(config: &Config, listen: &[SocketAddr]) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(target: "jackline", event = lines::STARTS, version, node = config.node.name, ?listen, "jackline starts");
    let found = &config.profile;
    let role = found.role.as_ref().map(|(role, _)| role.to_string());
    tracing::info!(target: "jackline", event = lines::STARTS, profile = found.profile.name(), role, "profile {}: {}", found.profile, found.why);
    if let Some(proxy) = &config.way.proxy {
        tracing::info!(target: "jackline", event = lines::STARTS, %proxy, "servers are reached through a CONNECT proxy");
    }
}

/// Chance for the node: drawn at boot, recorded in the journal (R5).
fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        // A kernel without random numbers; the process and its time still tell nodes apart.
        let time = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        time.as_secs().rotate_left(32)
            ^ u64::from(time.subsec_nanos())
            ^ u64::from(std::process::id()).rotate_left(16)
    })
}
