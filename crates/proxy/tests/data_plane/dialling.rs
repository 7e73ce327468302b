//! S3, S6, and the refused loops: who takes a connection, and what happens when nobody does.

use std::time::Duration;

use jackline_core::{DialFailure, Ending, Event};
use jackline_proxy::ProxyConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::{Reserved, Rig, Upstream, config, echo, ends_by_fin, is_closed, is_opened, soon};

#[tokio::test]
async fn a_refused_dial_goes_to_the_next_at_once() {
    let (refusing, good) = (Reserved::new(), Upstream::echo().await);
    let rig = Rig::start(&[refusing.address(), good.address]);
    let mut client = rig.echoed_client().await;
    let failed = Event::DialFailed {
        endpoint: refusing.address(),
        failure: DialFailure::Refused,
    };
    assert_eq!(rig.events.count(|event| *event == failed), 1);
    assert_eq!(rig.plane.sessions().by_endpoint, [(good.address, 1)].into());
    assert_eq!(
        rig.plane.sessions().hedges_total,
        0,
        "the next after a failure is no hedge"
    );
    client.shutdown().await.unwrap();
    rig.events.closed(good.address, Ending::Downstream).await;
    assert!(
        rig.events.count(
            |event| matches!(event, Event::SessionAnswered { endpoint, .. } if *endpoint == good.address)
        ) == 1
    );
}

#[tokio::test]
async fn a_silent_dial_is_hedged() {
    let (silent, good) = (Reserved::black_hole(), Upstream::echo().await);
    let rig = Rig::start(&[silent.address(), good.address]);
    let start = Instant::now();
    let _client = rig.echoed_client().await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    let won = Event::HedgeWon {
        silent: silent.address(),
        winner: good.address,
    };
    assert_eq!(rig.events.count(|event| *event == won), 1);
    assert_eq!(rig.plane.sessions().hedges_total, 1);
    let opened = rig.events.count(|event| matches!(event, Event::SessionOpened { endpoint, connect } if *endpoint == good.address && *connect < Duration::from_millis(200)));
    assert_eq!(
        opened, 1,
        "the winner's own connect is told, not the wait for the other"
    );
}

#[tokio::test]
async fn two_silent_ones_do_not_stop_the_walk() {
    let (one, two, good) = (
        Reserved::black_hole(),
        Reserved::black_hole(),
        Upstream::echo().await,
    );
    let rig = Rig::start(&[one.address(), two.address(), good.address]);
    let start = Instant::now();
    let _client = rig.echoed_client().await;
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_eq!(
        rig.events
            .count(|event| matches!(event, Event::HedgeWon { winner, .. } if *winner == good.address)),
        2
    );
}

#[tokio::test]
async fn hedges_stay_within_their_bucket_and_no_client_is_lost() {
    let (silent, good) = (Reserved::black_hole(), Upstream::echo().await);
    let rig = Rig::start(&[silent.address(), good.address]);
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(rig.client().await);
    }
    for client in &mut clients {
        echo(client, b"through").await;
    }
    let hedges = rig.plane.sessions().hedges_total;
    // 60 dials to the silent one, and at most as many to the other, put back a tenth each.
    assert!((20..=32).contains(&hedges), "{hedges}");
    assert_eq!(rig.events.count(is_opened), 60);
}

#[tokio::test]
async fn an_upstream_that_comes_up_within_the_hold_takes_the_session() {
    let later = Reserved::new();
    let address = later.address();
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            hold: Duration::from_secs(30),
            ..config()
        },
        &[address],
    );
    let mut client = rig.client().await;
    client.write_all(b"early").await.unwrap();
    rig.events
        .wait(4, |event| matches!(event, Event::DialFailed { .. }))
        .await;
    let listener = later.listen();
    let (mut upstream, _) = soon(listener.accept()).await.unwrap();
    let mut heard = [0; 5];
    soon(tokio::io::AsyncReadExt::read_exact(&mut upstream, &mut heard))
        .await
        .unwrap();
    assert_eq!(&heard, b"early");
}

#[tokio::test]
async fn an_empty_snapshot_is_read_again_within_the_hold() {
    let good = Upstream::echo().await;
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            hold: Duration::from_secs(30),
            ..config()
        },
        &[],
    );
    let mut client = rig.client().await;
    client.write_all(b"x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    rig.publish(&[good.address]);
    rig.events.wait(1, is_opened).await;
}

#[tokio::test]
async fn when_nobody_comes_up_the_client_is_reset_after_the_hold_and_not_before() {
    let (one, two) = (Reserved::new(), Reserved::new());
    for endpoints in [vec![], vec![one.address(), two.address()]] {
        let rig = Rig::start(&endpoints);
        let start = Instant::now();
        let mut client = rig.client().await;
        assert!(!ends_by_fin(&mut client).await, "a reset");
        assert!(
            start.elapsed() >= Duration::from_millis(1_000),
            "{:?}",
            start.elapsed()
        );
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!(rig.plane.sessions().refused_total, 1);
        assert_eq!(rig.events.count(is_opened) + rig.events.count(is_closed), 0);
        for endpoint in endpoints {
            let failed = Event::DialFailed {
                endpoint,
                failure: DialFailure::Refused,
            };
            let times = rig.events.count(|event| *event == failed);
            assert!(
                (2..=11).contains(&times),
                "tried again and again, told ten times a second at most: {times}"
            );
        }
    }
}

#[tokio::test]
async fn silent_endpoints_alone_hold_a_client_no_longer() {
    let silent = Reserved::black_hole();
    let rig = Rig::start(&[silent.address()]);
    let start = Instant::now();
    let mut client = rig.client().await;
    assert!(!ends_by_fin(&mut client).await);
    assert!(start.elapsed() >= Duration::from_millis(1_000));
    let failed = Event::DialFailed {
        endpoint: silent.address(),
        failure: DialFailure::TimedOut,
    };
    rig.events.wait(1, |event| *event == failed).await;
}

#[tokio::test]
async fn a_client_that_gives_up_is_not_dialled_for_any_longer() {
    let refusing = Reserved::new();
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            hold: Duration::from_secs(3600),
            ..config()
        },
        &[refusing.address()],
    );
    let client = rig.client().await;
    rig.events
        .wait(2, |event| matches!(event, Event::DialFailed { .. }))
        .await;
    crate::support::reset(client);
    // Ends only when the client's task has.
    soon(rig.plane.finish(Duration::from_secs(3600))).await;
}

#[tokio::test]
async fn forwarding_loops_are_refused() {
    let good = Upstream::echo().await;
    let rig = Rig::with(config(), &[good.address]);
    let mut client = rig.client().await;
    assert!(
        !ends_by_fin(&mut client).await,
        "a loopback upstream that nobody configured"
    );
    assert_eq!(good.accepted(), 0);

    let rig = Rig::start(&[]);
    rig.publish(&[rig.address, good.address]);
    let _client = rig.echoed_client().await;
    assert_eq!(
        rig.plane.sessions().opened_total,
        1,
        "our own listener was passed over, though loopback is allowed"
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_connected_all_the_same() {
    let upstream = Upstream::mute().await;
    let rig = Rig::start(&[upstream.address]);
    let client = rig.client().await;
    rig.events.wait(1, is_opened).await;
    drop(client);
    rig.events.closed(upstream.address, Ending::Downstream).await;
}

#[tokio::test]
async fn a_port_that_another_socket_holds_is_refused_in_words_even_if_it_would_share() {
    let exclusive = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sharing = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    sharing.set_reuse_port(true).unwrap();
    sharing
        .bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into())
        .unwrap();
    sharing.listen(1).unwrap();
    let sharing_address = sharing.local_addr().unwrap().as_socket().unwrap();
    for address in [exclusive.local_addr().unwrap(), sharing_address] {
        let error = jackline_proxy::bind(&ProxyConfig {
            listen: vec![address],
            ..config()
        })
        .unwrap_err();
        let words = error.to_string();
        assert!(
            words.contains("taken by another process") && words.contains("ss -ltnp"),
            "{words}"
        );
        assert!(words.contains(&format!(":{}", address.port())), "{words}");
    }
}

#[tokio::test]
async fn nobody_can_join_our_port_later() {
    let rig = Rig::start(&[]);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    assert!(socket.bind(&rig.address.into()).is_err());
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_in_words() {
    let listen = vec!["192.0.2.1:6440".parse().unwrap()];
    let error = jackline_proxy::bind(&ProxyConfig { listen, ..config() }).unwrap_err();
    assert!(
        error.to_string().contains("no address of this machine"),
        "{error}"
    );
    let error = jackline_proxy::bind(&ProxyConfig {
        listen: vec![],
        ..config()
    })
    .unwrap_err();
    assert!(error.to_string().contains("at least one"), "{error}");
}

#[tokio::test]
async fn both_loopbacks_or_a_warning() {
    let listen = vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let bound = jackline_proxy::bind(&ProxyConfig { listen, ..config() }).unwrap();
    assert_eq!(
        bound.addresses().len() + bound.warnings().len(),
        2,
        "{:?}",
        bound.warnings()
    );
}
