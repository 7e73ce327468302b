//! The heartbeat witness: a server that answers reads and loses writes is left, once, and a silent kubelet moves nobody to and fro.

use std::net::SocketAddr;

use jackline_core::heartbeat::{AVOIDED_FOR, LATE};
use jackline_core::*;

use crate::world::*;

const HEARTBEAT: SourceId = SourceId(6);

fn settings_with_heartbeat() -> Settings {
    let mut settings = settings();
    settings.sources.push(SourceSpec {
        name: "heartbeat".into(),
        kind: SourceKind::Heartbeat,
    });
    settings
}

/// An attached world whose node's Lease is renewed now; sessions are on the first choice.
fn beating(servers: u8) -> (World, SocketAddr) {
    let mut world = World::attached_with(servers, settings_with_heartbeat());
    let first = world.first();
    world.open_sessions(first, 3);
    renew(&mut world);
    world.tell(Event::RefreshRequested);
    world.run(seconds(1));
    world.log.clear();
    (world, first)
}

fn renew(world: &mut World) {
    world.sources.insert(HEARTBEAT, Answers::Lease(world.now));
}

/// The kubelet renews each 10 s for so long.
fn beat_for(world: &mut World, span: Duration) {
    let end = world.now + span;
    while world.now < end {
        renew(world);
        world.run(seconds(10));
    }
}

#[test]
fn a_renewed_lease_is_read_through_another_server_at_r2s_period_and_moves_nothing() {
    let (mut world, first) = beating(3);
    beat_for(&mut world, seconds(600));
    let asked = world.refreshes_of(HEARTBEAT);
    assert!((8..=13).contains(&asked.len()), "{}", asked.len());
    assert!(
        asked
            .iter()
            .all(|(_, refresh)| refresh.targets.len() == 2 && !refresh.targets.contains(&first)),
        "a witness is another one"
    );
    assert_eq!(world.closes(), vec![]);
    let view = world.policy.snapshot().heartbeat.expect("it is read");
    assert!(!view.late);
}

#[test]
fn sessions_leave_a_server_that_loses_writes_gently_and_do_not_come_back_soon() {
    let (mut world, first) = beating(3);
    let stopped = world.now;
    world.run_until(seconds(100), |world| !world.closes().is_empty());
    assert!(world.now.since(stopped) >= LATE);
    let close = world.closes()[0].clone();
    assert_eq!((close.endpoint, close.pace), (first, Pace::Quiet(seconds(10))));
    assert!(world.policy.snapshot().heartbeat.expect("it is read").late);
    assert_eq!(world.endpoint(first).health, Health::Ready);
    assert!(world.endpoint(first).avoided);
    let second = world.first();
    assert_ne!(second, first, "new sessions go elsewhere");
    // The kubelet's heartbeats arrive through the other one.
    for _ in 0..3 {
        world.tell(Event::SessionClosed {
            endpoint: first,
            ending: Ending::Ours,
        });
    }
    world.open_sessions(second, 3);
    beat_for(&mut world, seconds(300));
    assert!(!world.policy.snapshot().heartbeat.expect("it is read").late);
    assert_eq!(
        (world.closes().len(), world.first()),
        (1, second),
        "not to and fro"
    );
    beat_for(&mut world, AVOIDED_FOR);
    assert_eq!(world.first(), first, "trusted again in the end");
}

#[test]
fn a_suspicion_of_the_one_in_use_has_the_lease_read_at_once() {
    let (mut world, first) = beating(3);
    world.run(seconds(10));
    let before = world.refreshes_of(HEARTBEAT).len();
    let stall = |endpoint| Event::SessionStalled {
        endpoint,
        again: true,
    };
    world.tell(stall(if first == at(1) { at(2) } else { at(1) }));
    assert_eq!(world.refreshes_of(HEARTBEAT).len(), before, "not the one in use");
    world.tell(stall(first));
    assert_eq!(world.refreshes_of(HEARTBEAT).len(), before + 1);
}

#[test]
fn a_silent_kubelet_moves_its_sessions_once_and_is_told() {
    let (mut world, first) = beating(3);
    world.run_until(seconds(100), |world| !world.closes().is_empty());
    let second = world.first();
    world.open_sessions(second, 5);
    world.run(seconds(1800));
    let of_lease = |close: &CloseSessions| close.reason.contains("Lease");
    assert_eq!(world.closes().iter().filter(|close| of_lease(close)).count(), 1);
    assert!(!world.endpoint(first).avoided, "it was not the server");
    let told = world.log.iter().any(
        |(_, action)| matches!(action, Action::Announce(line) if line.text.contains("look at the kubelet")),
    );
    assert!(told);
}

#[test]
fn a_clock_that_jumps_decides_nothing() {
    let (mut world, _) = beating(3);
    // To this machine's clock every renewal is years old, and yet each is a new one.
    for minute in 0..10_u64 {
        world
            .sources
            .insert(HEARTBEAT, Answers::Lease(Timestamp::from_millis(minute)));
        world.run(seconds(10));
    }
    assert_eq!(world.closes(), vec![]);
}

#[test]
fn nothing_moves_away_from_the_only_server_and_nobody_is_asked_then() {
    let (mut world, _) = beating(1);
    world.run(seconds(600));
    assert_eq!(world.refreshes_of(HEARTBEAT).len(), 0, "there is no witness");
    assert_eq!(world.closes(), vec![]);
    // Two, and the other fails: what stood still is known, and nothing moves.
    let (mut world, first) = beating(2);
    let second = if first == at(1) { at(2) } else { at(1) };
    world.run(seconds(15));
    world.set(second, Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: second,
        failure: DialFailure::Refused,
    });
    world.run(seconds(600));
    assert_eq!(world.closes(), vec![]);
}

#[test]
fn a_lease_that_may_not_be_read_is_asked_for_seldom_and_is_no_failure() {
    let (mut world, _) = beating(3);
    world
        .sources
        .insert(HEARTBEAT, Answers::Holding(vec![], seconds(600)));
    world.run(seconds(3600));
    let asked = world.refreshes_of(HEARTBEAT).len();
    assert!((4..=9).contains(&asked), "{asked} in an hour");
    assert_eq!(world.policy.snapshot().sources[6].state, SourceState::Empty);
}

/// jackline starts before the kubelet, so the first answer of a new node is that there is no Lease: there was no witness for the
/// ten minutes of a refusal.
#[test]
fn a_lease_that_is_not_there_yet_is_read_within_the_usual_period_once_it_is() {
    let mut world = World::attached_with(3, settings_with_heartbeat());
    world.sources.insert(HEARTBEAT, Answers::List(vec![]));
    world.tell(Event::RefreshRequested);
    world.run(seconds(30));
    assert_eq!(world.policy.snapshot().heartbeat, None);
    renew(&mut world);
    let took = world.run_until(seconds(600), |world| world.policy.snapshot().heartbeat.is_some());
    assert!(took <= seconds(66), "{took:?}");
}

/// Seed 420 of the simulator: where every server loses writes, sessions went from one to the other and were closed there.
#[test]
fn from_one_server_that_loses_writes_to_another_that_does_is_no_move() {
    let (mut world, first) = beating(2);
    world.run_until(seconds(100), |world| world.endpoint(first).avoided);
    let second = world.first();
    for _ in 0..3 {
        world.tell(Event::SessionClosed {
            endpoint: first,
            ending: Ending::Ours,
        });
        world.open_sessions(second, 1);
    }
    // The Lease is renewed once, and stands still again, through the second one now.
    renew(&mut world);
    world.run(seconds(15));
    world.run_until(seconds(200), |world| world.endpoint(second).avoided);
    world.log.clear();
    world.open_sessions(first, 1);
    world.run(seconds(30));
    assert!(world.endpoint(first).avoided && world.endpoint(second).avoided);
    assert_eq!(world.closes(), vec![]);
}
