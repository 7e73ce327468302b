//! R2: how often sources are asked while nothing is wrong, and what that costs.

use jackline_core::*;

use crate::world::*;

/// The pauses between the questions to a source, in a world that has settled.
fn pauses_of(world: &World, source: SourceId) -> Vec<Duration> {
    let asked = world.refreshes_of(source);
    asked.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect()
}

/// Each pause within these bounds, and enough of them.
fn all_within(pauses: &[Duration], shortest: Duration, longest: Duration) -> bool {
    pauses.len() > 10 && pauses.iter().all(|pause| (shortest..=longest).contains(pause))
}

/// A world in which every kind of source answers, that of Kubernetes by a watch or not.
fn whole_world(watched: bool) -> World {
    whole_world_with(watched, nodes(&[("cp-1", at(1)), ("cp-2", at(2))]))
}

/// The same with other Nodes.
fn whole_world_with(watched: bool, nodes: Answers) -> World {
    let mut world = World::attached_with(2, settings_with_etcd());
    let list = vec![at(1), at(2)];
    let kubernetes = match watched {
        true => Answers::Watched(list.clone()),
        false => Answers::List(list.clone()),
    };
    world.sources.insert(KUBERNETES, kubernetes.clone());
    world.sources.insert(ETCD, kubernetes);
    world.sources.insert(SUPERVISOR, Answers::List(list.clone()));
    world.sources.insert(IMPORT, Answers::List(list.clone()));
    world
        .sources
        .insert(REGISTRATION, Answers::Holding(list.clone(), seconds(5)));
    world.sources.insert(NODES, nodes);
    world.run(seconds(600));
    world
}

#[test]
fn beside_a_watch_sources_are_asked_at_its_period_and_those_that_only_add_half_as_often() {
    let mut world = whole_world(true);
    world.log.clear();
    world.run(seconds(2 * 3600));
    for (source, shortest, longest) in [
        (KUBERNETES, seconds(108), ms(132_005)),
        (ETCD, seconds(108), ms(132_005)),
        (NODES, seconds(108), ms(132_005)),
        (SUPERVISOR, seconds(216), ms(264_005)),
        // A TTL of 5 s hastens nothing.
        (REGISTRATION, seconds(240), ms(264_005)),
    ] {
        let pauses = pauses_of(&world, source);
        assert!(all_within(&pauses, shortest, longest), "{source:?}: {pauses:?}");
    }
}

#[test]
fn without_a_watch_the_endpoints_are_asked_each_minute() {
    let mut world = whole_world(false);
    world.log.clear();
    world.run(seconds(3600));
    for (source, shortest, longest) in [
        (KUBERNETES, seconds(54), ms(66_005)),
        (NODES, seconds(54), ms(66_005)),
        (SUPERVISOR, seconds(108), ms(132_005)),
        (REGISTRATION, seconds(120), ms(132_005)),
    ] {
        let pauses = pauses_of(&world, source);
        assert!(all_within(&pauses, shortest, longest), "{source:?}: {pauses:?}");
    }
}

#[test]
fn nodes_that_stand_for_no_endpoint_are_asked_half_as_often() {
    for (watched, shortest, longest) in [
        (true, seconds(216), ms(264_005)),
        (false, seconds(108), ms(132_005)),
    ] {
        let mut world = whole_world_with(watched, nodes(&[("worker-1", at(9))]));
        world.log.clear();
        world.run(seconds(3600));
        let pauses = pauses_of(&world, NODES);
        assert!(all_within(&pauses, shortest, longest), "{pauses:?}");
    }
}

#[test]
fn where_nobody_tells_the_endpoints_what_only_adds_is_asked_each_minute() {
    let mut world = whole_world(true);
    world.sources.insert(KUBERNETES, Answers::Fails);
    world.sources.insert(ETCD, Answers::Fails);
    for source in [KUBERNETES, ETCD] {
        let (_, watch) = world.refreshes_of(source).pop().expect("it was asked");
        world.tell(Event::WatchEnded {
            source,
            refresh: watch.refresh,
            reason: "cut".into(),
        });
    }
    world.run(seconds(600));
    world.log.clear();
    world.run(seconds(3600));
    assert_eq!(world.state(), NodeState::Attached);
    for source in [SUPERVISOR, REGISTRATION] {
        let pauses = pauses_of(&world, source);
        assert!(
            all_within(&pauses, seconds(54), ms(66_005)),
            "{source:?}: {pauses:?}"
        );
    }
}

#[test]
fn while_attached_a_ttl_makes_a_pause_longer_and_never_shorter() {
    for (holds, shortest, longest) in [
        (seconds(0), seconds(120), ms(132_005)),
        (seconds(60), seconds(120), ms(132_005)),
        (seconds(200), seconds(200), ms(220_005)),
        (seconds(86_400), seconds(270), ms(297_005)),
    ] {
        let mut world = World::attached(2);
        world
            .sources
            .insert(REGISTRATION, Answers::Holding(vec![at(1)], holds));
        world.run(seconds(300));
        world.log.clear();
        world.run(seconds(2 * 3600));
        let pauses = pauses_of(&world, REGISTRATION);
        assert!(all_within(&pauses, shortest, longest), "{holds:?}: {pauses:?}");
        let different: std::collections::BTreeSet<_> = pauses.iter().collect();
        assert!(different.len() > pauses.len() / 2, "R5: jittered: {pauses:?}");
    }
}

#[test]
fn while_degraded_a_name_is_asked_for_again_when_its_ttl_is_over() {
    let mut world = World::attached(2);
    world
        .sources
        .insert(REGISTRATION, Answers::Holding(vec![at(1)], seconds(1)));
    world.run(seconds(600));
    for n in 1..=2 {
        world.set(at(n), Server::NotReady("etcd"));
    }
    world.run_until(seconds(120), |world| world.state() == NodeState::Degraded);
    world.tell(Event::RefreshRequested);
    world.run(seconds(10));
    world.log.clear();
    world.run(seconds(120));
    assert_eq!(world.state(), NodeState::Degraded);
    let pauses = pauses_of(&world, REGISTRATION);
    assert!(all_within(&pauses, seconds(5), ms(5504)), "{pauses:?}");
}

#[test]
fn while_isolated_an_answer_that_holds_for_long_is_asked_for_at_the_storms_pace() {
    let mut world = World::attached(1);
    world
        .sources
        .insert(REGISTRATION, Answers::Holding(vec![at(1)], seconds(3600)));
    world.run(seconds(120));
    world.set(at(1), Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Refused,
    });
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.log.clear();
    world.run(seconds(1));
    assert!(
        !world.refreshes_of(REGISTRATION).is_empty(),
        "asked at once, though the answer would have held"
    );
    world.run(seconds(60));
    let pauses = pauses_of(&world, REGISTRATION);
    assert!(pauses.len() > 30, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= ms(2005)), "{pauses:?}");
}

#[test]
fn those_whom_a_source_could_not_reach_are_tested_at_once() {
    let mut world = World::attached(2);
    world.run(seconds(60));
    let fails = |world: &mut World| {
        world.tell(Event::RefreshRequested);
        let (_, asked) = world.refreshes_of(KUBERNETES).pop().expect("it is asked");
        world.log.clear();
        let failure = SourceFailure {
            reason: "refused".into(),
            tried: vec![(at(1), "403".into()), (at(2), "refused".into())],
            unreached: vec![at(2)],
            ..SourceFailure::default()
        };
        world.tell(Event::SourceFailed {
            source: KUBERNETES,
            refresh: asked.refresh,
            failure,
        });
        (world.probes_of(at(1)).len(), world.probes_of(at(2)).len())
    };
    world.sources.insert(KUBERNETES, Answers::Never);
    world.set(at(2), Server::Refuses);
    assert_eq!(fails(&mut world), (0, 1), "H3: it dials as clients do");
    world.run(seconds(1));
    assert_eq!(world.endpoint(at(2)).health, Health::Unreachable);
    assert_eq!(world.endpoint(at(1)).health, Health::Ready);
}

#[test]
fn who_gave_a_supervisor_source_no_answer_before_another_did_is_remembered_as_such() {
    let mut world = World::attached(2);
    let report = Report {
        endpoints: vec![at(1).into()],
        answered_by: Some(at(1)),
        tried: vec![at(2)],
        ..Report::default()
    };
    world.tell(Event::SourceReported {
        source: SUPERVISOR,
        refresh: RefreshId(0),
        position: 0,
        report,
    });
    assert_eq!(world.endpoint(at(1)).discovery, Capability::Yes);
    assert_eq!(world.endpoint(at(2)).discovery, Capability::No, "H6");
}

#[test]
fn an_empty_answer_is_asked_for_again_soon_and_then_less_and_less_often() {
    let mut world = World::attached(1);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(1)]));
    world.run(seconds(300));
    world
        .sources
        .insert(REGISTRATION, Answers::Holding(vec![], seconds(3600)));
    world.tell(Event::RefreshRequested);
    world.log.clear();
    world.run(seconds(600));
    let pauses = pauses_of(&world, REGISTRATION);
    let first = world.refreshes_of(REGISTRATION)[0].0;
    assert!(
        world.now.since(first) > seconds(585),
        "asked again after some ten seconds"
    );
    for (pause, about) in pauses.iter().zip([20, 40, 80, 120, 120]) {
        let about = seconds(about);
        assert!(
            *pause >= about * 9 / 10 && *pause <= about * 11 / 10 + ms(5),
            "{pauses:?}"
        );
    }
    assert!(pauses.len() >= 5, "{pauses:?}");
}

/// When a node of a fleet of this size asks its supervisors first, and then within a minute of isolation.
fn supervisors_asked(fleet_size: u32, seed: u64) -> Vec<Duration> {
    let settings = Settings {
        fleet_size,
        ..settings()
    };
    let mut world = World::new(settings.clone());
    world.policy = Policy::new(settings, seed, world.now);
    let start = world.now;
    world.set(at(1), Server::Refuses);
    world.tell(reported(KUBERNETES, RefreshId(0), &[at(1)]));
    world.run(seconds(60));
    let asked = world.refreshes_of(SUPERVISOR);
    asked.iter().map(|(at, _)| at.since(start)).collect()
}

/// R1: a thousand nodes that start as one, or are isolated as one, take a few of a supervisor's twenty places at a time; a
/// question takes one for some 5 ms.
#[test]
fn a_fleet_that_tells_its_size_asks_the_supervisors_one_after_the_other() {
    const NODES: u64 = 300;
    let all: Vec<Vec<Duration>> = (0..NODES).map(|seed| supervisors_asked(1000, seed)).collect();
    let first = all
        .iter()
        .map(|asked| *asked.first().expect("asked within a minute"));
    assert!(first.clone().all(|first| first <= seconds(12)));
    let early = first.filter(|first| *first < seconds(1)).count();
    assert!(
        (5..=60).contains(&early),
        "{early} of {NODES} within the first of twelve seconds"
    );
    let mut moments: Vec<Duration> = all.into_iter().flatten().collect();
    assert!(
        moments.len() > 1000,
        "isolated they go on asking: {}",
        moments.len()
    );
    moments.sort();
    // A quarter of the places is five.
    let within = |window: &[Duration]| window[window.len() - 1] - window[0] < ms(5);
    assert!(!moments.windows(6).any(within), "six within 5 ms");
    // Where no size is told nobody waits: somebody may be the only one who knows where the others are.
    let small = supervisors_asked(0, 1);
    assert!(small[0] <= ms(200), "{:?}", small[0]);
}

/// Killed while all sessions are elsewhere, a server was taken to be ready for half a minute, though our own watch had just
/// broken on it.
#[test]
fn a_server_on_which_a_watch_breaks_is_tested_at_once() {
    let mut world = World::attached(2);
    let list = vec![at(1), at(2)];
    world.sources.insert(KUBERNETES, Answers::Watched(list));
    world.tell(Event::RefreshRequested);
    world.run(seconds(100));
    let (_, watch) = world.refreshes_of(KUBERNETES).pop().expect("it was asked");
    let through = watch.targets[0];
    world.set(through, Server::Refuses);
    world.tell(Event::WatchEnded {
        source: KUBERNETES,
        refresh: watch.refresh,
        reason: "connection reset".into(),
    });
    let took = world.run_until(seconds(60), |world| {
        world.endpoint(through).health == Health::Unreachable
    });
    assert!(took <= seconds(1), "{took:?}");
}
