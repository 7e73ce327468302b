//! Rubbish, giants and strangers: each costs one failed probe and has a clear reason.

use std::time::Duration;

use jackline_core::{Answer, Phase, ProbeFailure, ProbeLimits, StartProbe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, DEADLINE};
use crate::server::{Act, Server, answer, bytes, ok};

async fn nonsense(bench: &mut Bench, act: impl Fn() -> Act + Send + Sync + 'static) -> String {
    let server = Server::start(bench.authority.server(), move |_| act()).await;
    let failure = bench.probe(server.address).await.unwrap_err();
    server.ended(1).await;
    match failure {
        ProbeFailure::Nonsense { detail } => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls() {
    let mut bench = Bench::anonymous();
    for said in [
        "HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\0\0\0\0\0\0\0\0",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stranger = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(said.as_bytes()).await.unwrap();
            let mut rest = [0; 512];
            while tcp.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        };
        let (failure, ()) = tokio::join!(bench.probe(address), stranger);
        match failure.unwrap_err() {
            ProbeFailure::Nonsense { detail } => {
                assert!(detail.contains("does not speak TLS"), "{said:?}: {detail}")
            }
            other => panic!("{said:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_http() {
    let mut bench = Bench::anonymous();
    for said in [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "ok",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.1 9999 ?\r\n\r\n",
    ] {
        let detail = nonsense(&mut bench, move || Act::SayAndClose(said.into())).await;
        assert!(detail.contains("does not answer in HTTP"), "{said:?}: {detail}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_http2_alone() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server_of_http2(), |_| ok()).await;
    let failure = bench.probe(server.address).await.unwrap_err();
    assert!(
        matches!(&failure, ProbeFailure::Nonsense { detail } if detail.contains("NoApplicationProtocol")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut bench = Bench::anonymous();
    let elsewhere = Server::start(bench.authority.server(), |_| ok()).await;
    let place = format!("Location: https://{}/readyz\r\n", elsewhere.address);
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let place = place.clone();
        let detail = nonsense(&mut bench, move || answer(status, &place, "")).await;
        assert!(detail.contains("redirects"), "{detail}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn other_statuses_and_other_contents_are_no_apiservers() {
    let mut bench = Bench::anonymous();
    for status in ["204 No Content", "404 Not Found", "400 Bad Request"] {
        let detail = nonsense(&mut bench, move || answer(status, "", "")).await;
        assert!(detail.contains(&status[..3]), "{detail}");
    }
    for (headers, body, words) in [
        ("Content-Type: text/html\r\n", "ok", "text/html"),
        ("Content-Type: application/json\r\n", "{}", "application/json"),
        (
            "Content-Type: text/plain\r\n",
            "<html>welcome</html>",
            "not \"ok\"",
        ),
        (
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
            "\u{1f}\u{8b}",
            "gzip",
        ),
    ] {
        let detail = nonsense(&mut bench, move || answer("200 OK", headers, body)).await;
        assert!(detail.contains(words), "{detail}");
    }
    let detail = nonsense(&mut bench, || {
        answer("500 Oh", "Content-Encoding: br\r\n", "[-]etcd failed")
    })
    .await;
    assert!(detail.contains("br"), "{detail}");
}

#[tokio::test]
async fn a_hundred_mebibytes_are_not_read() {
    const MIB: u64 = 1024 * 1024;
    let mut bench = Bench::anonymous();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for (status, head, piece) in [
        (
            "200",
            "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n",
            vec![b'x'; 0x10000],
        ),
        (
            "500",
            "HTTP/1.1 500 Oh\r\nContent-Length: 104857600\r\n\r\n",
            vec![b'x'; 0x10000],
        ),
        (
            "200",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunk,
        ),
        ("200", "HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 0x10000]),
    ] {
        let server = Server::start(bench.authority.server(), move |_| {
            Act::Repeat(head.into(), piece.clone(), 1600, Duration::ZERO)
        })
        .await;
        match bench.probe(server.address).await.unwrap_err() {
            ProbeFailure::Nonsense { detail } => {
                assert!(
                    detail.contains(status) && detail.contains("more than 65536 bytes"),
                    "{detail}"
                );
            }
            other => panic!("{other:?}"),
        }
        server.ended(1).await;
        // What the sockets' buffers hold was sent for nothing; the rest never was.
        assert!(server.repeated() < 50 * MIB, "{}", server.repeated());
    }
}

#[tokio::test]
async fn an_endless_head_is_not_read() {
    let mut bench = Bench::anonymous();
    for piece in [
        "X-Padding: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ] {
        let detail = nonsense(&mut bench, move || {
            Act::Repeat(
                b"HTTP/1.1 200 OK\r\nX: ".to_vec(),
                piece.into(),
                u64::MAX,
                Duration::ZERO,
            )
        })
        .await;
        assert!(
            detail.contains("head is too long") || detail.contains("not answer in HTTP"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn endless_preliminary_answers_are_bounded_by_the_limit() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| {
        Act::Repeat(
            Vec::new(),
            b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
            u64::MAX,
            Duration::from_millis(1),
        )
    })
    .await;
    let start = bench.start(server.address);
    let limits = ProbeLimits {
        connect: DEADLINE,
        tls: DEADLINE,
        http: Duration::from_millis(100),
    };
    let failure = bench.run(StartProbe { limits, ..start }).await.unwrap_err();
    assert_eq!(failure, ProbeFailure::TimedOut { phase: Phase::Http });
    server.ended(1).await;
}

#[tokio::test]
async fn an_answer_without_length_ends_with_the_connection() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| {
        Act::SayAndClose(b"HTTP/1.0 200 OK\r\n\r\nok".to_vec())
    })
    .await;
    for _ in 0..2 {
        let found = bench.keep(server.address).await.unwrap();
        assert_eq!(found.answer, Answer::Ready);
        assert!(found.connect.is_some(), "it cannot be kept");
    }
}

#[tokio::test]
async fn a_second_answer_that_nobody_asked_for_is_not_taken_for_the_next() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |asked| {
        let twice = [bytes("200 OK", "", "ok"), bytes("500 Oh", "", "smuggled")].concat();
        if asked.connection == 0 {
            Act::Say(twice)
        } else {
            ok()
        }
    })
    .await;
    bench.keep(server.address).await.unwrap();
    let found = bench.keep(server.address).await.unwrap();
    assert_eq!(found.answer, Answer::Ready);
}
