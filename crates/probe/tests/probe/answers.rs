//! What a server can say of itself.

use jackline_core::{Answer, Depth};

use crate::bench::Bench;
use crate::certificates::{Authority, Leaf};
use crate::server::{Server, answer, ok, unauthorized};

#[tokio::test]
async fn a_ready_server_is_asked_once_as_the_anonymous_and_by_no_other_name() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), |_| ok()).await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!(
        (found.depth, found.answer, found.authenticated),
        (Depth::Readyz, Answer::Ready, false)
    );
    assert!(found.connect.is_some_and(|connect| connect <= found.total));
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].head.starts_with("get /readyz http/1.1\r\n"),
        "{}",
        asked[0].head
    );
    assert_eq!(asked[0].header("host"), Some("kubernetes"));
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(asked[0].sni.as_deref(), Some("kubernetes"));
    assert!(!asked[0].certificate);
    bench.no_more_events().await;
}

#[tokio::test]
async fn a_server_that_refuses_the_anonymous_is_alive_where_there_is_no_credential() {
    let mut bench = Bench::anonymous();
    for act in [unauthorized, || answer("403 Forbidden", "", "no")] {
        let server = Server::start(bench.authority.server(), move |_| act()).await;
        let found = bench.probe(server.address).await.unwrap();
        assert_eq!(
            (found.depth, found.answer, found.authenticated),
            (Depth::Readyz, Answer::Alive, false)
        );
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_ready_names_its_failed_checks() {
    let mut bench = Bench::anonymous();
    let body = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]shutdown failed: reason withheld\nreadyz check failed\n";
    let server = Server::start(bench.authority.server(), move |_| {
        answer("500 Internal Server Error", "", body)
    })
    .await;
    let failed = vec!["etcd".to_owned(), "shutdown".to_owned()];
    assert_eq!(
        bench.probe(server.address).await.unwrap().answer,
        Answer::NotReady { status: 500, failed }
    );
}

#[tokio::test]
async fn an_etcd_only_server_serves_no_api_and_a_starting_one_is_not_ready() {
    let mut bench = Bench::anonymous();
    for (message, expected) in [
        ("apiserver disabled", Answer::NoApi),
        (
            "apiserver not ready",
            Answer::NotReady {
                status: 503,
                failed: Vec::new(),
            },
        ),
    ] {
        let body = format!(
            r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"message":"{message}","code":503}}"#
        );
        let server = Server::start(bench.authority.server(), move |_| {
            answer(
                "503 Service Unavailable",
                "Content-Type: application/json\r\n",
                &body,
            )
        });
        assert_eq!(bench.probe(server.await.address).await.unwrap().answer, expected);
    }
}

#[tokio::test]
async fn without_a_ca_the_probe_ends_with_the_handshake_and_says_so() {
    let mut bench = Bench::with(|_, _, _| ());
    let expired = Leaf {
        name: "whatever",
        years: (2001, 2002),
        ..Leaf::default()
    };
    let server = Server::start(Authority::new().server_as(&expired), |_| ok()).await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!(
        (found.depth, found.answer, found.authenticated),
        (Depth::Tls, Answer::Ready, false)
    );
    server.ended(1).await;
    assert_eq!(server.asked().len(), 0);
}
