//! Ways that open.

use std::net::{IpAddr, Ipv4Addr};

use jackline_way::Opening;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::proxy::{Act, Proxy};
use super::{DEADLINE, all_through};

/// A server that says its word to everybody and sends back what it gets.
async fn server() -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (address, serving)
}

#[tokio::test]
async fn bytes_go_through_a_proxy_to_the_server_and_back() {
    let (server, _serving) = server().await;
    let proxy = Proxy::start(Act::Open).await;
    let ways = all_through(&proxy.url().replace("//", "//jo:p%40ss@"));
    let mut stream = ways.connect(server, Opening::Ours, DEADLINE).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    assert_eq!(proxy.asked_for(server), 1);
    assert!(proxy.asked()[0].contains("\r\nProxy-Authorization: Basic am86cEBzcw==\r\n"));
}

#[tokio::test]
async fn what_follows_the_head_at_once_is_the_servers_and_not_a_byte_is_lost() {
    let (server, _serving) = server().await;
    let proxy = Proxy::start(Act::OpenSaying(b"\r\n\r\nHTTP/1.1 first words")).await;
    let ways = all_through(&proxy.url());
    let mut stream = ways.connect(server, Opening::Ours, DEADLINE).await.unwrap();
    let mut first = [0; 24];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"\r\n\r\nHTTP/1.1 first words");
    // A head that comes in pieces, with interim answers before it, and its end on the edge of a piece.
    for filling in 900..1100 {
        let filler = "x".repeat(filling);
        let head = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: {filler}\r\n\r\nword");
        let proxy = Proxy::start(Act::Say(head.into_bytes())).await;
        let ways = all_through(&proxy.url());
        let mut stream = ways.connect(server, Opening::Ours, DEADLINE).await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"word", "{filling}");
    }
}

#[tokio::test]
async fn a_proxy_with_a_name_is_found_when_it_is_resolved_and_by_whichever_address_answers() {
    let (server, _serving) = server().await;
    // Of the two addresses of one port, one takes nothing: its backlog is full for ever.
    let proxy = Proxy::start(Act::Open).await;
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let silent_at = std::net::SocketAddr::from(([127, 0, 0, 2], proxy.address.port()));
    silent.bind(&silent_at.into()).unwrap();
    silent
        .attach_filter(&[socket2::SockFilter::new(0x06, 0, 0, 0)])
        .unwrap();
    silent.listen(1).unwrap();
    let ways = all_through(&format!("http://proxy.example:{}", proxy.address.port()));
    assert!(ways.proxy_names().contains("proxy.example"));
    let told = async {
        tokio::task::yield_now().await;
        ways.proxy_leads_to(
            "proxy.example",
            &[IpAddr::from([127, 0, 0, 2]), Ipv4Addr::LOCALHOST.into()],
        );
        // Nothing is taken away by an answer that knows nothing.
        ways.proxy_leads_to("proxy.example", &[]);
    };
    let (connected, ()) = tokio::join!(ways.connect(server, Opening::Ours, DEADLINE), told);
    connected.unwrap();
    assert_eq!(proxy.asked_for(server), 1);
    ways.connect(server, Opening::Ours, DEADLINE).await.unwrap();
    assert_eq!(proxy.asked_for(server), 2);
}
