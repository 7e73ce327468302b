//! What must always hold, numbered. Checked after each step in debug builds, by tests and by the simulator.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::{Action, Pace, Which};
use crate::event::SourceId;
use crate::policy::Policy;
use crate::recovery::{ARCHIVED_PROBE_CAP, USELESS_PROBE_CAP};
use crate::snapshot::{Capability, Class, Health, Standing};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its number, as in the documentation of the check.
    pub number: u8,
    /// What was found.
    pub found: String,
}

/// Panics with the first breach.
pub(crate) fn assert_all(policy: &Policy, actions: &[Action]) {
    if let Some(breach) = check(policy, actions).first() {
        panic!("invariant {} is broken: {}", breach.number, breach.found);
    }
}

/// All breaches after a step that gave `actions`.
pub fn check(policy: &Policy, actions: &[Action]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, found) in [
        (1, archived_only_with_proof(policy)),
        (2, isolated_refreshes_are_due(policy)),
        (3, isolated_probes_are_due(policy)),
        (4, probes_end_or_are_due(policy, actions)),
        (5, deadlines_lie_ahead(policy)),
        (6, no_close_without_a_better_one(policy, actions)),
        (7, standing_closes_nothing(policy, actions)),
        (8, shared_cause_moves_nothing(policy, actions)),
        (9, snapshot_is_the_state(policy)),
        (10, sources_and_endpoints_agree(policy)),
        (11, configured_ones_stay(policy)),
        (12, impostors_have_a_witness_or_a_doubt(policy)),
        (13, bounds_hold(policy)),
    ] {
        breaches.extend(found.map(|found| Breach { number, found }));
    }
    breaches
}

/// 1 (M3, M4): what is archived was proven absent; what is listed is not archived, an import apart.
fn archived_only_with_proof(policy: &Policy) -> Option<String> {
    policy.endpoints.iter().find_map(|(address, endpoint)| {
        let listed = !endpoint.membership.listed_by.is_empty();
        let archived = endpoint.membership.standing == Standing::Archived;
        if archived != endpoint.membership.archived.is_some() {
            return Some(format!("{address} is archived since no time"));
        }
        if !archived && listed != (endpoint.membership.standing == Standing::Listed) {
            return Some(format!(
                "{address} is {:?}, listed by {:?}",
                endpoint.membership.standing, endpoint.membership.listed_by
            ));
        }
        let only_imported = policy.is_only_imported(endpoint);
        let restored = endpoint.membership.last_seen.is_none();
        let proven = policy.absence_proven(endpoint) || restored;
        (archived && !(only_imported && proven)).then(|| format!("{address} is archived without proof"))
    })
}

/// 2 (R1): while isolated a refresh of every source is under way, or due within its cap or the pause it asked for.
fn isolated_refreshes_are_due(policy: &Policy) -> Option<String> {
    if !policy.is_isolated() {
        return None;
    }
    policy.sources.iter().find_map(|source| {
        let latest = (policy.now + source.kind.isolated_cap()).max(source.not_before.unwrap_or(policy.now));
        let due = source.asking.is_some() || source.next.is_some_and(|next| next <= latest);
        (!due).then(|| {
            format!(
                "isolated, but {} is not asked until {:?}",
                source.name, source.next
            )
        })
    })
}

/// 3 (R1): while isolated a try of every endpoint is under way or due within its cap.
fn isolated_probes_are_due(policy: &Policy) -> Option<String> {
    if !policy.is_isolated() {
        return None;
    }
    policy.endpoints.iter().find_map(|(address, endpoint)| {
        let latest = policy.now + policy.isolated_probe_cap(endpoint);
        let due = endpoint.probing.outstanding.is_some()
            || endpoint.probing.next.is_some_and(|next| next <= latest);
        (!due).then(|| {
            format!(
                "isolated, but {address} is not tried until {:?}",
                endpoint.probing.next
            )
        })
    })
}

/// 4: at most one outstanding probe an endpoint, and none is forgotten: every candidate has one, or a date for one.
fn probes_end_or_are_due(policy: &Policy, actions: &[Action]) -> Option<String> {
    let mut started = BTreeSet::new();
    for action in actions {
        if let Action::StartProbe(start) = action
            && !started.insert(start.endpoint)
        {
            return Some(format!("two probes of {} in one step", start.endpoint));
        }
    }
    policy.endpoints.iter().find_map(|(address, endpoint)| {
        let probing = &endpoint.probing;
        let never = probing.outstanding.is_none() && probing.next.is_none();
        (never && endpoint.membership.standing != Standing::Archived)
            .then(|| format!("{address} is never probed again"))
    })
}

/// 5: every deadline has a name, and none lies in the past: what was due has been done.
fn deadlines_lie_ahead(policy: &Policy) -> Option<String> {
    policy
        .deadlines()
        .find(|(due, _)| *due <= policy.now)
        .map(|(due, timer)| format!("{timer:?} was due at {due}, it is {}", policy.now))
}

/// 6 (H5, D1, R4): no session is closed, for a time-out or for anything else, while no better endpoint is ready.
fn no_close_without_a_better_one(policy: &Policy, actions: &[Action]) -> Option<String> {
    closes(actions).find_map(|(endpoint, _, _)| {
        (!policy.another_is_ready(endpoint))
            .then(|| format!("sessions of {endpoint} are closed, nobody else is ready"))
    })
}

/// 7 (R4): standing alone closes nothing: what is closed is not a ready, enabled endpoint that would be first if listed.
fn standing_closes_nothing(policy: &Policy, actions: &[Action]) -> Option<String> {
    closes(actions).find_map(|(address, _, _)| {
        let endpoint = policy.endpoints.get(&address)?;
        let rank = policy.rank_as(address, endpoint, Standing::Listed);
        let beaten = policy.endpoints.iter().any(|(&other, endpoint)| {
            other != address && policy.rank_as(other, endpoint, Standing::Listed) < rank
        });
        (!beaten).then(|| format!("sessions of {address} are closed for its standing"))
    })
}

/// 8 (S5): a shared cause moves nothing: only resets of silent sessions and moves to a ready endpoint exist.
fn shared_cause_moves_nothing(policy: &Policy, actions: &[Action]) -> Option<String> {
    let someone_ready = policy
        .endpoints
        .values()
        .any(|endpoint| endpoint.judgement.health == Health::Ready);
    closes(actions).find_map(|(endpoint, which, pace)| {
        let no_api = policy
            .endpoints
            .get(&endpoint)
            .is_some_and(|e| e.judgement.api == Capability::No);
        let harsh = matches!(pace, Pace::Reset(_)) && which == Which::All && !no_api;
        (harsh || !someone_ready).then(|| format!("sessions of {endpoint} move without a reason of its own"))
    })
}

/// 9: the snapshot equals the state.
fn snapshot_is_the_state(policy: &Policy) -> Option<String> {
    let snapshot = policy.snapshot();
    let view = policy.view(snapshot.generation);
    (*snapshot != view).then(|| format!("the snapshot is stale:\n{snapshot:#?}\nis not\n{view:#?}"))
}

/// 10 (M1): a source's current report and the endpoints' provenance are the same relation.
fn sources_and_endpoints_agree(policy: &Policy) -> Option<String> {
    for (index, source) in policy.sources.iter().enumerate() {
        let id = SourceId(u16::try_from(index).ok()?);
        for (address, endpoint) in &policy.endpoints {
            if source.current.contains(address) != endpoint.membership.listed_by.contains(&id) {
                return Some(format!(
                    "{} and {address} disagree on who lists whom",
                    source.name
                ));
            }
        }
    }
    None
}

/// 11 (M4): what configuration lists is listed.
fn configured_ones_stay(policy: &Policy) -> Option<String> {
    let configured = policy.sources.iter().filter(|source| source.kind.is_configured());
    configured.flat_map(|source| &source.current).find_map(|address| {
        let listed = policy
            .endpoints
            .get(address)
            .is_some_and(|e| e.membership.standing == Standing::Listed);
        (!listed).then(|| format!("{address} is configured and not listed"))
    })
}

/// 12 (H8): an impostor's certificate does not verify; an endpoint in doubt is never among the first.
fn impostors_have_a_witness_or_a_doubt(policy: &Policy) -> Option<String> {
    policy.endpoints.iter().find_map(|(address, endpoint)| {
        let class = crate::selection::class_of(endpoint, endpoint.membership.standing);
        let doubted = endpoint.judgement.doubt.is_some();
        (doubted && class < Class::Unreachable)
            .then(|| format!("{address} does not verify, yet is {class:?}"))
    })
}

/// 13 (M5): everything that grows is bounded.
fn bounds_hold(policy: &Policy) -> Option<String> {
    let settings = &policy.settings;
    let archived = policy
        .endpoints
        .values()
        .filter(|e| e.membership.standing == Standing::Archived && e.traffic.sessions == 0)
        .count();
    let caps_in_order = USELESS_PROBE_CAP <= ARCHIVED_PROBE_CAP;
    (policy.endpoints.len() > settings.endpoints_max || archived > settings.archive_max || !caps_in_order)
        .then(|| format!("{} endpoints, {archived} archived", policy.endpoints.len()))
}

fn closes(actions: &[Action]) -> impl Iterator<Item = (SocketAddr, Which, Pace)> {
    actions.iter().filter_map(|action| match action {
        Action::CloseSessions(close) => Some((close.endpoint, close.which, close.pace)),
        _ => None,
    })
}
