//! The checker's key: two policies with the same key have the same future, up to names of servers and to chance.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::endpoint::{Absence, Cause, Endpoint, Onset, Until, Weight};
use crate::health::STEADY_AFTER;
use crate::moving::FORGOTTEN_AFTER;
use crate::policy::Policy;
use crate::snapshot::{Capability, Drainer, Health, NodeState, SourceState, Standing, Trust};
use crate::source::Source;
use crate::suspicion::SUSPICION_MEMORY;
use crate::time::millis;
use crate::{Mode, Timestamp};

/// Relative times are told in classes: past, within this many milliseconds (R1's pace), later. Two dates of one class may
/// come in either order: which comes first is jitter, and the checker's own choice.
const SOON: u64 = 1_000;

/// Counters that only lengthen a pause are told up to here.
const SATURATED: u8 = 1;

/// A policy without absolute times, history, reasons, chance and addresses.
///
/// Times are relative to now and told in classes, counters saturated, rows sorted: servers may be permuted. All that
/// refers to a server stands in that server's own row. Left out on purpose: the weights of S2 (they are names), and
/// which of several equal servers a source asks first (R2's turns).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical {
    node: CanonicalNode,
    endpoints: Vec<CanonicalEndpoint>,
}

/// What a [`Canonical`] holds of the node and its sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalNode {
    state: NodeState,
    trust_lost: bool,
    local_fault: bool,
    was_attached: bool,
    sources: Vec<SourceRow>,
    heartbeat_late: Option<bool>,
    persist_due: bool,
}

/// What a [`Canonical`] holds of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalEndpoint {
    standing: Standing,
    health: Health,
    api: Capability,
    discovery: Capability,
    draining: Vec<Drainer>,
    drain_end: Option<u8>,
    fleet_drain_soon: bool,
    avoided: bool,
    suspected: Option<Weight>,
    doubted: bool,
    hint: bool,
    told_by_cluster: bool,
    good: u8,
    bad: u8,
    flaps: u8,
    steady: bool,
    damped: Option<u8>,
    own_cause: Option<u8>,
    coming_up: Option<u8>,
    short_timeouts: u8,
    long_timeouts: u8,
    empty_suspicions: [(u8, bool); 3],
    burst: Option<u8>,
    blocked: bool,
    hearsay: bool,
    dead_silent: bool,
    shared_cause: bool,
    witness: bool,
    probe_outstanding: Option<(bool, bool)>,
    probe_due: Option<u8>,
    fresh_wanted: bool,
    attempts: u8,
    has_sessions: bool,
    in_use: bool,
    left: bool,
    moving: Option<Cause>,
    settling: Option<u8>,
    listed_by: Vec<u16>,
    watched_by: Vec<u16>,
    unlisted: Option<u8>,
    node_gone: Option<u8>,
    unresolved: Option<u8>,
    absence_counts: bool,
    tied_to_node: bool,
    node_ready: Option<bool>,
    node_leaving: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SourceRow {
    state: SourceState,
    asking: bool,
    watching: bool,
    fixed: bool,
    failures: u8,
    due: Option<u8>,
    not_before: Option<u8>,
    asked_before: bool,
}

impl Policy {
    /// The checker's key.
    pub fn canonical(&self) -> Canonical {
        let rows = self
            .endpoints
            .keys()
            .filter_map(|&address| self.canonical_endpoint(address));
        let mut endpoints: Vec<CanonicalEndpoint> = rows.collect();
        endpoints.sort();
        Canonical {
            node: self.canonical_node(),
            endpoints,
        }
    }

    /// The key's part that refers to no server.
    pub fn canonical_node(&self) -> CanonicalNode {
        let heartbeat = self.heartbeat_view();
        CanonicalNode {
            state: self.node.state,
            trust_lost: self.trust != Trust::Held,
            local_fault: self.node.local_fault.is_some(),
            was_attached: self.node.was_attached,
            sources: self
                .sources
                .iter()
                .map(|source| self.source_row(source))
                .collect(),
            heartbeat_late: heartbeat.map(|heartbeat| heartbeat.late),
            persist_due: self.persist.due.is_some(),
        }
    }

    /// The key's part that refers to one server, its own; `None`: it is not known.
    pub fn canonical_endpoint(&self, address: SocketAddr) -> Option<CanonicalEndpoint> {
        let endpoint = self.endpoints.get(&address)?;
        Some(self.endpoint_row(address, endpoint))
    }

    /// The sources that have a watch open through it.
    fn watched_through(&self, address: SocketAddr) -> impl Iterator<Item = u16> {
        let ids = (0u16..).zip(&self.sources);
        ids.filter(move |(_, source)| source.watch.is_some() && source.watched_through == Some(address))
            .map(|(id, _)| id)
    }

    /// How long until `at`, as a class.
    fn class_until(&self, at: Timestamp) -> u8 {
        class_of(millis(at.since(self.now)))
    }

    fn endpoint_row(&self, address: SocketAddr, endpoint: &Endpoint) -> CanonicalEndpoint {
        let (membership, judgement) = (&endpoint.membership, &endpoint.judgement);
        let probing = &endpoint.probing;
        let until = |at: Option<Timestamp>| at.map(|at| self.class_until(at));
        // An absence counts as a part of the grace that it is measured by; beyond it is all the same.
        let absence = |absence: Option<Absence>, most: Duration| {
            absence.map(|absence| quarters(absence.lasted(), most))
        };
        let grace = match membership.node {
            Some(_) => self.settings.grace,
            None => self.settings.unwitnessed_grace,
        };
        let not_ready = judgement.health == Health::NotReady;
        CanonicalEndpoint {
            standing: endpoint.membership.standing,
            health: judgement.health,
            api: judgement.api,
            discovery: judgement.discovery,
            draining: endpoint.drained_by(),
            drain_end: match endpoint.drain {
                Some(Until::Time(at)) => Some(self.class_until(at)),
                _ => None,
            },
            fleet_drain_soon: matches!(endpoint.fleet_drain, Some(Onset::At(_))),
            avoided: endpoint.avoided.is_some(),
            suspected: judgement.suspicion.map(|suspicion| suspicion.weight),
            doubted: judgement.doubt.is_some(),
            hint: membership.hint,
            told_by_cluster: membership.told_by_cluster,
            good: judgement.good,
            bad: judgement.bad,
            flaps: judgement.flaps.min(2),
            steady: judgement.flaps > 0 && self.now.since(judgement.since) >= STEADY_AFTER,
            damped: (judgement.flaps > 1 && judgement.good > 0)
                .then(|| self.class_until(self.damping_end(judgement))),
            own_cause: not_ready.then(|| self.class_until(self.own_cause_at(endpoint))),
            coming_up: until(judgement.coming_up_until),
            short_timeouts: judgement.short_timeouts,
            long_timeouts: judgement.long_timeouts,
            empty_suspicions: judgement.heard.map(|heard| {
                let muted = heard
                    .last
                    .is_some_and(|last| heard.empty > 0 && self.now.since(last) < SUSPICION_MEMORY);
                (heard.empty.min(SATURATED), muted)
            }),
            burst: until(probing.burst_until),
            blocked: judgement.blocked.is_some(),
            hearsay: judgement.hearsay_since.is_some(),
            dead_silent: judgement.dead_silent,
            shared_cause: judgement.shared_since.is_some(),
            witness: self.has_witness(address),
            probe_outstanding: probing
                .outstanding
                .map(|outstanding| (outstanding.fresh, outstanding.short)),
            probe_due: until(probing.next),
            fresh_wanted: probing.fresh_wanted,
            attempts: probing.attempts.min(SATURATED),
            has_sessions: endpoint.traffic.sessions > 0,
            in_use: endpoint.is_in_use(self.now, self.settings.probe_used),
            left: endpoint
                .traffic
                .left
                .is_some_and(|left| self.now.since(left) < FORGOTTEN_AFTER),
            moving: endpoint.traffic.moving,
            settling: self
                .settling
                .filter(|(first, _)| *first == address)
                .map(|(_, since)| self.class_until(since + self.settings.settling_time)),
            listed_by: membership.listed_by.iter().map(|source| source.0).collect(),
            watched_by: self.watched_through(address).collect(),
            unlisted: absence(membership.unlisted, grace),
            node_gone: absence(membership.node_gone, grace),
            unresolved: absence(membership.unresolved, self.settings.grace),
            absence_counts: self.is_only_imported(endpoint),
            tied_to_node: membership.node.is_some(),
            node_ready: membership.node_ready,
            node_leaving: membership.node_leaving,
        }
    }

    fn source_row(&self, source: &Source) -> SourceRow {
        SourceRow {
            state: source.state,
            asking: source.asking.is_some(),
            watching: source.watch.is_some(),
            fixed: source.mode == Mode::Fixed,
            failures: source.failures.min(SATURATED),
            due: source.next.map(|next| self.class_until(next)),
            not_before: source.not_before.map(|at| self.class_until(at)),
            asked_before: source.turn > 0,
        }
    }
}

/// The class of a date that is so many milliseconds away.
fn class_of(millis: u64) -> u8 {
    match millis {
        0 => 0,
        1..=SOON => 1,
        _ => 2,
    }
}

/// How many quarters of `most` have passed.
fn quarters(lasted: Duration, most: Duration) -> u8 {
    let quarters = millis(lasted.min(most)) * 4 / millis(most).max(1);
    u8::try_from(quarters).unwrap_or(u8::MAX)
}
