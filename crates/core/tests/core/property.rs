//! Random events in random order: the invariants hold after each (checked by the core in debug builds), nothing is
//! forgotten against M3, and a healed world is attached again.

use std::net::SocketAddr;

use jackline_core::*;
use proptest::prelude::*;

use crate::world::*;

fn server() -> impl Strategy<Value = Server> {
    prop_oneof![
        4 => Just(Server::Ready),
        1 => (0u64..8).prop_map(|by| Server::Slow(seconds(by))),
        1 => prop_oneof![Just("etcd"), Just("shutdown"), Just("poststarthook/x")].prop_map(Server::NotReady),
        1 => Just(Server::Alive),
        1 => Just(Server::NoApi),
        2 => Just(Server::Refuses),
        2 => Just(Server::Silent),
        1 => Just(Server::Foreign),
        1 => Just(Server::Ours(LocalFault::Descriptors)),
        1 => Just(Server::Ours(by_proxy(ProxyFailure::CannotReach(503)))),
        1 => Just(Server::Ours(by_proxy(ProxyFailure::Refused))),
        1 => Just(Server::Ours(LocalFault::NoRoute)),
    ]
}

fn answers() -> impl Strategy<Value = Answers> {
    prop_oneof![
        4 => proptest::collection::btree_set(1u8..6, 0..5).prop_map(|set| Answers::List(set.into_iter().map(at).collect())),
        1 => Just(Answers::Fails),
        1 => Just(Answers::Never),
    ]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (1u8..7).prop_map(at)
}

#[derive(Clone, Debug)]
enum Happens {
    Server(SocketAddr, Server),
    Source(u16, Answers),
    Nodes(Vec<u8>),
    Event(Event),
    /// Events that answer what was never asked, or was asked long ago.
    Stray(Event),
    Time(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let ending = prop_oneof![
        Just(Ending::Downstream),
        Just(Ending::Upstream),
        Just(Ending::UpstreamSilent),
        Just(Ending::PeerDead),
        Just(Ending::Ours)
    ];
    let failure = prop_oneof![
        Just(DialFailure::Refused),
        Just(DialFailure::TimedOut),
        Just(DialFailure::Unreachable),
        Just(DialFailure::Local(LocalFault::Ports))
    ];
    let event = prop_oneof![
        address().prop_map(|endpoint| Event::SessionOpened {
            endpoint,
            connect: ms(2)
        }),
        address().prop_map(|endpoint| Event::SessionOpened {
            endpoint,
            connect: ms(2)
        }),
        (address(), ending).prop_map(|(endpoint, ending)| Event::SessionClosed { endpoint, ending }),
        (address(), failure).prop_map(|(endpoint, failure)| Event::DialFailed { endpoint, failure }),
        (address(), address()).prop_map(|(silent, winner)| Event::HedgeWon { silent, winner }),
        (address(), any::<bool>()).prop_map(|(endpoint, again)| Event::SessionStalled { endpoint, again }),
        address().prop_map(|endpoint| Event::SessionsProgressed { endpoint }),
        address().prop_map(|endpoint| Event::SessionAnswered {
            endpoint,
            after: ms(9)
        }),
        (address(), proptest::option::of(0u64..100)).prop_map(|(endpoint, span)| Event::DrainRequested {
            endpoint,
            duration: span.map(seconds)
        }),
        address().prop_map(|endpoint| Event::UndrainRequested { endpoint }),
        any::<bool>().prop_map(|changed| Event::TrustReloaded { changed }),
        Just(Event::RefreshRequested),
        Just(Event::ResetRequested),
        Just(Event::LocalFaultSeen {
            fault: LocalFault::NoRoute
        }),
    ];
    let stray = prop_oneof![
        (0u16..8, 0u64..200, proptest::collection::vec(address(), 0..4))
            .prop_map(|(source, refresh, list)| reported(SourceId(source), RefreshId(refresh), &list)),
        (
            0u64..200,
            proptest::collection::vec((address(), proptest::option::of(0u64..60)), 0..4)
        )
            .prop_map(|(refresh, named)| annotated(RefreshId(refresh), &named)),
        (0u16..8, 0u64..200).prop_map(|(source, refresh)| Event::WatchEnded {
            source: SourceId(source),
            refresh: RefreshId(refresh),
            reason: "x".into()
        }),
        (address(), 0u64..200).prop_map(|(endpoint, probe)| Event::ProbeFailed {
            endpoint,
            probe: ProbeId(probe),
            failure: ProbeFailure::Aborted
        }),
    ];
    prop_oneof![
        3 => (address(), server()).prop_map(|(address, server)| Happens::Server(address, server)),
        2 => (prop_oneof![Just(0u16), Just(1), Just(3), Just(4), Just(5)], answers()).prop_map(|(source, answers)| Happens::Source(source, answers)),
        1 => proptest::collection::vec(1u8..6, 0..4).prop_map(Happens::Nodes),
        5 => event.prop_map(Happens::Event),
        1 => stray.prop_map(Happens::Stray),
        5 => (0u64..40_000).prop_map(Happens::Time),
    ]
}

/// The Endpoints source read the fleet's drain.
fn annotated(refresh: RefreshId, named: &[(SocketAddr, Option<u64>)]) -> Event {
    let drain = |(address, lasts): &(SocketAddr, Option<u64>)| FleetDrain {
        ip: address.ip(),
        port: Some(address.port()),
        lasts: lasts.map(seconds),
    };
    let mut event = reported(KUBERNETES, refresh, &[at(1)]);
    if let Event::SourceReported { report, .. } = &mut event {
        report.draining = Some(named.iter().map(drain).collect());
    }
    event
}

const NAMES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];

fn apply(world: &mut World, happens: Happens) {
    match happens {
        Happens::Server(address, server) => world.set(address, server),
        Happens::Source(source, answers) => {
            world.sources.insert(SourceId(source), answers);
        }
        Happens::Nodes(nodes) => {
            let nodes: Vec<(&str, SocketAddr)> = nodes
                .into_iter()
                .map(|n| (NAMES[usize::from(n)], at(n)))
                .collect();
            world.sources.insert(NODES, crate::world::nodes(&nodes));
        }
        Happens::Event(event) | Happens::Stray(event) => world.tell(event),
        Happens::Time(millis) => world.run(ms(millis)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_laws_hold_and_a_healed_world_is_attached(story in proptest::collection::vec(happens(), 1..60)) {
        let mut world = World::new(settings());
        let mut known = std::collections::BTreeSet::new();
        for happens in story {
            // What an operator has forgotten is not forgotten by the core.
            let asked = matches!(happens, Happens::Event(Event::ResetRequested));
            apply(&mut world, happens);
            let now: std::collections::BTreeSet<_> = world.policy.snapshot().endpoints.iter().map(|e| e.address).collect();
            prop_assert!(asked || known.is_subset(&now), "forgotten: {:?}", known.difference(&now));
            known = now;
        }
        // Healed: every server is ready again. Who is known must come back by itself, however the sources fare.
        for n in 1..=6 {
            world.set(at(n), Server::Ready);
        }
        let drained: Vec<_> = known.iter().copied().collect();
        for endpoint in drained {
            world.tell(Event::UndrainRequested { endpoint });
        }
        if !known.is_empty() {
            // Tests under way tell how it was; they end within their limits.
            world.run(seconds(12));
            // Isolated: everything, archived ones too, is tried within 10 s. Degraded: the usual pace, 30 s and its jitter.
            let limit = match world.state() {
                NodeState::Isolated => seconds(11),
                _ => seconds(34),
            };
            world.run_until(limit, |world| world.state() == NodeState::Attached);
        }
    }

    #[test]
    fn a_story_told_twice_gives_the_same_actions(story in proptest::collection::vec(happens(), 1..30)) {
        let play = || {
            let mut world = World::new(settings());
            for happens in story.clone() {
                apply(&mut world, happens);
            }
            (world.policy, world.log)
        };
        prop_assert_eq!(play(), play());
    }
}
