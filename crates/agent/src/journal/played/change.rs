//! What became different in what the core publishes: the turns of a story, each with its reason.

use std::net::SocketAddr;

use jackline_core::{EndpointView, Health, NodeState, Snapshot, SourceState, SourceView, Standing};

/// A turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The node's own state.
    Node {
        /// What it is now.
        state: NodeState,
        /// Why.
        reason: String,
    },
    /// An endpoint.
    Endpoint {
        /// Which.
        address: SocketAddr,
        /// What tests say of it.
        health: Health,
        /// What the sources say of it.
        standing: Standing,
        /// It is the first choice.
        first: bool,
        /// Why it stands where it stands.
        reason: String,
    },
    /// An endpoint is not known any more.
    Forgotten {
        /// Which.
        address: SocketAddr,
    },
    /// A source.
    Source {
        /// Its name.
        name: String,
        /// How it fares.
        state: SourceState,
        /// How many endpoints it lists.
        endpoints: usize,
        /// Why the last refresh failed.
        error: Option<String>,
    },
}

/// All that is published.
pub(super) fn opening(now: &Snapshot) -> Vec<Change> {
    let mut changes = vec![node(now)];
    changes.extend(now.sources.iter().map(source));
    changes.extend(
        now.endpoints
            .iter()
            .enumerate()
            .map(|(place, view)| endpoint(view, place == 0)),
    );
    changes
}

/// What is different in `now` from `before`.
pub(super) fn between(before: &Snapshot, now: &Snapshot) -> Vec<Change> {
    if before.generation == now.generation {
        return Vec::new();
    }
    let mut changes = Vec::new();
    if before.state != now.state {
        changes.push(node(now));
    }
    for (then, view) in before.sources.iter().zip(&now.sources) {
        if source(then) != source(view) {
            changes.push(source(view));
        }
    }
    for (place, view) in now.endpoints.iter().enumerate() {
        let then = before
            .endpoints
            .iter()
            .enumerate()
            .find(|(_, then)| then.address == view.address);
        let same = then.is_some_and(|(then_place, then)| {
            then.health == view.health && then.standing == view.standing && (then_place == 0) == (place == 0)
        });
        if !same {
            changes.push(endpoint(view, place == 0));
        }
    }
    let known = |address| now.endpoints.iter().any(|view| view.address == address);
    let gone = before.endpoints.iter().filter(|view| !known(view.address));
    changes.extend(gone.map(|view| Change::Forgotten {
        address: view.address,
    }));
    changes
}

fn node(now: &Snapshot) -> Change {
    Change::Node {
        state: now.state,
        reason: now.state_reason.clone(),
    }
}

fn endpoint(view: &EndpointView, first: bool) -> Change {
    Change::Endpoint {
        address: view.address,
        health: view.health,
        standing: view.standing,
        first,
        reason: view.reason.clone(),
    }
}

fn source(view: &SourceView) -> Change {
    Change::Source {
        name: view.name.clone(),
        state: view.state,
        endpoints: view.endpoints.len(),
        error: view.error.clone(),
    }
}
