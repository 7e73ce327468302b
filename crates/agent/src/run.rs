//! The life of a running jackline: from a configuration to its end. [`start`](mod@start) puts it together.

mod start;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jackline_proxy::{BindError, DataPlane};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::claim::{ClaimError, Socket};
use crate::config::Config;
use crate::driver::Driver;
use crate::effects::Shell;
use crate::logging;
use crate::signals::Signals;
use crate::state::saver::Saver;

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

/// Runs jackline until it is told to end, by SIGTERM or SIGINT; `until_input_ends`: by the end of its standard input too.
///
/// Sets the process's umask and takes over its signals; logs to the standard error.
///
/// # Errors
/// It could not start; the error ends in what to do.
pub fn run(config: Config, until_input_ends: bool) -> Result<Exit, StartError> {
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
        let mut signals = Signals::listen(until_input_ends).map_err(kernel("signal handlers"))?;
        let running = start::start(&config)?;
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
    /// Runs until a signal ends it; then lets sessions end for `within`, and writes what is to be remembered.
    async fn until_told(self, signals: &mut Signals, within: Duration) -> Exit {
        let signal = signals.end().await;
        tracing::info!(target: "jackline", "{signal}: no new sessions; those that are open may end");
        self.plane.stop_accepting();
        let plane = Arc::clone(&self.plane);
        let ended = async {
            self.plane.finish(within).await;
            self.stop.cancel();
            match self.driver.await {
                Ok(driver) => write(driver, self.saver).await,
                Err(error) => {
                    tracing::error!(target: "jackline", %error, "the driver died; what was last remembered stands")
                }
            }
        };
        tokio::select! {
            () = ended => {
                tracing::info!(target: "jackline", "jackline has ended");
                Exit::Clean
            }
            () = signals.interrupted() => {
                tracing::info!(target: "jackline", "SIGINT again: ending at once");
                plane.abort();
                Exit::Interrupted
            }
        }
    }
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
        tracing::error!(target: "jackline", %error, "state and journal could not be written");
    }
}
