//! What is counted of a node: for tables, and for judging whether a healed world has come to rest.

use std::time::Duration;

use jackline_core::{NodeState, Timestamp};

/// The counts of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) probes: u64,
    pub(crate) refreshes: u64,
    pub(crate) connects: u64,
    pub(crate) hedges: u64,
    pub(crate) sessions: u64,
    /// Sessions that the policy had closed.
    pub(crate) closed_by_us: u64,
    pub(crate) requests: u64,
    /// Requests that got no good answer though a server was ready and reachable when they began.
    pub(crate) failed: u64,
    /// When one was answered well last.
    pub(crate) answered: Timestamp,
    /// When the latest of those that failed began.
    pub(crate) failed_began: Timestamp,
    pub(crate) slowest: Duration,
    /// Time isolated while some server was ready and reachable.
    pub(crate) isolated: Duration,
    since: Option<Timestamp>,
}

impl Tally {
    /// From now on the node is in `state`, and a server is, or is not, there for it.
    pub(crate) fn turn(&mut self, now: Timestamp, state: NodeState, served: bool) {
        self.stop(now);
        if state == NodeState::Isolated && served {
            self.since = Some(now);
        }
    }

    /// The time until now is added up.
    pub(crate) fn stop(&mut self, now: Timestamp) {
        if let Some(since) = self.since.take() {
            self.isolated += now.since(since);
        }
    }
}
