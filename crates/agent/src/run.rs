//! The life of a running jackline: from a configuration to its end. [`start`](mod@start) puts it together.

mod start;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use jackline_admin::operate::{Done, Refusal};
use jackline_core::Service;
use jackline_proxy::{BindError, DataPlane};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::berth::Berth;
use crate::claim::ClaimError;
use crate::config::Config;
use crate::engine::Engine;
use crate::lines;
use crate::logging;
use crate::signals::{Sign, Signals};
use crate::systemd::handed::Handed;
use crate::systemd::{Listener, Pulse};
use crate::upgrade::predecessor::{Estate, Heir, Part};
use crate::upgrade::successor::{Inheritance, Successor};
use crate::upgrade::wire::WireError;
use crate::upgrade::{self, Request};

/// Threads of the control plane. The data plane has its own, so that JSON and TLS never hold up bytes.
const CONTROL_THREADS: usize = 2;
/// Threads for what blocks: name resolution, reading files.
const BLOCKING_THREADS: usize = 16;

/// How long what was being parted from may take once a new process has everything.
const LEAVING_TIME: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// SIGTERM or SIGINT, and all was brought to an end: status 0.
    Clean,
    /// SIGINT came again: ended at once, status 130.
    Interrupted,
    /// A new process has listeners and sessions: status 0.
    HandedOver,
}

impl Exit {
    /// The status for the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean | Self::HandedOver => 0,
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
    /// It was to take over from another process, which does not hand over.
    #[error("the process before does not hand over: {source}; it goes on with its sessions")]
    TakeOver {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
    let successor = Successor::of_process();
    let exit = begin(&config, until_input_ends, successor.as_ref());
    if let (Err(error), Some(successor)) = (&exit, &successor) {
        successor.refuse(&error.to_string());
    }
    exit
}

fn begin(config: &Config, until_input_ends: bool, successor: Option<&Successor>) -> Result<Exit, StartError> {
    let mut inheritance = match successor {
        Some(successor) => successor.inherit().map_err(not_handed_over)?,
        // Before there are threads: what the service manager has left in the environment is taken out of it.
        None => Inheritance {
            handed: Handed::of_process(),
            input: until_input_ends.then(standard_input).transpose()?,
            ..Inheritance::default()
        },
    };
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
        let input = inheritance.input.take().filter(|_| until_input_ends);
        let heard = input.as_ref().map(File::try_clone).transpose();
        let heard = heard.map_err(kernel("standard input"))?;
        let mut signals = Signals::listen(heard).map_err(kernel("signal handlers"))?;
        let mut running = start::start(config, inheritance, input, successor).await?;
        let ends = CancellationToken::new();
        let manager = Listener::of_process()
            .map(|manager| tokio::spawn(manager.keep_informed(running.pulse(), ends.clone())));
        let Some(signal) = running.until_told(&mut signals).await else {
            if let Some(manager) = manager {
                // It is the new process's now to tell how the node fares.
                manager.abort();
            }
            running.leave().await;
            return Ok(Exit::HandedOver);
        };
        Ok(running
            .end_by(signal, &mut signals, &ends, config.timing.shutdown_time)
            .await)
    });
    // A name server or a disk that hangs holds a blocking thread: nobody waits for it.
    runtime.shutdown_background();
    exit
}

pub(crate) fn kernel(part: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Kernel { part, source }
}

fn not_handed_over(error: WireError) -> StartError {
    StartError::TakeOver {
        source: Box::new(error),
    }
}

fn standard_input() -> Result<File, StartError> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    Ok(input.map_err(kernel("standard input"))?.into())
}

/// All that runs.
struct Running {
    api: Engine,
    further: Vec<Arc<Berth>>,
    stop: CancellationToken,
    /// Answers on the admin socket.
    answering: JoinHandle<()>,
    /// Those who want a new process in this one's place.
    requests: mpsc::Receiver<Request>,
    /// Kept until the end: the socket's file and the folder's lock.
    estate: Estate,
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

    /// Runs until a signal ends it; gives its name. `None`: a new process has everything.
    async fn until_told(&mut self, signals: &mut Signals) -> Option<&'static str> {
        loop {
            let request = tokio::select! {
                sign = signals.next() => match sign {
                    Sign::End(signal) => return Some(signal),
                    Sign::Reload => Request { program: None, answer: None },
                },
                Some(request) = self.requests.recv() => request,
            };
            if let Some(heir) = self.hand_over(request).await {
                if let Some(Sign::End(_)) = signals.next().now_or_never() {
                    // It was meant for whoever has the sessions.
                    upgrade::predecessor::end(heir);
                }
                return None;
            }
        }
    }

    /// Hands everything to a new process, and says so or why not to whoever asked; who has it then.
    async fn hand_over(&self, request: Request) -> Option<Heir> {
        let Request { program, answer } = request;
        let what = program
            .as_ref()
            .map_or("this program".to_owned(), |program| program.display().to_string());
        tracing::info!(target: "jackline", event = lines::HANDS_OVER, "a new process is to take over: {what}, with the configuration as it is now");
        let done = upgrade::predecessor::hand_over(&self.estate, &self.parts(), program.as_deref()).await;
        let told = match &done {
            Ok(heir) => {
                let Heir {
                    process,
                    sessions,
                    rest,
                } = heir;
                let rest = rest.as_millis();
                tracing::info!(target: "jackline", event = lines::HANDED_OVER, process, sessions, "process {process} has listeners and {sessions} sessions, which rested for {rest} ms; this one leaves");
                Ok(Done {
                    done: format!(
                        "process {process} has taken over, with {sessions} sessions, which rested for {rest} ms"
                    ),
                    sessions: Some(*sessions),
                    ..Done::default()
                })
            }
            Err(words) => {
                tracing::error!(target: "jackline", event = lines::NOT_HANDED_OVER, "the new process does not take over, and this one goes on with all its sessions: {words}");
                Err(Refusal::Failed(format!(
                    "nothing was changed and no session was touched, for the new process does not take over: {words}"
                )))
            }
        };
        if let Some(answer) = answer {
            // Whoever asked may have gone away.
            let _ = answer.send(told);
        }
        done.ok()
    }

    fn parts(&self) -> Vec<Part> {
        let api = Part {
            service: Service::Api,
            reins: Arc::clone(&self.api.reins),
            plane: Arc::clone(&self.api.plane),
        };
        let further = self.further.iter().filter_map(|berth| {
            Some(Part {
                service: berth.service(),
                reins: berth.reins()?,
                plane: berth.plane()?,
            })
        });
        std::iter::once(api).chain(further).collect()
    }

    /// Leaves: another process has everything. What was being parted from is parted from, and who asked has the answer.
    async fn leave(self) {
        self.stop.cancel();
        let parts = self.parts();
        let partings = parts.iter().map(|part| part.plane.finish(LEAVING_TIME));
        let answered = tokio::time::timeout(2 * LEAVING_TIME, self.answering);
        let _ = tokio::join!(join_all(partings), answered);
        self.estate.socket.leave();
    }

    /// Ends by this signal, which `ends` is told: lets sessions end for `within`, and writes what is to be remembered.
    async fn end_by(
        self,
        signal: &str,
        signals: &mut Signals,
        ends: &CancellationToken,
        within: Duration,
    ) -> Exit {
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
