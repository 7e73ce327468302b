//! H: what a test or a session's fate says of an endpoint.

use jackline_core::*;

use crate::world::*;

#[test]
fn one_bad_probe_is_not_enough_and_two_are() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Refuses);
    let mut refused = 0;
    world.run_until(seconds(60), |world| {
        refused = world.probes_of(at(1)).len();
        world.endpoint(at(1)).health == Health::Unreachable
    });
    assert_eq!(refused, 2);
    let probes = world.probes_of(at(1));
    assert!(
        probes[1].since(probes[0]) <= ms(260),
        "H7: the second follows at once"
    );
}

#[test]
fn a_refused_dial_and_a_refused_probe_make_it_unreachable_at_once() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Refuses);
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Refused,
    });
    let took = world.run_until(seconds(1), |world| {
        world.endpoint(at(1)).health == Health::Unreachable
    });
    assert!(took <= ms(10), "{took:?}");
}

#[test]
fn a_flapping_endpoint_must_stay_good_for_longer_each_time() {
    let mut world = World::attached(2);
    let mut waits = Vec::new();
    for _ in 0..9 {
        world.set(at(1), Server::Refuses);
        world.tell(Event::DialFailed {
            endpoint: at(1),
            failure: DialFailure::Refused,
        });
        world.run_until(seconds(60), |world| {
            world.endpoint(at(1)).health == Health::Unreachable
        });
        world.set(at(1), Server::Ready);
        world.log.clear();
        world.run_until(seconds(200), |world| {
            world.endpoint(at(1)).health == Health::Ready
        });
        let first_good = world.probes_of(at(1))[0];
        waits.push(world.now.since(first_good));
    }
    assert!(waits[0] <= ms(300), "{waits:?}");
    assert!(
        waits.windows(2).all(|pair| pair[1] + ms(300) >= pair[0]),
        "longer each time: {waits:?}"
    );
    assert!(
        waits[8] >= seconds(59) && waits[8] <= seconds(61),
        "60 s at most: {waits:?}"
    );
}

#[test]
fn the_only_candidate_is_never_held_back() {
    let mut world = World::attached(1);
    for _ in 0..6 {
        world.set(at(1), Server::Refuses);
        world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
        world.set(at(1), Server::Ready);
        let took = world.run_until(seconds(2), |world| world.state() == NodeState::Attached);
        assert!(took <= ms(900), "{took:?}");
    }
}

#[test]
fn a_held_back_endpoint_is_taken_at_once_when_the_other_goes() {
    let mut world = World::attached(2);
    for _ in 0..6 {
        world.set(at(1), Server::Refuses);
        world.tell(Event::DialFailed {
            endpoint: at(1),
            failure: DialFailure::Refused,
        });
        world.run_until(seconds(60), |world| {
            world.endpoint(at(1)).health == Health::Unreachable
        });
        world.set(at(1), Server::Ready);
        world.run_until(seconds(200), |world| {
            world.endpoint(at(1)).reason.contains("held back")
                || world.endpoint(at(1)).health == Health::Ready
        });
        if world.endpoint(at(1)).health != Health::Ready {
            world.set(at(2), Server::Refuses);
            world.tell(Event::DialFailed {
                endpoint: at(2),
                failure: DialFailure::Refused,
            });
            let took = world.run_until(seconds(1), |world| {
                world.endpoint(at(2)).health == Health::Unreachable
            });
            assert_eq!(world.endpoint(at(1)).health, Health::Ready, "after {took:?}");
            assert_eq!(world.state(), NodeState::Attached);
            return;
        }
    }
    panic!("it was never held back");
}

/// Two endpoints; the first has flapped until it is held back, and answers well.
fn held_back() -> World {
    let mut world = World::attached(2);
    for _ in 0..8 {
        world.set(at(1), Server::Refuses);
        world.tell(Event::DialFailed {
            endpoint: at(1),
            failure: DialFailure::Refused,
        });
        world.run_until(seconds(60), |world| {
            world.endpoint(at(1)).health == Health::Unreachable
        });
        world.set(at(1), Server::Ready);
        world.run_until(seconds(200), |world| {
            world.endpoint(at(1)).health == Health::Ready
        });
    }
    world.set(at(1), Server::Refuses);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(1)).health == Health::Unreachable
    });
    world.set(at(1), Server::Ready);
    world.run_until(seconds(40), |world| {
        world.endpoint(at(1)).reason.contains("held back")
    });
    world
}

#[test]
fn a_held_back_endpoint_is_witness_enough_against_a_silent_one() {
    let mut world = held_back();
    world.set(at(2), Server::Silent);
    world.tell(Event::SessionStalled {
        endpoint: at(2),
        again: false,
    });
    let took = world.run_until(seconds(20), |world| {
        world.endpoint(at(2)).health == Health::Unreachable
    });
    assert!(took <= ms(1_500), "short time-outs are enough (D4): {took:?}");
    assert_eq!(world.endpoint(at(1)).health, Health::Ready, "taken at once");
    assert_eq!(world.state(), NodeState::Attached);
}

#[test]
fn a_foreign_server_is_an_impostor_while_a_witness_verifies() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Foreign);
    world.run_until(seconds(60), |world| {
        world.endpoint(at(1)).health == Health::Impostor
    });
    assert_eq!(world.policy.snapshot().trust, Trust::Held);
    assert!(
        world.endpoint(at(1)).reason.contains("10.0.0.2:6443 verifies"),
        "{}",
        world.endpoint(at(1)).reason
    );
    world.set(at(1), Server::Ready);
    world.run(seconds(90));
    assert_eq!(
        world.endpoint(at(1)).health,
        Health::Ready,
        "an impostor goes on being probed"
    );
}

#[test]
fn without_a_witness_the_trust_is_lost_and_candidates_stay_dialable() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Foreign);
    world.set(at(2), Server::Foreign);
    world.run(seconds(60));
    let snapshot = world.policy.snapshot();
    assert!(matches!(snapshot.trust, Trust::Lost { .. }));
    assert_eq!(selection::candidates(&snapshot).count(), 2);
    let reloads = world
        .log
        .iter()
        .filter(|(_, action)| matches!(action, Action::ReloadTrust))
        .count();
    assert!(reloads > 10, "the CA is read again and again: {reloads}");
    // A new file: everything is open again, and verifies.
    world.set(at(1), Server::Ready);
    world.set(at(2), Server::Ready);
    world.tell(Event::TrustReloaded { changed: true });
    world.run(ms(100));
    assert_eq!(world.policy.snapshot().trust, Trust::Held);
    assert_eq!(world.state(), NodeState::Attached);
}

#[test]
fn our_own_failures_judge_the_node_and_no_endpoint() {
    let mut world = World::attached(3);
    for n in 1..=3 {
        world.set(at(n), Server::Ours(LocalFault::Descriptors));
    }
    world.tell(Event::DialFailed {
        endpoint: at(1),
        failure: DialFailure::Local(LocalFault::Descriptors),
    });
    world.run(seconds(60));
    assert!(
        (1..=3).all(|n| world.endpoint(at(n)).health == Health::Ready),
        "H3"
    );
    assert!(world.policy.snapshot().state_reason.contains("descriptor"));
    for n in 1..=3 {
        world.set(at(n), Server::Ready);
    }
    world.run(seconds(31));
    assert!(
        !world.policy.snapshot().state_reason.contains("descriptor"),
        "well when it is over"
    );
}

#[test]
fn a_local_process_cannot_slander_a_server() {
    let mut world = World::attached(3);
    let first = world.first();
    for _ in 0..1000 {
        world.tell(Event::SessionOpened {
            endpoint: first,
            connect: ms(1),
        });
        world.tell(Event::SessionClosed {
            endpoint: first,
            ending: Ending::Downstream,
        });
        world.tell(Event::SessionOpened {
            endpoint: first,
            connect: ms(1),
        });
        world.tell(Event::SessionClosed {
            endpoint: first,
            ending: Ending::UpstreamSilent,
        });
        world.run(ms(10));
        assert_eq!(world.first(), first, "it only starts a probe");
    }
    assert_eq!(world.endpoint(first).health, Health::Ready);
    let probes = world.probes_of(first).len();
    assert!(
        probes <= 12,
        "empty suspicions are heard less and less: {probes} probes in 10 s"
    );
}

#[test]
fn an_etcd_only_server_has_discovery_and_no_api() {
    let mut world = World::new(settings());
    world.set(at(9), Server::NoApi);
    world.sources.insert(REGISTRATION, Answers::List(vec![at(9)]));
    world.run(seconds(3));
    let endpoints = vec![Listing::from(at(1))];
    let report = Report {
        endpoints,
        verified: true,
        answered_by: Some(at(9)),
        ..Report::default()
    };
    world.tell(Event::SourceReported {
        source: SUPERVISOR,
        refresh: RefreshId(9999),
        position: 0,
        report,
    });
    let endpoint = world.endpoint(at(9));
    assert_eq!(
        (endpoint.api, endpoint.discovery),
        (Capability::No, Capability::Yes),
        "H6"
    );
    assert_eq!(world.state(), NodeState::Isolated, "R1: it does not count");
}

#[test]
fn alive_is_a_class_of_its_own_below_ready() {
    let mut world = World::attached(2);
    world.set(at(1), Server::Alive);
    world.set(at(2), Server::Alive);
    world.run(seconds(60));
    assert_eq!(world.endpoint(at(1)).health, Health::Alive);
    assert_eq!(world.state(), NodeState::Degraded);
}

#[test]
fn probes_keep_their_price() {
    let mut world = World::attached(3);
    let first = world.first();
    world.open_sessions(first, 1);
    for _ in 0..60 {
        world.tell(Event::SessionsProgressed { endpoint: first });
        world.run(seconds(1));
    }
    let used = world.probes_of(first).len();
    let idle = world
        .probes_of(world.policy.snapshot().endpoints[2].address)
        .len();
    assert!((3..=6).contains(&used), "in use: every 15 s, {used} in a minute");
    assert!((1..=3).contains(&idle), "others: every 30 s, {idle} in a minute");
    // At scale half of that.
    let mut world = World::attached_with(
        3,
        Settings {
            fleet_size: 1000,
            ..settings()
        },
    );
    world.run(seconds(600));
    let idle = world.probes_of(at(1)).len();
    assert!((8..=12).contains(&idle), "{idle} in ten minutes");
}

#[test]
fn a_new_listing_is_tested_at_once() {
    let mut world = World::attached(2);
    world.set(at(5), Server::Ready);
    world.tell(reported(SUPERVISOR, RefreshId(99_999), &[at(5)]));
    let took = world.run_until(seconds(1), |world| world.endpoint(at(5)).health == Health::Ready);
    assert!(took <= ms(10), "{took:?}");
}
