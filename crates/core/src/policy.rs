//! The policy: state, and the one way to change it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Action, Event, NodeState, Settings, Snapshot, SourceId, Timestamp, Trust};

/// Every deadline has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A source is to be refreshed (R1, R2).
    Refresh(SourceId),
    /// An endpoint is to be probed (H7, R1).
    Probe(SocketAddr),
    /// A flapping endpoint has been good for long enough (H4).
    Damping(SocketAddr),
    /// An absence has lasted for long enough (M3, M5).
    Grace(SocketAddr),
    /// An operator's drain ends.
    DrainEnd(SocketAddr),
    /// The first choice has been ready for long enough (D2).
    Settling,
    /// Changes of the membership are to be saved (P1).
    Persist,
}

/// The decision core.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    settings: Settings,
    snapshot: Arc<Snapshot>,
}

impl Policy {
    /// A policy that knows nothing yet. `seed` is all the chance there is (R5).
    pub fn new(settings: Settings, seed: u64, now: Timestamp) -> Self {
        let _ = seed;
        let snapshot = Arc::new(Snapshot {
            generation: 0,
            state: NodeState::Isolated,
            state_since: now,
            state_reason: Default::default(),
            trust: Trust::Held,
            endpoints: Vec::new(),
            sources: Vec::new(),
        });
        Self { settings, snapshot }
    }

    /// The only mutation: `event` happened at `now`; what is to be done is pushed to `actions`.
    pub fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let _ = (now, event, actions, &self.settings);
    }

    /// When [`Event::DeadlineReached`] is due next, and why.
    pub fn next_deadline(&self) -> Option<(Timestamp, Timer)> {
        None
    }

    /// The published value.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }
}
