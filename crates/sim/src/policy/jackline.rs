//! The core that ships, behind the trait of all minds.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{
    Action, Depth, Event, NodeState, Policy as Core, Settings, Standing, Timestamp, invariants, selection,
};

use super::{Candidate, Kind, Manner, Policy};

/// The data plane's least silence before the next candidate is dialled beside (S3).
const SILENCE_MIN: Duration = Duration::from_millis(200);
/// … and before a first flight is repeated (S4).
const ANSWER_MIN: Duration = Duration::from_millis(300);
/// How many times the usual is silence (S3, S4).
const USUAL_TIMES: u32 = 3;
/// The data plane's limit of one dial; its keep-alive (5 s, then 3 probes each 2 s); its user timeout, 30 s from a stall of
/// 1 s on. `crates/discovery`: keep-alive (20 s, then three probes each 5 s), and the silence after which a watch is not
/// believed any more.
const MANNER: Manner = Manner {
    depth: Depth::Readyz,
    dial_limit: Duration::from_secs(3),
    hold: Duration::from_secs(1),
    tries_next: true,
    dead_peer_after: Duration::from_secs(11),
    unacknowledged_after: Duration::from_secs(31),
    watch_silent_after: Duration::from_secs(35),
    watch_mute_after: Duration::from_secs(300),
};

/// Jackline as it ships, or with another constructor of the core: that is how its canaries come in.
pub struct Jackline {
    name: String,
    make: fn(Settings, u64, Timestamp) -> Core,
    checked: bool,
    judged: bool,
}

impl Default for Jackline {
    fn default() -> Self {
        Self::with("jackline", Core::new)
    }
}

impl Jackline {
    /// A core that is made in another way than [`Core::new`].
    pub fn with(name: &str, make: fn(Settings, u64, Timestamp) -> Core) -> Self {
        Self {
            name: name.to_owned(),
            make,
            // The core checks itself after each step where debug assertions are on.
            checked: !cfg!(debug_assertions),
            judged: true,
        }
    }

    /// Without the core's own invariants: for measuring, and for canaries that the world's checks alone must find.
    #[must_use]
    pub fn unchecked(self) -> Self {
        Self {
            checked: false,
            ..self
        }
    }

    /// Without the world's checks either: for figures, where nothing is judged but what clients see.
    #[must_use]
    pub fn unjudged(self) -> Self {
        Self {
            judged: false,
            ..self.unchecked()
        }
    }
}

impl Kind for Jackline {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, settings: Settings, seed: u64, now: Timestamp) -> Box<dyn Policy> {
        Box::new(Mind {
            core: (self.make)(settings, seed, now),
            checked: self.checked,
        })
    }

    fn keeps_our_rules(&self) -> bool {
        self.judged
    }
}

struct Mind {
    core: Core,
    checked: bool,
}

impl Policy for Mind {
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        self.core.step(now, event, actions);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.core.next_deadline().map(|(at, _)| at)
    }

    fn candidates(&self) -> Vec<Candidate> {
        let snapshot = self.core.snapshot();
        let candidate = |view: &jackline_core::EndpointView| Candidate {
            endpoint: view.address,
            silence: SILENCE_MIN
                .max(view.connect_usual * USUAL_TIMES)
                .min(MANNER.dial_limit),
            patience: ANSWER_MIN.max(view.answer_usual * USUAL_TIMES),
        };
        selection::candidates(&snapshot).map(candidate).collect()
    }

    fn manner(&self) -> Manner {
        MANNER
    }

    fn state(&self) -> NodeState {
        self.core.snapshot().state
    }

    fn known(&self) -> Vec<(SocketAddr, bool)> {
        let snapshot = self.core.snapshot();
        let endpoints = snapshot.endpoints.iter();
        endpoints
            .map(|view| (view.address, view.standing == Standing::Archived))
            .collect()
    }

    fn breach(&self, actions: &[Action]) -> Option<String> {
        if !self.checked {
            return None;
        }
        let breach = invariants::check(&self.core, actions).into_iter().next()?;
        Some(format!(
            "invariant {} of the core: {}",
            breach.number, breach.found
        ))
    }

    fn generation(&self) -> u64 {
        self.core.snapshot().generation
    }
}
