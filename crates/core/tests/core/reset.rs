//! An operator's reset: what is only remembered goes, what is listed, ready or in use stays, and every source is asked.

use jackline_core::*;

use crate::world::*;

fn record(address: std::net::SocketAddr) -> Record {
    Record {
        address,
        archived: false,
        seen_by: vec!["kubernetes".into()],
        node: None,
        zone: None,
        unlisted_for: Some(seconds(5)),
        node_gone_for: None,
        archived_for: None,
        last_seen: None,
        last_ready: None,
    }
}

#[test]
fn what_is_only_remembered_is_forgotten_and_what_is_listed_stays() {
    let mut world = World::attached(2);
    world.tell(Event::MembershipRestored {
        records: vec![record(at(66)), record(at(77))],
        trusted: true,
    });
    assert!(world.knows(at(66)) && world.knows(at(77)));
    world.tell(Event::ResetRequested);
    assert!(!world.knows(at(66)) && !world.knows(at(77)));
    assert!(world.knows(at(1)) && world.knows(at(2)));
    assert_eq!(world.state(), NodeState::Attached);
}

#[test]
fn what_is_ready_or_carries_sessions_is_kept_though_nobody_lists_it() {
    let mut world = World::attached(3);
    world.open_sessions(at(3), 2);
    let list = [at(1)];
    world.tell(reported(KUBERNETES, RefreshId(1_000_000), &list));
    assert_eq!(world.endpoint(at(2)).standing, Standing::Retained);
    // A refused dial closes no session (D1): they go on though nobody new gets there.
    world.set(at(3), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(3)).health == Health::Unreachable
    });
    world.tell(Event::ResetRequested);
    assert!(world.knows(at(2)), "ready");
    assert!(world.knows(at(3)), "in use");
}

#[test]
fn every_source_is_asked_at_once() {
    let mut world = World::attached(2);
    let before = world.refreshes_of(KUBERNETES).len();
    world.run(seconds(5));
    assert_eq!(world.refreshes_of(KUBERNETES).len(), before, "it rests");
    world.tell(Event::ResetRequested);
    world.run(ms(500));
    assert_eq!(world.refreshes_of(KUBERNETES).len(), before + 1);
}
