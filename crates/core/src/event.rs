//! All that can happen to jackline: facts in the past tense.
//!
//! An event is the only way into the core. The shell turns the world into events; it never decides. Each action
//! that starts work ([`crate::Action`]) is answered by exactly one event that ends it, also when the work
//! panicked or was cancelled: the table is in the documentation of each action.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, ProbeFailure};
use crate::local_fault::LocalFault;
use crate::report::{NodeListing, Report, SourceFailure};

/// Where the IO crates drop their events: the driver's queue. Called from any thread; never blocks.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// One configured source; its index in [`crate::Settings::sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u16);

/// One refresh of one source. Grows with every [`crate::Action::RefreshSource`]: the order of our own questions (M2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RefreshId(pub u64);

/// One active test. Grows with every [`crate::Action::StartProbe`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProbeId(pub u64);

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    // --- learn ---
    /// A source gave its complete current answer. `position` counts the answers to one refresh from 0: a watch
    /// that the refresh opened reports under the refresh's id with growing positions. Position 0 ends the refresh.
    SourceReported {
        /// Who answered.
        source: SourceId,
        /// To which question.
        refresh: RefreshId,
        /// The how-manieth answer to that question.
        position: u32,
        /// What it says.
        report: Report,
    },
    /// A refresh ended without an answer. Ends the refresh.
    SourceFailed {
        /// Who was asked.
        source: SourceId,
        /// Which question.
        refresh: RefreshId,
        /// What went wrong.
        failure: SourceFailure,
    },
    /// The Node source answered about one Node (M3a). Ends the refresh.
    NodeReported {
        /// Who answered.
        source: SourceId,
        /// To which question.
        refresh: RefreshId,
        /// The Node's name.
        name: String,
        /// The Node, or `None`: a verified server says that there is none of this name.
        node: Option<NodeListing>,
        /// The server that answered.
        answered_by: Option<SocketAddr>,
    },
    /// The watch that `refresh` opened is over, for whatever reason. Follows a report with [`crate::Mode::Watch`].
    WatchEnded {
        /// Whose watch.
        source: SourceId,
        /// The refresh that opened it.
        refresh: RefreshId,
        /// Why, in words.
        reason: String,
    },

    // --- test ---
    /// A probe got an answer from a server that it verified as far as its depth goes. Ends the probe.
    ProbeSucceeded {
        /// Who was tested.
        endpoint: SocketAddr,
        /// Which test.
        probe: ProbeId,
        /// What it found.
        finding: Finding,
    },
    /// A probe got no answer, or none that can be trusted. Ends the probe.
    ProbeFailed {
        /// Who was tested.
        endpoint: SocketAddr,
        /// Which test.
        probe: ProbeId,
        /// What went wrong.
        failure: ProbeFailure,
    },

    // --- move ---
    /// A client's dial failed.
    DialFailed {
        /// Who was dialled.
        endpoint: SocketAddr,
        /// What went wrong.
        failure: DialFailure,
    },
    /// A hedge or a repeated first flight was answered first by another endpoint while this one was silent (S3, S4).
    HedgeWon {
        /// Who was silent.
        silent: SocketAddr,
        /// Who answered.
        winner: SocketAddr,
    },
    /// A client's session was connected to an upstream.
    SessionOpened {
        /// To whom.
        endpoint: SocketAddr,
        /// How long the connect took.
        connect: Duration,
    },
    /// The upstream's first byte of a session arrived this long after the client's first flight was sent.
    SessionAnswered {
        /// Who answered.
        endpoint: SocketAddr,
        /// After how long.
        after: Duration,
    },
    /// Bytes from this upstream arrived on some session. At most once a second for an endpoint.
    SessionsProgressed {
        /// From whom.
        endpoint: SocketAddr,
    },
    /// A session sent something and heard nothing back for a second (D4). At most four times a second for an endpoint.
    SessionStalled {
        /// By whom.
        endpoint: SocketAddr,
        /// It is more than the first silence, which may follow something that needs no answer (HTTP/2's WINDOW_UPDATE): it
        /// was told before of the same session, which has sent more since and still heard nothing; or the kernel repeats in
        /// vain what was sent (D3); or the server has begun a handshake and does not go on.
        again: bool,
    },
    /// A session ended.
    SessionClosed {
        /// With whom.
        endpoint: SocketAddr,
        /// How.
        ending: Ending,
    },

    // --- operate ---
    /// An operator asked that no new session goes to this endpoint and that the present ones move (D2).
    DrainRequested {
        /// Which.
        endpoint: SocketAddr,
        /// It ends by itself after this long; `None`: at an [`Event::UndrainRequested`].
        duration: Option<Duration>,
    },
    /// An operator took a drain back.
    UndrainRequested {
        /// Which.
        endpoint: SocketAddr,
    },
    /// An operator asked for all sources to be refreshed now.
    RefreshRequested,
    /// An operator asked that all be forgotten that is only remembered, and every source asked.
    ResetRequested,

    // --- ourselves ---
    /// The state file was read at start (P2).
    MembershipRestored {
        /// What it holds.
        records: Vec<Record>,
        /// Whether its CA shares a key with today's. `false`: unverified hints, tried after all others.
        trusted: bool,
    },
    /// The CA and the credentials were read again. Ends an [`crate::Action::ReloadTrust`]; also told when a file changed by itself.
    TrustReloaded {
        /// Whether anything is different now.
        changed: bool,
    },
    /// Something on this machine failed a dial, a probe or a refresh: judges the node, never an endpoint (H3).
    LocalFaultSeen {
        /// What.
        fault: LocalFault,
    },
    /// [`crate::Policy::next_deadline`] has come. Also harmless at any other time.
    DeadlineReached,
}

/// Why a client's dial failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DialFailure {
    /// Refused or reset.
    Refused,
    /// Nothing came within the dial's own limit.
    TimedOut,
    /// The network said that it cannot be reached.
    Unreachable,
    /// Our own fault; says nothing about the endpoint (H3).
    Local(LocalFault),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ending {
    /// The client ended it, or both did.
    Downstream,
    /// The server ended it after having sent something.
    Upstream,
    /// The server ended it before its first byte: a suspicion that only starts a probe (H3).
    UpstreamSilent,
    /// The kernel gave the peer up (keep-alive, user timeout).
    PeerDead,
    /// We ended it, by a [`crate::Action::CloseSessions`] or at shutdown.
    Ours,
}

/// What is remembered of an endpoint across restarts (P1, P5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The endpoint.
    pub address: SocketAddr,
    /// Whether it was archived.
    pub archived: bool,
    /// Names of the sources that listed it last.
    pub seen_by: Vec<String>,
    /// The Node that it was tied to.
    pub node: Option<String>,
    /// Its zone.
    pub zone: Option<String>,
    /// Attached running time since the Endpoints source stopped listing it; `None`: it does list it.
    pub unlisted_for: Option<Duration>,
    /// Attached running time since its Node was gone; `None`: the Node exists, or none was ever tied to it.
    pub node_gone_for: Option<Duration>,
    /// Attached running time since it was archived.
    pub archived_for: Option<Duration>,
    /// When a source listed it last, on this process's clock; `None`: not in this run.
    pub last_seen: Option<crate::Timestamp>,
    /// When it was ready last, on this process's clock; `None`: not in this run.
    pub last_ready: Option<crate::Timestamp>,
}
