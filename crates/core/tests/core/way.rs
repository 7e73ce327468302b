//! H3, H5: ways to servers that are closed. A CONNECT proxy's failure is no proof against a server; what it says of one
//! counts against a witness only.

use jackline_core::*;

use super::world::*;

/// What a proxy may do that is its own affair, and what may be the server's.
const OWN: [ProxyFailure; 5] = [
    ProxyFailure::Refused,
    ProxyFailure::TimedOut,
    ProxyFailure::Credentials,
    ProxyFailure::Denied(403),
    ProxyFailure::Nonsense,
];
const HEARSAY: [ProxyFailure; 3] = [
    ProxyFailure::CannotReach(503),
    ProxyFailure::Silent,
    ProxyFailure::Ended,
];

fn fail_all(world: &mut World, fault: LocalFault) {
    for n in 1..=3 {
        world.set(at(n), Server::Ours(fault));
    }
    world.tell(Event::DialFailed {
        endpoint: world.first(),
        failure: DialFailure::Local(fault),
    });
}

#[test]
fn a_proxy_that_fails_all_servers_alike_isolates_the_node_and_judges_none_of_them() {
    for how in OWN.into_iter().chain(HEARSAY) {
        let fault = by_proxy(how);
        let mut world = World::attached(3);
        for n in 1..=3 {
            world.tell(Event::SessionOpened {
                endpoint: at(n),
                connect: ms(5),
            });
        }
        fail_all(&mut world, fault);
        let took = world.run_until(seconds(10), |world| world.state() == NodeState::Isolated);
        assert!(took <= seconds(7), "{how:?}: {took:?}");
        world.run(seconds(120));
        assert_eq!(world.state(), NodeState::Isolated, "{how:?}");
        let snapshot = world.policy.snapshot();
        assert!(
            snapshot.state_reason.contains(&fault.to_string()),
            "{how:?}: {}",
            snapshot.state_reason
        );
        for endpoint in &snapshot.endpoints {
            assert_eq!(endpoint.health, Health::Ready, "{how:?}: {}", endpoint.reason);
            assert!(
                endpoint.reason.contains(&fault.to_string()),
                "{how:?}: {}",
                endpoint.reason
            );
        }
        assert_eq!(world.closes(), vec![], "{how:?}: nothing better is known");
        for n in 1..=3 {
            world.set(at(n), Server::Ready);
        }
        let took = world.run_until(seconds(2), |world| world.state() == NodeState::Attached);
        // A probe that is under way has its time, and the next one its pause (R1).
        assert!(took <= ms(1650), "{how:?}: {took:?}");
        world.run(seconds(10));
        assert!(!world.policy.snapshot().state_reason.contains("proxy"));
    }
}

#[test]
fn what_a_proxy_says_of_one_server_counts_while_it_opens_ways_to_others() {
    for how in HEARSAY {
        let mut world = World::attached(3);
        let dead = world.first();
        world.set(dead, Server::Ours(by_proxy(how)));
        world.tell(Event::DialFailed {
            endpoint: dead,
            failure: DialFailure::Local(by_proxy(how)),
        });
        let took = world.run_until(seconds(10), |world| {
            world.endpoint(dead).health == Health::Unreachable
        });
        assert!(took <= seconds(5), "{how:?}: {took:?}");
        assert!(
            world
                .endpoint(dead)
                .reason
                .contains("the CONNECT proxy 10.9.0.1:3128")
        );
        assert_eq!(world.state(), NodeState::Attached);
        world.run(seconds(60));
        assert_eq!(world.endpoint(dead).health, Health::Unreachable, "{how:?}");
        assert!(
            world
                .policy
                .snapshot()
                .endpoints
                .iter()
                .filter(|e| e.health == Health::Ready)
                .count()
                == 2
        );
    }
}

#[test]
fn a_proxy_that_opens_no_way_to_one_server_judges_it_not_and_puts_it_behind_the_others() {
    for how in OWN {
        let mut world = World::attached(3);
        let denied = world.first();
        world.set(denied, Server::Ours(by_proxy(how)));
        world.tell(Event::DialFailed {
            endpoint: denied,
            failure: DialFailure::Local(by_proxy(how)),
        });
        world.run(seconds(300));
        assert_eq!(world.endpoint(denied).health, Health::Ready, "{how:?}: H3");
        assert_ne!(world.first(), denied, "{how:?}: another is dialled first");
        assert_eq!(world.state(), NodeState::Attached);
        assert_eq!(
            world.closes(),
            vec![],
            "{how:?}: no session moves to where no way leads"
        );
        let told = world.log.iter().filter(|(_, action)| {
            matches!(action, Action::Announce(said) if said.text.contains("this machine fails"))
        });
        assert_eq!(told.count(), 1, "{how:?}");
        let probes = world.probes_of(denied).len();
        assert!(probes <= 40, "{how:?}: {probes} probes of a closed way in 5 min");
    }
}

#[test]
fn a_proxy_that_fails_anew_right_after_it_was_back_judges_nobody_by_what_it_did_in_between() {
    for how in HEARSAY {
        let mut world = World::attached(3);
        for round in 0..20 {
            fail_all(&mut world, by_proxy(how));
            // Suspicions that proved empty are heard less: then the usual pace finds it (H7).
            world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
            world.run(ms(137 * round));
            for n in 1..=3 {
                let endpoint = world.endpoint(at(n));
                assert_eq!(
                    endpoint.health,
                    Health::Ready,
                    "{how:?} {round}: {}",
                    endpoint.reason
                );
            }
            for n in 1..=3 {
                world.set(at(n), Server::Ready);
            }
            // All of them have answered again: who has not while others have is judged by that.
            world.run_until(seconds(5), |world| {
                let answered = |n| {
                    let endpoint = world.endpoint(at(n));
                    !endpoint.reason.contains("proxy") && !endpoint.suspected
                };
                world.state() == NodeState::Attached && (1..=3).all(answered)
            });
            world.run(ms(61 * (round % 7)));
        }
    }
}
