//! What the old process does: starts the new one, offers it everything, lays core and sessions to rest, hands them over, and
//! leaves; or ends the new one and takes everything back. The new one must be gone before anything goes on, for it may have all.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackline_core::Service;
use jackline_proxy::{AtRest, DataPlane};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use super::told;
use super::wire::{Message, Thing, Wire, WireError};
use super::{READY_TIME, REST_TIME, START_TIME, VARIABLE, VERSION};
use crate::claim::Socket;
use crate::reins::Reins;
use crate::systemd::Listener;

/// The program that runs, whatever is on disk by now.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What a process has besides its services, to be handed on.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) socket: Socket,
    /// The state folder and its lock.
    pub(crate) state: (PathBuf, Option<File>),
    pub(crate) metrics: Vec<TcpListener>,
    pub(crate) page: Option<TcpListener>,
    /// Listeners that a service manager has bound.
    pub(crate) managers: Vec<SocketAddr>,
    pub(crate) input: Option<File>,
}

/// One service, as far as it is handed over.
pub(crate) struct Part {
    pub(crate) service: Service,
    pub(crate) reins: Arc<Reins>,
    pub(crate) plane: Arc<DataPlane>,
}

/// Who has everything now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heir {
    pub(crate) process: u32,
    pub(crate) sessions: u64,
    /// How long they were at rest here.
    pub(crate) rest: Duration,
}

/// Where the program is that this process was started from.
///
/// # Errors
/// The kernel does not tell. In words.
pub(crate) fn on_disk() -> Result<PathBuf, String> {
    let path = std::env::current_exe().map_err(|error| {
        format!("where jackline's program is cannot be told ({error}); name it: --program")
    })?;
    // What the kernel appends once the file was replaced.
    let text = path.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map(PathBuf::from)
        .unwrap_or(path.clone()))
}

/// Hands everything to a new process, of this program or, where `None`, of the one that runs.
///
/// # Errors
/// It did not come to that, in words: everything goes on here, nothing is lost.
pub(crate) async fn hand_over(
    estate: &Estate,
    parts: &[Part],
    program: Option<&Path>,
) -> Result<Heir, String> {
    let started = Wire::pair().and_then(|(wire, other)| Ok((wire, start(program, other)?)));
    let (wire, mut child) = started.map_err(|error| {
        let program = program.unwrap_or(Path::new(OWN_PROGRAM)).display();
        format!("{program} cannot be started: {error}")
    })?;
    match attempt(&wire, estate, parts, child.id()).await {
        Ok(heir) => Ok(heir),
        Err(words) => {
            // The socket stays open until it is gone, so that it cannot take that for a word.
            let ended = child.kill().and_then(|()| child.wait());
            if let Err(error) = ended {
                tracing::debug!(%error, "the new process could not be waited for");
            }
            parts.iter().for_each(|part| part.plane.go_on());
            for part in parts {
                part.reins.go_on().await;
            }
            drop(wire);
            Err(words)
        }
    }
}

/// Ends the new process as SIGTERM does.
pub(crate) fn end(heir: Heir) {
    let process = i32::try_from(heir.process).ok().and_then(Pid::from_raw);
    let ended = process.map(|process| kill_process(process, Signal::TERM));
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "the new process has ended already");
    }
}

/// Starts it as this process was started, with the socket as its standard input.
fn start(program: Option<&Path>, socket: OwnedFd) -> io::Result<std::process::Child> {
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let mut command = Command::new(program.unwrap_or(Path::new(OWN_PROGRAM)));
    if let (None, Some(name)) = (program, name) {
        command.arg0(name);
    }
    command
        .args(arguments)
        .env(VARIABLE, "1")
        // It names this process.
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::from(socket))
        .spawn()
}

async fn attempt(wire: &Wire, estate: &Estate, parts: &[Part], process: u32) -> Result<Heir, String> {
    offer(wire, estate, parts).await.map_err(|error| words(&error))?;
    expect(wire, &Message::Ready, READY_TIME)?;
    for part in parts {
        if !part.reins.rest().await {
            return Err("the core does not come to rest, which is a defect".to_owned());
        }
    }
    wire.say(&Message::Resting, &[]).map_err(|error| words(&error))?;
    expect(wire, &Message::Started, START_TIME)?;
    let begun = Instant::now();
    let sessions = timeout(REST_TIME, tell_all(wire, parts))
        .await
        .map_err(|_| "the sessions could not be told in time".to_owned())?
        .map_err(|error| format!("the sessions could not be told: {error}"))?;
    let left = REST_TIME.saturating_sub(begun.elapsed());
    expect(wire, &Message::Holds { sessions }, left)?;
    wire.say(&Message::Yours, &[]).map_err(|error| words(&error))?;
    // Nothing is this process's any more. A connection ends only when both have closed it, so at once.
    parts.iter().for_each(|part| part.plane.let_go());
    if let Some(manager) = Listener::of_process() {
        manager.tell_successor(process);
    }
    Ok(Heir {
        process,
        sessions,
        rest: begun.elapsed(),
    })
}

/// Offers what is no session.
async fn offer(wire: &Wire, estate: &Estate, parts: &[Part]) -> Result<(), WireError> {
    let thing = |thing: Thing, descriptor: &dyn AsFd| wire.say(&Message::Thing(thing), &[descriptor.as_fd()]);
    wire.say(&Message::Offer { version: VERSION }, &[])?;
    for part in parts {
        for listener in part.plane.listeners().await? {
            let managers = estate.managers.contains(&listener.local_addr()?);
            thing(Thing::Listener { managers }, &listener)?;
        }
    }
    for listener in &estate.metrics {
        thing(Thing::Metrics, listener)?;
    }
    if let Some(listener) = &estate.page {
        thing(Thing::Page, listener)?;
    }
    let path = estate.socket.path().to_owned();
    thing(Thing::Admin { path }, &estate.socket.listener()?)?;
    if let (folder, Some(lock)) = &estate.state {
        let folder = folder.clone();
        thing(Thing::State { folder }, lock)?;
    }
    if let Some(input) = &estate.input {
        thing(Thing::Input, input)?;
    }
    wire.say(&Message::Offered, &[])
}

/// Lays all sessions to rest and tells of them.
async fn tell_all(wire: &Wire, parts: &[Part]) -> io::Result<u64> {
    for part in parts {
        part.plane.rest().await?;
    }
    let mut sessions = 0;
    for part in parts {
        let (wire, service) = (wire.another()?, part.service);
        let tell = move |session: &AtRest<'_>| told::tell(&wire, service, session).map_err(io::Error::other);
        sessions += part.plane.tell_at_rest(Box::new(tell)).await?;
    }
    wire.say(&Message::All { sessions }, &[])
        .map_err(io::Error::other)?;
    Ok(sessions)
}

/// Waits for this very message.
fn expect(wire: &Wire, wanted: &Message, within: Duration) -> Result<(), String> {
    match wire.hear(Instant::now() + within) {
        Ok((message, _)) if message == *wanted => Ok(()),
        Ok((Message::Refused { words }, _)) => Err(one_line(&words)),
        Ok((other, _)) => Err(format!("it said {other:?} where {wanted:?} was due")),
        Err(error) => Err(words(&error)),
    }
}

/// What another process says, as one line of a log.
fn one_line(words: &str) -> String {
    let lines: Vec<String> = words
        .lines()
        .map(|line| line.trim().chars().filter(|c| !c.is_control()).collect())
        .collect();
    lines.join("; ")
}

fn words(error: &WireError) -> String {
    error.to_string()
}
