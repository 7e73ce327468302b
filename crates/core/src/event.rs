//! All that can happen to jackline: facts in the past tense.
//!
//! An event is the only way into the core. The shell turns the world into events; it never decides. Each action
//! that starts work ([`crate::Action`]) is answered by exactly one event that ends it, also when the work
//! panicked or was cancelled: the table is in the documentation of each action.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// The watch that `refresh` opened is over, for whatever reason. Follows a report with [`Mode::Watch`].
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

/// A source's complete current answer. It replaces that source's own earlier one, whole and at once (M1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// The endpoints that it lists.
    pub endpoints: Vec<Listing>,
    /// The Nodes that it lists ([`crate::SourceKind::Nodes`] only).
    pub nodes: Vec<NodeListing>,
    /// How it will be kept up to date.
    pub mode: Mode,
    /// The server that answered, if a server did.
    pub answered_by: Option<SocketAddr>,
    /// Whether the answering server was verified against the cluster's CA. An unverified answer only adds (M6).
    pub verified: bool,
    /// A remark for `status`, e.g. why a watch was not to be had. Empty: none.
    pub note: String,
}

/// How a source's answer is kept up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A watch is open and reports each change.
    Watch,
    /// Asked again and again.
    #[default]
    Poll,
    /// Does not change while the process runs.
    Fixed,
}

/// One endpoint in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listing {
    /// Its address.
    pub ip: IpAddr,
    /// Its port; `None` where the source tells none (M7: then the port of a listed endpoint or of the settings).
    pub port: Option<u16>,
    /// Its zone, where the source tells it.
    pub zone: Option<String>,
}

impl From<SocketAddr> for Listing {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: Some(address.port()),
            zone: None,
        }
    }
}

/// One control-plane Node in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeListing {
    /// `metadata.name`.
    pub name: String,
    /// `status.addresses`, internal ones first.
    pub addresses: Vec<IpAddr>,
    /// Whether it carries a control-plane role label (an etcd-only Node does not).
    pub control_plane: bool,
    /// `topology.kubernetes.io/zone`.
    pub zone: Option<String>,
}

/// Why a refresh gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceFailure {
    /// In words, ending in what to do where something can be done.
    pub reason: String,
    /// Servers that were asked and what each said, for `status` and for the *discovery* capability (H6).
    pub tried: Vec<(SocketAddr, String)>,
    /// The server asked for this pause (`Retry-After`, 429).
    pub retry_after: Option<Duration>,
    /// Whether the fault is ours ([`LocalFault`]): then it says nothing about any server.
    pub local: Option<LocalFault>,
}

/// How deep a probe reached (H1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// The kernel accepted a connection.
    Tcp,
    /// A TLS handshake succeeded; the chain was not verified for want of a CA.
    Tls,
    /// TLS verified to the cluster's CA, and an answer to `GET /readyz`.
    Readyz,
}

/// What a probe that succeeded found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// How deep it went.
    pub depth: Depth,
    /// What the server said.
    pub answer: Answer,
    /// How long the TCP connect took; `None` on a kept connection.
    pub connect: Option<Duration>,
    /// How long all of it took.
    pub total: Duration,
    /// Whether a node credential was presented.
    pub authenticated: bool,
}

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// 200 to `/readyz`; or, where the depth is less than [`Depth::Readyz`], all that depth can show.
    Ready,
    /// 401 or 403 even with what credential there is: the HTTP stack lives, readiness is unknown.
    Alive,
    /// 5xx.
    NotReady {
        /// The HTTP status.
        status: u16,
        /// The names of the failed checks (`[-]name failed`), at most 32 (H2).
        failed: Vec<String>,
    },
    /// 503 "apiserver disabled": an etcd-only server. Useless as upstream, precious as source (H6).
    NoApi,
}

/// Why a probe got no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProbeFailure {
    /// Refused, reset, or no route told by the network (not by this machine).
    Refused {
        /// In words.
        detail: String,
    },
    /// Nothing came in time.
    TimedOut {
        /// Where it stuck.
        phase: Phase,
    },
    /// The certificate does not verify (H8).
    Untrusted {
        /// In which way.
        cause: Untrusted,
        /// In words, with both times where it is a matter of time.
        detail: String,
    },
    /// It spoke, but not as an apiserver speaks (no TLS, no HTTP, too long, a redirect).
    Nonsense {
        /// In words.
        detail: String,
    },
    /// Our own fault; says nothing about the endpoint (H3).
    Local {
        /// What.
        fault: LocalFault,
    },
    /// The probe was cancelled or its task died; says nothing about the endpoint.
    Aborted,
}

/// The phase in which a probe stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The TCP connect.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The HTTP answer.
    Http,
}

/// In which way a certificate fails to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Untrusted {
    /// The chain does not lead to the cluster's CA.
    UnknownIssuer,
    /// It is good for other names only.
    WrongName,
    /// It is not valid yet: a matter of clock.
    NotYetValid,
    /// It is not valid any more: a matter of renewal or of clock.
    Expired,
    /// Anything else.
    Other,
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

/// What can fail on this very machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalFault {
    /// No file descriptor (EMFILE, ENFILE).
    Descriptors,
    /// No local port (EADDRNOTAVAIL).
    Ports,
    /// No route, link down (ENETUNREACH, ENETDOWN; EHOSTUNREACH told by our own neighbour table counts as the network's).
    NoRoute,
    /// No memory (ENOMEM, ENOBUFS).
    Memory,
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
