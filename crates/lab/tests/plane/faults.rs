//! Servers that die, freeze, vanish, crawl or fail their own checks.

use std::time::{Duration, Instant};

use jackline_lab::{Role, SlowSpec, StartAs};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{As, Http, connect, connect_to, get, node, tls, unacknowledged};
use crate::{LONG, SILENCE, ready_plane};

const TWO: [(&str, Role); 2] = [("a", Role::Server), ("b", Role::Server)];

#[tokio::test]
async fn a_killed_server_s_connections_end_at_once_and_new_ones_are_refused() {
    let plane = ready_plane(&TWO).await;
    let a = plane.server("a").expect("planned");
    let kubelet = node(&plane, "n");
    let mut one = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    let mut two = connect(&plane, "a", As::Kubelet(&kubelet), Http::Two).await;
    assert_eq!(one.get("/lab/echo?id=x").await.json()["server"], "a");
    assert_eq!(two.get("/lab/echo").await.status, 200);
    assert_eq!(a.sessions(), 2);
    a.slow(SlowSpec {
        readyz: Duration::ZERO..Duration::ZERO,
        request: LONG..LONG,
    });
    let waiting = tokio::spawn(async move { one.try_get("/lab/echo?id=under-way").await.is_err() });
    assert!(
        plane
            .wait_until(LONG, |plane| plane.requests_seen("under-way"))
            .await
    );

    a.kill();
    assert!(TcpStream::connect(a.address()).await.is_err());
    assert!(
        timeout(LONG, waiting).await.expect("in time").expect("no panic"),
        "the request under way gets no answer"
    );
    let _ = timeout(LONG, two.driver).await.expect("the connection ends");
    let sighting = plane.sighting("under-way").expect("it was received");
    assert_eq!((sighting.server.as_str(), sighting.answered), ("a", None));
    assert!(!plane.requests_seen("never sent"));
    assert!(plane.sighting("x").expect("received").answered.is_some());
    assert_eq!(a.sessions(), 0);
}

#[tokio::test]
async fn a_frozen_server_accepts_and_acknowledges_and_says_nothing_until_it_thaws() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let kubelet = node(&plane, "n");
    let mut old = connect(&plane, "a", As::Kubelet(&kubelet), Http::Two).await;
    assert_eq!(old.get("/lab/echo").await.status, 200);

    a.freeze();
    assert!(a.is_running() && !a.is_answering() && !a.is_ready());
    let port = old.port;
    let waiting = tokio::spawn(async move { old.get("/lab/echo?id=old").await.status });
    let tcp = timeout(LONG, TcpStream::connect(a.address()))
        .await
        .expect("in time");
    drop(tcp.expect("its kernel accepts"));
    let config = tls(
        plane.authority().pem().as_bytes(),
        As::Kubelet(&kubelet),
        Http::One,
    );
    let mut handshake = tokio::spawn(connect_to(a.address(), config));
    assert!(
        timeout(SILENCE, &mut handshake).await.is_err(),
        "nobody answers the ClientHello"
    );
    assert!(
        !plane.requests_seen("old") && !waiting.is_finished(),
        "nobody reads what has arrived"
    );
    assert_eq!(
        unacknowledged(port, a.address()),
        0,
        "and yet its kernel has acknowledged it"
    );
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()])
            .await,
        "its lease runs out"
    );

    a.thaw();
    assert_eq!(
        timeout(LONG, waiting).await.expect("in time").expect("no panic"),
        200
    );
    let mut late = timeout(LONG, handshake)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("connected");
    assert_eq!(late.get("/readyz").await.status, 200);
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list().len() == 2 && a.is_ready())
            .await
    );
}

#[tokio::test]
async fn a_black_hole_swallows_connects_and_acknowledges_nothing_until_it_is_restored() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let kubelet = node(&plane, "n");
    let mut old = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    assert_eq!(old.get("/lab/echo").await.status, 200);

    a.black_hole().expect("loopback filters need no rights");
    assert!(a.is_running() && !a.is_answering());
    let port = old.port;
    let waiting = tokio::spawn(async move { old.get("/lab/echo?id=old").await.status });
    assert!(
        timeout(SILENCE, TcpStream::connect(a.address())).await.is_err(),
        "no SYN is answered"
    );
    assert!(unacknowledged(port, a.address()) > 0, "no data is acknowledged");
    assert!(!plane.requests_seen("old") && !waiting.is_finished());
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()])
            .await,
        "etcd is cut off too: its lease runs out"
    );

    a.restore();
    assert_eq!(
        timeout(LONG, waiting).await.expect("in time").expect("no panic"),
        200,
        "TCP sends again what was lost"
    );
    assert_eq!(
        get(&plane, "a", As::Kubelet(&kubelet), "/readyz").await.status,
        200
    );
    assert!(plane.wait_until(LONG, |plane| plane.list().len() == 2).await);
}

#[tokio::test]
async fn of_a_server_that_dies_behind_a_black_hole_nobody_hears_until_it_starts_again() {
    let plane = ready_plane(&TWO).await;
    let a = plane.server("a").expect("planned");
    let kubelet = node(&plane, "n");
    let old = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    a.black_hole().expect("loopback filters need no rights");
    a.kill();
    assert!(!a.is_running());
    assert!(
        timeout(SILENCE, TcpStream::connect(a.address())).await.is_err(),
        "silence, not a refusal"
    );
    assert!(!old.driver.is_finished(), "no FIN, no RST");

    a.start(StartAs::Fresh).expect("started");
    let _ = timeout(LONG, old.driver)
        .await
        .expect("the new kernel knows nothing of old connections");
    assert!(plane.wait_until(LONG, |_| a.is_ready()).await);
    assert_eq!(
        get(&plane, "a", As::Kubelet(&kubelet), "/readyz").await.status,
        200
    );
}

#[tokio::test]
async fn a_slow_server_takes_the_time_it_was_told_to_and_stays_ready() {
    let plane = ready_plane(&[("a", Role::Server)]).await;
    let a = plane.server("a").expect("planned");
    let kubelet = node(&plane, "n");
    let (slow, slower) = (Duration::from_millis(150), Duration::from_millis(300));
    a.slow(SlowSpec {
        readyz: slower..slower,
        request: slow..slow,
    });
    let mut client = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    for (path, least) in [
        ("/readyz", slower),
        ("/lab/echo", slow),
        ("/api/v1/nodes/n", slow),
        ("/cacerts", slow),
    ] {
        let asked = Instant::now();
        assert_eq!(client.get(path).await.status, 200, "{path}");
        assert!(asked.elapsed() >= least, "{path} took {:?}", asked.elapsed());
    }
    assert!(a.is_ready());
    a.slow(SlowSpec {
        readyz: LONG..LONG,
        request: LONG..LONG,
    });
    a.normal();
    assert_eq!(client.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn failing_checks_are_named_and_everything_else_is_served() {
    let plane = ready_plane(&[("a", Role::Server)]).await;
    let a = plane.server("a").expect("planned");
    let kubelet = node(&plane, "n");
    a.fail_readyz(&["etcd", "kms-provider-0"]);
    assert!(!a.is_ready() && a.is_answering() && plane.ready_since().is_none());
    let answer = get(&plane, "a", As::Kubelet(&kubelet), "/readyz").await;
    assert_eq!(answer.status, 500);
    let expected = "[+]ping ok\n[+]log ok\n[+]informer-sync ok\n\
                    [-]etcd failed: reason withheld\n[-]kms-provider-0 failed: reason withheld\nreadyz check failed\n";
    assert_eq!(answer.text, expected);
    assert_eq!(
        get(&plane, "a", As::Kubelet(&kubelet), "/lab/echo").await.status,
        200
    );
    a.heal_readyz();
    assert!(a.is_ready());
    assert_eq!(
        get(&plane, "a", As::Kubelet(&kubelet), "/readyz").await.text,
        "ok"
    );
}
