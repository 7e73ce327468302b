//! SIGTERM and SIGINT: what was begun is finished, for a bounded time; twice means at once.
//!
//! A download under way is one that the client has read the beginning of and has stopped reading: jackline has bytes in
//! hand all the time. No test depends on how fast anything is.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use jackline_agent::status::NodeState;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::apiserver::{Cluster, DOWNLOAD, LENGTH, Server};
use crate::caller::Caller;
use crate::node::Node;
use crate::program::{until, within};

/// So much is read before the signal.
const BEGINNING: usize = 256 << 10;

/// A request whose answer has begun.
struct Download {
    body: Incoming,
    read: usize,
    /// Kept until the download is over: dropped, it closes the connection.
    _caller: Caller,
}

impl Download {
    async fn begin(cluster: &Cluster, listener: SocketAddr) -> Self {
        let mut caller = Caller::connect(cluster, listener).await.expect("a connection");
        let body = within("an answer", caller.ask("/download"))
            .await
            .expect("an answer")
            .into_body();
        let mut download = Self {
            body,
            read: 0,
            _caller: caller,
        };
        while download.read < BEGINNING {
            assert!(
                download.read_on().await.expect("no byte is lost"),
                "more is to come"
            );
        }
        download
    }

    /// Reads what comes next and checks it; `false` at the end.
    async fn read_on(&mut self) -> hyper::Result<bool> {
        let Some(frame) = within("the download goes on", self.body.frame()).await else {
            return Ok(false);
        };
        if let Ok(data) = frame?.into_data() {
            assert!(
                DOWNLOAD[self.read..].starts_with(&data),
                "wrong bytes after {}",
                self.read
            );
            self.read += data.len();
        }
        Ok(true)
    }
}

/// A node with one server and this much time to shut down; and where clients connect.
async fn attached(cluster: &Cluster, server: &Server, shutdown_time: &str) -> (Node, SocketAddr) {
    cluster.tell(&[server.address]);
    let lines = format!(
        "servers: [\"{}\"]\ntiming: {{ shutdown-time: {shutdown_time} }}\n",
        server.url()
    );
    let node = Node::start(cluster, &lines);
    let status = node.attached().await;
    assert_eq!(status.state, NodeState::Attached);
    (node, status.listen[0])
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
    const CALLERS: usize = 4;
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let (mut node, listener) = attached(&cluster, &server, "1h").await;
    let mut downloads = Vec::new();
    for _ in 0..CALLERS {
        downloads.push(Download::begin(&cluster, listener).await);
    }
    node.signal(Signal::TERM);
    closed(listener).await;
    assert!(node.runs(), "it waits for its sessions");
    for mut download in downloads {
        while download.read_on().await.expect("no byte is lost") {}
        assert_eq!(download.read, LENGTH);
    }
    assert_eq!(node.ended().await.code(), Some(0), "{}", node.log());
    assert!(!node.path("s").exists(), "the admin socket is taken away");
}

#[tokio::test]
async fn sigterm_ends_sessions_that_do_not_end_by_themselves_and_exits_0() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let (mut node, listener) = attached(&cluster, &server, "100ms").await;
    let mut download = Download::begin(&cluster, listener).await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0), "{}", node.log());
    let cut = loop {
        match download.read_on().await {
            Ok(true) => {}
            Ok(false) => panic!("what is cut off must not look finished"),
            Err(error) => break error,
        }
    };
    assert!(download.read < LENGTH, "{cut}");
}

#[tokio::test]
async fn sigint_twice_exits_at_once() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let (mut node, listener) = attached(&cluster, &server, "1h").await;
    let download = Download::begin(&cluster, listener).await;
    node.signal(Signal::INT);
    closed(listener).await;
    assert!(node.runs(), "once means: finish what was begun");
    node.signal(Signal::INT);
    assert_eq!(node.ended().await.code(), Some(130), "{}", node.log());
    drop(download);
}
