//! One child process, a node's `PROGRAM run --config FILE` or another: started in its place, ended by its own handle and
//! never by its name. A node's standard input is a pipe that the lab holds: however the lab ends, a `kill -9` included,
//! its nodes end with it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::place::Place;

/// A process that has not gone this long after SIGTERM is killed; its own shutdown time is shorter.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(20);

/// How much of a node's log is shown when a check failed.
const LOG_TAIL: u64 = 24 << 10;

/// A running process. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a node's program in its place; its output is appended to `log`. Called within a tokio runtime.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be run.
    pub(crate) fn start(program: &Path, config: &Path, log: &Path, place: &Place) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .arg("--until-input-ends");
        Self::spawn(command, log, place)
    }

    /// The same with any command.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub(crate) fn spawn(mut command: Command, log: &Path, place: &Place) -> anyhow::Result<Self> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .context("opening a process's log")?;
        let err = out.try_clone().context("opening a process's log")?;
        let shown = command.as_std().get_program().to_owned();
        command
            // A node's settings come from its file alone, not from the environment of whoever runs the lab.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("JACKLINE_")))
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            // Ctrl-C is for the lab, which ends its nodes itself.
            .process_group(0)
            .kill_on_drop(true);
        // A child is born into the network of the thread that starts it, and into this runtime.
        let runtime = Handle::current();
        let spawn = move || {
            let _within = runtime.enter();
            command.spawn()
        };
        let child = place
            .within(spawn)
            .and_then(|spawned| spawned)
            .with_context(|| format!("running {}", Path::new(&shown).display()))?;
        Ok(Self { child })
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        let _ = self.child.kill().await;
    }

    /// SIGTERM, and waits until it is gone. `Some` with the exit code if it went by itself.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let _ = self.signal(Signal::TERM);
        match timeout(TERMINATE_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => status.code(),
            _ => {
                let _ = self.child.kill().await;
                None
            }
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().context("the process is gone")?;
        kill_process(pid, signal).context("sending a signal")
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.to_string())
    }

    /// Sets the limit of descriptors so that `spare` more can be had; `None` takes the limit back.
    ///
    /// # Errors
    /// When the process is gone or the limit cannot be set.
    pub(crate) fn limit_descriptors(&self, spare: Option<u64>) -> anyhow::Result<u64> {
        let pid = self.pid().context("the node is not running")?;
        // The hard limit stays: only root could raise it again.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let current = match spare {
            None => maximum,
            Some(spare) => Some(limit_for(&descriptors(pid)?, spare)),
        };
        prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum })
            .context("setting the limit of descriptors")?;
        Ok(current.unwrap_or(u64::MAX))
    }

    fn pid(&self) -> Option<Pid> {
        self.child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
    }
}

/// The limit under which `spare` numbers are free: it is on a descriptor's number, not on their count, and the lowest
/// free number is taken first.
fn limit_for(used: &BTreeSet<u64>, spare: u64) -> u64 {
    let mut free = (0..).filter(|number| !used.contains(number));
    (0..spare)
        .filter_map(|_| free.next())
        .last()
        .map_or(0, |last| last + 1)
}

fn descriptors(pid: Pid) -> anyhow::Result<BTreeSet<u64>> {
    let folder = PathBuf::from(format!("/proc/{}/fd", pid.as_raw_nonzero()));
    let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// The end of a log; empty if there is none.
pub(crate) fn log_tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_leaves_just_the_spare_numbers_free() {
        assert_eq!(limit_for(&BTreeSet::from([0, 1, 2, 3]), 2), 6);
        // The holes come first.
        assert_eq!(limit_for(&BTreeSet::from([0, 1, 2, 5, 250]), 2), 5);
        assert_eq!(limit_for(&BTreeSet::from([0, 1, 2, 5, 250]), 3), 7);
        assert_eq!(limit_for(&BTreeSet::from([0, 1, 2]), 0), 0);
    }
}
