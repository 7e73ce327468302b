//! Puts a running jackline together. Everything of the API's that can fail fails here, before the first session; after that nothing
//! but a signal ends it. What fails of another service is that service's own matter ([`Berth`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use jackline_admin::operate::Operate;
use jackline_admin::{Identity, View};
use jackline_core::{Service, Timestamp};
use jackline_way::Ways;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Running, StartError, kernel, not_handed_over};
use crate::berth::Berth;
use crate::claim::{self, Socket};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, Ground};
use crate::lines;
use crate::proxy_names;
use crate::systemd::handed::Handed;
use crate::upgrade;
use crate::upgrade::predecessor::Estate;
use crate::upgrade::successor::{Inheritance, Successor};
use crate::view::Shown;
use crate::wiring;
use crate::wiring::plan::{Plan, Siblings};

/// Claims, binds, reads, starts: in this order, so that what fails leaves nothing half-done. As a successor it has what the process
/// before offers, and begins at rest until all is its own.
pub(super) async fn start(
    config: &Config,
    mut inheritance: Inheritance,
    input: Option<File>,
    successor: Option<&Successor>,
) -> Result<Running, StartError> {
    let (clock, seed) = (Clock::start(), seed());
    let socket = socket(config, inheritance.admin.take())?;
    let lock = lock(config, inheritance.state.take())?;
    let mut handed = std::mem::take(&mut inheritance.handed);
    let managers = handed.managers.clone();
    let ways = Arc::new(Ways::new(config.way.clone()));
    let mut plan = Plan::api(config, &ways, seed);
    let (api_listeners, mut further_listeners) = share(config, &mut plan, &mut handed, successor.is_some());
    let bound = jackline_proxy::bind_beside(&plan.proxy, api_listeners)?;
    let metrics = listeners(&config.metrics_listen, inheritance.metrics, |address, source| {
        StartError::Metrics { address, source }
    })?;
    let page = listeners(
        config.status_listen.as_slice(),
        inheritance.page.into_iter().collect(),
        |address, source| StartError::Page { address, source },
    )?;
    let identity = identity(config, bound.addresses().to_vec());
    let warnings: Vec<String> = config
        .warnings
        .iter()
        .chain(&handed.warnings)
        .chain(bound.warnings())
        .cloned()
        .collect();
    if let Some(successor) = successor {
        successor.ready().map_err(not_handed_over)?;
    }
    let stop = CancellationToken::new();
    let ground = ground(config, clock, &identity.listen, &stop, successor.is_some());
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
        .map(|mut plan| {
            let (listen, given) = further_listeners
                .remove(plan.listen_key)
                .unwrap_or_else(|| (plan.proxy.listen.clone(), Vec::new()));
            plan.proxy.listen = listen;
            let (ground, identity) = (ground.clone(), identity.clone());
            let cluster = Arc::clone(&api.trust);
            Arc::new(Berth::new(plan, given, ground, identity, cluster))
        })
        .collect();
    further.iter().for_each(|berth| Arc::clone(berth).open());
    if let Some(successor) = successor {
        take_over(successor, &api, &further, &ground).await?;
    }
    let (sender, requests) = upgrade::requests();
    let shown = Shown {
        further: further.clone(),
        requests: Some(sender),
        ..api.show(identity, warnings)
    };
    let shown = Arc::new(shown);
    let estate = Estate {
        state: (config.state_dir.clone(), lock),
        metrics: again(&metrics).map_err(kernel("metrics' listener"))?,
        page: again(&page).map_err(kernel("page's listener"))?.pop(),
        managers,
        input,
        socket,
    };
    let answering = show(&estate.socket, metrics, Arc::clone(&shown), &stop)?;
    show_pages(page, &shown, &stop)?;
    proxy_names::watch(&ways, &wiring::host_names(config));
    Ok(Running {
        api,
        further,
        stop,
        answering,
        requests,
        estate,
    })
}

/// The admin socket: the one that is handed over, if it is where it is wanted.
fn socket(config: &Config, offered: Option<(PathBuf, StdUnixListener)>) -> Result<Socket, StartError> {
    match offered.filter(|(path, _)| *path == config.socket) {
        Some((path, listener)) => Socket::handed_over(path, listener).map_err(kernel("admin socket")),
        None => Ok(Socket::open(&config.socket)?),
    }
}

/// The state folder's lock, in the same way.
fn lock(config: &Config, offered: Option<(PathBuf, File)>) -> Result<Option<File>, StartError> {
    match offered.filter(|(folder, _)| *folder == config.state_dir) {
        Some((_, lock)) => Ok(Some(lock)),
        None => Ok(claim::lock(&config.state_dir)?),
    }
}

/// Takes all sessions in, and goes on with them.
async fn take_over(
    successor: &Successor,
    api: &Engine,
    further: &[Arc<Berth>],
    ground: &Ground,
) -> Result<(), StartError> {
    let beside = further
        .iter()
        .filter_map(|berth| Some((berth.service(), berth.plane()?)));
    let planes: Vec<_> = std::iter::once((Service::Api, Arc::clone(&api.plane)))
        .chain(beside)
        .collect();
    let sessions = successor.take(&planes).await.map_err(not_handed_over)?;
    ground.at_rest.store(false, Ordering::Release);
    planes.iter().for_each(|(_, plane)| plane.go_on());
    // One that has started just now began at rest.
    let late = further.iter().filter_map(|berth| berth.plane());
    late.for_each(|plane| plane.go_on());
    tracing::info!(target: "jackline", event = lines::TAKEN_OVER, sessions, "{sessions} sessions taken over from the process before");
    Ok(())
}

/// Listeners that were handed over.
type Handover = Vec<std::net::TcpListener>;

/// Which of the handed listeners are the API's, and which the others' by the key that names theirs. The API has what nobody else is
/// configured to have; of a process before, which may have been configured otherwise, only what is wanted still. Where any port
/// will do, it is the one that is at hand.
fn share(
    config: &Config,
    api: &mut Plan,
    handed: &mut Handed,
    inherited: bool,
) -> (Handover, BTreeMap<&'static str, (Vec<SocketAddr>, Handover)>) {
    let further: BTreeMap<_, _> = config
        .listeners()
        .into_iter()
        .filter(|(service, _, _)| *service != Service::Api)
        .map(|(_, key, listen)| {
            let mut listen = listen.to_vec();
            handed.settle(&mut listen);
            let taken = handed.take(&listen);
            (key, (listen, taken))
        })
        .collect();
    if inherited {
        handed.retain(&api.proxy.listen);
    }
    handed.settle(&mut api.proxy.listen);
    (handed.rest(), further)
}

/// Listeners of our own pages, at these addresses: those that are handed over, and the rest bound.
fn listeners(
    listen: &[SocketAddr],
    mut offered: Vec<(SocketAddr, std::net::TcpListener)>,
    failed: impl Fn(SocketAddr, io::Error) -> StartError,
) -> Result<Vec<std::net::TcpListener>, StartError> {
    let mut open = |&address: &SocketAddr| {
        let fits = |at: &SocketAddr| *at == address || address.port() == 0 && at.ip() == address.ip();
        let listener = match offered.iter().position(|(at, _)| fits(at)) {
            Some(index) => offered.swap_remove(index).1,
            None => std::net::TcpListener::bind(address).map_err(|error| failed(address, error))?,
        };
        let set = listener.set_nonblocking(true);
        set.map_err(|error| failed(address, error))?;
        Ok(listener)
    };
    listen.iter().map(&mut open).collect()
}

/// The same listeners once more.
fn again(listeners: &[std::net::TcpListener]) -> io::Result<Vec<std::net::TcpListener>> {
    listeners.iter().map(std::net::TcpListener::try_clone).collect()
}

/// Answers on the admin socket, and the metrics where they are wanted besides, until `stop`.
fn show(
    socket: &Socket,
    metrics: Vec<std::net::TcpListener>,
    shown: Arc<Shown>,
    stop: &CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    for listener in metrics {
        let listener = TcpListener::from_std(listener).map_err(kernel("metrics' listener"))?;
        let bound = listener.local_addr().map_err(kernel("metrics' listener"))?;
        tracing::info!(target: "jackline", event = lines::METRICS_OPEN, listen = %bound, "the metrics are answered on TCP");
        let view = Arc::clone(&shown) as Arc<dyn View>;
        tokio::spawn(jackline_admin::serve_metrics(
            listener,
            view,
            stop.clone().cancelled_owned(),
        ));
    }
    let listener = socket
        .listener()
        .and_then(UnixListener::from_std)
        .map_err(kernel("admin socket"))?;
    Ok(tokio::spawn(jackline_admin::serve(
        listener,
        Arc::clone(&shown) as Arc<dyn View>,
        shown as Arc<dyn Operate>,
        stop.clone().cancelled_owned(),
    )))
}

/// The page, until `stop`.
fn show_pages(
    listeners: Vec<std::net::TcpListener>,
    shown: &Arc<Shown>,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    for listener in listeners {
        let listener = TcpListener::from_std(listener).map_err(kernel("page's listener"))?;
        let address = listener.local_addr().map_err(kernel("page's listener"))?;
        tracing::info!(target: "jackline", event = lines::PAGE_OPEN, "the status page is at http://{address}/");
        let stop = stop.clone().cancelled_owned();
        let view = Arc::clone(shown) as Arc<dyn View>;
        tokio::spawn(jackline_admin::serve_page(listener, view, stop));
    }
    Ok(())
}

/// `bound` are the API's listeners, with their true ports.
fn ground(
    config: &Config,
    clock: Clock,
    bound: &[SocketAddr],
    stop: &CancellationToken,
    at_rest: bool,
) -> Ground {
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
        at_rest: Arc::new(AtomicBool::new(at_rest)),
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
