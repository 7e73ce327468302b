//! What is examined: a policy behind the core's own vocabulary of events and actions.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Action, Event, Jitter, NodeState, Policy, Timestamp, invariants, selection};

/// A policy that can be examined. The core is one; [`super::k3s::K3sBefore2024`] another.
pub trait Subject: Clone + Send + Sync {
    /// An event happened; what is to be done is pushed to `actions`.
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>);

    /// When it wants to be called next.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Where its draws of chance fall from now on.
    fn choose_jitter(&mut self, jitter: Jitter);

    /// Another value after each draw.
    fn chance_mark(&self) -> u64;

    /// Whom a client's new connection tries, in order.
    fn candidates(&self) -> Vec<SocketAddr>;

    /// Whether it tests this server by itself.
    fn tests(&self, server: SocketAddr) -> bool;

    /// Whether it believes that it has a server.
    fn believes_attached(&self) -> bool;

    /// The part of its state that refers to no server.
    fn hash_node(&self, hasher: &mut DefaultHasher);

    /// The part of its state that refers to this server only.
    fn hash_server(&self, server: SocketAddr, hasher: &mut DefaultHasher);

    /// The first of its own laws that the last step broke.
    fn breach(&self, actions: &[Action]) -> Option<String>;

    /// The first that does not hold between two moves. What is too dear to be looked at after each step is looked at here.
    fn breach_at_rest(&self) -> Option<String>;

    /// How long it may take to lead a client to a server that has come back.
    fn cap(&self, server: SocketAddr) -> Duration;
}

/// R1's caps with what one try may take: to one that is tried at all times, and to an archived one.
const CAP: Duration = Duration::from_secs(3);
const ARCHIVED_CAP: Duration = Duration::from_secs(12);

impl Subject for Policy {
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        Self::step(self, now, event, actions);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        Self::next_deadline(self).map(|(due, _)| due)
    }

    fn choose_jitter(&mut self, jitter: Jitter) {
        Self::choose_jitter(self, jitter);
    }

    fn chance_mark(&self) -> u64 {
        Self::chance_mark(self)
    }

    fn candidates(&self) -> Vec<SocketAddr> {
        selection::candidates(&self.snapshot())
            .map(|endpoint| endpoint.address)
            .collect()
    }

    fn tests(&self, server: SocketAddr) -> bool {
        self.snapshot()
            .endpoints
            .iter()
            .any(|endpoint| endpoint.address == server)
    }

    fn believes_attached(&self) -> bool {
        self.snapshot().state == NodeState::Attached
    }

    fn hash_node(&self, hasher: &mut DefaultHasher) {
        self.canonical_node().hash(hasher);
    }

    fn hash_server(&self, server: SocketAddr, hasher: &mut DefaultHasher) {
        self.canonical_endpoint(server).hash(hasher);
    }

    fn breach(&self, actions: &[Action]) -> Option<String> {
        invariants::check_step(self, actions).first().map(in_words)
    }

    fn breach_at_rest(&self) -> Option<String> {
        invariants::check(self, &[]).first().map(in_words)
    }

    fn cap(&self, server: SocketAddr) -> Duration {
        let snapshot = self.snapshot();
        let known = snapshot
            .endpoints
            .iter()
            .find(|endpoint| endpoint.address == server);
        match known.map(|endpoint| endpoint.standing) {
            Some(jackline_core::Standing::Archived) => ARCHIVED_CAP,
            _ => CAP,
        }
    }
}

fn in_words(breach: &invariants::Breach) -> String {
    format!("invariant {}: {}", breach.number, breach.found)
}
