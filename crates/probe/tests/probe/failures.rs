//! Every way to get no answer that counts.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use jackline_core::{LocalFault, Phase, ProbeFailure, ProbeLimits, StartProbe, Untrusted};
use rcgen::ExtendedKeyUsagePurpose;
use rustix::process::{Resource, Rlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, DEADLINE};
use crate::certificates::{Authority, Leaf};
use crate::server::{Act, Server, bytes, ok};

fn refused(failure: ProbeFailure) -> String {
    match failure {
        ProbeFailure::Refused { detail } => detail,
        other => panic!("{other:?}"),
    }
}

fn short(phase: Phase) -> ProbeLimits {
    let mut limits = ProbeLimits {
        connect: DEADLINE,
        tls: DEADLINE,
        http: DEADLINE,
    };
    let limit = Duration::from_millis(100);
    match phase {
        Phase::Connect => limits.connect = limit,
        Phase::Tls => limits.tls = limit,
        Phase::Http => limits.http = limit,
    }
    limits
}

async fn timed_out(bench: &mut Bench, endpoint: SocketAddr, phase: Phase) {
    let start = bench.start(endpoint);
    let failure = bench
        .run(StartProbe {
            limits: short(phase),
            ..start
        })
        .await
        .unwrap_err();
    assert_eq!(failure, ProbeFailure::TimedOut { phase });
}

/// A listener that does with each connection what is asked, without TLS.
async fn plain<F, R>(act: F) -> SocketAddr
where
    F: Fn(tokio::net::TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            act(tcp).await;
        }
    });
    address
}

#[tokio::test]
async fn nothing_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let detail = refused(Bench::anonymous().probe(address).await.unwrap_err());
    assert!(detail.contains("nothing listens"), "{detail}");
}

#[tokio::test]
async fn the_connect_is_swallowed() {
    // Whoever finds the queue of a listener full hears nothing.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = TcpStream::connect(address).unwrap();
    timed_out(&mut Bench::anonymous(), address, Phase::Connect).await;
}

#[tokio::test]
async fn a_frozen_process_whose_kernel_accepts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    timed_out(
        &mut Bench::anonymous(),
        listener.local_addr().unwrap(),
        Phase::Tls,
    )
    .await;
    // The same where no CA is known.
    timed_out(
        &mut Bench::with(|_, _, _| ()),
        listener.local_addr().unwrap(),
        Phase::Tls,
    )
    .await;
}

#[tokio::test]
async fn a_server_that_freezes_before_or_within_its_answer() {
    let mut bench = Bench::anonymous();
    for said in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
    ] {
        let server = Server::start(bench.authority.server(), |_| Act::SayAndFreeze(said.into())).await;
        timed_out(&mut bench, server.address, Phase::Http).await;
        server.ended(1).await;
    }
}

#[tokio::test]
async fn it_resets_or_closes_during_the_handshake() {
    let mut bench = Bench::anonymous();
    let resetting = plain(async |mut tcp| {
        let _ = tcp.read_u8().await;
        tcp.set_zero_linger().unwrap();
    });
    let detail = refused(bench.probe(resetting.await).await.unwrap_err());
    assert!(detail.contains("reset the connection"), "{detail}");
    let closing = plain(async |mut tcp| {
        let mut hello = [0; 4096];
        let _ = tcp.read(&mut hello).await;
        let _ = tcp.shutdown().await;
        while tcp.read(&mut hello).await.is_ok_and(|count| count > 0) {}
    });
    let detail = refused(bench.probe(closing.await).await.unwrap_err());
    assert!(
        detail.contains("closed the connection during the TLS handshake"),
        "{detail}"
    );
}

#[tokio::test]
async fn it_closes_or_resets_instead_of_an_answer_or_within_it() {
    let mut bench = Bench::anonymous();
    for (act, expected) in [
        (
            Act::SayAndClose as fn(Vec<u8>) -> Act,
            ["without an answer", "without an answer", "in the middle"],
        ),
        (Act::SayAndReset, ["", "", ""]),
    ] {
        for (said, words) in [
            "",
            "HTTP/1.1 200 OK\r\nConte",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
        ]
        .into_iter()
        .zip(expected)
        {
            let server = Server::start(bench.authority.server(), move |_| act(said.into())).await;
            let detail = refused(bench.probe(server.address).await.unwrap_err());
            assert!(detail.contains(words), "{said:?}: {detail}");
        }
    }
}

#[tokio::test]
async fn certificates_that_do_not_verify() {
    let mut bench = Bench::anonymous();
    let theirs = Authority::new();
    let ours = &bench.authority;
    let cases = [
        (theirs.server(), Untrusted::UnknownIssuer, "another cluster"),
        (
            ours.server_as(&Leaf {
                name: "etcd",
                ..Leaf::default()
            }),
            Untrusted::WrongName,
            "not for kubernetes",
        ),
        (
            ours.server_as(&Leaf {
                years: (2001, 2002),
                ..Leaf::default()
            }),
            Untrusted::Expired,
            "2002-01-01T00:00:00Z, our clock says 20",
        ),
        (
            ours.server_as(&Leaf {
                years: (2900, 2901),
                ..Leaf::default()
            }),
            Untrusted::NotYetValid,
            "2900-01-01T00:00:00Z, our clock says 20",
        ),
        (
            ours.server_as(&Leaf {
                purpose: ExtendedKeyUsagePurpose::ClientAuth,
                ..Leaf::default()
            }),
            Untrusted::Other,
            "cannot be verified",
        ),
    ];
    for (config, expected, words) in cases {
        let server = Server::start(config, |_| ok()).await;
        match bench.probe(server.address).await.unwrap_err() {
            ProbeFailure::Untrusted { cause, detail } => {
                assert_eq!(cause, expected, "{detail}");
                assert!(detail.contains(words), "{detail}");
            }
            other => panic!("{other:?}"),
        }
        server.ended(1).await;
        assert_eq!(server.asked().len(), 0);
    }
}

#[tokio::test]
async fn one_slow_server_delays_nobody() {
    let mut bench = Bench::anonymous();
    let frozen = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = Server::start(bench.authority.server(), |_| ok()).await;
    for _ in 0..50 {
        let start = bench.start(frozen.local_addr().unwrap());
        bench.prober.start(start);
    }
    assert!(bench.probe(good.address).await.is_ok());
    bench.prober.stop();
    for _ in 0..50 {
        assert!(matches!(
            bench.event().await,
            jackline_core::Event::ProbeFailed {
                failure: ProbeFailure::Aborted,
                ..
            }
        ));
    }
    bench.no_more_events().await;
}

#[tokio::test]
async fn an_answer_in_drips_is_bounded_by_the_limit_of_the_phase() {
    let mut bench = Bench::anonymous();
    let server = Server::start(bench.authority.server(), |_| {
        Act::Repeat(
            bytes("200 OK", "X: ", ""),
            b"x".to_vec(),
            u64::MAX,
            Duration::from_millis(5),
        )
    })
    .await;
    timed_out(&mut bench, server.address, Phase::Http).await;
}

/// Tells the test's own child process what it is.
const CHILD: &str = "JACKLINE_PROBE_TEST_CHILD";

#[test]
fn no_descriptor_left_is_our_own_fault() {
    if std::env::var_os(CHILD).is_none() {
        // In a process of its own: other tests need theirs.
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([
            "--exact",
            "failures::no_descriptor_left_is_our_own_fault",
            "--nocapture",
        ]);
        let output = child.env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut bench = Bench::anonymous();
        let server = Server::start(bench.authority.server(), |_| ok()).await;
        assert!(bench.probe(server.address).await.is_ok());
        server.ended(1).await;
        let limit = Rlimit {
            current: Some(64),
            maximum: Some(64),
        };
        setrlimit(Resource::Nofile, limit).unwrap();
        let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok())
            .take(100)
            .collect();
        assert!(taken.len() < 64);
        let failure = bench.probe(server.address).await.unwrap_err();
        assert_eq!(
            failure,
            ProbeFailure::Local {
                fault: LocalFault::Descriptors
            }
        );
        drop(taken);
        assert!(bench.probe(server.address).await.is_ok());
    });
}
