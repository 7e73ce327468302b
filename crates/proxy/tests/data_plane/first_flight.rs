//! S4: a ClientHello that gets no answer goes to another server, and nothing else ever does.

use std::time::Duration;

use jackline_core::{Ending, Event, Pace, Which};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::support::{Reserved, Rig, Upstream, echo, ends_by_fin, is_closed, is_opened, reset, soon};
use crate::tls::{Tls, hello};

fn is_stalled(event: &Event) -> bool {
    matches!(event, Event::SessionStalled { .. })
}

#[tokio::test]
async fn a_frozen_server_costs_a_moment_and_no_handshake() {
    let tls = Tls::new();
    for versions in [
        &[&rustls::version::TLS12][..],
        &[&rustls::version::TLS13],
        rustls::DEFAULT_VERSIONS,
    ] {
        let (frozen, good) = (Reserved::frozen(), tls.upstream().await);
        let rig = Rig::start(&[frozen.address(), good.address]);
        let start = Instant::now();
        tls.converse(rig.client().await, versions).await;
        assert!(start.elapsed() >= Duration::from_millis(300));
        let won = Event::HedgeWon {
            silent: frozen.address(),
            winner: good.address,
        };
        assert_eq!(rig.events.count(|event| *event == won), 1);
        rig.events.closed(frozen.address(), Ending::Ours).await;
        rig.events.closed(good.address, Ending::Downstream).await;
        assert_eq!((rig.events.count(is_opened), rig.events.count(is_closed)), (2, 2));
        assert_eq!(rig.plane.sessions().repeats_total, 1);
        let answered: Vec<Event> = rig
            .events
            .all()
            .into_iter()
            .filter(|event| matches!(event, Event::SessionAnswered { .. }))
            .collect();
        assert!(
            matches!(answered[..], [Event::SessionAnswered { endpoint, .. }] if endpoint == good.address),
            "{answered:?}"
        );
    }
}

#[tokio::test]
async fn two_frozen_servers_cost_two_moments() {
    let tls = Tls::new();
    let (one, two, good) = (Reserved::frozen(), Reserved::frozen(), tls.upstream().await);
    let rig = Rig::start(&[one.address(), two.address(), good.address]);
    tls.converse(rig.client().await, rustls::DEFAULT_VERSIONS).await;
    assert_eq!(rig.plane.sessions().repeats_total, 2);
}

#[tokio::test]
async fn a_frozen_server_before_a_black_hole_and_a_refusal() {
    let tls = Tls::new();
    let (frozen, hole, refusing) = (Reserved::frozen(), Reserved::black_hole(), Reserved::new());
    let good = tls.upstream().await;
    let rig = Rig::start(&[frozen.address(), hole.address(), refusing.address(), good.address]);
    tls.converse(rig.client().await, rustls::DEFAULT_VERSIONS).await;
}

#[tokio::test]
async fn a_hello_in_pieces_is_kept_whole() {
    let tls = Tls::new();
    let (frozen, good) = (Reserved::frozen(), tls.upstream().await);
    let rig = Rig::start(&[frozen.address(), good.address]);
    let mut client = rig.client().await;
    client.set_nodelay(true).unwrap();
    let hello = hello(tls.client(rustls::DEFAULT_VERSIONS, Vec::new()));
    for piece in hello.chunks(hello.len() / 5) {
        client.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        soon(client.read_u8()).await.unwrap(),
        22,
        "a ServerHello's record"
    );
    assert_eq!(rig.plane.sessions().repeats_total, 1);
}

#[tokio::test]
async fn a_server_that_dies_before_its_first_byte_is_not_noticed() {
    let tls = Tls::new();
    let dying = Upstream::serving(|mut stream| async move {
        let mut some = [0; 10];
        stream.read_exact(&mut some).await.unwrap();
        reset(stream);
    })
    .await;
    let leaving = Upstream::serving(|mut stream| async move {
        let mut some = [0; 4096];
        let _ = stream.read(&mut some).await.unwrap();
    })
    .await;
    let good = tls.upstream().await;
    let rig = Rig::start(&[dying.address, leaving.address, good.address]);
    tls.converse(rig.client().await, rustls::DEFAULT_VERSIONS).await;
    for endpoint in [dying.address, leaving.address] {
        rig.events.closed(endpoint, Ending::UpstreamSilent).await;
    }
    assert_eq!(rig.plane.sessions().repeats_total, 2);
}

#[tokio::test]
async fn a_connection_that_dies_before_the_client_speaks_is_dialled_anew() {
    let stillborn = Upstream::serving(|stream| async move { reset(stream) }).await;
    let good = Upstream::echo().await;
    let rig = Rig::start(&[stillborn.address, good.address]);
    let mut client = rig.client().await;
    // The reset comes right after the connect, or so soon that it is the connect's own end.
    let lost = |event: &Event| match event {
        Event::SessionClosed { endpoint, ending } => {
            *endpoint == stillborn.address && *ending == Ending::UpstreamSilent
        }
        Event::DialFailed { endpoint, .. } => *endpoint == stillborn.address,
        _ => false,
    };
    rig.events.wait(1, lost).await;
    echo(&mut client, b"GET /").await;
}

#[tokio::test]
async fn what_is_no_hello_is_never_repeated() {
    let tls = Tls::new();
    let hello = hello(tls.client(rustls::DEFAULT_VERSIONS, Vec::new()));
    let oversized = crate::tls::hello(tls.client(rustls::DEFAULT_VERSIONS, vec![vec![b'a'; 255]; 64]));
    assert!(oversized.len() > 16 * 1024 && oversized.len() < 20_000);
    for (what, flight) in [
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("half a hello", hello[..hello.len() - 1].to_vec()),
        ("a hello and more", [&hello[..], &[23]].concat()),
        ("an oversized hello", oversized),
        ("a hello with early data", with_early_data(&hello)),
    ] {
        let (mute, other) = (Upstream::mute().await, Upstream::echo().await);
        let rig = Rig::start(&[mute.address, other.address]);
        let mut client = rig.client().await;
        client.write_all(&flight).await.unwrap();
        // A stall is told long after a flight would have been repeated.
        rig.events.wait(1, is_stalled).await;
        assert_eq!((mute.accepted(), other.accepted()), (1, 0), "{what}");
        assert_eq!(rig.plane.sessions().repeats_total, 0, "{what}");
    }
}

#[tokio::test]
async fn what_is_no_hello_is_never_repeated_after_a_reset_either() {
    let dying = Upstream::serving(|mut stream| async move {
        let mut some = [0; 3];
        stream.read_exact(&mut some).await.unwrap();
        reset(stream);
    })
    .await;
    let other = Upstream::echo().await;
    let rig = Rig::start(&[dying.address, other.address]);
    let mut client = rig.client().await;
    client.write_all(b"GET").await.unwrap();
    assert!(!ends_by_fin(&mut client).await);
    rig.events.closed(dying.address, Ending::UpstreamSilent).await;
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn nothing_is_repeated_after_the_first_byte() {
    let tls = Tls::new();
    let terse = Upstream::serving(|mut stream| async move {
        stream.write_all(&[22]).await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let other = Upstream::echo().await;
    let rig = Rig::start(&[terse.address, other.address]);
    let mut client = rig.client().await;
    assert_eq!(soon(client.read_u8()).await.unwrap(), 22);
    client
        .write_all(&hello(tls.client(rustls::DEFAULT_VERSIONS, Vec::new())))
        .await
        .unwrap();
    rig.events.wait(1, is_stalled).await;
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn with_all_servers_frozen_repeats_stay_within_the_bucket() {
    let tls = Tls::new();
    let frozen: Vec<Reserved> = (0..3).map(|_| Reserved::frozen()).collect();
    let rig = Rig::start(&frozen.iter().map(Reserved::address).collect::<Vec<_>>());
    let hello = hello(tls.client(rustls::DEFAULT_VERSIONS, Vec::new()));
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = rig.client().await;
        client.write_all(&hello).await.unwrap();
        clients.push(client);
    }
    // The first that got it stall after a second, the second ones 300 ms later.
    rig.events.wait(2, is_stalled).await;
    let sessions = rig.plane.sessions();
    assert_eq!(sessions.hedges_total, 0);
    assert!(
        (20..=30).contains(&sessions.repeats_total),
        "20, and a tenth of 100 dials: {}",
        sessions.repeats_total
    );
    assert_eq!(
        sessions.opened_total,
        100 + sessions.repeats_total,
        "all clients are held by the servers they have"
    );
}

#[tokio::test]
async fn a_flight_whose_session_is_to_be_reset_goes_elsewhere_unnoticed() {
    let tls = Tls::new();
    let (frozen, good) = (Reserved::frozen(), tls.upstream().await);
    let rig = Rig::start(&[frozen.address()]);
    let client = rig.client().await;
    rig.events.wait(1, is_opened).await;
    let talk = tls.converse(client, rustls::DEFAULT_VERSIONS);
    let order = async {
        rig.events.wait(1, is_stalled).await;
        rig.publish(&[good.address, frozen.address()]);
        rig.close(
            frozen.address(),
            Which::SilentFor(Duration::from_millis(500)),
            Pace::Reset(Duration::ZERO),
        );
    };
    tokio::join!(talk, order);
    rig.events.closed(frozen.address(), Ending::Ours).await;
}

/// The same hello with an empty `early_data` extension at its end.
fn with_early_data(hello: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let mut flight = hello.to_vec();
    let suites = 44 + usize::from(flight[43]);
    let compressions = suites + 2 + number(&flight[suites..suites + 2]);
    let extensions = compressions + 1 + usize::from(flight[compressions]);
    for (at, width) in [(3, 2), (6, 3), (extensions, 2)] {
        let grown = u32::try_from(number(&flight[at..at + width]) + 4)
            .unwrap()
            .to_be_bytes();
        flight[at..at + width].copy_from_slice(&grown[4 - width..]);
    }
    flight.extend_from_slice(&[0, 42, 0, 0]);
    flight
}
