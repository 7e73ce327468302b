//! From a configuration to a running jackline, and to its end. Everything that can fail fails here, before the first
//! session; after that nothing but a signal ends it.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use jackline_admin::Identity;
use jackline_core::{Event, Policy, Sink, Timestamp};
use jackline_discovery::Discovery;
use jackline_probe::{ProbeConfig, Prober};
use jackline_proxy::{BindError, DataPlane};
use jackline_trust::Trust;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::claim::{self, ClaimError, Socket};
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::Driver;
use crate::effects::{Shell, watch_trust};
use crate::files::{Disk, Files};
use crate::journal::ring::{self, Outlet};
use crate::journal::{Journal, Origin};
use crate::own::Admission;
use crate::queue::Queue;
use crate::signals::Signals;
use crate::state::saver::{self, Saver};
use crate::state::{self, Found};
use crate::view::Shown;
use crate::{logging, wiring};

/// Threads of the control plane. The data plane has its own, so that JSON and TLS never hold up bytes.
const CONTROL_THREADS: usize = 2;
/// Threads for what blocks: name resolution, reading files.
const BLOCKING_THREADS: usize = 16;
/// How long the state file and the journal may each take at the end.
const WRITE_TIME: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// SIGTERM or SIGINT, and all was brought to an end: status 0.
    Clean,
    /// SIGINT came again: ended at once, status 130.
    Interrupted,
}

impl Exit {
    /// The status for the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Interrupted => 130,
        }
    }
}

/// Why jackline could not start. Each ends in what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The admin socket or the state folder is another's, or cannot be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// A listener could not be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The kernel refuses threads, descriptors or signals.
    #[error(
        "jackline cannot start its {part}: {source}; raise the limits on threads and descriptors (TasksMax, LimitNOFILE)"
    )]
    Kernel {
        /// What could not be started.
        part: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Runs jackline until it is told to end, by SIGTERM or SIGINT.
///
/// Sets the process's umask and takes over its signals; logs to the standard error.
///
/// # Errors
/// It could not start; the error ends in what to do.
pub fn run(config: Config) -> Result<Exit, StartError> {
    logging::start(config.log_level);
    // Whatever is made from here on is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("jackline-control")
        .enable_all()
        .build()
        .map_err(kernel("control plane"))?;
    let exit = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(kernel("signal handlers"))?;
        let running = Running::start(&config)?;
        Ok(running
            .until_told(&mut signals, config.timing.shutdown_time)
            .await)
    });
    // A name server or a disk that hangs holds a blocking thread: nobody waits for it.
    runtime.shutdown_background();
    exit
}

fn kernel(part: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Kernel { part, source }
}

/// All that runs.
struct Running {
    driver: JoinHandle<Driver<Shell>>,
    stop: CancellationToken,
    plane: Arc<DataPlane>,
    saver: Arc<Saver>,
    /// Kept until the end: the socket's file and the folder's lock.
    _claims: (Socket, Option<File>),
}

impl Running {
    /// Claims, binds, reads, starts: in this order, so that what fails leaves nothing half-done.
    fn start(config: &Config) -> Result<Self, StartError> {
        let clock = Clock::start();
        let seed = seed();
        let socket = Socket::open(&config.socket)?;
        let lock = claim::lock(&config.state_dir)?;
        let bound = jackline_proxy::bind(&wiring::proxy(config, seed))?;
        let trust = Arc::new(Trust::load(wiring::trust(config)));
        let (saver, found, journal) = memory(config)?;

        let (specs, sources) = wiring::sources(config);
        let listen = bound.addresses().to_vec();
        let admission = Admission::new(
            &listen,
            config.node.address,
            config.allow_loopback_upstreams,
            &specs,
        );
        let queue = Arc::new(Queue::default());
        let sink: Sink = {
            let queue = Arc::clone(&queue);
            Arc::new(move |event| queue.push(admission.admit(event)))
        };
        let warnings: Vec<String> = config.warnings.iter().chain(bound.warnings()).cloned().collect();
        tell_start(config, &listen, &warnings, &trust, &found);
        sink(restored(&found, &trust));

        let names = specs.iter().map(|spec| spec.name.clone()).collect();
        let settings = wiring::settings(config, specs);
        let policy = Policy::new(settings.clone(), seed, clock.now());
        let published = Arc::new(ArcSwap::new(policy.snapshot()));
        let plane = Arc::new(bound.run(Arc::clone(&published), Arc::clone(&sink)));
        let runtime = Handle::current();
        let stop = CancellationToken::new();
        let shown = Shown {
            identity: identity(config, listen),
            published: Arc::clone(&published),
            plane: Arc::clone(&plane),
            saver: Arc::clone(&saver),
            trust: Arc::clone(&trust),
            queue: Arc::clone(&queue),
            clock,
            warnings,
        };
        let listener = socket
            .listener()
            .and_then(UnixListener::from_std)
            .map_err(kernel("admin socket"))?;
        runtime.spawn(jackline_admin::serve(
            listener,
            Arc::new(shown),
            stop.clone().cancelled_owned(),
        ));
        runtime.spawn(watch_trust(Arc::clone(&trust), Arc::clone(&sink)));
        let effects = Shell {
            discovery: Discovery::new(sources, Arc::clone(&trust), Arc::clone(&sink)),
            prober: Prober::new(
                ProbeConfig {
                    runtime: runtime.clone(),
                },
                Arc::clone(&trust),
                Arc::clone(&sink),
            ),
            plane: Arc::clone(&plane),
            trust,
            saver: Arc::clone(&saver),
            clock,
            sink,
            runtime: runtime.clone(),
            sources: names,
        };
        let driver = Driver {
            policy,
            stepping: Policy::step,
            origin: Origin { seed, settings },
            clock: Box::new(move || clock.now()),
            queue,
            published,
            journal,
            effects,
            membership: (Vec::new(), true),
        };
        let driver = runtime.spawn(driver.run(stop.clone()));
        Ok(Self {
            driver,
            stop,
            plane,
            saver,
            _claims: (socket, lock),
        })
    }

    /// Runs until a signal ends it; then lets sessions end for `within`, and writes what is to be remembered.
    async fn until_told(self, signals: &mut Signals, within: Duration) -> Exit {
        let signal = signals.end().await;
        tracing::info!(within = ?within, "{signal}: no new sessions; those that are open may end");
        self.plane.stop_accepting();
        let plane = Arc::clone(&self.plane);
        let ended = async {
            self.plane.finish(within).await;
            self.stop.cancel();
            match self.driver.await {
                Ok(driver) => write(driver, self.saver).await,
                Err(error) => tracing::error!(%error, "the driver died; what was last remembered stands"),
            }
        };
        tokio::select! {
            () = ended => {
                tracing::info!("jackline has ended");
                Exit::Clean
            }
            () = signals.interrupted() => {
                tracing::info!("SIGINT again: ending at once");
                plane.abort();
                Exit::Interrupted
            }
        }
    }
}

/// The state file as it was found, and what writes it and the journal from now on.
fn memory(config: &Config) -> Result<(Arc<Saver>, Found, Journal), StartError> {
    let files: Arc<dyn Files> = Arc::new(Disk);
    let dir = &config.state_dir;
    let found = state::read(&*files, dir);
    let saver = Saver::start(Arc::clone(&files), dir.clone(), &found, saver::RETRY);
    let saver = saver.map_err(kernel("state file's thread"))?;
    let size = config.journal_size.0;
    let outlet = Outlet::start(files, dir.join("journal"), size, ring::RETRY);
    let outlet = outlet.map_err(kernel("journal's thread"))?;
    Ok((Arc::new(saver), found, Journal::new(outlet, size)))
}

/// What was remembered, for the core (P2).
fn restored(found: &Found, trust: &Trust) -> Event {
    let Some(memory) = &found.memory else {
        return Event::MembershipRestored {
            records: Vec::new(),
            trusted: true,
        };
    };
    let trusted = memory.is_of(&trust.fingerprints());
    if !trusted {
        tracing::warn!(
            "the state file shares no CA key with today's CA: its addresses are tried after all others"
        );
    }
    Event::MembershipRestored {
        records: memory.records(),
        trusted,
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

fn tell_start(config: &Config, listen: &[SocketAddr], warnings: &[String], trust: &Trust, found: &Found) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(target: "jackline", version, node = config.node.name, ?listen, "jackline starts");
    for warning in warnings.iter().chain(&trust.problems()).chain(&found.note) {
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

/// Writes state and journal for the last time.
async fn write(driver: Driver<Shell>, saver: Arc<Saver>) {
    driver.effects.persist(driver.policy.records());
    let now = (driver.clock)();
    let writing = tokio::task::spawn_blocking(move || {
        saver.finish(WRITE_TIME);
        driver.journal.finish(now, WRITE_TIME);
    });
    if let Err(error) = writing.await {
        tracing::error!(%error, "state and journal could not be written");
    }
}
