//! S: which endpoint comes first.

use std::collections::BTreeMap;

use jackline_core::*;

use crate::world::*;

#[test]
fn the_order_is_that_of_s1() {
    let mut world = World::attached(6);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(3), at(4), at(5), at(6)]));
    world.set(at(3), Server::Alive);
    world.set(at(4), Server::NotReady("poststarthook/x"));
    world.set(at(5), Server::Refuses);
    world.set(at(6), Server::Foreign);
    world.run(seconds(200));
    let order: Vec<_> = world
        .policy
        .snapshot()
        .endpoints
        .iter()
        .map(|e| (e.address, e.class))
        .collect();
    let expected = vec![
        (at(1), Class::ReadyListed),
        (at(2), Class::ReadyRetained),
        (at(3), Class::Alive),
        (at(4), Class::NotReady),
        (at(5), Class::Unreachable),
        (at(6), Class::Impostor),
    ];
    assert_eq!(order, expected);
    let snapshot = world.policy.snapshot();
    assert!(
        selection::candidates(&snapshot).all(|endpoint| endpoint.address != at(6)),
        "never dialled for a client"
    );
}

#[test]
fn a_suspected_endpoint_comes_after_its_equals() {
    let mut world = World::attached(3);
    let first = world.first();
    world.set(first, Server::Silent);
    world.tell(Event::HedgeWon {
        silent: first,
        winner: at(1),
    });
    assert_ne!(world.first(), first);
    assert_eq!(
        world.endpoint(first).health,
        Health::Ready,
        "a suspicion is no proof"
    );
}

#[test]
fn what_the_cluster_tells_comes_before_what_only_configuration_knows() {
    let mut world = World::attached(2);
    world.set(at(8), Server::Ready);
    world.sources.insert(STATIC, Answers::List(vec![at(8)]));
    world.run(seconds(100));
    assert_eq!(
        world.policy.snapshot().endpoints.last().map(|e| e.address),
        Some(at(8))
    );
}

#[test]
fn nodes_spread_evenly_and_a_lost_server_moves_only_its_own_share() {
    let mut counts: BTreeMap<_, u32> = BTreeMap::new();
    let mut moved = 0;
    for node in 0..600 {
        let mut world = World::attached_with(
            3,
            Settings {
                node: format!("node-{node}"),
                ..settings()
            },
        );
        let first = world.first();
        *counts.entry(first).or_default() += 1;
        world.tell(Event::HedgeWon {
            silent: at(3),
            winner: at(1),
        });
        moved += u32::from(world.first() != first);
    }
    assert_eq!(moved, counts[&at(3)]);
    assert!(
        counts.values().all(|count| (160..=240).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn the_own_zone_and_the_local_server_come_first() {
    let zoned = |zone: &str, last| Listing {
        zone: Some(zone.into()),
        ..Listing::from(at(last))
    };
    let mut world = World::new(Settings {
        zone: Some("b".into()),
        ..settings()
    });
    for n in 1..=4 {
        world.set(at(n), Server::Ready);
    }
    let endpoints = vec![zoned("a", 1), zoned("a", 2), zoned("b", 3), zoned("a", 4)];
    let report = Report {
        endpoints,
        verified: true,
        ..Report::default()
    };
    world.tell(Event::SourceReported {
        source: KUBERNETES,
        refresh: RefreshId(9),
        position: 0,
        report,
    });
    world.run(seconds(2));
    assert_eq!(world.first(), at(3));
    world.set(at(3), Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: at(3),
        failure: DialFailure::Refused,
    });
    world.run(seconds(1));
    assert_ne!(world.first(), at(3), "spills over by itself");

    let local = Settings {
        prefer_local: true,
        local: vec![at(2).ip()],
        ..settings()
    };
    assert_eq!(World::attached_with(4, local).first(), at(2));
}

/// Three servers, the third in zone b; `node` is the own Node's answer.
fn zoned_world(settings: Settings) -> World {
    let mut world = World::new(settings);
    let endpoints = ["a", "a", "b"].iter().zip(1..).map(|(zone, last)| Listing {
        zone: Some((*zone).into()),
        ..Listing::from(at(last))
    });
    let report = Report {
        endpoints: endpoints.collect(),
        verified: true,
        ..Report::default()
    };
    for n in 1..=3 {
        world.set(at(n), Server::Ready);
    }
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2), at(3)]));
    world.tell(Event::SourceReported {
        source: KUBERNETES,
        refresh: RefreshId(9),
        position: 0,
        report,
    });
    world.run(seconds(3));
    world
}

fn own_node(zone: Option<&str>) -> NodeListing {
    NodeListing {
        name: "worker-1".into(),
        addresses: vec![],
        control_plane: false,
        zone: zone.map(Into::into),
        ready: None,
        leaving: false,
    }
}

fn named() -> Settings {
    Settings {
        node_name: Some("worker-1".into()),
        ..settings()
    }
}

fn told(node: NodeListing) -> Event {
    Event::SourceReported {
        source: NODES,
        refresh: RefreshId(1_000_000),
        position: 0,
        report: Report {
            nodes: vec![node],
            verified: true,
            partial: true,
            ..Report::default()
        },
    }
}

#[test]
fn the_own_nodes_label_sets_the_zone_where_none_is_configured() {
    let mut world = zoned_world(named());
    assert_eq!(world.policy.snapshot().zone, None);
    world.tell(told(own_node(Some("b"))));
    assert_eq!(
        (world.policy.snapshot().zone.as_deref(), world.first()),
        (Some("b"), at(3))
    );
    // Another Node's zone is not ours.
    world.tell(told(NodeListing {
        name: "worker-2".into(),
        ..own_node(Some("a"))
    }));
    assert_eq!(world.first(), at(3));
    let answer = |zone| Event::NodeReported {
        source: NODES,
        refresh: RefreshId(1_000_001),
        name: "worker-1".into(),
        node: zone,
        answered_by: None,
    };
    world.tell(answer(None));
    assert_eq!(
        world.policy.snapshot().zone.as_deref(),
        Some("b"),
        "a Node that is not there says nothing"
    );
    world.tell(answer(Some(own_node(None))));
    assert_eq!(world.policy.snapshot().zone, None, "the label is gone");
}

#[test]
fn a_configured_zone_is_not_overruled() {
    let mut world = zoned_world(Settings {
        zone: Some("b".into()),
        ..named()
    });
    world.tell(told(own_node(Some("a"))));
    assert_eq!(
        (world.policy.snapshot().zone.as_deref(), world.first()),
        (Some("b"), at(3))
    );
}

#[test]
fn the_own_node_is_asked_for_now_and_then_where_its_zone_is_wanted() {
    let asked = |settings| {
        let mut world = World::attached_with(2, settings);
        world.sources.insert(
            NODES,
            nodes(&[("cp-1", at(1)), ("cp-2", at(2)), ("worker-1", at(77))]),
        );
        world.run(seconds(1800));
        let refreshes = world.refreshes_of(NODES);
        let own = refreshes
            .iter()
            .filter(|(_, refresh)| refresh.ask == Ask::Node("worker-1".into()))
            .count();
        (own, refreshes.len())
    };
    let (own, all) = asked(named());
    assert!(own >= 2 && own * 6 < all, "{own} of {all}");
    let configured = Settings {
        zone: Some("a".into()),
        ..named()
    };
    assert_eq!(asked(configured).0, 0, "the configuration says it");
    assert_eq!(asked(settings()).0, 0, "the own Node is not known");
}

#[test]
fn zones_spill_over_and_sessions_come_back_after_the_settling_time() {
    let mut world = zoned_world(Settings {
        zone: Some("b".into()),
        ..settings()
    });
    assert_eq!(world.first(), at(3));
    world.set(at(3), Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: at(3),
        failure: DialFailure::Refused,
    });
    world.run(seconds(5));
    let other = world.first();
    assert_ne!(other, at(3), "spills over");
    world.open_sessions(other, 4);
    world.log.clear();
    world.set(at(3), Server::Ready);
    world.run_until(seconds(60), |world| world.first() == at(3));
    assert_eq!(world.closes(), vec![]);
    let settled = world.run_until(seconds(90), |world| !world.closes().is_empty());
    assert_eq!(settled, Settings::default().settling_time);
    let close = &world.closes()[0];
    assert_eq!((close.endpoint, close.pace), (other, Pace::Quiet(seconds(30))));
}

#[test]
fn one_whose_zone_is_not_known_stands_between() {
    let mut world = zoned_world(Settings {
        zone: Some("b".into()),
        ..settings()
    });
    world.sources.insert(SUPERVISOR, Answers::List(vec![at(4)]));
    world.set(at(4), Server::Ready);
    world.tell(Event::RefreshRequested);
    world.run(seconds(5));
    let order: Vec<_> = world
        .policy
        .snapshot()
        .endpoints
        .iter()
        .map(|e| e.address)
        .collect();
    assert_eq!(order[..2], [at(3), at(4)]);
}

#[test]
fn a_partial_list_of_nodes_proves_no_absence() {
    let mut world = World::attached(2);
    world
        .sources
        .insert(NODES, nodes(&[("cp-1", at(1)), ("cp-2", at(2))]));
    world.tell(Event::RefreshRequested);
    world.run(seconds(1));
    world.sources.insert(NODES, Answers::Never);
    world.run(seconds(100));
    world.tell(told(own_node(None)));
    world.run(ms(1));
    world.tell(told(own_node(None)));
    let gone: Vec<_> = world
        .policy
        .records()
        .into_iter()
        .filter_map(|record| record.node_gone_for)
        .collect();
    assert_eq!(gone, vec![]);
}
