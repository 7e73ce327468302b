//! All that jackline can do: commands in the imperative. The shell carries them out and decides nothing.
//!
//! | action | ended by |
//! |---|---|
//! | [`Action::RefreshSource`] | [`Event::SourceReported`] at position 0, [`Event::NodeReported`] or [`Event::SourceFailed`] |
//! | [`Action::StartProbe`] | [`Event::ProbeSucceeded`] or [`Event::ProbeFailed`] |
//! | [`Action::CloseSessions`] | one [`Event::SessionClosed`] for each session that ends; none needed |
//! | [`Action::ReloadTrust`] | [`Event::TrustReloaded`] |
//! | the others | nothing: they start no work that the core waits for |
//!
//! [`Event::SourceReported`]: crate::Event::SourceReported
//! [`Event::NodeReported`]: crate::Event::NodeReported
//! [`Event::SourceFailed`]: crate::Event::SourceFailed
//! [`Event::ProbeSucceeded`]: crate::Event::ProbeSucceeded
//! [`Event::ProbeFailed`]: crate::Event::ProbeFailed
//! [`Event::SessionClosed`]: crate::Event::SessionClosed
//! [`Event::TrustReloaded`]: crate::Event::TrustReloaded

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{ProbeId, Record, RefreshId, SourceId};
use crate::notice::Notice;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Ask a source for its complete current answer.
    RefreshSource(RefreshSource),
    /// Test an endpoint.
    StartProbe(StartProbe),
    /// Close sessions with an endpoint.
    CloseSessions(CloseSessions),
    /// Forget an earlier, still unfinished, paced [`Action::CloseSessions`] of this endpoint: its sessions stay.
    KeepSessions {
        /// Whose.
        endpoint: SocketAddr,
    },
    /// Write this to the state file. The shell writes the newest; older ones that wait are dropped.
    PersistMembership {
        /// What is to be remembered, whole.
        records: Vec<Record>,
    },
    /// Read the CA and the credentials again from their files.
    ReloadTrust,
    /// Tell people, one line a change.
    Announce(Announcement),
}

/// What is to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefreshSource {
    /// Who.
    pub source: SourceId,
    /// The question's number: every event that answers it carries it.
    pub refresh: RefreshId,
    /// What.
    pub ask: Ask,
    /// Servers to ask, best first, at most 64 (R3); empty where the source needs none or none is known. The source tries
    /// the next one on a failure and after a short silence, concurrently, under the one `timeout`.
    pub targets: Vec<SocketAddr>,
    /// Whom to ask.
    pub breadth: Breadth,
    /// The refresh ends by then.
    pub timeout: Duration,
}

/// The question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ask {
    /// All that it knows.
    Everything,
    /// One Node by name (M3a).
    Node(String),
}

/// How many of the targets are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Breadth {
    /// In turn, until the first useful answer. An empty answer is not useful: the next is asked.
    First,
    /// All of them; each useful answer is reported as it comes, under growing positions.
    Every,
}

/// A test to be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StartProbe {
    /// Whom.
    pub endpoint: SocketAddr,
    /// The test's number.
    pub probe: ProbeId,
    /// On a new connection; `false`: a kept one will do (H7). A kept one that turns out dead is replaced by a new one at once.
    pub fresh: bool,
    /// Keep the connection for the next probe, if the answer was good.
    pub keep: bool,
    /// Limits of each phase.
    pub limits: ProbeLimits,
}

/// How long each phase of a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProbeLimits {
    /// The TCP connect.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// Each HTTP exchange (two where the anonymous is refused).
    pub http: Duration,
}

/// Sessions to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CloseSessions {
    /// With whom.
    pub endpoint: SocketAddr,
    /// Which of them.
    pub which: Which,
    /// How fast and how gently.
    pub pace: Pace,
    /// Why, in words.
    pub reason: String,
}

/// Which sessions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Which {
    /// All that are open now.
    All,
    /// Those without a byte from the upstream for at least this long (D4).
    SilentFor(Duration),
}

/// How sessions are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pace {
    /// Each at a moment of its own within this time, spread evenly with jitter, by a reset: the peer is dead (D3, D4) or cannot serve (R4). Zero: at once.
    Reset(Duration),
    /// Each at a quiet moment of its own (D2), spread over this time, by a FIN after a flush; without a quiet moment at the end of it.
    Quiet(Duration),
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Announcement {
    /// Which kind.
    pub notice: Notice,
    /// How loud.
    pub level: Level,
    /// About whom.
    pub subject: Subject,
    /// What changed and why, without the subject.
    pub text: String,
}

/// How loud an announcement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// For those who look closely.
    Debug,
    /// A change.
    Info,
    /// A change for the worse.
    Warn,
    /// The node is in danger.
    Error,
}

/// What an announcement is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// The node itself.
    Node,
    /// An endpoint.
    Endpoint(SocketAddr),
    /// A source.
    Source(SourceId),
}
