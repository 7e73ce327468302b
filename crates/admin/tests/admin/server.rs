//! The socket: what it answers, what it refuses, and that it ends only when told to.

use std::sync::Arc;
use std::time::Duration;

use jackline_admin::operate::Done;
use jackline_admin::status::Status;
use jackline_admin::{project, serve, serve_metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fixture::{self, Fixed, Recorder};

/// Far beyond what anything here takes, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The socket has sixteen places.
const MORE_THAN_ITS_PLACES: usize = 17;

struct Socket {
    folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Socket {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("s")).expect("a socket");
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(
            listener,
            Arc::new(Fixed(fixture::reading())),
            Arc::new(Recorder),
            async {
                let _ = stopped.await;
            },
        ));
        Self { folder, stop, served }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("s"))
            .await
            .expect("the socket accepts")
    }

    /// Sends `request` as it is and reads until the server closes.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may refuse before all is written.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer))
            .await
            .expect("the server closes in time");
        String::from_utf8(answer).expect("the answer is text")
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(
            format!("GET {path} HTTP/1.1\r\nHost: jackline\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("head and body").1
}

#[tokio::test]
async fn status_is_the_projection_as_json() {
    let answer = Socket::open().get("/status").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(
        body(&answer).starts_with("{\n  \"version\": "),
        "a field a line, in the order of the schema: {answer}"
    );
    let status: Status = serde_json::from_str(body(&answer)).expect("a status");
    assert_eq!(status, project::status(&fixture::reading()));
}

#[tokio::test]
async fn metrics_and_health_are_text() {
    let socket = Socket::open();
    let metrics = socket.get("/metrics").await;
    assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert!(body(&metrics).contains("jackline_node_state{state=\"attached\"} 1.0\n"));
    assert_eq!(body(&socket.get("/healthz").await), "ok\n");
}

#[tokio::test]
async fn what_is_not_there_is_told_in_a_sentence() {
    let socket = Socket::open();
    let answer = socket.get("/state").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert_eq!(
        body(&answer),
        "there is no such path; there are /status, /sessions, /metrics and /healthz to GET, and /drain, /undrain, /refresh and /reset-state to POST\n"
    );
    let answer = socket
        .exchange(b"DELETE /status HTTP/1.1\r\nHost: j\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(
        body(&answer).starts_with("this path answers another method"),
        "{answer}"
    );
}

#[tokio::test]
async fn orders_are_posted_and_a_get_orders_nothing() {
    let socket = Socket::open();
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: j\r\nConnection: close\r\n\r\n");
    let path = "/drain?endpoint=10.0.0.2:6443&seconds=60";
    let answer = socket.exchange(post(path).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let done: Done = serde_json::from_str(body(&answer)).expect("what was done");
    assert!(
        done.done.contains("10.0.0.2:6443") && done.done.contains("60s"),
        "{done:?}"
    );
    assert!(
        socket.get(path).await.starts_with("HTTP/1.1 405 "),
        "a GET orders nothing"
    );
    let answer = socket
        .exchange(post("/drain?endpoint=10.0.0.2&seconds=60").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = socket
        .exchange(post("/undrain?endpoint=10.9.9.9:1").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let answer = socket.exchange(post("/reset-state").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    assert!(socket.get("/sessions").await.contains("\"sessions\":[]"));
}

#[tokio::test]
async fn on_tcp_there_are_metrics_and_nothing_else() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let view = Arc::new(Fixed(fixture::reading()));
    let serving = tokio::spawn(serve_metrics(listener, view, std::future::pending()));
    let get = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: j\r\nConnection: close\r\nAccept: text/plain\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asked");
        let mut answer = String::new();
        let read = timeout(DEADLINE, stream.read_to_string(&mut answer)).await;
        read.expect("in time").expect("text");
        answer
    };
    let metrics = get("/metrics").await;
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\njackline_sessions_opened_total 12\n"),
        "{metrics}"
    );
    for path in ["/status", "/sessions", "/drain"] {
        assert!(get(path).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_body_is_refused_unread() {
    let socket = Socket::open();
    let claims_a_hundred_mebibytes =
        b"GET /status HTTP/1.1\r\nHost: j\r\nConnection: close\r\nContent-Length: 104857600\r\n\r\nx";
    let answer = socket.exchange(claims_a_hundred_mebibytes).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let chunked =
        b"GET /status HTTP/1.1\r\nHost: j\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(socket.exchange(chunked).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn long_heads_and_rubbish_are_refused_and_the_next_one_is_answered() {
    let socket = Socket::open();
    let long = format!("GET /{} HTTP/1.1\r\nHost: j\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /status HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000));
    for rubbish in [
        long.as_bytes(),
        many.as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"\0\0\r\n\r\n",
    ] {
        let answer = socket.exchange(rubbish).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(body(&socket.get("/healthz").await), "ok\n");
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_out() {
    let socket = Socket::open();
    let mut silent = Vec::new();
    for _ in 0..MORE_THAN_ITS_PLACES {
        silent.push(socket.connect().await);
    }
    // They hold every place; each is thrown out when its time for a head is over.
    assert_eq!(body(&socket.get("/healthz").await), "ok\n");
}

#[tokio::test]
async fn shutdown_ends_it_and_closes_the_socket() {
    let socket = Socket::open();
    let idle = socket.connect().await;
    assert_eq!(body(&socket.get("/healthz").await), "ok\n");
    socket.stop.send(()).expect("it is being served");
    timeout(DEADLINE, socket.served)
        .await
        .expect("it ends in time")
        .expect("without a panic");
    assert!(UnixStream::connect(socket.folder.path().join("s")).await.is_err());
    drop(idle);
}
