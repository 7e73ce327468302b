//! To whom the node's credential is shown, when, and how.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jackline_core::{Answer, ProbeFailure, Untrusted};

use crate::bench::Bench;
use crate::certificates::Authority;
use crate::server::{Act, Server, bytes, ok, unauthorized, wants_certificate, wants_token};

/// Which connection each request came over, and whether it carried anything.
fn told(server: &Server) -> Vec<(usize, bool)> {
    let asked = server.asked();
    asked
        .iter()
        .map(|asked| {
            (
                asked.connection,
                asked.certificate || asked.header("authorization").is_some(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_token_is_shown_on_the_same_connection_once_asked_for_and_at_once_the_next_time() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), wants_token).await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    assert_eq!(told(&server), [(0, false), (0, true)]);
    assert_eq!(server.asked()[1].header("authorization"), Some("bearer sesame"));
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    assert_eq!(told(&server)[2..], [(1, true)]);
}

#[tokio::test]
async fn a_token_is_shown_on_a_second_connection_where_the_first_was_closed() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), |asked| {
        match asked.header("authorization") {
            Some(_) => ok(),
            None => Act::SayAndClose(bytes("401 Unauthorized", "Connection: close\r\n", "")),
        }
    })
    .await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    assert_eq!(told(&server), [(0, false), (1, true)]);
}

#[tokio::test]
async fn a_client_certificate_is_shown_on_a_second_connection_and_at_once_the_next_time() {
    let mut bench = Bench::with_certificate();
    let server = Server::start(bench.authority.server(), wants_certificate).await;
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    assert_eq!(told(&server), [(0, false), (1, true)]);
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, true));
    assert_eq!(told(&server)[2..], [(2, true)]);
}

#[tokio::test]
async fn a_credential_that_does_not_help_leaves_the_server_alive_and_the_anonymous_asks_again() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), |_| unauthorized()).await;
    for expected in [
        [(0, false), (0, true)].as_slice(),
        &[(1, true)],
        &[(2, false), (2, true)],
    ] {
        let before = told(&server).len();
        let found = bench.probe(server.address).await.unwrap();
        assert_eq!((found.answer, found.authenticated), (Answer::Alive, true));
        assert_eq!(told(&server)[before..], *expected);
    }
}

#[tokio::test]
async fn a_stale_token_does_not_hide_a_server_that_has_begun_to_take_the_anonymous() {
    let mut bench = Bench::with_token();
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let server = Server::start(bench.authority.server(), move |asked| {
        let anonymous = asked.header("authorization").is_none();
        if opened.load(Ordering::SeqCst) == anonymous {
            ok()
        } else {
            unauthorized()
        }
    })
    .await;
    assert!(bench.probe(server.address).await.unwrap().authenticated);
    open.store(true, Ordering::SeqCst);
    assert_eq!(bench.probe(server.address).await.unwrap().answer, Answer::Alive);
    let found = bench.probe(server.address).await.unwrap();
    assert_eq!((found.answer, found.authenticated), (Answer::Ready, false));
}

#[tokio::test]
async fn a_credential_that_was_renewed_is_the_one_that_is_shown() {
    let mut bench = Bench::with_token();
    let server = Server::start(bench.authority.server(), wants_token).await;
    bench.keep(server.address).await.unwrap();
    bench.write("token", "renewed");
    assert!(bench.trust.reload());
    let found = bench.keep(server.address).await.unwrap();
    assert!(
        found.connect.is_some(),
        "a connection made under the old trust is not used"
    );
    assert_eq!(
        server.asked().last().unwrap().header("authorization"),
        Some("bearer renewed")
    );
}

#[tokio::test]
async fn an_impostor_sees_no_credential_even_where_it_was_known_to_ask_for_one() {
    for mut bench in [Bench::with_token(), Bench::with_certificate()] {
        let theirs = Authority::new();
        let server = Server::start(theirs.server_for_clients_of(&bench.authority), |_| unauthorized()).await;
        // It is one of ours first, at the same address, and asks for a credential.
        bench.write("ca.crt", &theirs.pem());
        assert!(bench.trust.reload());
        assert_eq!(bench.probe(server.address).await.unwrap().answer, Answer::Alive);
        assert_eq!(
            told(&server).iter().map(|(_, shown)| *shown).collect::<Vec<_>>(),
            [false, true]
        );
        bench.write("ca.crt", &bench.authority.pem());
        assert!(bench.trust.reload());
        for _ in 0..2 {
            let failure = bench.probe(server.address).await.unwrap_err();
            assert!(
                matches!(
                    failure,
                    ProbeFailure::Untrusted {
                        cause: Untrusted::UnknownIssuer,
                        ..
                    }
                ),
                "{failure:?}"
            );
        }
        assert_eq!(server.asked().len(), 2, "nothing was said to it");
    }
}

#[tokio::test]
async fn a_server_that_ends_tls_over_our_certificate_is_alive() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut bench = Bench::with_certificate();
        let server = Server::start(
            bench.authority.server_refusing_clients(version),
            wants_certificate,
        )
        .await;
        for _ in 0..2 {
            let found = bench.probe(server.address).await.unwrap();
            assert_eq!(
                (found.answer, found.authenticated),
                (Answer::Alive, false),
                "{version:?}"
            );
        }
        assert_eq!(
            server.connections(),
            4,
            "anonymous, with certificate, and both again"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_ceases_to_be_taken_costs_no_verdict() {
    let mut bench = Bench::with_certificate();
    let act = Arc::new(Mutex::new(true));
    let takes = Arc::clone(&act);
    let server = Server::start(bench.authority.server(), move |asked| {
        if *takes.lock().unwrap() || !asked.certificate {
            wants_certificate(asked)
        } else {
            unauthorized()
        }
    })
    .await;
    assert_eq!(bench.probe(server.address).await.unwrap().answer, Answer::Ready);
    *act.lock().unwrap() = false;
    for _ in 0..2 {
        assert_eq!(bench.probe(server.address).await.unwrap().answer, Answer::Alive);
    }
    *act.lock().unwrap() = true;
    assert_eq!(bench.probe(server.address).await.unwrap().answer, Answer::Ready);
}
