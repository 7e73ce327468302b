//! SIGTERM and SIGINT: what was begun is finished, for a bounded time; twice means at once.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::apiserver::{Cluster, HALF, byte};
use crate::caller::Caller;
use crate::node::Node;
use crate::program::{until, within};

/// Reads `body` up to `position`, and checks every byte.
async fn read_up_to(body: &mut Incoming, from: usize, position: usize) {
    let mut at = from;
    while at < position {
        let frame = body
            .frame()
            .await
            .expect("more to come")
            .expect("no byte is lost");
        let Ok(data) = frame.into_data() else { continue };
        for got in &data {
            assert_eq!(*got, byte(at), "at {at}");
            at += 1;
        }
    }
    assert_eq!(at, position);
}

/// Waits until nobody accepts at `listener`.
async fn closed(listener: SocketAddr) {
    until("the listener is closed", || async move {
        TcpStream::connect(listener).await.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn sigterm_under_load_loses_no_byte_of_a_request_that_finishes_and_exits_0() {
    const CALLERS: usize = 8;
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let lines = format!(
        "servers: [\"{}\"]\ntiming: {{ shutdown-time: 10m }}\n",
        server.url()
    );
    let mut node = Node::start(&cluster, &lines);
    let listener = node.attached().await.listen[0];

    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut caller = Caller::connect(&cluster, listener).await.expect("a connection");
        let mut body = caller.ask("/download").await.expect("an answer").into_body();
        within("the first half", read_up_to(&mut body, 0, HALF)).await;
        callers.push((caller, body));
    }

    node.signal(Signal::TERM);
    closed(listener).await;
    assert!(node.runs(), "it waits for its sessions");
    server.release();
    for (caller, mut body) in callers {
        within("the second half", read_up_to(&mut body, HALF, 2 * HALF)).await;
        assert!(within("the end", body.frame()).await.is_none());
        drop(caller);
    }
    assert_eq!(node.ended().await.code(), Some(0), "{}", node.log());
    assert!(!node.path("s").exists(), "the admin socket is taken away");
}

#[tokio::test]
async fn sigterm_ends_sessions_that_do_not_end_by_themselves_and_exits_0() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let lines = format!(
        "servers: [\"{}\"]\ntiming: {{ shutdown-time: 100ms }}\n",
        server.url()
    );
    let mut node = Node::start(&cluster, &lines);
    let listener = node.attached().await.listen[0];
    let mut caller = Caller::connect(&cluster, listener).await.expect("a connection");
    let mut body = caller.ask("/download").await.expect("an answer").into_body();
    within("the first half", read_up_to(&mut body, 0, HALF)).await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0), "{}", node.log());
    let rest = within("the client is told", body.frame()).await;
    assert!(
        rest.is_some_and(|frame| frame.is_err()),
        "what is cut off does not look finished"
    );
}

#[tokio::test]
async fn sigint_twice_exits_at_once() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let lines = format!(
        "servers: [\"{}\"]\ntiming: {{ shutdown-time: 1h }}\n",
        server.url()
    );
    let mut node = Node::start(&cluster, &lines);
    let listener = node.attached().await.listen[0];
    let mut caller = Caller::connect(&cluster, listener).await.expect("a connection");
    let mut body = caller.ask("/download").await.expect("an answer").into_body();
    within("the first half", read_up_to(&mut body, 0, HALF)).await;
    node.signal(Signal::INT);
    closed(listener).await;
    assert!(node.runs(), "once means: finish what was begun");
    node.signal(Signal::INT);
    node.ended().await;
}
