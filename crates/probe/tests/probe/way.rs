//! Probes go the way that sessions go: through a CONNECT proxy, whose failures are its own, and with a PROXY protocol header.

use std::time::Duration;

use jackline_core::{Answer, LocalFault, ProbeFailure, ProbeLimits, ProxyFailure, ProxyFault, StartProbe};
use jackline_way::WayConfig;
use tokio::net::{TcpListener, TcpStream};

use self::proxy::{Act, Proxy, refusal};
use self::receiver::{Header, receive};
use crate::bench::{Bench, DEADLINE};
use crate::server::{Server, ok};

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../../../way/tests/way/proxy.rs"]
mod proxy;
#[path = "../../../way/tests/way/receiver.rs"]
mod receiver;

fn bench(way: WayConfig) -> Bench {
    Bench::reaching(way, |config, authority, folder| {
        let file = folder.join("ca.crt");
        std::fs::write(&file, authority.pem()).unwrap();
        config.ca_file = Some(file);
    })
}

fn through(proxy: &Proxy) -> WayConfig {
    WayConfig {
        routes: vec![format!("*={}", proxy.url()).parse().unwrap()],
        ..WayConfig::default()
    }
}

#[tokio::test]
async fn a_server_behind_a_proxy_is_verified_to_the_same_depth() {
    let proxy = Proxy::start(Act::Open).await;
    let mut bench = bench(through(&proxy));
    let server = Server::start(bench.authority.server(), |_| ok()).await;
    let start = bench.start(server.address);
    let finding = bench.run(start).await.unwrap();
    assert_eq!(finding.answer, Answer::Ready);
    assert_eq!(proxy.asked_for(server.address), 1);
}

#[tokio::test]
async fn what_a_proxy_does_is_never_told_as_the_servers_doing() {
    let slow = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
    for (act, how) in [
        (refusal(407), ProxyFailure::Credentials),
        (refusal(403), ProxyFailure::Denied(403)),
        (refusal(502), ProxyFailure::CannotReach(502)),
        (refusal(504), ProxyFailure::CannotReach(504)),
        (
            Act::Say(b"\x15\x03\x01\0\x02\x02\x28".to_vec()),
            ProxyFailure::Nonsense,
        ),
        (Act::SayForEver(vec![b'x'; 4096]), ProxyFailure::Nonsense),
        (Act::SayAndEnd(Vec::new()), ProxyFailure::Ended),
        (Act::Nothing, ProxyFailure::Silent),
        (Act::Drip(slow, Duration::from_secs(1)), ProxyFailure::Silent),
    ] {
        let proxy = Proxy::start(act.clone()).await;
        let mut bench = bench(through(&proxy));
        let server = Server::start(bench.authority.server(), |_| ok()).await;
        let start = bench.start(server.address);
        let connect = match how {
            ProxyFailure::Silent => Duration::from_millis(300),
            _ => DEADLINE,
        };
        let limits = ProbeLimits {
            connect,
            ..start.limits
        };
        let failure = bench.run(StartProbe { limits, ..start }).await.unwrap_err();
        let at = Some(proxy.address);
        let fault = LocalFault::Proxy(ProxyFault { at, how });
        assert_eq!(failure, ProbeFailure::Local { fault }, "{act:?}");
        assert_eq!(server.connections(), 0);
    }
}

#[tokio::test]
async fn a_probe_is_no_clients_connection_to_a_receiver_of_the_proxy_protocol() {
    let way = WayConfig {
        proxy_protocol: vec!["127.0.0.1".parse().unwrap()],
        ..WayConfig::default()
    };
    let mut bench = bench(way);
    let server = Server::start(bench.authority.server(), |_| ok()).await;
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    let receiving = tokio::spawn(async move {
        let (mut stream, _) = front.accept().await.unwrap();
        let header = receive(&mut stream).await;
        let mut behind = TcpStream::connect(server.address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        header
    });
    let start = bench.start(address);
    assert_eq!(bench.run(start).await.unwrap().answer, Answer::Ready);
    drop(bench);
    let header = tokio::time::timeout(DEADLINE, receiving).await.unwrap().unwrap();
    assert_eq!(header, Ok(Header::Local));
}
