//! One real kube-apiserver on a host of its own: started, signalled, asked whether it is ready.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::{interval, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::api::Api;
use super::cluster::PORT;
use crate::node::{Process, log_tail};
use crate::place::Place;

/// From a start to being ready: a few seconds, and many of them on a machine that builds other things.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// It is asked this often whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How a server is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// SIGKILL: its lease runs out.
    Kill,
    /// SIGTERM: it takes itself off the list.
    Terminate,
    /// SIGSTOP: its kernel goes on for it; its lease runs out. It returns by SIGCONT.
    Freeze,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Kill, Self::Terminate, Self::Freeze];

    /// As on the timeline.
    pub(super) fn signal(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Terminate => "SIGTERM",
            Self::Freeze => "SIGSTOP",
        }
    }
}

/// How it is started: the same each time.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) log: PathBuf,
}

/// A server.
pub(super) struct Apiserver {
    name: String,
    ip: Ipv4Addr,
    place: Place,
    launch: Launch,
    /// Asked from its own host: what links do is no matter.
    api: Api,
    process: Option<Process>,
    /// It was told to end, and finishes its requests.
    leaving: Option<AbortOnDropHandle<Option<i32>>>,
    frozen: bool,
}

impl Apiserver {
    pub(super) fn new(name: &str, ip: Ipv4Addr, place: Place, launch: Launch, api: Api) -> Self {
        Self {
            name: name.to_owned(),
            ip,
            place,
            launch,
            api,
            process: None,
            leaving: None,
            frozen: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((self.ip, PORT))
    }

    /// Whether it runs and is not frozen.
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some() && !self.frozen
    }

    /// Its API for an administrator.
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// Starts it as soon as an earlier one has gone, or lets it go on where it was frozen.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        if let Some(process) = self.process.as_ref().filter(|_| self.frozen) {
            process.signal(Signal::CONT)?;
            self.frozen = false;
            return Ok(());
        }
        anyhow::ensure!(self.process.is_none(), "{} runs already", self.name);
        if let Some(leaving) = self.leaving.take() {
            leaving.await.context("waiting for an apiserver's end")?;
        }
        let mut command = Command::new(&self.launch.program);
        command.args(&self.launch.arguments);
        let process = Process::spawn(command, &self.launch.log, &self.place)?;
        self.process = Some(process);
        Ok(())
    }

    /// Takes it away; when the signal was sent. One that is told to end may still be finishing its requests when this returns:
    /// with open watches it takes a minute for that, and gets the patience of a service manager, 20 s, until it is killed.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) async fn stop(&mut self, way: Way) -> anyhow::Result<Instant> {
        anyhow::ensure!(self.is_up(), "{} does not run", self.name);
        let process = self.process.take().context("no process")?;
        let sent = Instant::now();
        match way {
            Way::Kill => process.kill().await,
            Way::Terminate => {
                let leaving = tokio::spawn(process.terminate());
                self.leaving = Some(AbortOnDropHandle::new(leaving));
            }
            Way::Freeze => {
                process.signal(Signal::STOP)?;
                self.process = Some(process);
                self.frozen = true;
            }
        }
        Ok(sent)
    }

    /// Waits until its `/readyz` says ok, and tells when it did.
    ///
    /// # Errors
    /// When it does not in time, or has ended: with the last lines of its log.
    pub(super) async fn wait_ready(&self) -> anyhow::Result<Instant> {
        let asking = async {
            let mut ticks = interval(ASK_EVERY);
            loop {
                ticks.tick().await;
                let answer = self.api.get("/readyz").await;
                if answer.is_ok_and(|answer| answer.status.is_success()) {
                    return Instant::now();
                }
            }
        };
        timeout(READY_WITHIN, asking).await.with_context(|| {
            format!(
                "{} was not ready within {} s of its start; its log ends with:\n{}",
                self.name,
                READY_WITHIN.as_secs(),
                log_tail(&self.launch.log)
            )
        })
    }

    /// The addresses that it tells in `default/kubernetes`.
    ///
    /// # Errors
    /// When it does not answer, or not so.
    pub(super) async fn told(&self) -> anyhow::Result<Vec<String>> {
        let answer = self
            .api
            .get("/api/v1/namespaces/default/endpoints/kubernetes")
            .await?;
        let told = answer.json()?;
        let subsets = told["subsets"].as_array().cloned().unwrap_or_default();
        let addresses = subsets.iter().filter_map(|subset| subset["addresses"].as_array());
        let ips = addresses.flatten().filter_map(|address| address["ip"].as_str());
        Ok(ips.map(str::to_owned).collect())
    }
}
