//! Sessions outlive the process: a new jackline, started by the old one, takes over listeners and live sessions, and the old one
//! leaves. By this `jackline upgrade` brings another program in, and `jackline reload` a changed configuration: one way for both.
//!
//! | file | what it is for |
//! |---|---|
//! | [`wire`] | the socket between the two, its messages and their bounds |
//! | [`told`] | a session as a message |
//! | [`predecessor`] | what the old one does, and how it takes everything back |
//! | [`successor`] | what the new one does |
//!
//! Who owns what at which moment stands in `docs/upgrade.md`. In one sentence: until the old one has said [`wire::Message::Yours`]
//! the new one touches nothing, and the old one can take everything back at any moment by ending the new one.

pub(crate) mod predecessor;
pub(crate) mod successor;
mod told;
pub(crate) mod wire;

use std::path::PathBuf;
use std::time::Duration;

use jackline_admin::operate::{Done, Refusal};
use tokio::sync::{mpsc, oneshot};

/// The version of the messages. Two processes that have not the same one hand nothing over.
pub(crate) const VERSION: u32 = 1;
/// By this variable a new process knows that its standard input is the socket to the old one.
pub(crate) const VARIABLE: &str = "JACKLINE_TAKES_OVER";
/// How long the new one may take to read its configuration and bind; nothing stands still meanwhile.
const READY_TIME: Duration = Duration::from_secs(8);
/// How long it may take to start its core, while the old one's rests; sessions go on meanwhile.
const START_TIME: Duration = Duration::from_secs(8);
/// How long sessions may be at rest before everything is taken back.
const REST_TIME: Duration = Duration::from_secs(2);
/// How many requests may wait; one is served at a time.
const REQUESTS_MAX: usize = 4;

/// Somebody wants a new process.
#[derive(Debug)]
pub(crate) struct Request {
    /// The program; `None`: the one that runs, with its configuration read anew.
    pub(crate) program: Option<PathBuf>,
    /// Whom to answer; `None`: nobody waits, as after a SIGHUP.
    pub(crate) answer: Option<oneshot::Sender<Result<Done, Refusal>>>,
}

/// Where requests wait.
pub(crate) fn requests() -> (mpsc::Sender<Request>, mpsc::Receiver<Request>) {
    mpsc::channel(REQUESTS_MAX)
}
