//! What the core holds of one source, and what the word of each kind counts for.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::RefreshId;
use crate::report::Mode;
use crate::settings::{SourceKind, SourceSpec};
use crate::snapshot::SourceState;

/// A source: its current answer, and when it is asked again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) kind: SourceKind,
    pub(crate) state: SourceState,
    pub(crate) mode: Mode,
    /// The endpoints of its current answer (M1).
    pub(crate) current: BTreeSet<SocketAddr>,
    /// The question that the current answer belongs to (M2).
    pub(crate) order: (RefreshId, u32),
    pub(crate) asking: Option<Asking>,
    /// The refresh whose watch is open.
    pub(crate) watch: Option<RefreshId>,
    /// The server that this watch is open through.
    #[serde(default)]
    pub(crate) watched_through: Option<SocketAddr>,
    /// When it is asked next; `None`: while it is being asked, or never.
    pub(crate) next: Option<Timestamp>,
    /// Failures in a row, for the backoff.
    pub(crate) failures: u8,
    /// Not to be asked sooner, it said (429, Retry-After).
    pub(crate) not_before: Option<Timestamp>,
    /// How many refreshes it has had: turns it to another server each time (R2).
    pub(crate) turn: u32,
    pub(crate) last_report: Option<Timestamp>,
    pub(crate) error: Option<String>,
    pub(crate) note: String,
}

/// A refresh under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Asking {
    pub(crate) refresh: RefreshId,
    pub(crate) started: Timestamp,
    pub(crate) timeout: Duration,
}

impl Source {
    pub(crate) fn new(spec: &SourceSpec, now: Timestamp) -> Self {
        Self {
            name: spec.name.clone(),
            kind: spec.kind,
            state: SourceState::Waiting,
            mode: Mode::Poll,
            current: BTreeSet::new(),
            order: (RefreshId(0), 0),
            asking: None,
            watch: None,
            watched_through: None,
            next: Some(now),
            failures: 0,
            not_before: None,
            turn: 0,
            last_report: None,
            error: None,
            note: String::new(),
        }
    }
}

impl SourceKind {
    /// Configured: what it lists is removed by configuration only (M4).
    pub(crate) fn is_configured(self) -> bool {
        matches!(self, Self::Static | Self::Registration)
    }

    /// The cluster itself speaks, not only this machine's configuration (S1).
    pub(crate) fn speaks_for_the_cluster(self) -> bool {
        matches!(
            self,
            Self::Kubernetes | Self::Etcd | Self::Supervisor | Self::Service
        )
    }

    /// Its word is the Endpoints source's: what it lists, and what it leaves out, counts for M3.
    pub(crate) fn tells_endpoints(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Etcd | Self::Service)
    }

    /// Servers of the cluster answer it: only a verified answer may take something away (M6).
    pub(crate) fn asks_the_cluster(self) -> bool {
        matches!(
            self,
            Self::Kubernetes | Self::Etcd | Self::Nodes | Self::Supervisor
        )
    }

    /// Endpoints themselves answer it, at the port and by the protocol that clients use.
    pub(crate) fn asks_apiservers(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Nodes | Self::Heartbeat)
    }

    /// The longest pause between two refreshes while isolated (R1).
    pub(crate) fn isolated_cap(self) -> Duration {
        match self {
            Self::Kubernetes | Self::Etcd | Self::Registration => Duration::from_secs(2),
            // Asked within this process: it costs nobody anything.
            Self::Service => Duration::from_secs(1),
            // A supervisor serves 20 such requests at a time.
            Self::Supervisor => Duration::from_secs(5),
            // These cannot bring a new endpoint that was not there a moment ago.
            Self::Nodes | Self::Heartbeat | Self::Static | Self::Import => Duration::from_secs(10),
        }
    }

    /// The longest pause between two refreshes; none while attached.
    pub(crate) fn isolated_cap_if(self, isolated: bool) -> Duration {
        match isolated {
            true => self.isolated_cap(),
            false => Duration::MAX,
        }
    }

    /// How long one refresh may take.
    pub(crate) fn timeout(self, isolated: bool) -> Duration {
        match (self, isolated) {
            (Self::Static | Self::Import | Self::Service, _) => Duration::from_secs(2),
            (_, true) => Duration::from_secs(4),
            (_, false) => Duration::from_secs(10),
        }
    }

    /// Whether a refresh is told which servers to ask. Etcd's members are no apiservers: that source knows its own.
    pub(crate) fn needs_server(self) -> bool {
        matches!(
            self,
            Self::Kubernetes | Self::Nodes | Self::Heartbeat | Self::Supervisor
        )
    }
}
