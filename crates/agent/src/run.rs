//! The life of a running jackline: from a configuration to its end. [`start`](mod@start) puts it together.

mod start;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jackline_proxy::{BindError, DataPlane};
use tokio_util::sync::CancellationToken;

use crate::berth::Berth;
use crate::claim::{ClaimError, Socket};
use crate::config::Config;
use crate::engine::Engine;
use crate::lines;
use crate::logging;
use crate::signals::Signals;
use crate::systemd::handed::Handed;
use crate::systemd::{Listener, Pulse};

/// Threads of the control plane. The data plane has its own, so that JSON and TLS never hold up bytes.
const CONTROL_THREADS: usize = 2;
/// Threads for what blocks: name resolution, reading files.
const BLOCKING_THREADS: usize = 16;

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
    /// The status page cannot be served.
    #[error(
        "the status page cannot be served at {address}: {source}; give another address (--status-listen), or none"
    )]
    Page {
        /// Where it was wanted.
        address: std::net::SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The port for the metrics could not be had.
    #[error(
        "the metrics cannot be answered on {address}: {source}; give metrics-listen a free address of this machine"
    )]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
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

/// Runs jackline until it is told to end, by SIGTERM or SIGINT; `until_input_ends`: by the end of its standard input too.
///
/// Sets the process's umask and takes over its signals; logs to the standard error.
///
/// # Errors
/// It could not start; the error ends in what to do.
pub fn run(config: Config, until_input_ends: bool) -> Result<Exit, StartError> {
    logging::start(config.log_level, config.log_format);
    // Before there are threads: what the service manager has left in the environment is taken out of it.
    let handed = Handed::of_process();
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
        let mut signals = Signals::listen(until_input_ends).map_err(kernel("signal handlers"))?;
        let running = start::start(&config, handed)?;
        let ends = CancellationToken::new();
        if let Some(listener) = Listener::of_process() {
            tokio::spawn(listener.keep_informed(running.pulse(), ends.clone()));
        }
        Ok(running
            .until_told(&mut signals, &ends, config.timing.shutdown_time)
            .await)
    });
    // A name server or a disk that hangs holds a blocking thread: nobody waits for it.
    runtime.shutdown_background();
    exit
}

pub(crate) fn kernel(part: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Kernel { part, source }
}

/// All that runs.
struct Running {
    api: Engine,
    further: Vec<Arc<Berth>>,
    stop: CancellationToken,
    /// Kept until the end: the socket's file and the folder's lock.
    _claims: (Socket, Option<File>),
}

impl Running {
    /// What is alive as long as it answers: the API's driver and threads. Another service that hangs is no reason to end the API's sessions.
    fn pulse(&self) -> Pulse {
        Pulse {
            published: Arc::clone(&self.api.published),
            queue: Arc::clone(&self.api.queue),
            plane: Arc::clone(&self.api.plane),
        }
    }

    /// Runs until a signal ends it, which `ends` is told; then lets sessions end for `within`, and writes what is to be remembered.
    async fn until_told(self, signals: &mut Signals, ends: &CancellationToken, within: Duration) -> Exit {
        let signal = signals.end().await;
        ends.cancel();
        tracing::info!(target: "jackline", event = lines::ENDS, "{signal}: no new sessions; those that are open may end");
        let further = self.further.iter().filter_map(|berth| berth.plane());
        let planes: Vec<Arc<DataPlane>> = std::iter::once(Arc::clone(&self.api.plane))
            .chain(further)
            .collect();
        planes.iter().for_each(|plane| plane.stop_accepting());
        tokio::select! {
            () = self.end(&planes, within) => {
                tracing::info!(target: "jackline", event = lines::ENDS, "jackline has ended");
                Exit::Clean
            }
            () = signals.interrupted() => {
                tracing::info!(target: "jackline", event = lines::ENDS, "SIGINT again: ending at once");
                planes.iter().for_each(|plane| plane.abort());
                Exit::Interrupted
            }
        }
    }

    /// Lets the sessions of all services end at the same time, then their drivers, and writes what each remembers.
    async fn end(self, planes: &[Arc<DataPlane>], within: Duration) {
        join_all(planes.iter().map(|plane| plane.finish(within))).await;
        // Closed before the stop: whoever is being tried just now finds that it is over.
        let further: Vec<Engine> = self.further.iter().filter_map(|berth| berth.close()).collect();
        self.stop.cancel();
        let engines = std::iter::once(self.api).chain(further);
        join_all(engines.map(Engine::write)).await;
    }
}
