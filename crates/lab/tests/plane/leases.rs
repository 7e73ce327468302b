//! The list of apiservers: who is in it, since when, and until when.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jackline_lab::{Boot, Role, Shutdown, StartAs};
use tokio::net::TcpStream;

use crate::client::{As, Http, connect, get, node};
use crate::{LEISURELY, LONG, plane, ready_plane, up};

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";
const TWO: [(&str, Role); 2] = [("a", Role::Server), ("b", Role::ControlPlaneOnly)];

#[tokio::test]
async fn a_starting_server_refuses_then_answers_unready_then_is_ready_and_listed() {
    let plane = plane(&[("a", Role::Server)], LEISURELY);
    let server = plane.server("a").expect("planned");
    let kubelet = node(&plane, "n");
    let begun = Instant::now();
    server.start(StartAs::Fresh).expect("started");
    let refused = TcpStream::connect(server.address())
        .await
        .expect_err("nobody listens yet");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    assert!(plane.wait_until(LONG, |_| server.is_answering()).await);
    assert!(begun.elapsed() >= LEISURELY.accepts, "{:?}", begun.elapsed());
    let early = get(&plane, "a", As::Kubelet(&kubelet), "/readyz").await;
    assert_eq!(early.status, 500, "{early:?}");
    assert!(
        early
            .text
            .contains("[-]poststarthook/bootstrap-controller failed"),
        "{early:?}"
    );
    assert_eq!(
        get(&plane, "a", As::Kubelet(&kubelet), "/livez").await.status,
        200
    );
    assert_eq!(plane.list(), []);

    assert!(plane.wait_until(LONG, |_| server.is_ready()).await);
    assert!(begun.elapsed() >= LEISURELY.ready, "{:?}", begun.elapsed());
    assert!(server.ready_since().expect("it is ready").duration_since(begun) >= LEISURELY.ready);
    assert_eq!(plane.ready_since(), server.ready_since());
    assert_eq!(
        get(&plane, "a", As::Kubelet(&kubelet), "/readyz").await.text,
        "ok"
    );
    assert_eq!(plane.list(), [server.address()]);
}

#[test]
fn a_start_takes_as_long_as_was_measured_on_real_servers() {
    let boot = Boot::default();
    assert_eq!(
        (boot.accepts, boot.ready),
        (Duration::from_millis(800), Duration::from_secs(2))
    );
}

#[tokio::test]
async fn a_killed_server_leaves_the_list_after_its_lease_and_a_stopped_one_at_once() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    assert_eq!(plane.list(), [a.address(), b.address()]);

    a.kill();
    assert!(!a.is_running() && !a.is_ready());
    assert_eq!(plane.list(), [a.address(), b.address()], "nobody has noticed yet");
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()])
            .await
    );

    a.start(StartAs::Fresh).expect("started");
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [a.address(), b.address()])
            .await
    );
    a.stop(Shutdown::AtOnce).await;
    assert_eq!(plane.list(), [b.address()]);
}

#[tokio::test]
async fn with_all_dead_the_list_freezes_and_the_next_tells_the_dead_before_itself() {
    let plane = up(plane(&TWO, LEISURELY)).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    a.kill();
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()])
            .await
    );
    b.kill();
    let changed = plane
        .wait_until(Duration::from_secs(3), |plane| plane.list() != [b.address()])
        .await;
    assert!(!changed, "two leases later nobody has rewritten the list");

    a.start(StartAs::Fresh).expect("started");
    assert!(plane.wait_until(LONG, |_| a.is_answering()).await);
    let kubelet = node(&plane, "n");
    let told = get(&plane, "a", As::Kubelet(&kubelet), ENDPOINTS).await.json();
    assert_eq!(
        told["subsets"][0]["addresses"][0]["ip"],
        b.address().ip().to_string()
    );
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [a.address()])
            .await
    );
}

#[tokio::test]
async fn the_last_clean_stop_leaves_an_empty_list_and_the_next_tells_it_before_itself() {
    let plane = up(plane(&[("a", Role::Server), ("e", Role::EtcdOnly)], LEISURELY)).await;
    let a = plane.server("a").expect("planned");
    a.stop(Shutdown::AtOnce).await;
    assert_eq!(plane.list(), []);
    let etcd_only = plane.server("e").expect("planned");
    assert_eq!(
        etcd_only.list(),
        Some(vec![a.address()]),
        "the supervisor's key keeps the last list that was not empty"
    );

    a.start(StartAs::Fresh).expect("started");
    assert!(plane.wait_until(LONG, |_| a.is_answering()).await);
    let kubelet = node(&plane, "n");
    let told = get(&plane, "a", As::Kubelet(&kubelet), ENDPOINTS).await.json();
    assert_eq!(
        (&told["metadata"]["name"], told.get("subsets")),
        (&"kubernetes".into(), None)
    );
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [a.address()])
            .await
    );
}

#[tokio::test]
async fn a_server_may_begin_with_a_list_of_its_own_and_its_watchers_hear_when_that_is_over() {
    let plane = up(plane(&TWO, LEISURELY)).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let proxy = node(&plane, "n");
    let both = [a.address(), b.address()];
    let cases: [(StartAs, Vec<SocketAddr>); 3] = [
        (StartAs::EmptyList, vec![]),
        (StartAs::ShortList(vec![b.address()]), vec![b.address()]),
        (
            StartAs::DeadList,
            vec![SocketAddr::from(([192, 0, 2, 1], b.address().port()))],
        ),
    ];
    for (start, told) in cases {
        a.kill();
        a.start(start).expect("started");
        assert!(plane.wait_until(LONG, |_| a.is_answering()).await);
        assert_eq!(a.list(), Some(told.clone()));
        assert_eq!(
            b.list(),
            Some(plane.list()),
            "the others tell what the store holds"
        );
        let mut watcher = connect(&plane, "a", As::KubeProxy(&proxy), Http::Two).await;
        let mut lines = watcher
            .lines("/apis/discovery.k8s.io/v1/endpointslices?watch=1")
            .await;
        let first = lines.next().await.expect("an event");
        assert_eq!(first["type"], "ADDED");
        assert_eq!(
            ips(&first),
            told.iter()
                .map(|address| address.ip().to_string())
                .collect::<Vec<_>>()
        );
        let second = lines.next().await.expect("an event");
        assert_eq!(second["type"], "MODIFIED");
        assert_eq!(ips(&second), both.map(|address| address.ip().to_string()));
        assert!(plane.wait_until(LONG, |_| a.is_ready()).await);
        assert_eq!(a.list(), Some(both.to_vec()));
    }
}

fn ips(event: &serde_json::Value) -> Vec<String> {
    let endpoints = event["object"]["endpoints"].as_array().expect("a slice");
    endpoints
        .iter()
        .map(|endpoint| endpoint["addresses"][0].as_str().expect("an address").to_owned())
        .collect()
}

#[tokio::test]
async fn a_server_is_replaced_at_a_new_address() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let (old, new) = (a.address(), plane.free_address().expect("plenty"));
    a.stop(Shutdown::AtOnce).await;
    a.replace_at(new).expect("replaced");
    assert_ne!(a.address(), old);
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address(), a.address()])
            .await
    );
    assert!(
        TcpStream::connect(old).await.is_err(),
        "nobody is left at the old address"
    );
    let kubelet = node(&plane, "a");
    let own = get(&plane, "a", As::Kubelet(&kubelet), "/api/v1/nodes/a")
        .await
        .json();
    assert_eq!(own["status"]["addresses"][0]["address"], new.to_string());
    assert!(plane.delete_node("a") && !plane.delete_node("a"));
}
