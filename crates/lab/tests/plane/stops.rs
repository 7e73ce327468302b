//! Clean stops: nothing that was begun is lost, and nothing new is begun.

use std::time::Duration;

use jackline_lab::{Role, Server, Shutdown, SlowSpec};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{As, Http, connect, connect_to, node, tls};
use crate::{LONG, ready_plane};

const TWO: [(&str, Role); 2] = [("a", Role::Server), ("b", Role::Server)];

fn slow(server: &Server, time: Duration) {
    server.slow(SlowSpec {
        readyz: Duration::ZERO..Duration::ZERO,
        request: time..time,
    });
}

#[tokio::test]
async fn a_stop_at_once_finishes_what_was_begun_closes_the_idle_and_refuses_the_new() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let kubelet = node(&plane, "n");
    let mut idle_one = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    let mut idle_two = connect(&plane, "a", As::Kubelet(&kubelet), Http::Two).await;
    assert_eq!(idle_one.get("/lab/echo").await.status, 200);
    assert_eq!(idle_two.get("/lab/echo").await.status, 200);
    let mut watcher = connect(&plane, "a", As::Kubelet(&kubelet), Http::Two).await;
    let mut events = watcher.lines("/lab/watch").await;
    assert_eq!(events.next().await.expect("an event")["event"], 1);
    slow(&a, LONG);
    let mut begun = Vec::new();
    for (number, http) in [Http::One, Http::Two].into_iter().enumerate() {
        let mut connection = connect(&plane, "a", As::Kubelet(&kubelet), http).await;
        begun.push(tokio::spawn(async move {
            connection
                .get(&format!("/lab/echo?id=begun-{number}"))
                .await
                .status
        }));
    }
    assert!(
        plane
            .wait_until(LONG, |plane| plane.requests_seen("begun-0")
                && plane.requests_seen("begun-1"))
            .await
    );

    let stopping = tokio::spawn({
        let a = a.clone();
        async move { a.stop(Shutdown::AtOnce).await }
    });
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()] && !a.is_answering())
            .await
    );
    let refused = TcpStream::connect(a.address())
        .await
        .expect_err("its listener is closed");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    for idle in [idle_one, idle_two] {
        timeout(LONG, idle.driver)
            .await
            .expect("in time")
            .expect("no panic")
            .expect("a clean end");
    }
    while events.next().await.is_some() {}
    assert!(
        !begun[0].is_finished() && !begun[1].is_finished() && a.is_running(),
        "the idle ones do not wait for the busy ones"
    );
    a.normal();
    for request in begun {
        assert_eq!(
            timeout(LONG, request).await.expect("in time").expect("no panic"),
            200
        );
    }
    timeout(LONG, stopping).await.expect("in time").expect("no panic");
    assert!(!a.is_running());
}

#[tokio::test]
async fn a_delayed_stop_leaves_the_list_and_fails_readyz_first_while_everything_is_served() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let kubelet = node(&plane, "n");
    let mut old = connect(&plane, "a", As::Kubelet(&kubelet), Http::Two).await;
    let delay = Duration::from_secs(3);
    let begun = std::time::Instant::now();
    let stopping = tokio::spawn({
        let a = a.clone();
        async move { a.stop(Shutdown::Delayed(delay)).await }
    });
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()])
            .await
    );
    assert!(!a.is_ready() && a.is_answering());
    let answer = old.get("/readyz").await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.text.contains("[-]shutdown failed: reason withheld"),
        "{answer:?}"
    );
    assert_eq!(old.get("/lab/echo").await.status, 200);
    let mut new = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    assert_eq!(
        new.get("/lab/echo").await.status,
        200,
        "new connections are served too"
    );
    assert!(
        begun.elapsed() < delay,
        "this machine is too slow to see anything"
    );
    timeout(LONG, stopping).await.expect("in time").expect("no panic");
    assert!(begun.elapsed() >= delay);
    assert!(!a.is_running());
    timeout(LONG, old.driver)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("a clean end");
}

#[tokio::test]
async fn a_connection_without_a_request_yet_is_served_its_first_one() {
    let plane = ready_plane(&TWO).await;
    let a = plane.server("a").expect("planned");
    let kubelet = node(&plane, "n");
    let mut newcomer = connect(&plane, "a", As::Kubelet(&kubelet), Http::One).await;
    let stopping = tokio::spawn({
        let a = a.clone();
        async move { a.stop(Shutdown::AtOnce).await }
    });
    assert!(plane.wait_until(LONG, |_| !a.is_answering()).await);
    assert_eq!(newcomer.get("/lab/echo").await.status, 200);
    timeout(LONG, newcomer.driver)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("a clean end");
    timeout(LONG, stopping).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn clients_with_goaway_lose_nothing_while_servers_stop_in_turn() {
    let plane = ready_plane(&TWO).await;
    let kubelet = node(&plane, "n");
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let config = tls(
        plane.authority().pem().as_bytes(),
        As::Kubelet(&kubelet),
        Http::Two,
    );
    let mut first = connect_to(a.address(), config.clone()).await.expect("connected");
    let mut second = connect_to(b.address(), config).await.expect("connected");
    let stopping = tokio::spawn({
        let a = a.clone();
        async move { a.stop(Shutdown::AtOnce).await }
    });
    let (mut on_first, mut on_second) = (0, 0);
    while on_second < 50 {
        match timeout(LONG, first.try_get("/lab/echo")).await.expect("in time") {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                on_first += 1;
            }
            // Only a connection that said goodbye may refuse a request, and then it never reached the server.
            Err(error) => {
                assert!(
                    error.is_canceled() || error.is_closed(),
                    "{error:?} after {on_first}"
                );
                assert_eq!(second.get("/lab/echo").await.status, 200);
                on_second += 1;
            }
        }
    }
    timeout(LONG, stopping).await.expect("in time").expect("no panic");
}
