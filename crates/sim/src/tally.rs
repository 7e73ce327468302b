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
    /// Of these, sessions with a server that was ready and reachable: those that were reset, and those that were ended at a
    /// quiet moment.
    pub(crate) cut: u64,
    pub(crate) moved: u64,
    pub(crate) requests: u64,
    /// Requests that got no good answer though a server was ready and reachable when they began.
    pub(crate) failed: u64,
    /// When one was answered well last.
    pub(crate) answered: Timestamp,
    /// When the latest of those that failed began.
    pub(crate) failed_began: Timestamp,
    pub(crate) slowest: Duration,
    /// When the node was attached last, having not been so.
    pub(crate) attached: Option<Timestamp>,
    /// Time isolated while some server was ready and reachable.
    pub(crate) isolated: Duration,
    since: Option<Timestamp>,
    /// Time in which requests failed while some server was ready and reachable, as clients saw it.
    out: Duration,
    /// The last request that ended failed, and some server is there for the node: since when that is so.
    failing: bool,
    served: bool,
    out_since: Option<Timestamp>,
}

impl Tally {
    /// From now on the node is in `state`, and a server is, or is not, there for it.
    pub(crate) fn turn(&mut self, now: Timestamp, state: NodeState, served: bool) {
        self.stop(now);
        self.see(now, self.failing, served, now);
        if state == NodeState::Isolated && served {
            self.since = Some(now);
        }
    }

    /// A request ended. One that failed though somebody was there has been failing since it began.
    pub(crate) fn end(&mut self, now: Timestamp, began: Timestamp, failed: bool) {
        self.see(now, failed, self.served, began);
    }

    fn see(&mut self, now: Timestamp, failing: bool, served: bool, since: Timestamp) {
        let out = failing && served;
        match self.out_since {
            Some(before) if !out => {
                self.out += now.since(before);
                self.out_since = None;
            }
            None if out => self.out_since = Some(since),
            _ => {}
        }
        self.failing = failing;
        self.served = served;
    }

    /// The time without an answer, added up until now.
    pub(crate) fn out_until(&self, now: Timestamp) -> Duration {
        self.out + self.out_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// The time until now is added up.
    pub(crate) fn stop(&mut self, now: Timestamp) {
        if let Some(since) = self.since.take() {
            self.isolated += now.since(since);
        }
    }
}
