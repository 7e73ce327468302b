//! Connections kept to the endpoint in use (H7).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jackline_core::{Answer, Phase, ProbeFailure, ProbeLimits, StartProbe};

use crate::bench::{Bench, DEADLINE};
use crate::server::{Act, Server, answer, ok, unauthorized, wants_certificate, wants_token};

/// Which connection each request came over.
fn connections(server: &Server) -> Vec<usize> {
    server.asked().iter().map(|asked| asked.connection).collect()
}

#[tokio::test]
async fn a_kept_connection_is_used_again_and_a_fresh_probe_makes_its_own() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| ok()).await;
    assert!(bench.keep(server.address).await.unwrap().connect.is_some());
    let found = bench.keep(server.address).await.unwrap();
    assert_eq!((found.answer, found.connect), (Answer::Ready, None));
    assert!(bench.probe(server.address).await.unwrap().connect.is_some());
    assert_eq!(connections(&server), [0, 0, 1]);
}

#[tokio::test]
async fn a_connection_that_is_not_kept_again_is_closed() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| ok()).await;
    bench.keep(server.address).await.unwrap();
    let start = bench.start(server.address);
    let found = bench
        .run(StartProbe {
            fresh: false,
            keep: false,
            ..start
        })
        .await
        .unwrap();
    assert_eq!(found.connect, None);
    server.ended(1).await;
    assert!(bench.keep(server.address).await.unwrap().connect.is_some());
    assert_eq!(connections(&server), [0, 0, 1]);
    bench.prober.stop();
    server.ended(2).await;
}

#[tokio::test]
async fn an_answer_that_was_not_good_keeps_nothing() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| answer("500 Oh", "", "")).await;
    for _ in 0..2 {
        assert!(bench.keep(server.address).await.unwrap().connect.is_some());
    }
    server.ended(2).await;
    assert_eq!(connections(&server), [0, 1]);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced_at_once() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| ok()).await;
    bench.keep(server.address).await.unwrap();
    server.hang_up();
    server.ended(1).await;
    let found = bench.keep(server.address).await.unwrap();
    assert_eq!(found.answer, Answer::Ready);
    assert!(found.connect.is_some());
    assert_eq!(connections(&server), [0, 1]);
}

#[tokio::test]
async fn a_kept_connection_that_dies_when_asked_is_replaced_at_once() {
    for dying in [|| Act::SayAndClose(Vec::new()), || Act::SayAndReset(Vec::new())] {
        let mut bench = Bench::anonymous();
        let count = AtomicUsize::new(0);
        let server = Server::start(bench.authority.server(), move |_| {
            if count.fetch_add(1, Ordering::SeqCst) == 1 {
                dying()
            } else {
                ok()
            }
        })
        .await;
        bench.keep(server.address).await.unwrap();
        let found = bench.keep(server.address).await.unwrap();
        assert_eq!(found.answer, Answer::Ready);
        assert!(found.connect.is_some());
        assert_eq!(connections(&server), [0, 0, 1]);
    }
}

#[tokio::test]
async fn a_kept_connection_that_falls_silent_is_a_timeout() {
    let mut bench = Bench::anonymous();
    let count = AtomicUsize::new(0);
    let server = Server::start(bench.authority.server(), move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == 1 {
            Act::SayAndFreeze(Vec::new())
        } else {
            ok()
        }
    })
    .await;
    bench.keep(server.address).await.unwrap();
    let start = bench.start(server.address);
    let limits = ProbeLimits {
        connect: DEADLINE,
        tls: DEADLINE,
        http: Duration::from_millis(100),
    };
    let failure = bench
        .run(StartProbe {
            fresh: false,
            keep: true,
            limits,
            ..start
        })
        .await
        .unwrap_err();
    assert_eq!(failure, ProbeFailure::TimedOut { phase: Phase::Http });
    assert!(
        bench.keep(server.address).await.unwrap().connect.is_some(),
        "it is not kept on"
    );
}

#[tokio::test]
async fn a_kept_connection_goes_on_showing_what_it_showed() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), wants_token).await;
    for _ in 0..3 {
        let found = bench.keep(server.address).await.unwrap();
        assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    }
    assert_eq!(connections(&server), [0, 0, 0, 0], "the anonymous asked once");
    let mut bench = Bench::with_certificate();
    let server = Server::start(bench.authority.server(), wants_certificate).await;
    for _ in 0..3 {
        let found = bench.keep(server.address).await.unwrap();
        assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    }
    assert_eq!(connections(&server), [0, 1, 1, 1]);
}

#[tokio::test]
async fn a_kept_anonymous_connection_is_no_proof_once_the_anonymous_is_refused() {
    let mut bench = Bench::with_token();
    let count = AtomicUsize::new(0);
    let server = Server::start(bench.authority.server(), move |asked| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            ok()
        } else {
            wants_token(asked)
        }
    })
    .await;
    assert!(!bench.keep(server.address).await.unwrap().authenticated);
    let found = bench.keep(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
}

#[tokio::test]
async fn a_kept_connection_whose_credential_is_refused_is_no_verdict() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), |asked| match asked.connection {
        0 => wants_token(asked),
        // The token is no longer good for anything, and the anonymous is welcome.
        _ if asked.header("authorization").is_none() => ok(),
        _ => unauthorized(),
    })
    .await;
    assert!(bench.keep(server.address).await.unwrap().authenticated);
    server.hang_up();
    server.ended(1).await;
    assert_eq!(bench.keep(server.address).await.unwrap().answer, Answer::Alive);
    let found = bench.keep(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, false));
    let found = bench.keep(server.address).await.unwrap();
    assert_eq!((found.answer, found.connect), (Answer::Ready, None));
}

#[tokio::test]
async fn an_alive_server_is_kept_where_there_is_nothing_more_to_show() {
    let server_of = |bench: &Bench| Server::start(bench.authority.server(), |_| unauthorized());
    let mut bench = Bench::anonymous();
    let server = server_of(&bench).await;
    bench.keep(server.address).await.unwrap();
    assert_eq!(bench.keep(server.address).await.unwrap().connect, None);
    let mut bench = Bench::with_token();
    let server = server_of(&bench).await;
    bench.keep(server.address).await.unwrap();
    assert!(bench.keep(server.address).await.unwrap().connect.is_some());
}

#[tokio::test]
async fn few_connections_are_kept_whatever_is_asked() {
    let mut bench = Bench::anonymous();
    let mut servers = Vec::new();
    for _ in 0..4 {
        let server = Server::start(bench.authority.server(), |_| ok()).await;
        bench.keep(server.address).await.unwrap();
        servers.push(server);
    }
    servers[0].ended(1).await;
    servers[1].ended(1).await;
    for (server, kept) in servers.iter().zip([false, false, true, true]).rev() {
        let start = bench.start(server.address);
        let found = bench
            .run(StartProbe {
                fresh: false,
                keep: false,
                ..start
            })
            .await
            .unwrap();
        assert_eq!(found.connect.is_none(), kept);
    }
}
