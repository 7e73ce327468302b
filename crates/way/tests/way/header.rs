//! The PROXY protocol's header on real connections, read by a receiver that takes nothing but what the specification says.

use std::net::SocketAddr;

use jackline_way::{Opening, WayConfig, Ways};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::DEADLINE;
use super::proxy::{Act, Proxy};
use super::receiver::{Header, receive};

async fn accepted(listener: &TcpListener) -> (Header, TcpStream) {
    let (mut stream, _) = tokio::time::timeout(DEADLINE, listener.accept())
        .await
        .unwrap()
        .unwrap();
    let header = receive(&mut stream)
        .await
        .expect("a header as the specification has it");
    (header, stream)
}

fn headed(target: &str, routes: &[String]) -> Ways {
    Ways::new(WayConfig {
        routes: routes.iter().map(|route| route.parse().unwrap()).collect(),
        proxy_protocol: vec![target.parse().unwrap()],
        ..WayConfig::default()
    })
}

#[tokio::test]
async fn each_connection_begins_with_a_header_in_either_family_and_through_a_proxy_too() {
    let proxy = Proxy::start(Act::Open).await;
    let through = vec![format!("127.0.0.2={}", proxy.url())];
    for (bind, client, listener) in [
        ("127.0.0.1:0", "127.0.0.1:40000", "127.0.0.1:6440"),
        ("127.0.0.2:0", "127.0.0.1:40000", "127.0.0.1:6440"),
        ("[::1]:0", "[fd00::7]:40000", "[::1]:6440"),
    ] {
        let server = TcpListener::bind(bind).await.unwrap();
        let address = server.local_addr().unwrap();
        let ways = headed("*", &through);
        let (client, listener): (SocketAddr, SocketAddr) =
            (client.parse().unwrap(), listener.parse().unwrap());
        let relayed = Opening::Relayed { client, listener };
        for (opening, expected) in [
            (Opening::Ours, Header::Local),
            (relayed, Header::Relayed { client, listener }),
        ] {
            let mut stream = ways.connect(address, opening, DEADLINE).await.unwrap();
            stream.write_all(b"bytes of the client").await.unwrap();
            stream.shutdown().await.unwrap();
            let (header, mut received) = accepted(&server).await;
            assert_eq!(header, expected);
            let mut rest = Vec::new();
            received.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"bytes of the client");
        }
    }
    assert_eq!(proxy.asked().len(), 2);
}

#[tokio::test]
async fn servers_that_are_not_named_get_no_header() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    for ways in [Ways::default(), headed("127.0.0.9", &[]), headed("*:1", &[])] {
        let stream = ways.connect(address, Opening::Ours, DEADLINE).await.unwrap();
        drop(stream);
        let (mut received, _) = server.accept().await.unwrap();
        let mut all = Vec::new();
        received.read_to_end(&mut all).await.unwrap();
        assert!(all.is_empty());
    }
}
