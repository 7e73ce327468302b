//! What the admin socket reads: a [`View`] that the agent implements, and a [`Reading`] taken from it at one moment.
//! Plain data; judging it is the core's, showing it [`crate::project`]'s and [`crate::metrics`]'s.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use jackline_core::{Notice, Service, Snapshot, Timestamp};

use crate::status::StateFileStatus;

/// The running agent, as far as the admin socket may see it. Each call is cheap and never blocks.
pub trait View: Send + Sync {
    /// Who and what is running.
    fn identity(&self) -> Identity;
    /// The published snapshot.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// The data plane's own counts.
    fn sessions(&self) -> SessionsView;
    /// How remembering fares (P1–P3).
    fn state_file(&self) -> StateFileView;
    /// The two clocks, read together.
    fn clock(&self) -> Clock;
    /// Facts about this machine and its configuration that an operator should know, each a sentence: `::1` that could
    /// not be bound, a credential that is missing and what is lost by it, a reload that failed. Empty: none.
    fn warnings(&self) -> Vec<String>;
    /// What alerts stand on besides.
    fn signs(&self) -> SignsView;
    /// The services besides this one, each as a reading of its own, in the order of the configuration.
    fn services(&self) -> Vec<(Service, Reading)>;
}

/// Who and what is running. Does not change while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node's name.
    pub node: String,
    /// The version of the program.
    pub version: String,
    /// The process's id.
    pub pid: u32,
    /// When the process started.
    pub started: Timestamp,
    /// Where clients are accepted.
    pub listen: Vec<SocketAddr>,
}

/// The data plane's counts, from the session table: the one truth about sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionsView {
    /// Open now.
    pub open: u64,
    /// Opened since the start.
    pub opened_total: u64,
    /// Closed since the start.
    pub closed_total: u64,
    /// Clients that got no upstream within the hold time and were reset (S6).
    pub refused_total: u64,
    /// Of these, clients that came above the limit of sessions.
    pub over_limit_total: u64,
    /// Dials that passed an endpoint by because it had as many sessions as one may have.
    pub endpoint_full_total: u64,
    /// Second dials that were started on silence (S3).
    pub hedges_total: u64,
    /// First flights that were sent to one more endpoint (S4).
    pub repeats_total: u64,
    /// Bytes from clients to apiservers since the start.
    pub bytes_upstream_total: u64,
    /// Bytes from apiservers to clients since the start.
    pub bytes_downstream_total: u64,
    /// Open now, by endpoint. One that the snapshot does not know (any more) is counted in `open` only.
    pub by_endpoint: BTreeMap<SocketAddr, u64>,
}

/// What alerts stand on besides state and counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignsView {
    /// How often each kind of announcement was told since the start.
    pub told: BTreeMap<Notice, u64>,
    /// Observations of sessions that were dropped since the start.
    pub dropped: u64,
    /// When certificates end, in seconds since 1970, by what they are: `ca`, `client`.
    pub certificates: BTreeMap<&'static str, i64>,
}

/// How remembering fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFileView {
    /// Where it is.
    pub path: PathBuf,
    /// When it was written last, by the wall clock; of the file that was found at start, if nothing was written since.
    pub saved: Option<SystemTime>,
    /// Whether what is known is on disk.
    pub status: StateFileStatus,
    /// In words: what was wrong with the file at start, why it cannot be written.
    pub note: Option<String>,
    /// When each endpoint was ready last, as remembered from earlier runs: shown for those not ready in this one yet.
    pub last_ready: BTreeMap<SocketAddr, SystemTime>,
}

/// The process's clock and the wall clock, read at the same moment.
///
/// Wall-clock times are for people (P5): they are counted back from this moment, so after a jump of the wall clock
/// everything that is shown is told by the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The moment, on the process's monotonic clock.
    pub now: Timestamp,
    /// The same moment, by the wall clock.
    pub wall: SystemTime,
}

impl Clock {
    /// `at` by the wall clock; the clock's own moment where that cannot be told.
    pub fn wall(&self, at: Timestamp) -> SystemTime {
        let told = if at >= self.now {
            self.wall.checked_add(at.since(self.now))
        } else {
            self.wall.checked_sub(self.now.since(at))
        };
        told.unwrap_or(self.wall)
    }
}

/// All that a [`View`] shows, at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Who and what is running.
    pub identity: Identity,
    /// The published snapshot.
    pub snapshot: Arc<Snapshot>,
    /// The data plane's counts.
    pub sessions: SessionsView,
    /// How remembering fares.
    pub state_file: StateFileView,
    /// The clocks.
    pub clock: Clock,
    /// What an operator should know besides.
    pub warnings: Vec<String>,
    /// What alerts stand on besides.
    pub signs: SignsView,
    /// The services besides this one; theirs are empty.
    pub services: Vec<(Service, Reading)>,
}

impl Reading {
    /// Reads all of `view`. The clock is read last, so that nothing in the reading lies in its future.
    pub fn take(view: &dyn View) -> Self {
        Self {
            identity: view.identity(),
            snapshot: view.snapshot(),
            sessions: view.sessions(),
            state_file: view.state_file(),
            warnings: view.warnings(),
            signs: view.signs(),
            services: view.services(),
            clock: view.clock(),
        }
    }
}
