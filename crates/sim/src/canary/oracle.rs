//! What must hold whatever happens, judged from outside: from what was told, what was done, and what is published.
//!
//! Nothing here asks the core for its reasons. Each law is a necessary condition of its rule, so that a rule which is
//! switched off breaks it sooner or later, and a core that keeps the rules never does.

mod health;
mod membership;
mod moving;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

use health::Tests;
use membership::Told;
use moving::Moves;
use pace::Pace;

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule that it is of, as docs/design.md names it; `invariant`: one of the core's own.
    pub rule: &'static str,
    /// What was seen.
    pub seen: String,
}

impl Broken {
    pub(super) fn new(rule: &'static str, seen: String) -> Self {
        Self { rule, seen }
    }
}

/// One step, from outside.
pub(super) struct Seen<'a> {
    pub(super) now: Timestamp,
    pub(super) event: &'a Event,
    pub(super) before: &'a Snapshot,
    pub(super) after: &'a Snapshot,
    /// All endpoints that the core knows, published or not.
    pub(super) known: &'a [Record],
    pub(super) actions: &'a [Action],
    /// Sessions before the actions of this step are carried out.
    pub(super) sessions: &'a BTreeMap<SocketAddr, u32>,
}

impl Seen<'_> {
    pub(super) fn is(&self, address: SocketAddr) -> Option<&EndpointView> {
        view(self.after, address)
    }

    pub(super) fn was(&self, address: SocketAddr) -> Option<&EndpointView> {
        view(self.before, address)
    }

    /// Whether the step starts a test of it.
    pub(super) fn tests(&self, address: SocketAddr) -> bool {
        let mut actions = self.actions.iter();
        actions.any(|action| matches!(action, Action::StartProbe(start) if start.endpoint == address))
    }

    pub(super) fn closes(&self) -> impl Iterator<Item = &CloseSessions> {
        self.actions.iter().filter_map(|action| match action {
            Action::CloseSessions(close) => Some(close),
            _ => None,
        })
    }
}

fn view(snapshot: &Snapshot, address: SocketAddr) -> Option<&EndpointView> {
    snapshot
        .endpoints
        .iter()
        .find(|endpoint| endpoint.address == address)
}

/// Whether some other endpoint is ready, serves the API and is not drained.
pub(super) fn another_is_ready(snapshot: &Snapshot, address: SocketAddr) -> bool {
    snapshot.endpoints.iter().any(|endpoint| {
        endpoint.address != address
            && endpoint.health == Health::Ready
            && endpoint.api != Capability::No
            && endpoint.administration == Administration::Enabled
    })
}

/// All laws, with what they remember.
pub(super) struct Oracle {
    told: Told,
    tests: Tests,
    moves: Moves,
    pace: Pace,
}

impl Oracle {
    pub(super) fn new(settings: Settings, now: Timestamp) -> Self {
        Self {
            told: Told::new(settings, now),
            tests: Tests::default(),
            moves: Moves::default(),
            pace: Pace::default(),
        }
    }

    /// The first law that the step breaks.
    pub(super) fn observe(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        let told = self.told.observe(seen);
        let tests = self.tests.observe(seen);
        let moves = self.moves.observe(seen, &self.tests);
        let pace = self.pace.observe(seen, &self.tests);
        told.or(tests).or(moves).or(pace).or_else(|| published(seen))
    }

    pub(super) fn begin_rest(&mut self, now: Timestamp) {
        self.pace.begin_rest(now);
    }

    pub(super) fn at_rest(&self, now: Timestamp, snapshot: &Snapshot) -> Option<Broken> {
        self.pace.at_rest(now, snapshot)
    }

    pub(super) fn pauses(&self) -> BTreeSet<Duration> {
        self.pace.pauses()
    }
}

/// S1, S6: what is published is all that is known, in an order that the published judgements explain.
fn published(seen: &Seen<'_>) -> Option<Broken> {
    for record in seen.known {
        if seen.is(record.address).is_none() {
            let text = format!("{} is known and not offered", record.address);
            return Some(Broken::new("S6", text));
        }
    }
    let rank = |endpoint: &EndpointView| (endpoint.class, endpoint.suspected);
    let plain: Vec<&EndpointView> = seen.after.endpoints.iter().filter(|view| !view.avoided).collect();
    plain.windows(2).find_map(|pair| {
        (rank(pair[0]) > rank(pair[1])).then(|| {
            Broken::new(
                "S1",
                format!("{} stands before {}", pair[0].address, pair[1].address),
            )
        })
    })
}
