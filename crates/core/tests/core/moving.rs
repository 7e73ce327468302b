//! D: which sessions are moved, and what never is.

use jackline_core::*;

use crate::world::*;

/// A frozen server with sessions that sent something: stalls are told as the data plane tells them.
fn stall_for(world: &mut World, address: std::net::SocketAddr, span: Duration) -> Option<Duration> {
    let start = world.now;
    world.run(seconds(1));
    while world.now.since(start) < span {
        world.tell(Event::SessionStalled {
            endpoint: address,
            again: world.now.since(start) > seconds(1),
        });
        if !world.closes().is_empty() {
            return Some(world.now.since(start));
        }
        world.run(ms(100));
    }
    None
}

#[test]
fn sessions_on_a_silent_server_are_freed_within_three_seconds() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 10);
    world.set(first, Server::Silent);
    let took = stall_for(&mut world, first, seconds(5)).expect("freed");
    let close = &world.closes()[0];
    assert_eq!(close.endpoint, first);
    assert!(matches!(close.which, Which::SilentFor(_)));
    let Pace::Reset(spread) = close.pace else {
        panic!("{:?}", close.pace)
    };
    assert!(
        took + spread <= ms(3000),
        "closed after {took:?}, spread over {spread:?}"
    );
    assert_eq!(world.endpoint(first).health, Health::Unreachable);
}

#[test]
fn an_overload_of_all_servers_closes_nothing() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 10);
    for n in 1..=3 {
        world.set(at(n), Server::Slow(seconds(3)));
    }
    assert_eq!(stall_for(&mut world, first, seconds(60)), None, "H5");
    assert_ne!(world.state(), NodeState::Isolated);
    let probes = world.probes_of(first).len();
    assert!(
        probes < 60,
        "an overloaded server is not probed to death: {probes} in a minute"
    );
}

#[test]
fn the_only_server_keeps_its_sessions_whatever_it_does() {
    for server in [
        Server::Silent,
        Server::NotReady("shutdown"),
        Server::Refuses,
        Server::NoApi,
        Server::Foreign,
    ] {
        let mut world = World::attached(1);
        world.open_sessions(at(1), 5);
        world.set(at(1), server.clone());
        world.tell(Event::SessionStalled {
            endpoint: at(1),
            again: true,
        });
        world.run(seconds(30));
        assert_eq!(world.closes(), vec![], "{server:?}");
    }
}

#[test]
fn a_refused_dial_closes_nothing() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 5);
    world.set(first, Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: first,
        failure: DialFailure::Refused,
    });
    world.run(seconds(60));
    assert_eq!(world.endpoint(first).health, Health::Unreachable);
    assert_eq!(world.closes(), vec![], "D1");
}

#[test]
fn a_draining_server_hands_its_sessions_over_gently() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 5);
    world.set(first, Server::NotReady("shutdown"));
    world.tell(Event::SessionClosed {
        endpoint: first,
        ending: Ending::Upstream,
    });
    world.run(seconds(1));
    let close = &world.closes()[0];
    assert_eq!(
        (close.endpoint, close.pace),
        (first, Pace::Quiet(seconds(30))),
        "D2"
    );
}

#[test]
fn a_shared_cause_moves_nothing() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 5);
    for n in 1..=3 {
        world.set(at(n), Server::NotReady("etcd"));
    }
    world.run(seconds(60));
    assert_eq!(world.state(), NodeState::Degraded);
    // Heals one by one, the one in use last.
    for n in (1..=3).filter(|n| at(*n) != first) {
        world.set(at(n), Server::Ready);
    }
    world.run(seconds(8));
    world.set(first, Server::Ready);
    world.run(seconds(60));
    assert_eq!(world.closes(), vec![], "S5");
    assert_eq!(world.state(), NodeState::Attached);
}

#[test]
fn a_server_that_alone_has_lost_its_etcd_is_left_after_a_while() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 5);
    world.set(first, Server::NotReady("etcd"));
    world.run(seconds(60));
    assert_eq!(world.closes().len(), 1);
}

#[test]
fn standing_alone_moves_nothing() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 5);
    world.sources.insert(
        KUBERNETES,
        Answers::List((1..=3).map(at).filter(|a| *a != first).collect()),
    );
    world.run(seconds(3600));
    assert_eq!(world.endpoint(first).standing, Standing::Retained);
    assert_ne!(world.first(), first, "new sessions go to a listed one");
    assert_eq!(world.closes(), vec![], "R4");
}

#[test]
fn a_returned_first_choice_gets_its_sessions_back_after_the_settling_time() {
    let mut world = World::attached(3);
    let first = world.first();
    world.set(first, Server::Refuses);
    world.run(seconds(120));
    let second = world.first();
    world.open_sessions(second, 5);
    world.set(first, Server::Ready);
    world.run_until(seconds(60), |world| world.first() == first);
    world.log.clear();
    world.run(seconds(59));
    assert_eq!(world.closes(), vec![]);
    world.run(seconds(2));
    let close = &world.closes()[0];
    assert_eq!((close.endpoint, close.pace), (second, Pace::Quiet(seconds(30))));
    // It fails again before all have moved: the rest stays.
    world.set(first, Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: first,
        failure: DialFailure::Refused,
    });
    world.run(seconds(2));
    let kept = |(_, action): &(Timestamp, Action)| matches!(action, Action::KeepSessions { endpoint } if *endpoint == second);
    assert!(world.log.iter().any(kept));
}

#[test]
fn sessions_leave_an_etcd_only_server_at_once_when_a_control_plane_returns() {
    let mut world = World::attached(1);
    world.set(at(9), Server::NoApi);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(9)]));
    world.run(seconds(100));
    world.set(at(1), Server::Refuses);
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.open_sessions(at(9), 5);
    world.run(seconds(60));
    assert_eq!(world.closes(), vec![]);
    world.set(at(1), Server::Ready);
    world.run_until(seconds(2), |world| world.state() == NodeState::Attached);
    let close = &world.closes()[0];
    assert_eq!(
        (close.endpoint, close.pace, close.which),
        (at(9), Pace::Reset(Duration::ZERO), Which::All),
        "R4"
    );
}

#[test]
fn an_operators_drain_moves_sessions_ends_by_itself_and_spares_the_only_server() {
    let mut world = World::attached(2);
    let (first, second) = (world.first(), if world.first() == at(1) { at(2) } else { at(1) });
    world.open_sessions(first, 3);
    world.tell(Event::DrainRequested {
        endpoint: first,
        duration: Some(seconds(40)),
    });
    assert_eq!(world.first(), second);
    assert_eq!(world.closes().len(), 1);
    world.tell(Event::DrainRequested {
        endpoint: second,
        duration: None,
    });
    assert_eq!(world.closes().len(), 1, "never away from the only server");
    world.run(seconds(41));
    assert_eq!(world.endpoint(first).administration, Administration::Enabled);
    world.tell(Event::UndrainRequested { endpoint: second });
    assert_eq!(world.endpoint(second).administration, Administration::Enabled);
}

#[test]
fn bytes_that_need_no_answer_do_not_mute_a_server_that_froze() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 10);
    // WINDOW_UPDATEs of a busy watch: each is a first stall that proves empty.
    for _ in 0..100 {
        world.tell(Event::SessionStalled {
            endpoint: first,
            again: false,
        });
        world.run(ms(500));
    }
    let probes = world.probes_of(first).len();
    assert!(
        probes < 20,
        "empty ones are heard less and less: {probes} probes in 50 s"
    );
    world.set(first, Server::Silent);
    world.run(seconds(2));
    world.tell(Event::SessionStalled {
        endpoint: first,
        again: true,
    });
    world.run(seconds(1));
    assert_eq!(
        world.closes().len(),
        1,
        "the same session asks again and hears nothing: heard at once"
    );
}

#[test]
fn a_session_whose_dial_was_under_way_leaves_an_etcd_only_server_too() {
    let mut world = World::attached(1);
    world.set(at(9), Server::NoApi);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(9)]));
    world.run(seconds(100));
    world.open_sessions(at(9), 1);
    let before = world.closes().len();
    assert!(before > 0, "R4: another serves the API");
    world.open_sessions(at(9), 1);
    assert_eq!(world.closes().len(), before + 1);
}

#[test]
fn a_server_that_freezes_soon_after_the_start_is_found_out_as_soon_as_later() {
    for after in [300, 1000, 2000, 3000, 60_000] {
        let mut world = World::new(settings());
        let list = [at(1), at(2), at(3)];
        for server in list {
            world.set(server, Server::Ready);
        }
        world.sources.insert(REGISTRATION, Answers::List(list.to_vec()));
        world.run(ms(after));
        let first = world.first();
        world.open_sessions(first, 10);
        world.set(first, Server::Silent);
        let took = stall_for(&mut world, first, seconds(20)).expect("freed");
        assert!(took <= seconds(2), "{after} ms after the start: {took:?}");
    }
}

/// H7: the first session has its server tested 2.25 s later, by a lazy test. A server that freezes just before that has it hang for
/// the six seconds of a usual answer, and the first suspicion finds it under way: too young to be given up, then.
#[test]
fn a_lazy_test_that_is_young_when_a_suspicion_comes_does_not_keep_the_urgent_one_waiting() {
    let mut young = 0;
    for after in (1500..2500).step_by(25) {
        let mut world = World::attached(3);
        let first = world.first();
        world.open_sessions(first, 10);
        world.run(ms(after));
        // Who holds a kept connection waits for the answer.
        world.set(first, Server::Slow(seconds(60)));
        world.run(ms(310));
        let last = world.probes_of(first).last().copied();
        young += u32::from(last.is_some_and(|last| world.now.since(last) < ms(250)));
        world.tell(Event::HedgeWon {
            silent: first,
            winner: at(9),
        });
        let took = world.run_until(seconds(20), |world| !world.closes().is_empty());
        // Two tests of a second each, after the lazy one has had its 250 ms.
        assert!(
            took <= ms(2300),
            "frozen {after} ms after the first session: {took:?}"
        );
    }
    assert!(young > 0, "none was under way");
}
