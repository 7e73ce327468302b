//! What differs between the services: whose sessions stay, and what a sibling's word counts for.

use jackline_core::*;

use crate::world::*;

/// Knows by another service of this jackline, as the supervisor service does.
const SIBLING: SourceId = SourceId(6);

fn supervisors() -> Settings {
    let mut settings = settings();
    settings.service = Service::Supervisor;
    settings.unwitnessed_grace = settings.grace;
    settings.sources.push(SourceSpec {
        name: "api".into(),
        kind: SourceKind::Service,
    });
    settings
}

/// Whatever may befall a server that lives, with sessions on it.
fn closes_when(settings: Settings, befalls: impl FnOnce(&mut World, std::net::SocketAddr)) -> usize {
    let mut world = World::attached_with(3, settings);
    let first = world.first();
    world.open_sessions(first, 5);
    befalls(&mut world, first);
    world.run(seconds(300));
    world.closes().len()
}

#[test]
fn sessions_of_a_supervisor_stay_while_their_server_lives() {
    type Befalls = fn(&mut World, std::net::SocketAddr);
    let cases: [(&str, Befalls); 4] = [
        ("it is not ready", |world, first| {
            world.set(first, Server::NotReady("shutdown"));
        }),
        ("it serves none", |world, first| world.set(first, Server::NoApi)),
        ("it is drained", |world, first| {
            world.tell(Event::DrainRequested {
                endpoint: first,
                duration: None,
            });
        }),
        ("a better one is back", |world, first| {
            // The sessions are on another server now, and the first choice has long been ready.
            let other = [at(1), at(2), at(3)].into_iter().find(|other| *other != first);
            world.open_sessions(other.expect("three"), 5);
        }),
    ];
    for (what, befalls) in cases {
        assert_eq!(closes_when(supervisors(), befalls), 0, "{what}");
        assert!(
            closes_when(settings(), befalls) > 0,
            "{what}: an apiserver's sessions move, or this test proves nothing"
        );
    }
}

#[test]
fn sessions_of_a_supervisor_that_is_dead_and_silent_are_freed_all_the_same() {
    let mut world = World::attached_with(3, supervisors());
    let first = world.first();
    world.open_sessions(first, 5);
    world.set(first, Server::Silent);
    for _ in 0..50 {
        world.tell(Event::SessionStalled {
            endpoint: first,
            again: true,
        });
        world.run(ms(100));
    }
    let closes = world.closes();
    assert!(
        closes
            .iter()
            .any(|close| matches!(close.which, Which::SilentFor(_))),
        "D4: {closes:?}"
    );
}

#[test]
fn new_sessions_leave_a_supervisor_that_is_not_ready() {
    let mut world = World::attached_with(3, supervisors());
    let first = world.first();
    world.open_sessions(first, 5);
    world.set(first, Server::NotReady("shutdown"));
    world.tell(Event::SessionClosed {
        endpoint: first,
        ending: Ending::Upstream,
    });
    world.run(seconds(5));
    assert_ne!(world.first(), first);
}

#[test]
fn what_a_sibling_has_given_up_is_retained_and_given_up_in_the_end() {
    let mut world = World::attached_with(1, supervisors());
    let report =
        |number: u64, list: &[std::net::SocketAddr]| reported(SIBLING, RefreshId(1_000_000 + number), list);
    world.sources.insert(SIBLING, Answers::Never);
    world.sources.insert(KUBERNETES, Answers::Never);
    world.set(at(9), Server::Refuses);
    world.tell(report(1, &[at(1), at(9)]));
    assert_eq!(world.endpoint(at(9)).standing, Standing::Listed);
    assert!(world.endpoint(at(9)).sources.contains(&SIBLING));
    world.tell(report(2, &[]));
    assert_eq!(world.endpoint(at(9)).standing, Standing::Listed, "M2");
    for number in 3..20 {
        world.tell(report(number, &[at(1)]));
        if number == 3 {
            assert_eq!(world.endpoint(at(9)).standing, Standing::Retained, "M3");
        }
        world.run(seconds(60));
    }
    assert_eq!(world.endpoint(at(9)).standing, Standing::Archived);
}

#[test]
fn a_node_cut_off_from_etcd_is_not_told_of_apiservers() {
    let mut settings = settings();
    settings.service = Service::Etcd;
    let mut world = World::attached_with(2, settings);
    world.set(at(1), Server::Refuses);
    world.set(at(2), Server::Refuses);
    world.run(seconds(120));
    let reason = world.policy.snapshot().state_reason.clone();
    assert_eq!(reason, "none of 2 endpoints answers as a member of etcd");
}
