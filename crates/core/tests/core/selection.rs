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
