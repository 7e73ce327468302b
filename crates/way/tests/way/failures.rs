//! Proxies that open no way: each is told apart, within the time that there is, and never as the server's own fault.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{LocalFault, ProxyFailure};
use jackline_way::{Opening, WayError};
use socket2::{Domain, Socket, Type};
use tokio::time::Instant;

use super::proxy::{Act, Proxy, refusal};
use super::{DEADLINE, all_through};

const SERVER: &str = "192.0.2.1:6443";

fn how(error: &WayError, at: SocketAddr) -> ProxyFailure {
    match error {
        WayError::Local(LocalFault::Proxy(fault)) => {
            assert_eq!(fault.at, Some(at));
            fault.how
        }
        other => panic!("not told as the proxy's: {other:?}"),
    }
}

async fn fails(url: &str, within: Duration) -> WayError {
    let server = SERVER.parse().unwrap();
    let outcome = all_through(url).connect(server, Opening::Ours, within).await;
    outcome.expect_err("no way is opened")
}

#[tokio::test]
async fn each_refusal_is_told_by_its_status() {
    for (status, expected) in [
        (407, ProxyFailure::Credentials),
        (403, ProxyFailure::Denied(403)),
        (405, ProxyFailure::Denied(405)),
        (302, ProxyFailure::Denied(302)),
        (500, ProxyFailure::CannotReach(500)),
        (502, ProxyFailure::CannotReach(502)),
        (503, ProxyFailure::CannotReach(503)),
        (504, ProxyFailure::CannotReach(504)),
    ] {
        let proxy = Proxy::start(refusal(status)).await;
        let url = format!("http://jo:hunter2@{}", proxy.address);
        let error = fails(&url, DEADLINE).await;
        assert_eq!(how(&error, proxy.address), expected);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn rubbish_is_told_at_once_and_an_endless_head_is_not_read_to_its_end() {
    for act in [
        Act::Say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        Act::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Act::Say(b"HTTP/1.1 OK\r\n\r\n".to_vec()),
        Act::Say(b"HTTP/1.1 200 OK\r\n: \0\r\n\r\n".to_vec()),
        Act::SayForEver(b"HTTP/1.1 200 OK\r\n\r\n"[..17].to_vec()),
        Act::SayForEver(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Act::Say([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat()),
    ] {
        let proxy = Proxy::start(act.clone()).await;
        let error = fails(&proxy.url(), DEADLINE).await;
        assert_eq!(how(&error, proxy.address), ProxyFailure::Nonsense, "{act:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_or_too_slowly_is_silent() {
    let slow = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
    for act in [Act::Nothing, Act::Drip(slow, Duration::from_secs(1))] {
        let proxy = Proxy::start(act).await;
        let began = Instant::now();
        let error = fails(&proxy.url(), Duration::from_millis(300)).await;
        assert_eq!(how(&error, proxy.address), ProxyFailure::Silent);
        assert!(began.elapsed() < DEADLINE);
    }
}

#[tokio::test]
async fn a_proxy_that_ends_the_connection_is_told_so() {
    for said in [&b""[..], b"HTTP/1.1 200"] {
        let proxy = Proxy::start(Act::SayAndEnd(said.to_vec())).await;
        let error = fails(&proxy.url(), DEADLINE).await;
        assert_eq!(how(&error, proxy.address), ProxyFailure::Ended);
    }
}

#[tokio::test]
async fn a_dead_proxy_is_told_apart_from_a_black_hole_and_from_one_without_an_address() {
    let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    taken.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let at = taken.local_addr().unwrap().as_socket().unwrap();
    let url = format!("http://{at}");
    assert_eq!(how(&fails(&url, DEADLINE).await, at), ProxyFailure::Refused);
    taken
        .attach_filter(&[socket2::SockFilter::new(0x06, 0, 0, 0)])
        .unwrap();
    taken.listen(1).unwrap();
    let error = fails(&url, Duration::from_millis(300)).await;
    assert_eq!(how(&error, at), ProxyFailure::TimedOut);
    let error = fails("http://proxy.example:3128", Duration::from_millis(100)).await;
    let WayError::Local(LocalFault::Proxy(fault)) = error else {
        panic!("{error:?}")
    };
    assert_eq!((fault.at, fault.how), (None, ProxyFailure::Unresolved));
}
