//! M: what is known, and what it takes to forget it.

use jackline_core::*;

use crate::world::*;

#[test]
fn the_outage_of_k3s_11349_strands_nobody() {
    // Joined to an etcd-only server (9); control planes 1 and 2.
    let mut world = World::new(settings());
    world.set(at(1), Server::Ready);
    world.set(at(2), Server::Ready);
    world.set(at(9), Server::NoApi);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(9)]));
    world
        .sources
        .insert(SUPERVISOR, Answers::List(vec![at(1), at(2)]));
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.run(seconds(5));
    assert_eq!(world.state(), NodeState::Attached);
    for _ in 0..3 {
        // 1 stops until every list is without it.
        world.set(at(1), Server::Refuses);
        world.sources.insert(KUBERNETES, Answers::List(vec![at(2)]));
        world.sources.insert(SUPERVISOR, Answers::List(vec![at(2)]));
        world.run(seconds(200));
        assert_eq!(world.endpoint(at(1)).standing, Standing::Retained);
        // 2 stops, so nobody can tell a list, and 1 returns.
        world.set(at(2), Server::Refuses);
        world.sources.insert(KUBERNETES, Answers::Fails);
        world.sources.insert(SUPERVISOR, Answers::Fails);
        world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
        world.set(at(1), Server::Ready);
        let took = world.run_until(seconds(2), |world| world.state() == NodeState::Attached);
        assert!(took <= ms(900), "attached after {took:?}");
        assert_eq!(world.first(), at(1));
        // 2 returns.
        world.set(at(2), Server::Ready);
        world
            .sources
            .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
        world
            .sources
            .insert(SUPERVISOR, Answers::List(vec![at(1), at(2)]));
        world.run(seconds(200));
        assert_eq!(world.endpoint(at(1)).standing, Standing::Listed);
        assert_eq!(world.endpoint(at(2)).health, Health::Ready);
    }
}

#[test]
fn an_empty_failed_or_late_answer_removes_nothing() {
    let mut world = World::attached(3);
    // M2: empty.
    world.sources.insert(KUBERNETES, Answers::List(vec![]));
    world.run(seconds(300));
    assert!((1..=3).all(|n| world.endpoint(at(n)).standing == Standing::Listed));
    assert_eq!(world.policy.snapshot().sources[1].state, SourceState::Empty);
    // M2: failed.
    world.sources.insert(KUBERNETES, Answers::Never);
    world.run(seconds(300));
    assert!((1..=3).all(|n| world.endpoint(at(n)).standing == Standing::Listed));
    // M2: a late, short answer to an older question adds and takes nothing away (k3s#14629).
    world.tell(reported(KUBERNETES, RefreshId(0), &[at(1), at(4)]));
    assert!((1..=4).all(|n| world.endpoint(at(n)).standing == Standing::Listed));
}

#[test]
fn positions_of_one_watch_are_in_order() {
    let mut world = World::attached(3);
    let refresh = RefreshId(1_000_000);
    let event = |position, list: &[std::net::SocketAddr]| match reported(KUBERNETES, refresh, list) {
        Event::SourceReported {
            source,
            refresh,
            report,
            ..
        } => Event::SourceReported {
            source,
            refresh,
            position,
            report,
        },
        other => other,
    };
    world.tell(event(2, &[at(1), at(2)]));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
    world.tell(event(1, &[at(1), at(2), at(3)]));
    assert_eq!(
        world.endpoint(at(3)).standing,
        Standing::Listed,
        "additions count always"
    );
    world.tell(event(1, &[at(3)]));
    assert_eq!(
        world.endpoint(at(1)).standing,
        Standing::Listed,
        "an older omission counts never"
    );
}

#[test]
fn archived_only_when_endpoint_and_node_are_both_gone_for_the_grace_period() {
    let mut world = World::attached(3);
    world
        .sources
        .insert(NODES, nodes(&[("a", at(1)), ("b", at(2)), ("c", at(3))]));
    world.run(seconds(300));
    // Gone from the Endpoints alone: retained, for ever.
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.set(at(3), Server::Refuses);
    world.run(seconds(7200));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
    // The Node goes too.
    world.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    world.run(seconds(590));
    assert_eq!(
        world.endpoint(at(3)).standing,
        Standing::Retained,
        "no sooner than the grace period"
    );
    world.run(seconds(300));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Archived);
    // M5: remembered, and back at once when a source tells it.
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2), at(3)]));
    world.run(seconds(130));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Listed);
}

#[test]
fn nothing_is_archived_while_no_other_endpoint_is_ready() {
    let mut world = World::attached(2);
    world.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    world.run(seconds(300));
    world.sources.insert(KUBERNETES, Answers::List(vec![at(1)]));
    world.sources.insert(NODES, nodes(&[("a", at(1))]));
    world.run(seconds(400));
    world.set(at(1), Server::Refuses);
    world.set(at(2), Server::Refuses);
    world.run(seconds(7200));
    assert_eq!(
        world.endpoint(at(2)).standing,
        Standing::Retained,
        "isolated time counts for nothing (P5)"
    );
}

#[test]
fn without_a_node_source_absence_must_last_a_day() {
    let mut world = World::attached(3);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.run(seconds(23 * 3600));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
    world.run(seconds(2 * 3600));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Archived);
}

#[test]
fn configured_endpoints_stay_and_a_names_address_goes_when_it_only_was_resolved() {
    let mut world = World::attached(2);
    world.sources.insert(STATIC, Answers::List(vec![at(7)]));
    world
        .sources
        .insert(REGISTRATION, Answers::List(vec![at(8), at(1)]));
    world.run(seconds(120));
    assert_eq!(world.endpoint(at(8)).standing, Standing::Listed);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(1)]));
    world.run(seconds(500));
    assert_eq!(world.endpoint(at(8)).standing, Standing::Retained);
    world.run(seconds(400));
    assert_eq!(
        world.endpoint(at(8)).standing,
        Standing::Archived,
        "M4: only DNS ever told it"
    );
    world.run(seconds(30 * 3600));
    assert_eq!(world.endpoint(at(7)).standing, Standing::Listed, "M4: configured");
}

#[test]
fn an_unverified_answer_adds_and_takes_nothing_away() {
    let mut world = World::attached(2);
    let endpoints = vec![Listing::from(at(5))];
    let report = Report {
        endpoints,
        verified: false,
        ..Report::default()
    };
    world.tell(Event::SourceReported {
        source: KUBERNETES,
        refresh: RefreshId(99_999),
        position: 0,
        report,
    });
    assert_eq!(world.endpoint(at(5)).standing, Standing::Listed);
    assert_eq!(world.endpoint(at(1)).standing, Standing::Listed);
}

#[test]
fn a_missing_port_is_that_of_a_listed_endpoint_and_never_invented() {
    let mut world = World::new(settings());
    let bare = Listing {
        ip: at(3).ip(),
        port: None,
        zone: None,
    };
    let report = Report {
        endpoints: vec![bare],
        verified: true,
        ..Report::default()
    };
    let event = Event::SourceReported {
        source: SUPERVISOR,
        refresh: RefreshId(99),
        position: 0,
        report,
    };
    world.tell(event.clone());
    assert!(!world.knows(at(3)), "M7: no port is known");
    world.tell(reported(STATIC, RefreshId(100), &[at(1)]));
    world.tell(event);
    assert_eq!(world.endpoint(at(3)).standing, Standing::Listed);
}

#[test]
fn another_balancers_old_file_does_not_keep_what_is_proven_gone() {
    let mut world = World::attached(2);
    world
        .sources
        .insert(NODES, nodes(&[("a", at(1)), ("b", at(2)), ("c", at(3))]));
    world.sources.insert(IMPORT, Answers::List(vec![at(3)]));
    world.run(seconds(300));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Listed);
    world.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    world.run(seconds(1500));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Archived);
}

#[test]
fn what_grows_is_bounded() {
    let mut world = World::new(Settings {
        endpoints_max: 8,
        ..settings()
    });
    let many: Vec<_> = (1..=200).map(at).collect();
    world.tell(reported(KUBERNETES, RefreshId(9), &many));
    assert_eq!(world.policy.snapshot().endpoints.len(), 8);
}

#[test]
fn remembered_endpoints_come_back_as_hints_with_their_ages() {
    let mut first = World::attached(3);
    first
        .sources
        .insert(NODES, nodes(&[("a", at(1)), ("b", at(2)), ("c", at(3))]));
    first.run(seconds(200));
    first
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    first.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    first.set(at(3), Server::Refuses);
    first.run(seconds(400));
    let records = first.policy.records();
    // A new process, the same world: it takes the rest of the grace period only.
    let mut second = World::new(settings());
    second.servers = first.servers.clone();
    second.sources = first.sources.clone();
    second.tell(Event::MembershipRestored {
        records: records.clone(),
        trusted: true,
    });
    assert_eq!(second.endpoint(at(3)).health, Health::Unknown);
    second.run(seconds(450));
    assert_eq!(second.endpoint(at(3)).standing, Standing::Archived);
    // Another cluster's file: hints, after all others.
    let mut third = World::new(settings());
    third.tell(Event::MembershipRestored {
        records,
        trusted: false,
    });
    assert_eq!(third.endpoint(at(1)).class, Class::Hint);
}

#[test]
fn changes_are_saved_together_and_soon() {
    let mut world = World::attached(2);
    world.run(seconds(10));
    world.log.clear();
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2), at(3), at(4)]));
    world.tell(Event::RefreshRequested);
    world.run(seconds(20));
    let saves = world
        .log
        .iter()
        .filter(|(_, action)| matches!(action, Action::PersistMembership { .. }))
        .count();
    assert_eq!(saves, 1);
    world.log.clear();
    world.run(seconds(1300));
    let saves = world
        .log
        .iter()
        .filter(|(_, action)| matches!(action, Action::PersistMembership { .. }))
        .count();
    assert_eq!(saves, 2, "at rest only the ages are saved, every ten minutes");
}
