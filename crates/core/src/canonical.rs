//! The checker's key: two policies with the same key have the same future, up to names of servers and to chance.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Timestamp;
use crate::endpoint::{Absence, Cause, Endpoint, Onset, Weight};
use crate::policy::Policy;
use crate::snapshot::{Capability, Drainer, Health, NodeState, SourceState, Standing, Trust};
use crate::source::Source;
use crate::time::millis;

/// Relative times are told in steps of this many milliseconds.
const STEP: u64 = 50;

/// A policy without absolute times, history, reasons, chance and addresses.
///
/// Times are relative to now, counters saturated, rows sorted: servers may be permuted. All that refers to a server
/// stands in that server's own row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical {
    state: NodeState,
    trust_lost: bool,
    local_fault: bool,
    endpoints: Vec<EndpointRow>,
    sources: Vec<SourceRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct EndpointRow {
    standing: Standing,
    health: Health,
    api: Capability,
    discovery: Capability,
    draining: Vec<Drainer>,
    fleet_drain_soon: bool,
    avoided: bool,
    suspected: Option<Weight>,
    doubted: bool,
    hint: bool,
    told_by_cluster: bool,
    good: u8,
    bad: u8,
    flaps: u8,
    short_timeouts: u8,
    long_timeouts: u8,
    empty_suspicions: [u8; 3],
    blocked: bool,
    hearsay: bool,
    dead_silent: bool,
    shared_cause: bool,
    witness: bool,
    probe_outstanding: Option<(bool, bool)>,
    probe_due: Option<u64>,
    has_sessions: bool,
    moving: Option<Cause>,
    settling: Option<u64>,
    listed_by: Vec<u16>,
    unlisted: Option<u64>,
    node_gone: Option<u64>,
    tied_to_node: bool,
    node_ready: Option<bool>,
    node_leaving: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SourceRow {
    state: SourceState,
    asking: bool,
    watching: bool,
    failures: u8,
    due: Option<u64>,
}

impl Policy {
    /// The checker's key.
    pub fn canonical(&self) -> Canonical {
        let mut endpoints: Vec<EndpointRow> = self
            .endpoints
            .iter()
            .map(|(&address, endpoint)| self.endpoint_row(address, endpoint))
            .collect();
        endpoints.sort();
        Canonical {
            state: self.node.state,
            trust_lost: self.trust != Trust::Held,
            local_fault: self.node.local_fault.is_some(),
            endpoints,
            sources: self
                .sources
                .iter()
                .map(|source| self.source_row(source))
                .collect(),
        }
    }

    fn in_steps(&self, at: Timestamp) -> u64 {
        millis(at.since(self.now)).div_ceil(STEP)
    }

    fn endpoint_row(&self, address: SocketAddr, endpoint: &Endpoint) -> EndpointRow {
        let (membership, judgement) = (&endpoint.membership, &endpoint.judgement);
        // An absence counts up to the grace that it is measured by; beyond it is all the same.
        let absence = |absence: Option<Absence>, most: Duration| {
            absence.map(|absence| millis(absence.lasted().min(most)).div_ceil(STEP))
        };
        let grace = match membership.node {
            Some(_) => self.settings.grace,
            None => self.settings.unwitnessed_grace,
        };
        EndpointRow {
            standing: endpoint.membership.standing,
            health: judgement.health,
            api: judgement.api,
            discovery: judgement.discovery,
            draining: endpoint.drained_by(),
            fleet_drain_soon: matches!(endpoint.fleet_drain, Some(Onset::At(_))),
            avoided: endpoint.avoided.is_some(),
            suspected: judgement.suspicion.map(|suspicion| suspicion.weight),
            doubted: judgement.doubt.is_some(),
            hint: membership.hint,
            told_by_cluster: membership.told_by_cluster,
            good: judgement.good,
            bad: judgement.bad,
            flaps: judgement.flaps,
            short_timeouts: judgement.short_timeouts,
            long_timeouts: judgement.long_timeouts,
            empty_suspicions: judgement.heard.map(|heard| heard.empty),
            blocked: judgement.blocked.is_some(),
            hearsay: judgement.hearsay_since.is_some(),
            dead_silent: judgement.dead_silent,
            shared_cause: judgement.shared_cause,
            witness: self.has_witness(address),
            probe_outstanding: endpoint
                .probing
                .outstanding
                .map(|outstanding| (outstanding.fresh, outstanding.short)),
            probe_due: endpoint.probing.next.map(|next| self.in_steps(next)),
            has_sessions: endpoint.traffic.sessions > 0,
            moving: endpoint.traffic.moving,
            settling: self
                .settling
                .filter(|(first, _)| *first == address)
                .map(|(_, since)| self.in_steps(since + self.settings.settling_time)),
            listed_by: membership.listed_by.iter().map(|source| source.0).collect(),
            unlisted: absence(membership.unlisted, grace),
            node_gone: absence(membership.node_gone, grace),
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
            failures: source.failures.min(6),
            due: source.next.map(|next| self.in_steps(next)),
        }
    }
}
