//! Faults of the core that the simulator found, each as small as it can be. The seeds are those of the day of finding.

use jackline_core::*;

use crate::world::*;

fn is_candidate(world: &World, address: std::net::SocketAddr) -> bool {
    let snapshot = world.policy.snapshot();
    selection::candidates(&snapshot).any(|view| view.address == address)
}

/// Seed 78: a suspicion that this machine's own fault left unanswered for longer than a burst muted what came after it.
#[test]
fn a_suspicion_that_could_not_be_asked_about_is_asked_about_closely_once_it_can() {
    let mut world = World::attached(2);
    for n in [1, 2] {
        world.set(at(n), Server::Ours(LocalFault::Descriptors));
    }
    world.tell(Event::SessionClosed {
        endpoint: at(1),
        ending: Ending::Upstream,
    });
    world.run(seconds(20));
    assert_eq!(
        world.endpoint(at(1)).health,
        Health::Ready,
        "nobody is judged by it (H3)"
    );
    world.set(at(1), Server::Refuses);
    world.set(at(2), Server::Ready);
    let took = world.run_until(seconds(40), |world| {
        world.endpoint(at(1)).health == Health::Unreachable
    });
    assert!(took <= ms(1000), "{took:?}");
}

/// Seed 144: an endpoint in doubt that then refused was judged twice at each try, and each time told.
#[test]
fn an_endpoint_in_doubt_that_falls_silent_stays_in_doubt_and_is_told_once() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Foreign);
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Refused,
    });
    world.run_until(seconds(5), |world| {
        world.endpoint(at(1)).health == Health::Impostor
    });
    world.set(at(1), Server::Refuses);
    world.log.clear();
    world.run(seconds(600));
    let told = world.log.iter().filter(
        |(_, action)| matches!(action, Action::Announce(line) if line.subject == Subject::Endpoint(at(1))),
    );
    assert_eq!(told.count(), 0);
    let view = world.endpoint(at(1));
    assert_eq!(view.health, Health::Impostor);
    assert!(view.reason.contains("connection refused"), "{}", view.reason);
    assert!(!is_candidate(&world, at(1)), "H8: it may be back at any moment");
}

/// Seed 9: what was another's server became dialable by being archived.
#[test]
fn an_impostor_that_is_archived_is_no_candidate() {
    let settings = Settings {
        unwitnessed_grace: seconds(300),
        ..settings()
    };
    let mut world = World::attached_with(3, settings);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.set(at(3), Server::Foreign);
    world.run_until(seconds(1200), |world| {
        let view = world.endpoint(at(3));
        let impostor = view.health == Health::Impostor;
        assert!(!(impostor && is_candidate(world, at(3))));
        impostor
    });
    world.run_until(seconds(1200), |world| {
        world.endpoint(at(3)).standing == Standing::Archived
    });
    assert!(!is_candidate(&world, at(3)));
    world.run(seconds(600));
    assert!(!is_candidate(&world, at(3)));
}

/// Seed 36: a remembered address of a state file of another CA was dialable although a test had found it to be another's.
#[test]
fn an_impostor_among_unverified_hints_is_no_candidate() {
    let mut world = World::new(settings());
    world.set(at(1), Server::Foreign);
    world.set(at(2), Server::Ready);
    let record = |address| Record {
        address,
        archived: false,
        seen_by: vec![],
        node: None,
        zone: None,
        unlisted_for: None,
        node_gone_for: None,
        archived_for: None,
        last_seen: None,
        last_ready: None,
    };
    world.tell(Event::MembershipRestored {
        records: vec![record(at(1)), record(at(2))],
        trusted: false,
    });
    world.run(seconds(5));
    assert_eq!(world.endpoint(at(1)).health, Health::Impostor);
    assert!(!is_candidate(&world, at(1)));
}

/// Seed 28: an endpoint that is held back for flapping was tested four times a second all the while, by a whole fleet.
#[test]
fn an_endpoint_that_is_held_back_costs_few_tests() {
    let mut world = World::attached(2);
    for _ in 0..6 {
        world.set(at(1), Server::Refuses);
        world.tell(Event::DialFailed {
            endpoint: at(1),
            failure: DialFailure::Refused,
        });
        world.run_until(seconds(60), |world| {
            world.endpoint(at(1)).health == Health::Unreachable
        });
        world.set(at(1), Server::Ready);
        world.log.clear();
        world.run_until(seconds(200), |world| {
            world.endpoint(at(1)).health == Health::Ready
        });
    }
    let probes = world.probes_of(at(1));
    let held = world.now.since(probes[0]);
    assert!(held >= seconds(30), "held back for {held:?}");
    assert!(
        (4..=16).contains(&probes.len()),
        "{} tests in {held:?}",
        probes.len()
    );
}

/// Seed 371: an endpoint that was held back and failed with all others was left at once, for it had long been not-ready.
#[test]
fn a_cause_that_may_be_shared_is_as_old_as_the_last_good_answer_allows() {
    let mut world = World::attached(2);
    for _ in 0..4 {
        world.set(at(1), Server::NotReady("poststarthook/x"));
        world.tell(Event::HedgeWon {
            silent: at(1),
            winner: at(2),
        });
        world.run_until(seconds(60), |world| {
            world.endpoint(at(1)).health == Health::NotReady
        });
        world.set(at(1), Server::Ready);
        if world.probes_of(at(1)).is_empty() {
            continue;
        }
        world.run_until(seconds(200), |world| {
            world.endpoint(at(1)).health == Health::Ready
        });
    }
    world.set(at(1), Server::NotReady("etcd"));
    world.tell(Event::HedgeWon {
        silent: at(1),
        winner: at(2),
    });
    world.run(seconds(20));
    assert_eq!(world.endpoint(at(1)).health, Health::NotReady);
    world.set(at(1), Server::Ready);
    world.run(seconds(33));
    assert_eq!(
        world.endpoint(at(1)).health,
        Health::NotReady,
        "good again, and held back"
    );
    world.open_sessions(at(1), 2);
    world.run(seconds(1));
    for n in [1, 2] {
        world.set(at(n), Server::NotReady("etcd"));
    }
    world.log.clear();
    world.run(seconds(60));
    assert_eq!(world.state(), NodeState::Degraded);
    assert_eq!(world.closes(), vec![], "S5: it is the same for all");
}

/// Seed 163: a session that found a way to an endpoint that no test had reached stayed there untested for up to 30 s.
#[test]
fn a_session_with_an_untested_endpoint_has_it_tested_and_leaves_where_no_api_is() {
    let mut world = World::attached(2);
    world.set(at(3), Server::Refuses);
    world.tell(reported(SUPERVISOR, RefreshId(99_999), &[at(3)]));
    world.run(seconds(5));
    world.set(at(3), Server::NoApi);
    world.log.clear();
    world.open_sessions(at(3), 1);
    let took = world.run_until(seconds(40), |world| !world.closes().is_empty());
    assert!(took <= ms(500), "{took:?}");
    assert_eq!(world.closes()[0].endpoint, at(3));
}

/// Seed 7918: the same while a test was under way that had begun before the server was there.
#[test]
fn a_session_that_opens_during_a_test_has_the_endpoint_tested_again() {
    let mut world = World::attached(2);
    world.set(at(3), Server::Silent);
    world.tell(reported(SUPERVISOR, RefreshId(99_999), &[at(3)]));
    world.run(ms(500));
    world.set(at(3), Server::NoApi);
    world.log.clear();
    world.open_sessions(at(3), 1);
    let took = world.run_until(seconds(40), |world| !world.closes().is_empty());
    assert!(took <= seconds(3), "{took:?}");
}

/// Seed 735: a returned etcd-only server, the only one who knew where the others were, was asked up to 5 s later.
#[test]
fn a_returned_server_without_an_api_is_asked_for_the_others_at_once() {
    for moment in 0..8 {
        let mut world = World::attached(1);
        world.set(at(9), Server::Refuses);
        world.tell(reported(SUPERVISOR, RefreshId(99_999), &[at(9)]));
        world.set(at(1), Server::Refuses);
        world.sources.insert(KUBERNETES, Answers::Fails);
        world.tell(Event::DialFailed {
            endpoint: at(1),
            failure: DialFailure::Refused,
        });
        world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
        world.run(seconds(60) + ms(700 * moment));
        world.set(at(9), Server::NoApi);
        world.run_until(seconds(3), |world| world.endpoint(at(9)).api == Capability::No);
        let returned = world.now;
        world.run(ms(1000));
        let asked = world.refreshes_of(SUPERVISOR);
        assert!(
            asked.iter().any(|(at, _)| *at >= returned),
            "not asked within a second"
        );
    }
}

/// Seed 5356: a node without a route gave an endpoint up, for others had been ready when there was one.
#[test]
fn nothing_is_archived_while_this_machine_has_no_route() {
    let settings = Settings {
        unwitnessed_grace: seconds(260),
        ..settings()
    };
    let mut world = World::attached_with(3, settings);
    let short = [at(1), at(2)];
    world.sources.insert(KUBERNETES, Answers::List(short.to_vec()));
    world.set(at(3), Server::Refuses);
    world.run(seconds(250));
    world.sources.insert(KUBERNETES, Answers::Fails);
    world.run(seconds(120));
    for n in 1..=3 {
        world.set(at(n), Server::Ours(LocalFault::NoRoute));
    }
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Local(LocalFault::NoRoute),
    });
    world.run_until(seconds(5), |world| world.state() == NodeState::Isolated);
    world.tell(reported(KUBERNETES, RefreshId(99_999), &short));
    world.run(seconds(60));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
}

/// Seed 4195: a session that hung on a dead server while nobody was ready went on hanging when somebody was.
#[test]
fn sessions_with_a_dead_server_are_freed_as_soon_as_there_is_somewhere_to_go() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Silent);
    world.set(at(2), Server::NotReady("poststarthook/x"));
    world.open_sessions(at(1), 1);
    for again in [false, true] {
        world.tell(Event::SessionStalled {
            endpoint: at(1),
            again,
        });
        world.run(seconds(15));
    }
    world.run_until(seconds(60), |world| world.state() == NodeState::Degraded);
    world.run(seconds(20));
    assert_eq!(world.endpoint(at(1)).health, Health::Unreachable);
    assert_eq!(world.closes(), vec![], "nowhere to go (H5)");
    world.set(at(2), Server::Ready);
    world.run_until(seconds(60), |world| world.state() == NodeState::Attached);
    let close = world.closes().pop().expect("freed with the same step");
    assert_eq!(close.endpoint, at(1));
    assert!(matches!(close.which, Which::SilentFor(_)));
}

/// Seed 175: a stall on an overloaded server that had been judged dead, answered again and was held back cost its sessions.
#[test]
fn a_server_that_answers_again_is_slow_and_not_dead() {
    let mut world = World::attached(2);
    world.open_sessions(at(1), 1);
    world.set(at(1), Server::Silent);
    world.tell(Event::SessionStalled {
        endpoint: at(1),
        again: true,
    });
    world.run_until(seconds(10), |world| {
        world.endpoint(at(1)).health == Health::Unreachable
    });
    world.set(at(1), Server::Slow(seconds(2)));
    world.run_until(seconds(60), |world| {
        world.endpoint(at(1)).reason.contains("held back")
    });
    world.log.clear();
    world.tell(Event::SessionStalled {
        endpoint: at(1),
        again: true,
    });
    assert_eq!(world.endpoint(at(1)).health, Health::Unreachable);
    assert_eq!(world.closes(), vec![]);
}

/// Seed 4425: a dozen dead addresses were asked before the one server that answered, and used up the time of the question.
#[test]
fn a_supervisor_that_answers_is_asked_before_servers_that_are_not_reached() {
    let mut world = World::attached(12);
    for n in 1..=12 {
        world.set(at(n), Server::Silent);
    }
    world.set(at(12), Server::NoApi);
    world.sources.clear();
    world.run_until(seconds(120), |world| world.state() == NodeState::Isolated);
    world.run(seconds(30));
    let asked = world.refreshes_of(SUPERVISOR);
    let (_, last) = asked.last().expect("it is asked");
    assert_eq!(last.targets.first(), Some(&at(12)), "{:?}", last.targets);
    assert_eq!(last.targets.len(), 12);
}

/// Seed 4970: a lazy test kept the urgent ones waiting until the time for urgent ones was over, and the second came 15 s later.
#[test]
fn the_second_short_test_follows_the_first_however_long_a_lazy_one_took() {
    let mut world = World::attached(1);
    world.open_sessions(at(1), 1);
    world.run(seconds(60));
    world.set(at(1), Server::Slow(seconds(60)));
    world.log.clear();
    world.run_until(seconds(60), |world| !world.probes_of(at(1)).is_empty());
    world.run(ms(100));
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::TimedOut,
    });
    // Six seconds, twice one, and six again.
    world.run_until(seconds(16), |world| world.state() == NodeState::Isolated);
}
