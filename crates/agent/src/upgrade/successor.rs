//! What a new process does: takes what the old one offers, starts at rest, takes the sessions in, and touches nothing of theirs
//! before it is told that they are its own. Whatever fails before then ends this process and nothing else.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackline_core::Service;
use jackline_proxy::DataPlane;
use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;

use super::told;
use super::wire::{Message, Thing, Wire, WireError};
use super::{READY_TIME, REST_TIME, START_TIME, VARIABLE, VERSION};
use crate::systemd::handed::Handed;

/// More things than that are not offered.
const THINGS_MAX: usize = 256;

/// This process, where it is to take over from another.
#[derive(Debug)]
pub(crate) struct Successor(Wire);

/// What the old process offers besides its sessions.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    pub(crate) handed: Handed,
    pub(crate) metrics: Vec<(SocketAddr, TcpListener)>,
    pub(crate) page: Option<(SocketAddr, TcpListener)>,
    pub(crate) admin: Option<(PathBuf, UnixListener)>,
    /// The state folder and its lock.
    pub(crate) state: Option<(PathBuf, File)>,
    /// The standard input of the first process.
    pub(crate) input: Option<File>,
}

impl Successor {
    /// Whether this process is one: it was started as such, and its standard input is the socket.
    pub(crate) fn of_process() -> Option<Self> {
        std::env::var_os(VARIABLE)?;
        let socket = io::stdin().as_fd().try_clone_to_owned().ok()?;
        let fits = socket_type(&socket).is_ok_and(|kind| kind == SocketType::SEQPACKET);
        Wire::over(socket).ok().filter(|_| fits).map(Self)
    }

    /// Tells the old process why it will not be.
    pub(crate) fn refuse(&self, words: &str) {
        let words = words.chars().take(WORDS_MAX).collect();
        // If it is gone there is nobody to be told.
        let _ = self.0.say(&Message::Refused { words }, &[]);
    }

    /// Takes what is offered.
    pub(crate) fn inherit(&self) -> Result<Inheritance, WireError> {
        let deadline = Instant::now() + READY_TIME;
        match self.0.hear(deadline)?.0 {
            Message::Offer { version: VERSION } => {}
            Message::Offer { version } => {
                return Err(WireError::Odd(format!(
                    "it speaks version {version} of the hand-over, this program {VERSION}"
                )));
            }
            other => return Err(unexpected(&other)),
        }
        let mut inheritance = Inheritance::default();
        for _ in 0..THINGS_MAX {
            match self.0.hear(deadline)? {
                (Message::Thing(thing), beside) => inheritance.add(thing, beside)?,
                (Message::Offered, _) => return Ok(inheritance),
                (other, _) => return Err(unexpected(&other)),
            }
        }
        Err(WireError::Odd("more things than there can be".to_owned()))
    }

    /// Says that nothing is missing, and waits until core and disk are this one's.
    pub(crate) fn ready(&self) -> Result<(), WireError> {
        self.0.say(&Message::Ready, &[])?;
        // The old one's disk may be slow.
        match self.0.hear(Instant::now() + START_TIME)?.0 {
            Message::Resting => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes all sessions in, at rest; gives how many, once they are this one's.
    pub(crate) async fn take(&self, planes: &[(Service, Arc<DataPlane>)]) -> Result<u64, WireError> {
        let fallback = planes
            .first()
            .map(|(_, plane)| plane)
            .ok_or_else(|| WireError::Odd("there is no data plane to take sessions".to_owned()))?;
        self.0.say(&Message::Started, &[])?;
        let deadline = Instant::now() + 2 * REST_TIME + SLACK;
        let mut sessions: u64 = 0;
        loop {
            match self.0.hear(deadline)? {
                (Message::Session(told), beside) => {
                    let session = told::hear(&self.0, &told, beside, deadline)?;
                    // A service that is configured no more has no new sessions; the ones that are open go on.
                    let of = |(service, _): &&(Service, _)| *service == told.service;
                    let plane = planes.iter().find(of).map_or(fallback, |(_, plane)| plane);
                    let index = usize::try_from(sessions).unwrap_or(usize::MAX);
                    plane.adopt(index, session).await?;
                    sessions += 1;
                }
                (Message::All { sessions: told }, _) if told == sessions => break,
                (other, _) => return Err(unexpected(&other)),
            }
        }
        self.0.say(&Message::Holds { sessions }, &[])?;
        match self.0.hear(deadline)?.0 {
            Message::Yours => Ok(sessions),
            other => Err(unexpected(&other)),
        }
    }
}

/// How much longer than the old one this one waits: it is the old one that decides.
const SLACK: Duration = Duration::from_secs(6);
/// The most characters of a refusal.
const WORDS_MAX: usize = 8_000;

impl Inheritance {
    fn add(&mut self, thing: Thing, beside: Vec<OwnedFd>) -> Result<(), WireError> {
        let [descriptor] = <[OwnedFd; 1]>::try_from(beside)
            .map_err(|beside| WireError::Odd(format!("a thing with {} descriptors", beside.len())))?;
        let tcp = |descriptor: OwnedFd| -> io::Result<(SocketAddr, TcpListener)> {
            let listener = TcpListener::from(descriptor);
            Ok((listener.local_addr()?, listener))
        };
        match thing {
            Thing::Listener { managers } => self.handed.add(tcp(descriptor)?, managers),
            Thing::Metrics => self.metrics.push(tcp(descriptor)?),
            Thing::Page => self.page = Some(tcp(descriptor)?),
            Thing::Admin { path } => self.admin = Some((path, descriptor.into())),
            Thing::State { folder } => self.state = Some((folder, descriptor.into())),
            Thing::Input => self.input = Some(descriptor.into()),
        }
        Ok(())
    }
}

fn unexpected(message: &Message) -> WireError {
    let text = format!("{message:?}");
    let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    WireError::Odd(format!("{name}, at this moment"))
}

/// Where this process was started to take over from another, and cannot even begin: tells that one why. Elsewhere nothing.
pub fn refuse_to_take_over(words: &str) {
    if let Some(successor) = Successor::of_process() {
        successor.refuse(words);
    }
}
