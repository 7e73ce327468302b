//! What must always hold, numbered. Checked after each step in debug builds, by tests and by the simulator.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::{Action, Pace, Which};
use crate::event::SourceId;
use crate::policy::Policy;
use crate::snapshot::{Capability, Health, Standing};

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
    let mut breaches = check_step(policy, actions);
    let stale = snapshot_is_the_state(policy);
    breaches.extend(stale.map(|found| Breach { number: 9, found }));
    breaches
}

/// All but 9, which makes the snapshot anew and costs as much as the step itself: for who checks after each of a
/// thousand million steps, and 9 whenever somebody would look at the snapshot.
pub fn check_step(policy: &Policy, actions: &[Action]) -> Vec<Breach> {
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
        (10, sources_and_endpoints_agree(policy)),
        (11, configured_ones_stay(policy)),
        (12, doubted_ones_are_not_believed(policy)),
        (13, bounds_hold(policy)),
        (14, nobody_is_missed(policy)),
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
        let latest = (policy.now + policy.isolated_source_cap(source.kind))
            .max(source.not_before.unwrap_or(policy.now));
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

/// 4 (M5): at most one outstanding probe an endpoint, and none is forgotten: every candidate has one, or a date for one;
/// an archived one too while sessions are on it.
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
        let aside = endpoint.membership.standing == Standing::Archived && endpoint.traffic.sessions == 0;
        (never && !aside).then(|| format!("{address} is never probed again"))
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

/// 12 (H8): an endpoint whose certificate does not verify is not judged by what it says.
fn doubted_ones_are_not_believed(policy: &Policy) -> Option<String> {
    policy.endpoints.iter().find_map(|(address, endpoint)| {
        let health = endpoint.judgement.health;
        let believed = matches!(health, Health::Ready | Health::Alive | Health::NotReady);
        (believed && endpoint.judgement.doubt.is_some())
            .then(|| format!("{address} does not verify, yet is {health:?}"))
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
    (policy.endpoints.len() > settings.endpoints_max || archived > settings.archive_max)
        .then(|| format!("{} endpoints, {archived} archived", policy.endpoints.len()))
}

/// 14 (R1): while degraded, who may become ready by itself is tested now, or due within its cap.
fn nobody_is_missed(policy: &Policy) -> Option<String> {
    policy.endpoints.iter().find_map(|(address, endpoint)| {
        let cap = policy.sought_within(endpoint)?;
        let probing = &endpoint.probing;
        let due = probing.next.is_some_and(|next| next <= policy.now + cap);
        (probing.outstanding.is_none() && !due).then(|| {
            let next = probing.next;
            format!("nobody is ready, but {address} is not tested until {next:?}")
        })
    })
}

fn closes(actions: &[Action]) -> impl Iterator<Item = (SocketAddr, Which, Pace)> {
    actions.iter().filter_map(|action| match action {
        Action::CloseSessions(close) => Some((close.endpoint, close.which, close.pace)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    //! A check that cannot fail proves nothing: each one is shown a state, or an action, that breaks it.

    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::action::{CloseSessions, StartProbe};
    use crate::endpoint::Until;
    use crate::event::ProbeId;
    use crate::finding::{Answer, Depth, Finding, Untrusted};
    use crate::probing::USUAL_LIMITS;
    use crate::report::{Listing, Report};
    use crate::{Event, RefreshId, Settings, SourceKind, SourceSpec, Timestamp};

    const ONE: SocketAddr =
        SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)), 6443);
    const TWO: SocketAddr =
        SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2)), 6443);

    /// Two listed endpoints, `ready` of them found ready.
    fn policy(ready: &[SocketAddr]) -> Policy {
        let spec = |name: &str, kind| SourceSpec {
            name: name.into(),
            kind,
        };
        let sources = vec![
            spec("static", SourceKind::Static),
            spec("kubernetes", SourceKind::Kubernetes),
        ];
        let now = Timestamp::from_millis(1000);
        let mut policy = Policy::new(
            Settings {
                sources,
                ..Settings::default()
            },
            1,
            now,
        );
        let endpoints = vec![Listing::from(ONE), Listing::from(TWO)];
        let report = Report {
            endpoints,
            verified: true,
            ..Report::default()
        };
        let event = Event::SourceReported {
            source: SourceId(1),
            refresh: RefreshId(9),
            position: 0,
            report,
        };
        let mut actions = Vec::new();
        policy.step(now, event, &mut actions);
        let probes = actions.into_iter().filter_map(|action| match action {
            Action::StartProbe(start) => Some((start.endpoint, start.probe)),
            _ => None,
        });
        for (endpoint, probe) in probes.filter(|(endpoint, _)| ready.contains(endpoint)) {
            let total = Duration::from_millis(2);
            let finding = Finding {
                depth: Depth::Readyz,
                answer: Answer::Ready,
                connect: None,
                total,
                authenticated: true,
            };
            policy.step(
                now,
                Event::ProbeSucceeded {
                    endpoint,
                    probe,
                    finding,
                },
                &mut Vec::new(),
            );
        }
        policy
    }

    fn broken(policy: &Policy, actions: &[Action]) -> Vec<u8> {
        check(policy, actions)
            .into_iter()
            .map(|breach| breach.number)
            .collect()
    }

    fn close(endpoint: SocketAddr, pace: Pace) -> Action {
        Action::CloseSessions(CloseSessions {
            endpoint,
            which: Which::All,
            pace,
            reason: String::new(),
        })
    }

    #[test]
    fn a_sound_policy_breaks_none() {
        assert_eq!(broken(&policy(&[ONE, TWO]), &[]), vec![]);
        assert_eq!(broken(&policy(&[]), &[]), vec![]);
    }

    #[test]
    fn each_check_can_fail() {
        type Bend = fn(&mut Policy);
        let bends: [(u8, &[SocketAddr], Bend); 11] = [
            (1, &[ONE, TWO], |policy| {
                bend(policy, |endpoint| {
                    endpoint.membership.standing = Standing::Archived
                });
            }),
            (2, &[], |policy| {
                policy.sources[0].asking = None;
                policy.sources[0].next = None;
            }),
            (3, &[], |policy| {
                bend(policy, |endpoint| {
                    endpoint.probing.outstanding = None;
                    endpoint.probing.next = Some(Timestamp::from_millis(1_000_000));
                });
            }),
            (4, &[ONE, TWO], |policy| {
                bend(policy, |endpoint| {
                    endpoint.probing = crate::endpoint::Probing::default()
                });
            }),
            (5, &[ONE, TWO], |policy| {
                bend(policy, |endpoint| {
                    endpoint.drain = Some(Until::Time(Timestamp::ZERO))
                });
            }),
            (9, &[ONE, TWO], |policy| {
                bend(policy, |endpoint| endpoint.judgement.reason = "another".into());
            }),
            (10, &[ONE, TWO], |policy| {
                policy.sources[1].current.remove(&ONE);
            }),
            (11, &[ONE, TWO], |policy| {
                policy.sources[0].current.insert(SocketAddr::new(ONE.ip(), 1));
            }),
            (12, &[ONE, TWO], |policy| {
                bend(policy, |endpoint| {
                    let (since, cause) = (Timestamp::ZERO, Untrusted::Other);
                    endpoint.judgement.doubt = Some(crate::endpoint::Doubt {
                        since,
                        cause,
                        detail: String::new(),
                    });
                });
            }),
            (13, &[ONE, TWO], |policy| {
                alloc::sync::Arc::make_mut(&mut policy.settings).endpoints_max = 1;
            }),
            (14, &[], |policy| {
                bend(policy, |endpoint| {
                    endpoint.judgement.health = Health::NotReady;
                    endpoint.probing.outstanding = None;
                    endpoint.probing.next = Some(Timestamp::from_millis(1_000_000));
                });
            }),
        ];
        for (number, ready, bend) in bends {
            let mut policy = policy(ready);
            bend(&mut policy);
            assert!(
                broken(&policy, &[]).contains(&number),
                "invariant {number} did not notice"
            );
        }
    }

    fn bend(policy: &mut Policy, how: impl FnOnce(&mut crate::endpoint::Endpoint)) {
        how(policy.endpoints.get_mut(&ONE).expect("it is known"));
    }

    #[test]
    fn each_check_of_actions_can_fail() {
        let gently = Pace::Quiet(Duration::ZERO);
        let probe = || {
            let (endpoint, probe, limits) = (ONE, ProbeId(7), USUAL_LIMITS);
            Action::StartProbe(StartProbe {
                endpoint,
                probe,
                fresh: true,
                keep: false,
                limits,
            })
        };
        let both = policy(&[ONE, TWO]);
        assert!(broken(&both, &[probe(), probe()]).contains(&4));
        assert!(broken(&policy(&[ONE]), &[close(ONE, gently)]).contains(&6));
        let first = both.ordered()[0];
        assert!(broken(&both, &[close(first, gently)]).contains(&7));
        assert!(broken(&both, &[close(ONE, Pace::Reset(Duration::ZERO))]).contains(&8));
        assert!(broken(&policy(&[]), &[close(ONE, gently)]).contains(&8));
    }
}
