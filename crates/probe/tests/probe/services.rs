//! What is asked of etcd and of supervisors, and what is shown to them.

use jackline_core::{Answer, Depth, ProbeFailure, Service, Untrusted};

use crate::bench::Bench;
use crate::certificates::{Authority, Leaf};
use crate::server::{Server, answer, ok, unauthorized};

#[tokio::test]
async fn a_supervisor_is_asked_for_a_ping_and_nothing_is_shown_to_it() {
    let mut bench = Bench::with_certificate().of(Service::Supervisor);
    let server = Server::start(bench.authority.server(), |asked| {
        match asked.head.starts_with("get /ping http/1.1\r\n") {
            true => answer("200 OK", "Content-Type: text/plain\r\n", "pong"),
            false => answer("503 Service Unavailable", "", "apiserver disabled"),
        }
    })
    .await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!(
        (found.depth, found.answer, found.authenticated),
        (Depth::Ping, Answer::Ready, false)
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].certificate && asked[0].header("authorization").is_none());
    bench.no_more_events().await;
}

#[tokio::test]
async fn a_strangers_pong_is_no_supervisors() {
    let mut bench = Bench::anonymous().of(Service::Supervisor);
    let stranger = Server::start(Authority::new().server(), |_| ok()).await;
    let failure = bench.probe(stranger.address).await.unwrap_err();
    let cause = Untrusted::UnknownIssuer;
    assert!(
        matches!(failure, ProbeFailure::Untrusted { cause: told, .. } if told == cause),
        "{failure:?}"
    );
    assert_eq!(stranger.asked().len(), 0);
}

#[tokio::test]
async fn etcd_is_shown_the_certificate_at_once_and_asked_for_its_health() {
    let mut bench = Bench::with_certificate().of(Service::Etcd);
    let server = Server::start(bench.authority.server(), |asked| {
        match asked.certificate && asked.head.starts_with("get /health http/1.1\r\n") {
            true => answer(
                "200 OK",
                "Content-Type: application/json\r\n",
                r#"{"health":"true"}"#,
            ),
            false => unauthorized(),
        }
    })
    .await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!(
        (found.depth, found.answer, found.authenticated),
        (Depth::Health, Answer::Ready, true)
    );
    assert_eq!(server.asked().len(), 1, "at once");
}

#[tokio::test]
async fn a_member_without_quorum_says_so_and_its_cause_may_be_shared() {
    let mut bench = Bench::with_certificate().of(Service::Etcd);
    let server = Server::start(bench.authority.server(), |_| {
        let body = r#"{"health":"false","reason":"RAFT NO LEADER"}"#;
        answer("503 Service Unavailable", "", body)
    })
    .await;
    let failed = vec!["etcd (RAFT NO LEADER)".to_owned()];
    assert_eq!(
        bench.probe(server.address).await.unwrap().answer,
        Answer::NotReady { status: 503, failed }
    );
}

#[tokio::test]
async fn without_a_certificate_etcd_is_verified_and_asked_nothing() {
    let mut bench = Bench::anonymous().of(Service::Etcd);
    let server = Server::start(bench.authority.server(), |_| unauthorized()).await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.depth, found.answer), (Depth::Verified, Answer::Ready));
    assert_eq!(server.asked().len(), 0);
    let elsewhere = bench.authority.server_as(&Leaf {
        name: "another",
        ..Leaf::default()
    });
    let other = Server::start(elsewhere, |_| ok()).await;
    let failure = bench.probe(other.address).await.unwrap_err();
    assert!(matches!(failure, ProbeFailure::Untrusted { .. }), "{failure:?}");
}

#[tokio::test]
async fn etcd_that_refuses_our_certificate_is_alive() {
    let mut bench = Bench::with_certificate().of(Service::Etcd);
    let config = bench.authority.server_refusing_clients(&rustls::version::TLS13);
    let server = Server::start(config, |_| ok()).await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.depth, found.answer), (Depth::Verified, Answer::Alive));
}

#[tokio::test]
async fn without_a_ca_a_handshake_is_all_that_is_tested() {
    for service in [Service::Etcd, Service::Supervisor] {
        let mut bench = Bench::with(|_, _, _| {}).of(service);
        let server = Server::start(bench.authority.server(), |_| ok()).await;
        let found = bench.probe(server.address).await.unwrap();
        assert_eq!((found.depth, found.answer), (Depth::Tls, Answer::Ready));
        assert_eq!(server.asked().len(), 0);
    }
}
