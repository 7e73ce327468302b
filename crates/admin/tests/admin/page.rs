//! The page: its files, whom it turns away, what it lets a browser do, and the stream of what changes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackline_admin::status::Status;
use jackline_admin::{
    Clock, Identity, Reading, SessionsView, SignsView, StateFileView, View, project, serve_page,
};
use jackline_core::{Health, NodeState, Service, Snapshot};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fixture;

/// Far beyond what anything here takes, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A node that can be changed while it is looked at.
struct Changing(Mutex<Reading>);

impl Changing {
    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut reading = self.0.lock().expect("not poisoned");
        let mut snapshot = Snapshot::clone(&reading.snapshot);
        change(&mut snapshot);
        snapshot.generation += 1;
        reading.snapshot = Arc::new(snapshot);
    }

    fn of<T>(&self, part: impl FnOnce(&Reading) -> T) -> T {
        part(&self.0.lock().expect("not poisoned"))
    }
}

impl View for Changing {
    fn identity(&self) -> Identity {
        self.of(|reading| reading.identity.clone())
    }
    fn snapshot(&self) -> Arc<Snapshot> {
        self.of(|reading| Arc::clone(&reading.snapshot))
    }
    fn sessions(&self) -> SessionsView {
        self.of(|reading| reading.sessions.clone())
    }
    fn state_file(&self) -> StateFileView {
        self.of(|reading| reading.state_file.clone())
    }
    fn clock(&self) -> Clock {
        self.of(|reading| reading.clock)
    }
    fn warnings(&self) -> Vec<String> {
        self.of(|reading| reading.warnings.clone())
    }
    fn signs(&self) -> SignsView {
        self.of(|reading| reading.signs.clone())
    }
    fn services(&self) -> Vec<(Service, Reading)> {
        Vec::new()
    }
}

struct Page {
    at: SocketAddr,
    node: Arc<Changing>,
    served: JoinHandle<()>,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Page {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let node = Arc::new(Changing(Mutex::new(fixture::reading())));
        let served = tokio::spawn(serve_page(
            listener,
            Arc::clone(&node) as Arc<dyn View>,
            std::future::pending(),
        ));
        Self { at, node, served }
    }

    async fn ask(&self, line: &str, host: &str, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).await.expect("it accepts");
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        stream
    }

    /// The whole answer.
    async fn answer(&self, line: &str, host: &str) -> String {
        let mut stream = self.ask(line, host, "Connection: close\r\n").await;
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer))
            .await
            .expect("in time")
            .expect("text");
        answer
    }

    /// The stream of events, for a browser that has seen the line `seen`.
    async fn events(&self, seen: u64) -> Events {
        let seen = format!("Last-Event-ID: {seen}\r\n");
        let stream = self.ask("GET /events", "127.0.0.1", &seen).await;
        Events(BufReader::new(stream).lines())
    }
}

struct Events(Lines<BufReader<TcpStream>>);

impl Events {
    /// Reads on until an event of this name comes that `wanted` is pleased with, and gives its data.
    async fn until(&mut self, name: &str, wanted: impl Fn(&str) -> bool) -> String {
        let reading = async {
            let (mut event, mut data) = (String::new(), String::new());
            loop {
                let line = self.0.next_line().await.expect("text").expect("it goes on");
                if let Some(name) = line.strip_prefix("event: ") {
                    name.clone_into(&mut event);
                } else if let Some(text) = line.strip_prefix("data: ") {
                    text.clone_into(&mut data);
                } else if line.is_empty() && event == name && wanted(&data) {
                    return data;
                }
            }
        };
        timeout(DEADLINE, reading).await.expect("it comes in time")
    }
}

#[tokio::test]
async fn the_page_and_its_files_are_there_and_shut_in() {
    let page = Page::open().await;
    for (path, kind, holds) in [
        ("/", "text/html", "<main>"),
        ("/page.js", "text/javascript", "EventSource"),
        ("/page.css", "text/css", "prefers-color-scheme"),
        ("/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let answer = page.answer(&format!("GET {path}"), "127.0.0.1:6442").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(
            answer.contains(kind) && answer.contains(holds),
            "{path}: {answer}"
        );
        let policy = "content-security-policy: default-src 'none'; script-src 'self'";
        assert!(answer.contains(policy), "{path}: {answer}");
        for header in ["nosniff", "DENY", "no-referrer", "same-origin"] {
            assert!(answer.contains(header), "{path}: {header}");
        }
    }
    let told = page.answer("GET /status", "localhost").await;
    let told = told.split_once("\r\n\r\n").expect("a body").1;
    let status: Status = serde_json::from_str(told).expect("a status");
    assert_eq!(status, project::status(&page.node.of(Clone::clone)));
}

#[tokio::test]
async fn a_page_of_another_name_and_whoever_wants_more_than_to_look_is_turned_away() {
    let page = Page::open().await;
    for path in ["/", "/events", "/status", "/readyz"] {
        let answer = page.answer(&format!("GET {path}"), "rebound.example:6442").await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{path}: {answer}");
        assert!(!answer.contains("10.0.0"), "nothing is told: {answer}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = page.answer(&format!("{method} /status"), "127.0.0.1").await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
    }
    assert!(
        page.answer("GET /act", "127.0.0.1")
            .await
            .starts_with("HTTP/1.1 404")
    );
}

#[tokio::test]
async fn a_change_is_told_as_it_happens_and_to_whoever_comes_back() {
    let page = Page::open().await;
    let mut events = page.events(0).await;
    let first = events.until("node", |_| true).await;
    let first: Status = serde_json::from_str(&first).expect("a status");
    let address = first.endpoints[0].address;
    page.node.change(|snapshot| {
        snapshot.state = NodeState::Isolated;
        snapshot.state_reason = "nobody answers".into();
        snapshot.endpoints[0].health = Health::Unreachable;
        snapshot.endpoints[0].reason = "refused".into();
    });
    let line = events.until("change", |line| line.contains("isolated")).await;
    assert!(
        line.contains("nobody answers") && line.contains("\"bad\""),
        "{line}"
    );
    let line = format!("{address} is unreachable: refused");
    events.until("change", |told| told.contains(&line)).await;
    let state = |status: &str| serde_json::from_str::<Status>(status).expect("a status").state;
    events
        .until("node", |status| state(status) == NodeState::Isolated)
        .await;
    // Seen up to the first line, which tells how the node stood: only what came after is told again.
    let mut again = page.events(1).await;
    let told = again.until("change", |_| true).await;
    assert!(told.contains("isolated: nobody answers"), "{told}");
}

#[tokio::test]
async fn probes_are_told_apart_life_is_not_readiness() {
    let page = Page::open().await;
    page.node.change(|snapshot| snapshot.state = NodeState::Degraded);
    let mut events = page.events(0).await;
    events
        .until("node", |status| status.contains("\"state\":\"degraded\""))
        .await;
    let ready = page.answer("GET /readyz", "127.0.0.1:6442").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    let alive = page.answer("GET /healthz", "127.0.0.1:6442").await;
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
}
