//! Faults of the core that the exhaustive checker and the canaries' worlds found, each as small as it can be.

use jackline_core::*;

use crate::world::*;

/// Three servers, and a not-ready one is all that answers: degraded.
fn degraded() -> World {
    let mut world = World::attached(3);
    world.set(at(1), Server::Refuses);
    world.set(at(2), Server::Refuses);
    world.set(at(3), Server::NotReady("poststarthook/start"));
    world.run_until(seconds(60), |world| world.state() == NodeState::Degraded);
    world.run(seconds(100));
    assert_eq!(world.state(), NodeState::Degraded);
    world
}

#[test]
fn while_degraded_a_server_that_returns_is_found_within_the_cap_of_isolation() {
    let mut world = degraded();
    world.set(at(2), Server::Ready);
    let took = world.run_until(seconds(40), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(810), "{took:?}");
}

#[test]
fn while_degraded_those_that_answer_keep_their_own_pace() {
    let mut world = degraded();
    world.log.clear();
    world.run(seconds(60));
    let tests = world.probes_of(at(3)).len();
    assert!((25..=34).contains(&tests), "{tests} tests in a minute");
}

#[test]
fn an_archived_server_is_tried_while_degraded() {
    let mut world = World::attached_with(
        3,
        Settings {
            unwitnessed_grace: seconds(100),
            ..settings()
        },
    );
    world.set(at(1), Server::Refuses);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(2), at(3)]));
    world.run_until(seconds(400), |world| {
        world.endpoint(at(1)).standing == Standing::Archived
    });
    world.set(at(2), Server::Refuses);
    world.set(at(3), Server::NotReady("poststarthook/start"));
    world.run_until(seconds(60), |world| world.state() == NodeState::Degraded);
    world.sources.clear();
    world.run(seconds(60));
    world.set(at(1), Server::Ready);
    let took = world.run_until(seconds(20), |world| world.state() == NodeState::Attached);
    assert!(took <= seconds(11), "{took:?}");
}

#[test]
fn what_is_archived_with_sessions_on_it_is_tested_until_they_have_gone() {
    let mut world = World::attached_with(
        2,
        Settings {
            unwitnessed_grace: seconds(100),
            ..settings()
        },
    );
    world.open_sessions(at(1), 1);
    world.sources.insert(KUBERNETES, Answers::List(vec![at(2)]));
    world.run_until(seconds(400), |world| {
        world.endpoint(at(1)).standing == Standing::Archived
    });
    world.log.clear();
    world.run(seconds(120));
    assert!(world.closes().is_empty(), "R4: standing alone closes no session");
    let tests = world.probes_of(at(1)).len();
    assert!((2..=9).contains(&tests), "{tests} tests in two minutes");
    assert_eq!(world.endpoint(at(1)).standing, Standing::Archived);
    world.tell(Event::SessionClosed {
        endpoint: at(1),
        ending: Ending::Downstream,
    });
    world.run(seconds(1));
    world.log.clear();
    world.run(seconds(120));
    assert_eq!(world.probes_of(at(1)).len(), 0, "M5: and left alone");
}

#[test]
fn two_that_are_archived_with_sessions_on_them_are_no_reason_to_stay_archived() {
    let mut world = World::attached_with(
        3,
        Settings {
            unwitnessed_grace: seconds(100),
            ..settings()
        },
    );
    world.open_sessions(at(1), 1);
    world.open_sessions(at(2), 1);
    world.sources.insert(KUBERNETES, Answers::List(vec![at(3)]));
    world.run_until(seconds(400), |world| {
        [at(1), at(2)].map(|of| world.endpoint(of).standing) == [Standing::Archived; 2]
    });
    world.set(at(3), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(3)).health == Health::Unreachable
    });
    let standings = [at(1), at(2)].map(|of| world.endpoint(of).standing);
    assert!(
        standings.contains(&Standing::Retained),
        "both are ready, nobody else of the cluster is: {standings:?}"
    );
}

#[test]
fn sessions_that_an_archived_server_took_in_a_storm_have_it_tested() {
    let mut world = World::attached_with(
        2,
        Settings {
            unwitnessed_grace: seconds(100),
            ..settings()
        },
    );
    world.set(at(1), Server::Refuses);
    world.sources.insert(KUBERNETES, Answers::List(vec![at(2)]));
    world.run_until(seconds(400), |world| {
        world.endpoint(at(1)).standing == Standing::Archived
    });
    world.set(at(1), Server::NotReady("poststarthook/start"));
    world.open_sessions(at(1), 1);
    world.run(seconds(2));
    let moved = world.closes().iter().any(|close| close.endpoint == at(1));
    assert!(moved, "nobody looked at where the session is");
    world.tell(Event::SessionClosed {
        endpoint: at(1),
        ending: Ending::Ours,
    });
    world.run(seconds(1));
    world.log.clear();
    world.run(seconds(120));
    assert_eq!(world.probes_of(at(1)).len(), 0, "M5: and left alone again");
}

#[test]
fn an_archived_endpoint_whose_node_is_back_is_retained_again() {
    let mut world = World::attached(2);
    world
        .sources
        .insert(NODES, nodes(&[("one", at(1)), ("two", at(2))]));
    world.run(seconds(300));
    world.set(at(1), Server::Refuses);
    world.sources.insert(KUBERNETES, Answers::List(vec![at(2)]));
    world.sources.insert(NODES, nodes(&[("two", at(2))]));
    world.run_until(seconds(3000), |world| {
        world.endpoint(at(1)).standing == Standing::Archived
    });
    world.tell(Event::NodeReported {
        source: NODES,
        refresh: RefreshId(1_000_000),
        name: "one".into(),
        node: Some(NodeListing {
            name: "one".into(),
            addresses: vec![at(1).ip()],
            control_plane: true,
            zone: None,
            ready: Some(true),
            leaving: false,
        }),
        answered_by: None,
    });
    assert_eq!(world.endpoint(at(1)).standing, Standing::Retained);
}

#[test]
fn the_first_session_on_a_server_has_it_tested_again() {
    let mut world = World::attached(2);
    world.run(seconds(100));
    // It was started anew between two tests: its kernel accepts, and it is not ready.
    world.set(at(2), Server::NotReady("poststarthook/start"));
    world.open_sessions(at(2), 1);
    let took = world.run_until(seconds(40), |world| {
        world.closes().iter().any(|close| close.endpoint == at(2))
    });
    assert!(took <= seconds(3), "{took:?}");
}

#[test]
fn sessions_stay_with_a_server_without_an_api_while_the_other_is_in_doubt() {
    let mut world = World::attached(2);
    world.set(at(2), Server::NoApi);
    world.run(seconds(70));
    world.set(at(1), Server::Silent);
    world.tell(Event::HedgeWon {
        silent: at(1),
        winner: at(2),
    });
    world.log.clear();
    world.open_sessions(at(2), 1);
    assert_eq!(world.closes(), [], "it would come straight back");
    world.set(at(1), Server::Ready);
    world.run(seconds(4));
    assert_eq!(world.closes().len(), 1, "R4");
}

#[test]
fn where_the_only_ready_one_falls_silent_those_that_were_down_are_tried_at_once() {
    let mut world = World::attached(2);
    world.set(at(2), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(2)).health == Health::Unreachable
    });
    world.run(seconds(2));
    world.open_sessions(at(1), 1);
    world.run(seconds(1));
    world.set(at(1), Server::Silent);
    world.set(at(2), Server::Ready);
    world.tell(Event::SessionStalled {
        endpoint: at(1),
        again: false,
    });
    let took = world.run_until(seconds(40), |world| world.first() == at(2));
    assert!(took <= ms(1500), "{took:?}");
}

/// The last ready server falls silent, another was started anew between two tests, a third one serves: sessions went to the
/// second, for whoever is ready had proven itself already, and stayed there for 2.5 s (H7).
#[test]
fn where_sessions_of_a_silent_server_are_to_go_is_tested_before_they_go() {
    let mut world = World::attached(3);
    world.run(seconds(20));
    let [silent, stale, sound]: [_; 3] =
        std::array::from_fn(|n| world.policy.snapshot().endpoints[n].address);
    world.open_sessions(silent, 1);
    world.run(seconds(1));
    world.set(silent, Server::Silent);
    world.set(stale, Server::NotReady("poststarthook/start"));
    world.tell(Event::SessionStalled {
        endpoint: silent,
        again: false,
    });
    // The one proof that is needed is there before the silence is sure; it is not that of the next in line.
    world.run(ms(1));
    world.tell(Event::HedgeWon {
        silent: sound,
        winner: stale,
    });
    world.run_until(seconds(10), |world| !world.closes().is_empty());
    assert_eq!(world.first(), sound, "{:?}", world.endpoint(stale));
}

/// A session that hung on a dead server waited for a witness that nobody asked: up to 33 s.
#[test]
fn a_witness_is_asked_for_while_sessions_hang_on_a_dead_server() {
    let mut world = World::attached(2);
    world.run(seconds(60));
    // Its kernel took a connection, and its machine died before any test had reached it.
    world.set(at(3), Server::Silent);
    let all = [at(1), at(2), at(3)];
    world.sources.insert(KUBERNETES, Answers::List(all.to_vec()));
    world.tell(reported(KUBERNETES, RefreshId(99_999), &all));
    world.open_sessions(at(3), 1);
    world.run_until(seconds(5), |world| {
        world.endpoint(at(3)).health == Health::Unreachable
    });
    for again in [false, true] {
        world.tell(Event::SessionStalled {
            endpoint: at(3),
            again,
        });
        world.run(seconds(1));
    }
    assert!(
        world.closes().iter().any(|close| close.endpoint == at(3)),
        "it hangs until a usual test of another"
    );
}

/// The witness that the judgement waited for became ready by it, in the same step: the node was attached before and after,
/// and the sessions hung until their next stall.
#[test]
fn sessions_are_freed_with_the_judgement_that_makes_the_other_ready() {
    let mut world = World::attached(2);
    world.set(at(2), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(2)).health == Health::Unreachable
    });
    world.open_sessions(at(1), 1);
    world.set(at(1), Server::Silent);
    world.tell(Event::SessionStalled {
        endpoint: at(1),
        again: false,
    });
    world.run(seconds(1));
    world.set(at(2), Server::Ready);
    world.run_until(seconds(10), |world| {
        world.endpoint(at(1)).health == Health::Unreachable
    });
    assert!(world.closes().iter().any(|close| close.endpoint == at(1)));
}

/// One that came back was tried only when another test of the silent one had run out: 2 s.
#[test]
fn while_the_only_ready_one_is_silent_those_that_are_down_are_tried_as_in_isolation() {
    let mut world = World::attached(2);
    world.set(at(2), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(2)).health == Health::Unreachable
    });
    world.run(seconds(30));
    world.open_sessions(at(1), 1);
    world.run(seconds(1));
    world.set(at(1), Server::Silent);
    world.tell(Event::SessionStalled {
        endpoint: at(1),
        again: false,
    });
    // Two short tests, and the third, with the usual limits, has begun.
    world.run(ms(1100));
    world.set(at(2), Server::Ready);
    let took = world.run_until(seconds(40), |world| world.first() == at(2));
    assert!(took <= ms(810), "{took:?}");
}

/// A server that had refused came up, took a session while it was held back, and died: it was judged already, so its silence
/// changed nothing, and the session hung until the kernel gave it up.
#[test]
fn a_session_on_a_held_back_server_that_dies_is_freed() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Refuses);
    world.set(at(2), Server::Refuses);
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    assert_eq!(world.endpoint(at(1)).health, Health::Unreachable);
    // S6: a session is tried with whoever accepts, and the machine dies before a test.
    world.open_sessions(at(1), 1);
    world.set(at(1), Server::Silent);
    world.set(at(2), Server::Ready);
    world.run_until(seconds(5), |world| world.state() == NodeState::Attached);
    for again in [false, true, true, true] {
        world.tell(Event::SessionStalled {
            endpoint: at(1),
            again,
        });
        world.run(seconds(1));
    }
    assert!(
        world.closes().iter().any(|close| close.endpoint == at(1)),
        "it hangs"
    );
}

/// A server that had been in use a moment ago was away, came back, and was started anew between two tests: the session that
/// opened on it was not the first for a minute, and stayed there untested for 12 s.
#[test]
fn the_first_session_on_a_server_that_has_come_back_has_it_tested() {
    let mut world = World::attached(2);
    world.open_sessions(at(2), 1);
    world.run(seconds(100));
    world.set(at(2), Server::Refuses);
    world.tell(Event::SessionClosed {
        endpoint: at(2),
        ending: Ending::Upstream,
    });
    world.run_until(seconds(5), |world| {
        world.endpoint(at(2)).health == Health::Unreachable
    });
    world.set(at(2), Server::Ready);
    world.run_until(seconds(40), |world| world.endpoint(at(2)).health == Health::Ready);
    world.run(seconds(1));
    world.set(at(2), Server::NotReady("poststarthook/start"));
    world.open_sessions(at(2), 1);
    let took = world.run_until(seconds(40), |world| {
        world.closes().iter().any(|close| close.endpoint == at(2))
    });
    assert!(took <= seconds(3), "{took:?}");
}
