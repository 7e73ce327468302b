//! What all threads of one data plane share: what they read, whom they tell, and what they count.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jackline_core::{DialFailure, Event, LocalFault, Sink, Snapshot};
use jackline_way::Ways;
use tokio::time::Instant;

use crate::baton::Baton;
use crate::bucket::Bucket;
use crate::ledger::{Ledger, Ledgers, Pace};
use crate::loops::Loops;
use crate::table::Stalled;

/// A fault of our own is told at most this often.
const LOCAL_FAULT_GAP: Duration = Duration::from_millis(250);
/// Failed dials of one endpoint are told at most this often: a thousand clients in the hold dial it twenty times a second each.
const DIAL_FAILED_GAP: Duration = Duration::from_millis(100);
/// Bytes that arrive from one endpoint are told at most this often.
const PROGRESSED_GAP: Duration = Duration::from_secs(1);
/// Stalls of one endpoint are told at most this often.
const STALLED_GAP: Duration = Duration::from_millis(250);
/// A limit on sessions is told at most this often.
const OVER_LIMIT_GAP: Duration = Duration::from_secs(10);

/// Shared by all threads.
pub(crate) struct Shared {
    pub(crate) snapshots: Arc<ArcSwap<Snapshot>>,
    pub(crate) loops: Loops,
    pub(crate) ways: Arc<Ways>,
    pub(crate) hold: Duration,
    pub(crate) limits: Limits,
    pub(crate) bucket: Bucket,
    pub(crate) ledgers: Ledgers,
    pub(crate) counts: Counts,
    /// One for each listener.
    pub(crate) batons: Box<[Baton]>,
    /// One for each thread.
    pub(crate) clients: Box<[AtomicUsize]>,
    /// One for each thread.
    pub(crate) bytes: Box<[Bytes]>,
    sink: Sink,
    started: Instant,
    local_faults: [Pace; 5],
    over_limit: Pace,
}

/// How many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sessions: usize,
    /// With one endpoint; `None`: as many as come.
    pub(crate) endpoint_sessions: Option<usize>,
}

/// Counts since the start, except for `clients`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Clients that are being served now.
    pub(crate) clients: AtomicUsize,
    pub(crate) opened: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) over_limit: AtomicU64,
    /// Dials that passed an endpoint by because it has as many sessions as it may.
    pub(crate) endpoint_full: AtomicU64,
    pub(crate) hedges: AtomicU64,
    pub(crate) repeats: AtomicU64,
}

/// What one thread received, in bytes. A cache line of its own: it is counted at every read.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Bytes {
    pub(crate) from_clients: AtomicU64,
    pub(crate) from_upstreams: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        snapshots: Arc<ArcSwap<Snapshot>>,
        sink: Sink,
        (loops, ways): (Loops, Arc<Ways>),
        hold: Duration,
        limits: Limits,
        (threads, listeners): (usize, usize),
    ) -> Self {
        Self {
            snapshots,
            loops,
            ways,
            hold,
            limits,
            bucket: Bucket::full(),
            ledgers: Ledgers::default(),
            counts: Counts::default(),
            batons: (0..listeners).map(|_| Baton::among(threads)).collect(),
            clients: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            bytes: (0..threads).map(|_| Bytes::default()).collect(),
            sink,
            started: Instant::now(),
            local_faults: Default::default(),
            over_limit: Pace::default(),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.sink)(event);
    }

    /// Milliseconds since the start, for the paces.
    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        self.millis(Instant::now())
    }

    /// A dial failed: tells the core, though not each time, and whose fault it was.
    pub(crate) fn dial_failed(&self, endpoint: SocketAddr, failure: DialFailure) {
        tracing::debug!(%endpoint, ?failure, "dial failed");
        let ledger = self.ledgers.of(endpoint);
        let pace = if failure == DialFailure::Refused {
            &ledger.refused
        } else {
            &ledger.failed
        };
        if pace.admit(self.now(), DIAL_FAILED_GAP) {
            self.tell(Event::DialFailed {
                endpoint,
                failure: failure.clone(),
            });
        }
        if let DialFailure::Local(fault) = failure {
            self.local_fault(fault);
        }
    }

    /// Something failed on this very machine.
    pub(crate) fn local_fault(&self, fault: LocalFault) {
        let pace = match fault {
            LocalFault::Descriptors => &self.local_faults[0],
            LocalFault::Ports => &self.local_faults[1],
            LocalFault::NoRoute => &self.local_faults[2],
            LocalFault::Memory => &self.local_faults[3],
            LocalFault::Proxy(_) => &self.local_faults[4],
        };
        if pace.admit(self.now(), LOCAL_FAULT_GAP) {
            self.tell(Event::LocalFaultSeen { fault });
        }
    }

    /// Bytes came from an upstream.
    pub(crate) fn progressed(&self, ledger: &Ledger, now: Instant) {
        if ledger.progressed.admit(self.millis(now), PROGRESSED_GAP) {
            self.tell(Event::SessionsProgressed {
                endpoint: ledger.endpoint,
            });
        }
    }

    /// A session of this endpoint heard nothing back for too long (D4).
    pub(crate) fn stalled(&self, stalled: &Stalled) {
        let Stalled { ledger, again } = stalled;
        let pace = if *again {
            &ledger.stalled_again
        } else {
            &ledger.stalled
        };
        if pace.admit(self.now(), STALLED_GAP) {
            self.tell(Event::SessionStalled {
                endpoint: ledger.endpoint,
                again: *again,
            });
        }
    }

    /// Whether this endpoint may have one more session. If not, that is counted and told.
    pub(crate) fn has_room(&self, endpoint: SocketAddr) -> bool {
        let Some(limit) = self.limits.endpoint_sessions else {
            return true;
        };
        let ledger = self.ledgers.of(endpoint);
        if ledger.open.load(Ordering::Relaxed) < u64::try_from(limit).unwrap_or(u64::MAX) {
            return true;
        }
        self.counts.endpoint_full.fetch_add(1, Ordering::Relaxed);
        if ledger.full.admit(self.now(), OVER_LIMIT_GAP) {
            tracing::warn!(
                %endpoint,
                limit,
                "clients go elsewhere: the limit on sessions with one endpoint is reached; raise limits.sessions-per-endpoint"
            );
        }
        false
    }

    /// A seat for a client whose session another process hands over: that one has counted it already.
    pub(crate) fn seat_handed_over(self: &Arc<Self>) -> Seat {
        self.counts.clients.fetch_add(1, Ordering::Relaxed);
        Seat(Arc::clone(self))
    }

    /// A seat for one more client; `None`: all are taken.
    pub(crate) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let clients = &self.counts.clients;
        let taken = clients.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(self));
        if taken < self.limits.sessions {
            return Some(seat);
        }
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        self.counts.over_limit.fetch_add(1, Ordering::Relaxed);
        if self.over_limit.admit(self.now(), OVER_LIMIT_GAP) {
            let limit = self.limits.sessions;
            tracing::warn!(
                limit,
                "clients are refused: the limit on sessions is reached; raise LimitNOFILE, or limits.sessions where it is set"
            );
        }
        None
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// One client's place among `sessions_max`; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Shared>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.counts.clients.fetch_sub(1, Ordering::Relaxed);
    }
}
