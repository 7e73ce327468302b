//! What an operator may have done over the admin socket, and what is answered. The words are here, the deeds the agent's.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use jackline_core::Service;
use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};

/// The longest drain: what is to be away for longer is taken out of the cluster.
pub const DRAIN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// So many sessions are told at most.
pub const SESSIONS_MAX: usize = 1000;

/// An answer that takes a moment.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running agent, as far as an operator may command it.
pub trait Operate: Send + Sync {
    /// Carries `order` out.
    fn order(&self, order: Order) -> Pending<'_, Result<Done, Refusal>>;
    /// Has a new process take over listeners and sessions, and this one leave; done when it has.
    fn replace(&self, replacement: Replacement) -> Pending<'_, Result<Done, Refusal>>;
    /// The open sessions, at most [`SESSIONS_MAX`] of them, and how many there are in all.
    fn sessions(&self) -> Pending<'_, SessionList>;
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// No new session to this endpoint while another is ready; the open ones move.
    Drain {
        /// Which.
        endpoint: SocketAddr,
        /// It ends by itself after this long, at most [`DRAIN_MAX`].
        lasts: Duration,
        /// Also where it is the last one that is ready.
        force: bool,
    },
    /// Take a drain back.
    Undrain {
        /// Which.
        endpoint: SocketAddr,
    },
    /// Ask every source now.
    Refresh,
    /// Forget what is only remembered, keep the old file aside, ask every source.
    ResetState,
}

/// What takes this process's place. The configuration is read anew in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The program that runs.
    SameProgram,
    /// The program that is where this one was started from: another one, after an upgrade of the package.
    ProgramOnDisk,
    /// This program.
    Program(PathBuf),
}

/// What was done. Its fields are a promise, as those of [`crate::status::Status`] are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was done, a sentence.
    pub done: String,
    /// The endpoint that it was about.
    pub endpoint: Option<SocketAddr>,
    /// When it ends by itself.
    pub until: Option<Time>,
    /// Sessions open with the endpoint at that moment.
    pub sessions: Option<u64>,
    /// Where the old state file was kept.
    pub kept: Vec<String>,
}

/// Why nothing was done. Each is a sentence that ends in what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such endpoint.
    Unknown(String),
    /// It would harm.
    Harmful(String),
    /// It could not be done.
    Failed(String),
}

/// The open sessions. Its fields are a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// When this was told.
    pub now: Time,
    /// How many are open in all; more than are told where there are more than [`SESSIONS_MAX`].
    pub open: u64,
    /// The sessions, the oldest first.
    pub sessions: Vec<OpenSession>,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The client's address.
    pub client: SocketAddr,
    /// The endpoint that serves it.
    pub endpoint: SocketAddr,
    /// Which service it belongs to.
    pub service: Service,
    /// When it was opened.
    pub opened: Time,
    /// Bytes received from the client.
    pub bytes_upstream: u64,
    /// Bytes received from the endpoint.
    pub bytes_downstream: u64,
}
