//! A node: the balancer under test with a folder, a listener and a socket of its own, and the clients that use it.
//!
//! What the balancer is (a real `jackline`, or a naive one as canary) makes no difference to a scenario: it starts it,
//! ends it, and reads what it says of itself.

mod config;
mod journal;
mod observer;
mod process;
mod status;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::clients::{Client, Identity, Kind, Setting};
use crate::naive::NaiveBalancer;
use crate::options::Balancer;
use crate::timeline::Timeline;
pub(crate) use process::{Process, log_tail};

pub(crate) use config::{Access, GRACE, NodeConfig};
use observer::Observer;
pub(crate) use observer::{Reading, SILENT, Seen};
pub(crate) use status::Status;

/// A balancer that does not tell its status this long after its start has not started.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeRole {
    /// Runs pods.
    Agent,
    /// Runs an etcd member, and needs an apiserver as every node does.
    Etcd,
}

/// How a node is run.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) program: PathBuf,
    pub(crate) balancer: Balancer,
}

/// A node. Dropped, all of it is gone.
pub(crate) struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Arc<Identity>,
    folder: PathBuf,
    engine: Engine,
    running: Running,
    observer: Observer,
    clients: Vec<Client>,
}

enum Running {
    Off,
    Process(Process),
    Naive(NaiveBalancer),
}

impl Node {
    /// A node that is off. Called within a tokio runtime.
    ///
    /// # Errors
    /// When its files cannot be written or its credentials not be read.
    pub(crate) fn new(
        config: NodeConfig,
        folder: &Path,
        engine: Engine,
        timeline: Timeline,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.state_dir).context("making a node's folder")?;
        let identity = Arc::new(Identity::read(&config.credentials)?);
        let observer = Observer::start(&config.name, &config.socket, timeline);
        Ok(Self {
            config,
            identity,
            folder: folder.to_owned(),
            engine,
            running: Running::Off,
            observer,
            clients: Vec::new(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    pub(crate) fn listener(&self) -> SocketAddr {
        self.config.listen
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join("config.yaml")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.join("jackline.log")
    }

    /// Starts the balancer and waits until it tells its status. Its clients are no part of this.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        self.running = match &self.engine.balancer {
            Balancer::Jackline => {
                let (file, log) = (self.config_file(), self.log_file());
                std::fs::write(&file, self.config.yaml()).context("writing a node's configuration")?;
                Running::Process(Process::start(
                    &self.engine.program,
                    &file,
                    &log,
                    &self.config.place,
                )?)
            }
            Balancer::Naive(habits) => Running::Naive(NaiveBalancer::start(habits, &self.config).await?),
        };
        if self
            .observer
            .wait(began, began + START_TIMEOUT, |_| true)
            .await
            .is_some()
        {
            return Ok(());
        }
        let ended = match &mut self.running {
            Running::Process(process) => process.ended(),
            _ => None,
        };
        let how = ended.map_or("it runs but tells no status".to_owned(), |how| {
            format!("it ended: {how}")
        });
        anyhow::bail!("{} did not start: {how}\n{}", self.name(), self.log_tail())
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        match std::mem::replace(&mut self.running, Running::Off) {
            Running::Process(process) => process.kill().await,
            Running::Naive(naive) => naive.stop().await,
            Running::Off => {}
        }
    }

    /// SIGTERM; the exit code, if it went by itself.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        match std::mem::replace(&mut self.running, Running::Off) {
            Running::Process(process) => process.terminate().await,
            Running::Naive(naive) => {
                naive.stop().await;
                Some(0)
            }
            Running::Off => Some(0),
        }
    }

    /// Whether the balancer that was started is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        match &mut self.running {
            Running::Process(process) => process.ended().is_none(),
            Running::Naive(_) => true,
            Running::Off => false,
        }
    }

    /// Leaves the balancer so many descriptors more than it has open; `None`: as many as before. Says the limit.
    ///
    /// # Errors
    /// When the limit cannot be set.
    pub(crate) fn limit_descriptors(&self, spare: Option<u64>) -> anyhow::Result<u64> {
        match &self.running {
            Running::Process(process) => process.limit_descriptors(spare),
            Running::Naive(naive) => Ok(naive.limit_sessions(spare)),
            Running::Off => anyhow::bail!("{} is off", self.name()),
        }
    }

    /// Starts a client of each of these kinds.
    pub(crate) fn add_clients(&mut self, kinds: &[Kind], setting: &Setting) {
        for &kind in kinds {
            self.clients.push(Client::start(Setting {
                kind,
                ..setting.clone()
            }));
        }
    }

    /// The clients, to be finished or dropped.
    pub(crate) fn take_clients(&mut self) -> Vec<Client> {
        std::mem::take(&mut self.clients)
    }

    /// What it said last; `None`: it is silent.
    pub(crate) fn status(&self) -> Option<Arc<Status>> {
        self.observer.latest()
    }

    /// Its readings as they come.
    pub(crate) fn readings(&self) -> tokio::sync::watch::Receiver<Reading> {
        self.observer.readings()
    }

    /// All that was seen of it.
    pub(crate) fn seen(&self) -> Seen {
        self.observer.seen()
    }

    /// See [`Observer::wait`].
    pub(crate) async fn wait(
        &self,
        since: Instant,
        deadline: Instant,
        holds: impl FnMut(&Status) -> bool,
    ) -> Option<Instant> {
        self.observer.wait(since, deadline, holds).await
    }

    /// The last lines that it wrote.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(&self.log_file())
    }
}
