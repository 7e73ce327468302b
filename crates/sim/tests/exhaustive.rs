//! The exhaustive checker: what it says of the core, and that it can find what it looks for.

use std::num::NonZeroUsize;

use jackline_core::Bend;
use jackline_sim::exhaustive::*;

/// A hundred thousand states where debug assertions check every step twice over, half a million in a release build.
/// `cargo xtask test` runs both, and `cargo xtask doubt` goes deeper.
const DEEP: u32 = if cfg!(debug_assertions) { 5 } else { 6 };
/// Deep enough for an outage of all servers and one that returns.
const DEPTH: u32 = 4;

#[test]
fn no_state_of_the_core_is_stuck() {
    for cast in CASTS {
        let outcome = examine(&jackline(cast, None), Limits::depth(DEEP), &mut |_| {});
        assert!(outcome.is_good(), "{outcome}");
        assert!(outcome.states > 40_000, "only {} states", outcome.states);
        assert!(outcome.heals > 90_000, "only {} heals", outcome.heals);
    }
}

#[test]
fn the_stuck_state_of_k3s_11349_is_found_by_its_shortest_way() {
    let outcome = examine(&k3s_before_2024(SPLIT_ROLES), Limits::depth(DEPTH), &mut |_| {});
    let (ended, way) = outcome.forgotten.first().expect("the list forgets");
    assert_eq!(*ended, Ended::Forgotten);
    // One control plane leaves the list, the node hears of it in the time that passes, the other stops; the first comes
    // back and is unknown.
    assert_eq!(way.moves, [Move::Stop(1), Move::ExpireLeases, Move::Stop(2)]);
    assert_eq!(way.heal, Some(Heal::One(1)));
    // k3s#11311: the node fails over to the etcd-only registration address, and never turns back.
    let (ended, way) = outcome.not_used.first().expect("no fail-back");
    assert_eq!(*ended, Ended::NotUsed);
    assert_eq!(way.moves.len(), 2, "{way}");
}

#[test]
fn the_outcome_hangs_neither_on_threads_nor_on_the_run() {
    let run = |threads| {
        let limits = Limits {
            threads: NonZeroUsize::new(threads).expect("not zero"),
            ..Limits::depth(3)
        };
        let outcome = examine(&jackline(SPLIT_ROLES, None), limits, &mut |_| {});
        (outcome.states, outcome.moves, outcome.heals, outcome.slowest)
    };
    let once = run(1);
    assert_eq!(once, run(2));
    assert_eq!(once, run(2));
}

#[test]
fn servers_that_are_alike_may_be_permuted() {
    let run = |symmetry| {
        let limits = Limits {
            symmetry,
            ..Limits::depth(3)
        };
        examine(&jackline(THREE_CONTROL_PLANES, None), limits, &mut |_| {})
    };
    let (merged, all) = (run(true), run(false));
    // Not by half: the node's own order (S2) tells servers apart that are alike, for sessions are on its first choice.
    assert!(merged.states < all.states, "{} of {}", merged.states, all.states);
    assert!(merged.is_good() && all.is_good(), "{merged}{all}");
}

#[test]
fn a_core_that_does_not_seek_while_degraded_is_found_out() {
    let outcome = examine(
        &jackline(SPLIT_ROLES, Some(Bend::R1Missed)),
        Limits::depth(DEPTH),
        &mut |_| {},
    );
    assert!(outcome.late > 0, "{outcome}");
}

#[test]
fn a_search_that_is_cut_short_says_so() {
    let limits = Limits {
        states_max: 50,
        ..Limits::depth(DEPTH)
    };
    let outcome = examine(&jackline(SPLIT_ROLES, None), limits, &mut |_| {});
    assert!(outcome.cut_short.is_some() && !outcome.is_good());
    assert!(outcome.to_string().contains("cut short by the bound on states"));
}
