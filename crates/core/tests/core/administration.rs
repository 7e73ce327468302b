//! D2: an operator's drain of this node, the fleet's drain, and both side by side.

use std::net::SocketAddr;

use jackline_core::administration::{FLEET_DRAIN_SPREAD, FLEET_DRAINS_MAX};
use jackline_core::*;

use crate::world::*;

/// A report of the Endpoints source that read this annotation; `None`: it could not.
fn annotated(list: &[SocketAddr], draining: Option<Vec<FleetDrain>>) -> Event {
    let mut event = reported(KUBERNETES, RefreshId(1_000_000), list);
    if let Event::SourceReported { report, .. } = &mut event {
        report.draining = draining;
    }
    event
}

fn drain(address: SocketAddr) -> FleetDrain {
    FleetDrain {
        ip: address.ip(),
        port: Some(address.port()),
        lasts: None,
    }
}

fn list(n: u8) -> Vec<SocketAddr> {
    (1..=n).map(at).collect()
}

#[test]
fn the_fleets_drain_is_heeded_within_ten_seconds_and_moves_sessions_gently() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 5);
    world.tell(annotated(&list(3), Some(vec![drain(first)])));
    let took = world.run_until(seconds(10), |world| {
        world.endpoint(first).administration == Administration::Draining
    });
    assert!(took <= FLEET_DRAIN_SPREAD, "{took:?}");
    assert_eq!(world.endpoint(first).drained_by, [Drainer::Fleet]);
    assert_eq!(world.endpoint(first).class, Class::Draining);
    assert_ne!(world.first(), first);
    let closes = world.closes();
    assert_eq!(closes.len(), 1);
    assert_eq!(
        (closes[0].endpoint, closes[0].pace),
        (first, Pace::Quiet(seconds(30)))
    );

    world.tell(annotated(&list(3), Some(vec![])));
    assert_eq!(
        world.endpoint(first).administration,
        Administration::Enabled,
        "gone from the annotation"
    );
    assert_eq!(world.first(), first);
}

#[test]
fn each_node_heeds_it_at_a_moment_of_its_own() {
    let mut moments: Vec<Duration> = Vec::new();
    for seed in 0..200 {
        let start = Timestamp::from_millis(1000);
        let mut policy = Policy::new(settings(), seed, start);
        policy.step(
            start,
            annotated(&list(2), Some(vec![drain(at(1))])),
            &mut Vec::new(),
        );
        let mut now = start;
        while policy
            .snapshot()
            .endpoints
            .iter()
            .all(|e| e.drained_by.is_empty())
        {
            now = policy
                .next_deadline()
                .expect("something is always due")
                .0
                .max(now);
            policy.step(now, Event::DeadlineReached, &mut Vec::new());
        }
        moments.push(now.since(start));
    }
    moments.sort();
    assert!(moments[199] <= FLEET_DRAIN_SPREAD);
    assert!(
        moments[20] < seconds(2) && moments[179] > seconds(6),
        "spread over the whole time: {moments:?}"
    );
}

#[test]
fn a_report_that_could_not_read_the_annotation_changes_nothing() {
    let mut world = World::attached(3);
    let first = world.first();
    world.tell(annotated(&list(3), Some(vec![drain(first)])));
    world.run(seconds(10));
    world.tell(annotated(&list(3), None));
    world.run(seconds(130));
    assert_eq!(
        world.endpoint(first).administration,
        Administration::Draining,
        "M2"
    );
    // An older answer is no news, nor is one that nobody verified.
    world.tell(annotated(&list(3), Some(vec![drain(first)])));
    let mut unverified = annotated(&list(3), Some(vec![]));
    if let Event::SourceReported { report, .. } = &mut unverified {
        report.verified = false;
    }
    world.tell(unverified);
    let mut older = annotated(&list(3), Some(vec![]));
    if let Event::SourceReported { refresh, .. } = &mut older {
        *refresh = RefreshId(0);
    }
    world.tell(older);
    assert_eq!(world.endpoint(first).administration, Administration::Draining);
}

#[test]
fn it_ends_by_itself_at_its_time() {
    let mut world = World::attached(3);
    let first = world.first();
    let lasting = FleetDrain {
        lasts: Some(seconds(60)),
        ..drain(first)
    };
    world.tell(annotated(&list(3), Some(vec![lasting])));
    world.run(seconds(59));
    assert_eq!(world.endpoint(first).administration, Administration::Draining);
    world.run(seconds(2));
    assert_eq!(world.endpoint(first).administration, Administration::Enabled);
}

#[test]
fn the_operators_drain_and_the_fleets_are_two_causes() {
    let mut world = World::attached(3);
    let first = world.first();
    world.tell(Event::DrainRequested {
        endpoint: first,
        duration: None,
    });
    world.tell(annotated(&list(3), Some(vec![drain(first)])));
    world.run(seconds(10));
    assert_eq!(
        world.endpoint(first).drained_by,
        [Drainer::Operator, Drainer::Fleet]
    );
    world.tell(Event::UndrainRequested { endpoint: first });
    assert_eq!(world.endpoint(first).drained_by, [Drainer::Fleet]);
    world.tell(Event::DrainRequested {
        endpoint: first,
        duration: None,
    });
    world.tell(annotated(&list(3), Some(vec![])));
    assert_eq!(world.endpoint(first).drained_by, [Drainer::Operator]);
    assert_eq!(world.endpoint(first).administration, Administration::Draining);
}

#[test]
fn an_address_without_a_port_means_every_port_and_one_named_before_it_is_known_is_drained_then() {
    let mut world = World::attached(2);
    let later = at(9);
    let by_address = FleetDrain {
        port: None,
        ..drain(later)
    };
    let other_port = FleetDrain {
        port: Some(1),
        ..drain(at(1))
    };
    world.tell(annotated(&list(2), Some(vec![by_address, other_port])));
    world.run(seconds(10));
    world.set(later, Server::Ready);
    world
        .sources
        .insert(SUPERVISOR, Answers::List(vec![at(1), at(2), later]));
    world.tell(Event::RefreshRequested);
    world.run(seconds(20));
    assert_eq!(world.endpoint(later).drained_by, [Drainer::Fleet]);
    assert!(world.endpoint(at(1)).drained_by.is_empty(), "another port's");
}

#[test]
fn nothing_moves_away_from_the_only_ready_server_and_it_stays_first() {
    let mut world = World::attached(2);
    let first = world.first();
    let second = if first == at(1) { at(2) } else { at(1) };
    world.set(second, Server::NotReady("poststarthook/x"));
    world.run(seconds(60));
    world.open_sessions(first, 5);
    world.tell(annotated(&list(2), Some(vec![drain(first)])));
    world.run(seconds(60));
    assert_eq!(world.endpoint(first).administration, Administration::Draining);
    assert_eq!(world.closes(), vec![], "D2");
    assert_eq!(world.first(), first, "new sessions go nowhere better");
    world.set(second, Server::Ready);
    world.run(seconds(60));
    assert_eq!(world.first(), second);
    assert_eq!(world.closes().len(), 1);
    // All of them named: the drain is void.
    world.tell(annotated(&list(2), Some(vec![drain(first), drain(second)])));
    world.run(seconds(60));
    assert_eq!(world.first(), first);
    assert_eq!(world.closes().len(), 1);
}

#[test]
fn the_list_is_bounded() {
    let mut world = World::attached(2);
    let mut many: Vec<FleetDrain> = (0..FLEET_DRAINS_MAX)
        .map(|n| FleetDrain {
            port: Some(u16::try_from(n).expect("few") + 1),
            ..drain(at(99))
        })
        .collect();
    many.push(drain(at(1)));
    world.tell(annotated(&list(2), Some(many)));
    world.run(seconds(10));
    assert!(world.endpoint(at(1)).drained_by.is_empty());
}
