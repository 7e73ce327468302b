//! Puts a running jackline together. Everything that can fail fails here, before the first session; after that nothing
//! but a signal ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use jackline_admin::Identity;
use jackline_core::{Event, Policy, Sink, Snapshot, Timestamp};
use jackline_discovery::Discovery;
use jackline_probe::{ProbeConfig, Prober};
use jackline_proxy::DataPlane;
use jackline_trust::Trust;
use jackline_way::Ways;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Running, StartError, kernel};
use crate::claim::{self, Socket};
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::Driver;
use crate::effects::{Shell, watch_trust};
use crate::files::{Disk, Files};
use crate::journal::ring::{self, Outlet};
use crate::journal::{Journal, Origin};
use crate::own::Admission;
use crate::proxy_names;
use crate::queue::Queue;
use crate::state;
use crate::state::saver::{self, Saver};
use crate::view::Shown;
use crate::wiring;

/// What several parts hold together.
struct Common {
    clock: Clock,
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    saver: Arc<Saver>,
    queue: Arc<Queue>,
    sink: Sink,
    published: Arc<ArcSwap<Snapshot>>,
}

/// Claims, binds, reads, starts: in this order, so that what fails leaves nothing half-done.
pub(super) fn start(config: &Config) -> Result<Running, StartError> {
    let (clock, seed) = (Clock::start(), seed());
    let socket = Socket::open(&config.socket)?;
    let lock = claim::lock(&config.state_dir)?;
    let ways = Arc::new(Ways::new(config.way.clone()));
    let bound = jackline_proxy::bind(&wiring::proxy(config, &ways, seed))?;
    let listen = bound.addresses().to_vec();
    let warnings: Vec<String> = config.warnings.iter().chain(bound.warnings()).cloned().collect();
    let trust = Arc::new(Trust::load(wiring::trust(config)));
    let (saver, restored, journal) = memory(config, &trust)?;
    tell_start(config, &listen, &warnings, &trust, &saver);

    let (specs, sources) = wiring::sources(config, &ways);
    let names = specs.iter().map(|spec| spec.name.clone()).collect();
    let admission = Admission::new(
        &listen,
        config.node.address,
        config.allow_loopback_upstreams,
        &specs,
    );
    let restored: Vec<Event> = restored.into_iter().map(|event| admission.admit(event)).collect();
    let settings = wiring::settings(config, specs);
    let policy = Policy::new(settings.clone(), seed, clock.now());
    let published = Arc::new(ArcSwap::new(policy.snapshot()));
    let queue = Arc::new(Queue::default());
    let sink: Sink = {
        let queue = Arc::clone(&queue);
        Arc::new(move |event| queue.push(admission.admit(event)))
    };
    let plane = Arc::new(bound.run(Arc::clone(&published), Arc::clone(&sink)));
    let common = Common {
        clock,
        trust,
        ways,
        saver,
        queue,
        sink,
        published,
    };

    let mut driver = Driver {
        policy,
        stepping: Policy::step,
        origin: Origin { seed, settings },
        clock: Box::new(move || clock.now()),
        queue: Arc::clone(&common.queue),
        published: Arc::clone(&common.published),
        journal,
        effects: common.effects(&plane, sources, names),
        membership: (Vec::new(), true),
    };
    // Before anybody can ask, and before anybody can end the run: what is saved at the end must contain it.
    for event in restored {
        driver.take(event);
    }
    let stop = CancellationToken::new();
    common.show(&socket, &plane, identity(config, listen), warnings, &stop)?;
    proxy_names::watch(&common.ways, &wiring::host_names(config));
    tokio::spawn(watch_trust(common.trust, common.sink));
    let driver = tokio::spawn(driver.run(stop.clone()));
    Ok(Running {
        driver,
        stop,
        plane,
        saver: common.saver,
        _claims: (socket, lock),
    })
}

impl Common {
    fn effects(
        &self,
        plane: &Arc<DataPlane>,
        sources: jackline_discovery::Config,
        names: Vec<String>,
    ) -> Shell {
        let (trust, sink, runtime) = (&self.trust, &self.sink, Handle::current());
        Shell {
            discovery: Discovery::new(sources, Arc::clone(trust), Arc::clone(sink)),
            prober: Prober::new(
                ProbeConfig {
                    runtime: runtime.clone(),
                    ways: Arc::clone(&self.ways),
                },
                Arc::clone(trust),
                Arc::clone(sink),
            ),
            plane: Arc::clone(plane),
            trust: Arc::clone(trust),
            saver: Arc::clone(&self.saver),
            clock: self.clock,
            sink: Arc::clone(sink),
            runtime,
            sources: names,
        }
    }

    /// Answers on the admin socket until `stop`.
    fn show(
        &self,
        socket: &Socket,
        plane: &Arc<DataPlane>,
        identity: Identity,
        warnings: Vec<String>,
        stop: &CancellationToken,
    ) -> Result<(), StartError> {
        let shown = Shown {
            identity,
            published: Arc::clone(&self.published),
            plane: Arc::clone(plane),
            saver: Arc::clone(&self.saver),
            trust: Arc::clone(&self.trust),
            queue: Arc::clone(&self.queue),
            clock: self.clock,
            warnings,
        };
        let listener = socket
            .listener()
            .and_then(UnixListener::from_std)
            .map_err(kernel("admin socket"))?;
        tokio::spawn(jackline_admin::serve(
            listener,
            Arc::new(shown),
            stop.clone().cancelled_owned(),
        ));
        Ok(())
    }
}

/// What was remembered, for the core (P2), and what writes state file and journal from now on.
fn memory(config: &Config, trust: &Trust) -> Result<(Arc<Saver>, Vec<Event>, Journal), StartError> {
    let files: Arc<dyn Files> = Arc::new(Disk);
    let dir = &config.state_dir;
    let mut found = state::read(&*files, dir);
    let hints = found.judge(&trust.fingerprints());
    let restored = hints
        .into_iter()
        .map(|(records, trusted)| Event::MembershipRestored { records, trusted });
    let saver = Saver::start(Arc::clone(&files), dir.clone(), &found, saver::RETRY);
    let saver = saver.map_err(kernel("state file's thread"))?;
    let size = config.journal_size.0;
    let outlet = Outlet::start(files, dir.join("journal"), size, ring::RETRY);
    let outlet = outlet.map_err(kernel("journal's thread"))?;
    Ok((Arc::new(saver), restored.collect(), Journal::new(outlet, size)))
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

fn tell_start(config: &Config, listen: &[SocketAddr], warnings: &[String], trust: &Trust, saver: &Saver) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(target: "jackline", version, node = config.node.name, ?listen, "jackline starts");
    let found = &config.profile;
    let role = found.role.as_ref().map(|(role, _)| role.to_string());
    tracing::info!(target: "jackline", profile = found.profile.name(), role, "profile {}: {}", found.profile, found.why);
    if let Some(proxy) = &config.way.proxy {
        tracing::info!(target: "jackline", %proxy, "servers are reached through a CONNECT proxy");
    }
    for warning in warnings.iter().chain(&trust.problems()).chain(&saver.view().note) {
        tracing::warn!(target: "jackline", "{warning}");
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
