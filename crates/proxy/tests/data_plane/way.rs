//! Upstreams through a CONNECT proxy, and with a PROXY protocol header: all that holds for direct ones holds for them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackline_core::{DialFailure, Event, LocalFault, ProxyFailure, ProxyFault};
use jackline_proxy::ProxyConfig;
use jackline_way::{WayConfig, Ways};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::proxy::{Act, Proxy, refusal};
use self::receiver::{Header, receive};
use crate::support::{Reserved, Rig, Upstream, config, echo, ends_by_fin, soon};
use crate::tls::Tls;

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../../../way/tests/way/proxy.rs"]
mod proxy;
#[path = "../../../way/tests/way/receiver.rs"]
mod receiver;

fn rig(way: WayConfig, endpoints: &[SocketAddr]) -> Rig {
    let config = ProxyConfig {
        allow_loopback: true,
        ways: Arc::new(Ways::new(way)),
        ..config()
    };
    Rig::with(config, endpoints)
}

fn through(proxy: &Proxy, endpoints: &[SocketAddr]) -> Rig {
    let way = WayConfig {
        routes: vec![format!("*={}", proxy.url()).parse().unwrap()],
        ..WayConfig::default()
    };
    rig(way, endpoints)
}

#[tokio::test]
async fn bytes_that_a_proxy_sends_right_behind_its_answer_reach_the_client_first() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(Act::OpenSaying(b"the upstream's first words")).await;
    let rig = through(&proxy, &[upstream.address]);
    let mut client = rig.client().await;
    let mut first = [0; 26];
    soon(client.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"the upstream's first words");
    echo(&mut client, b"and what follows").await;
    client.shutdown().await.unwrap();
    assert!(ends_by_fin(&mut client).await);
    assert_eq!(proxy.asked_for(upstream.address), 1);
}

#[tokio::test]
async fn a_frozen_server_behind_a_proxy_costs_a_moment_and_no_handshake() {
    let tls = Tls::new();
    let (frozen, good) = (Reserved::frozen(), tls.upstream().await);
    let proxy = Proxy::start(Act::Open).await;
    let rig = through(&proxy, &[frozen.address(), good.address]);
    tls.converse(rig.client().await, rustls::DEFAULT_VERSIONS).await;
    assert_eq!(rig.plane.sessions().repeats_total, 1);
    assert_eq!(
        (proxy.asked_for(frozen.address()), proxy.asked_for(good.address)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_black_hole_behind_a_proxy_is_hedged_and_judged_by_a_probe_not_by_the_dial() {
    let (hole, good) = (Reserved::black_hole(), Upstream::echo().await);
    let proxy = Proxy::start(Act::Open).await;
    let rig = through(&proxy, &[hole.address(), good.address]);
    let began = Instant::now();
    let mut client = rig.client().await;
    echo(&mut client, b"hello").await;
    assert!(began.elapsed() >= Duration::from_millis(200), "S3");
    let won = Event::HedgeWon {
        silent: hole.address(),
        winner: good.address,
    };
    rig.events.wait(1, |event| *event == won).await;
    let refused = |event: &Event| {
        matches!(
            event,
            Event::DialFailed {
                failure: DialFailure::Refused,
                ..
            }
        )
    };
    assert_eq!(rig.events.count(refused), 0);
}

#[tokio::test]
async fn a_proxy_that_fails_is_told_as_our_own_fault_and_the_client_is_reset_after_the_hold() {
    for (act, how) in [
        (refusal(407), ProxyFailure::Credentials),
        (refusal(403), ProxyFailure::Denied(403)),
        (refusal(503), ProxyFailure::CannotReach(503)),
        (Act::Say(b"SSH-2.0-x\r\n".to_vec()), ProxyFailure::Nonsense),
        (Act::SayAndEnd(Vec::new()), ProxyFailure::Ended),
    ] {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::start(act).await;
        let rig = through(&proxy, &[upstream.address]);
        let mut client = rig.client().await;
        assert!(!ends_by_fin(&mut client).await, "S6");
        let fault = LocalFault::Proxy(ProxyFault {
            at: Some(proxy.address),
            how,
        });
        assert!(
            rig.events
                .count(|event| *event == Event::LocalFaultSeen { fault })
                > 0,
            "{how:?}"
        );
        let slander = |event: &Event| matches!(event, Event::DialFailed { failure, .. } if *failure != DialFailure::Local(fault));
        assert_eq!(rig.events.count(slander), 0, "{how:?}");
        assert_eq!(upstream.accepted(), 0);
        // It mends itself while a client waits.
        let mut waits = rig.client().await;
        proxy.does(Act::Open);
        echo(&mut waits, b"back").await;
    }
}

#[tokio::test]
async fn every_connection_of_a_client_begins_with_a_header_of_its_own_repeats_too() {
    let tls = Tls::new();
    let good = tls.upstream().await;
    let headers: Arc<Mutex<Vec<Header>>> = Arc::default();
    // The first reads the header and is frozen then, the second is a strict receiver in front of a good server.
    let heard = Arc::clone(&headers);
    let frozen = Upstream::serving(move |mut stream| {
        let heard = Arc::clone(&heard);
        async move {
            let header = receive(&mut stream).await.expect("a header");
            heard.lock().unwrap().push(header);
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    let heard = Arc::clone(&headers);
    let front = Upstream::serving(move |mut stream| {
        let heard = Arc::clone(&heard);
        async move {
            let header = receive(&mut stream).await.expect("a header");
            heard.lock().unwrap().push(header);
            let mut behind = TcpStream::connect(good.address).await.expect("the server");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        }
    })
    .await;
    let way = WayConfig {
        proxy_protocol: vec!["*".parse().unwrap()],
        ..WayConfig::default()
    };
    let rig = rig(way, &[frozen.address, front.address]);
    let client = rig.client().await;
    let expected = Header::Relayed {
        client: client.local_addr().unwrap(),
        listener: rig.address,
    };
    tls.converse(client, rustls::DEFAULT_VERSIONS).await;
    assert_eq!(*headers.lock().unwrap(), [expected, expected]);
    assert_eq!(rig.plane.sessions().repeats_total, 1);
}
