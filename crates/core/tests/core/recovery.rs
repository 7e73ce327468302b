//! R: when what is tried.

use jackline_core::*;

use crate::world::*;

#[test]
fn isolated_everything_is_tried_within_its_cap_without_end() {
    let mut world = World::attached(3);
    for n in 1..=3 {
        world.set(at(n), Server::Refuses);
    }
    world.sources.insert(KUBERNETES, Answers::Fails);
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Refused,
    });
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.run(seconds(3600));
    world.log.clear();
    world.run(seconds(60));
    for n in 1..=3 {
        let probes = world.probes_of(at(n));
        assert!(probes.len() > 60, "{} tries in a minute", probes.len());
        assert!(probes.windows(2).all(|pair| pair[1].since(pair[0]) <= ms(801)));
    }
    for (source, cap) in [(KUBERNETES, 2), (REGISTRATION, 2), (SUPERVISOR, 5)] {
        let asked = world.refreshes_of(source);
        assert!(asked.len() > 10, "{source:?} was asked {} times", asked.len());
        assert!(
            asked
                .windows(2)
                .all(|pair| pair[1].0.since(pair[0].0) <= seconds(cap) + ms(5))
        );
    }
}

#[test]
fn the_first_success_ends_the_storm() {
    let mut world = World::attached(3);
    for n in 1..=3 {
        world.set(at(n), Server::Refuses);
    }
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.run(seconds(20));
    world.set(at(2), Server::Ready);
    let took = world.run_until(seconds(2), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(810), "attached after {took:?}");
    world.run(seconds(10));
    world.log.clear();
    world.run(seconds(60));
    assert!(
        world.probes_of(at(1)).len() <= 3,
        "others are probed every 30 s again"
    );
}

#[test]
fn a_server_on_its_way_up_is_watched_closely() {
    let mut world = World::attached(1);
    world.set(at(1), Server::Refuses);
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.run(seconds(5));
    world.set(at(1), Server::NotReady("poststarthook/rbac/bootstrap-roles"));
    world.run_until(seconds(2), |world| world.state() == NodeState::Degraded);
    world.run(seconds(2));
    world.set(at(1), Server::Ready);
    let took = world.run_until(seconds(1), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(300), "attached after {took:?}");
}

#[test]
fn a_server_that_knows_no_rights_yet_is_on_its_way_up_too() {
    let mut world = World::attached(1);
    world.set(at(1), Server::Refuses);
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.run(seconds(5));
    world.set(at(1), Server::Alive);
    world.run_until(seconds(2), |world| world.state() == NodeState::Degraded);
    world.run(seconds(1));
    world.set(at(1), Server::Ready);
    let took = world.run_until(seconds(1), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(300), "attached after {took:?}");
}

#[test]
fn a_server_that_knew_no_rights_when_the_last_ready_one_went_is_tested_at_once() {
    let mut world = World::attached(2);
    world.set(at(2), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(2)).health == Health::Unreachable
    });
    world.set(at(2), Server::Alive);
    world.run_until(seconds(60), |world| world.endpoint(at(2)).health == Health::Alive);
    world.run(ms(500));
    world.set(at(2), Server::Ready);
    world.set(at(1), Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Refused,
    });
    world.run_until(seconds(1), |world| world.endpoint(at(1)).health != Health::Ready);
    let took = world.run_until(seconds(1), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(300), "attached after {took:?}");
}

#[test]
fn a_server_that_refuses_everybody_is_not_as_good_as_it_gets_once_there_was_a_ready_one() {
    let mut world = World::attached(2);
    for n in [1, 2] {
        world.set(at(n), Server::Refuses);
    }
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.set(at(1), Server::Alive);
    world.run_until(seconds(2), |world| world.state() == NodeState::Degraded);
    world.run(seconds(120));
    world.set(at(2), Server::Ready);
    let took = world.run_until(seconds(60), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(810), "R1: attached after {took:?}");
}

#[test]
fn where_no_credential_has_seen_a_ready_one_the_usual_price_is_enough() {
    let mut world = World::new(settings());
    world.set(at(1), Server::Alive);
    world.set(at(2), Server::Refuses);
    let list = [at(1), at(2)];
    world.tell(reported(KUBERNETES, RefreshId(0), &list));
    world.sources.insert(KUBERNETES, Answers::List(list.to_vec()));
    world.run_until(seconds(5), |world| world.state() == NodeState::Degraded);
    world.run(seconds(60));
    world.log.clear();
    world.run(seconds(600));
    for server in list {
        let tests = world.probes_of(server).len();
        assert!(
            (1..=70).contains(&tests),
            "{server} was tested {tests} times in ten minutes"
        );
    }
}

#[test]
fn attached_sources_are_asked_again_through_another_server_each_time() {
    let mut world = World::attached(3);
    world.run(seconds(600));
    let asked = world.refreshes_of(KUBERNETES);
    assert!(
        (9..=12).contains(&asked.len()),
        "asked {} times in ten minutes",
        asked.len()
    );
    let firsts: std::collections::BTreeSet<_> = asked.iter().map(|(_, refresh)| refresh.targets[0]).collect();
    assert_eq!(firsts.len(), 3, "R2: each time through another ready server");
}

#[test]
fn an_etcd_only_server_is_asked_by_the_supervisor_source_only() {
    let mut world = World::attached(1);
    world.set(at(9), Server::NoApi);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(9)]));
    world.sources.insert(SUPERVISOR, Answers::List(vec![at(1)]));
    world.run(seconds(200));
    let last = |source| {
        world
            .refreshes_of(source)
            .last()
            .map(|(_, refresh)| refresh.targets.clone())
            .unwrap()
    };
    assert!(last(SUPERVISOR).contains(&at(9)));
    assert!(!last(KUBERNETES).contains(&at(9)));
    assert_eq!(world.endpoint(at(9)).class, Class::NoApi);
    world.set(at(1), Server::Refuses);
    world.sources.insert(KUBERNETES, Answers::Fails);
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
}

#[test]
fn a_pause_that_a_server_asks_for_is_kept_and_bounded() {
    let mut world = World::attached(1);
    world.tell(Event::RefreshRequested);
    let asked = world
        .refreshes_of(SUPERVISOR)
        .last()
        .map(|(_, refresh)| refresh.refresh)
        .unwrap();
    let failure = SourceFailure {
        reason: "429".into(),
        retry_after: Some(seconds(100_000)),
        ..SourceFailure::default()
    };
    world.log.clear();
    world.tell(Event::SourceFailed {
        source: SUPERVISOR,
        refresh: asked,
        failure,
    });
    world.run(seconds(59));
    assert_eq!(world.refreshes_of(SUPERVISOR).len(), 0);
    world.run(seconds(2));
    assert_eq!(world.refreshes_of(SUPERVISOR).len(), 1);
}

#[test]
fn a_refresh_and_a_probe_that_the_shell_lost_are_done_anew() {
    let mut policy = Policy::new(settings(), 1, Timestamp::ZERO);
    let mut actions = Vec::new();
    policy.step(
        Timestamp::ZERO,
        reported(STATIC, RefreshId(0), &[at(1)]),
        &mut actions,
    );
    let mut started = 0;
    let mut asked = 0;
    for _ in 0..200 {
        let Some((due, _)) = policy.next_deadline() else {
            panic!("nothing is due ever again")
        };
        actions.clear();
        policy.step(due, Event::DeadlineReached, &mut actions);
        started += actions
            .iter()
            .filter(|action| matches!(action, Action::StartProbe(_)))
            .count();
        asked += actions
            .iter()
            .filter(|action| matches!(action, Action::RefreshSource(_)))
            .count();
    }
    assert!(started > 10 && asked > 60, "{started} probes, {asked} refreshes");
}

#[test]
fn a_source_without_a_server_to_ask_waits_for_one_and_is_asked_at_once_then() {
    let mut world = World::new(settings());
    world.run(seconds(60));
    assert_eq!(world.refreshes_of(KUBERNETES).len(), 0);
    assert_eq!(world.policy.snapshot().sources[1].state, SourceState::Waiting);
    world.tell(reported(REGISTRATION, RefreshId(0), &[at(1)]));
    assert_eq!(world.refreshes_of(KUBERNETES).len(), 1);
    assert_eq!(world.refreshes_of(KUBERNETES)[0].1.targets, vec![at(1)]);
}

#[test]
fn when_all_fall_silent_at_once_the_node_soon_knows_that_it_is_isolated() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 3);
    for n in 1..=3 {
        world.set(at(n), Server::Silent);
    }
    world.sources.insert(KUBERNETES, Answers::Never);
    world.tell(Event::HedgeWon {
        silent: first,
        winner: first,
    });
    let took = world.run_until(seconds(10), |world| world.state() == NodeState::Isolated);
    assert!(took <= seconds(7), "{took:?}");
    assert_eq!(world.closes(), vec![], "H5");
}

#[test]
fn a_machine_without_a_route_is_isolated_at_once_and_judges_no_endpoint() {
    let mut world = World::attached(3);
    for n in 1..=3 {
        world.set(at(n), Server::Ours(LocalFault::NoRoute));
    }
    let failure = DialFailure::Local(LocalFault::NoRoute);
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: failure.clone(),
    });
    let took = world.run_until(seconds(1), |world| world.state() == NodeState::Isolated);
    assert!(took <= ms(10), "{took:?}");
    assert!(world.policy.snapshot().state_reason.contains("no way to any"));
    assert!(
        (1..=3).all(|n| world.endpoint(at(n)).health == Health::Ready),
        "H3"
    );
    world.run(seconds(60));
    for n in 1..=3 {
        world.set(at(n), Server::Ready);
    }
    let took = world.run_until(seconds(1), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(810), "{took:?}");
    // One way out of several is no isolation: an address of a family that this machine does not have.
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure,
    });
    world.run(seconds(60));
    assert_eq!(world.state(), NodeState::Attached);
}
