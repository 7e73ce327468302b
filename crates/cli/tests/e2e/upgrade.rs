//! Sessions outlive the process: upgrades and reloads under clients of every kind, and everything that can go wrong with the new
//! process. Each client has one connection for the whole test, checks every byte, and notes its longest pause.
#![allow(
    clippy::print_stdout,
    reason = "the pauses are what a person wants to see of it"
)]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use jackline_agent::status::Status;
use tokio::task::JoinHandle;

use crate::apiserver::{Cluster, DOWNLOAD, Server};
use crate::caller::Caller;
use crate::node::Node;
use crate::program::{Ended, run, within};

/// How often the process is replaced.
const UPGRADES: usize = 10;
/// The target is 100 ms, on a machine that does nothing else; tests run beside builds, where a process may not get a processor
/// for longer than that.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a client has done by its end.
#[derive(Debug)]
struct Done {
    what: &'static str,
    times: u64,
    pause: Duration,
}

/// Clients that go on until they are told to stop.
struct Clients {
    stop: Arc<AtomicBool>,
    running: Vec<JoinHandle<Done>>,
}

impl Clients {
    async fn start(cluster: &Cluster, listener: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Vec::new();
        for _ in 0..2 {
            running.push(tokio::spawn(bulk(
                caller(cluster, listener).await,
                Arc::clone(&stop),
            )));
            running.push(tokio::spawn(asking(
                caller(cluster, listener).await,
                Arc::clone(&stop),
            )));
            running.push(tokio::spawn(watching(
                caller(cluster, listener).await,
                Arc::clone(&stop),
            )));
        }
        Self { stop, running }
    }

    /// Ends them; each has done its work without a fault.
    async fn end(self) -> Vec<Done> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for client in self.running {
            all.push(
                within("a client ends", client)
                    .await
                    .expect("no byte and no session is lost"),
            );
        }
        for done in &all {
            assert!(done.times > 0, "{done:?} did nothing");
            assert!(done.pause < PAUSE_MAX, "{done:?}");
        }
        all
    }
}

async fn caller(cluster: &Cluster, listener: SocketAddr) -> Caller {
    within("connected", Caller::connect(cluster, listener))
        .await
        .expect("a connection")
}

/// Downloads again and again over one connection.
async fn bulk(mut caller: Caller, stop: Arc<AtomicBool>) -> Done {
    let (mut times, mut pause) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let mut answer = within("an answer", caller.ask("/download"))
            .await
            .expect("an answer");
        let (mut read, mut last) = (0, Instant::now());
        while let Some(frame) = within("more", answer.frame()).await {
            pause = pause.max(last.elapsed());
            last = Instant::now();
            let bytes = frame.expect("no session is lost").into_data().expect("data");
            assert!(DOWNLOAD[read..].starts_with(&bytes), "other bytes at {read}");
            read += bytes.len();
        }
        assert_eq!(read, DOWNLOAD.len());
        times += 1;
    }
    Done {
        what: "bulk",
        times,
        pause,
    }
}

/// Asks again and again over one connection.
async fn asking(mut caller: Caller, stop: Arc<AtomicBool>) -> Done {
    let (mut times, mut pause) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let answer = within("an answer", caller.read("/readyz"))
            .await
            .expect("an answer");
        assert_eq!(answer, "ok");
        pause = pause.max(begun.elapsed());
        times += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Done {
        what: "keep-alive",
        times,
        pause,
    }
}

/// Watches numbers that are counted on.
async fn watching(mut caller: Caller, stop: Arc<AtomicBool>) -> Done {
    let mut answer = within("an answer", caller.ask("/ticks"))
        .await
        .expect("an answer");
    let (mut text, mut times, mut pause) = (String::new(), 0u64, Duration::ZERO);
    let mut last = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        let frame = within("a tick", answer.frame()).await.expect("no end");
        pause = pause.max(last.elapsed());
        last = Instant::now();
        let bytes = frame.expect("no session is lost").into_data().expect("data");
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
        while let Some((line, rest)) = text.split_once('\n') {
            assert_eq!(line, times.to_string(), "none is missing, none comes twice");
            times += 1;
            text = rest.to_owned();
        }
    }
    Done {
        what: "watch",
        times,
        pause,
    }
}

async fn order(node: &Node, words: &[&str]) -> Ended {
    let socket = node.path("s").display().to_string();
    let words: Vec<&str> = words.iter().copied().chain(["--socket", &socket]).collect();
    run(words).await
}

async fn started(cluster: &Cluster, server: &Server) -> (Node, Status) {
    cluster.tell(&[server.address]);
    let lines = format!(
        "servers: [\"{}\"]\ntiming: {{ shutdown-time: 100ms }}\n",
        server.url()
    );
    let node = Node::heritable(cluster, &lines);
    let status = node.attached().await;
    (node, status)
}

/// A program in the node's folder, which is this script.
fn program(node: &Node, name: &str, script: &str) -> PathBuf {
    let path = node.path(name);
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_upgrades_in_a_row_lose_no_session_and_no_byte() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let (mut node, first) = started(&cluster, &server).await;
    let clients = Clients::start(&cluster, first.listen[0]).await;
    let mut before = first.pid;
    for round in 0..UPGRADES {
        let how: &[&str] = if round % 2 == 0 { &["upgrade"] } else { &["reload"] };
        let ended = order(&node, how).await;
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, node.log());
        let status = node
            .status_when("the new one answers", |status| status.pid != before)
            .await;
        assert_eq!(status.listen, first.listen, "the same listener");
        assert!(status.sessions.open >= 6, "{:?}", status.sessions);
        before = status.pid;
        // Who comes now is served by it.
        let mut fresh = caller(&cluster, first.listen[0]).await;
        assert_eq!(
            within("served", fresh.read("/readyz")).await.expect("an answer"),
            "ok"
        );
    }
    for done in clients.end().await {
        println!(
            "{:10} {:6} times, longest pause {:?}",
            done.what, done.times, done.pause
        );
    }
    let log = node.log();
    assert_eq!(log.matches("sessions taken over").count(), UPGRADES, "{log}");
    for line in log.lines().filter(|line| line.contains("which rested for")) {
        println!("{line}");
    }
    assert_eq!(
        node.ended().await.code(),
        Some(0),
        "the first one has left: {log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_that_does_not_take_over_leaves_everything_as_it_was() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let (mut node, first) = started(&cluster, &server).await;
    let clients = Clients::start(&cluster, first.listen[0]).await;
    let jackline = env!("CARGO_BIN_EXE_jackline");
    // Whoever says the words of the hand-over badly: written by hand to descriptor 0, a message for each write.
    let other_version = "#!/bin/sh\nprintf '{\"refused\":{\"words\":\"it speaks version 1 of the hand-over, this program 2\"}}' >&0\nexit 1\n";
    let babble = "#!/bin/sh\nprintf 'GET / HTTP/1.1' >&0\nexec sleep 600\n";
    let forged = "#!/bin/sh\nprintf '\"ready\"' >&0\nprintf '\"started\"' >&0\nexec sleep 600\n";
    // It says what it must until it has had a session, and is gone then; or says that it has others than it was told of.
    let half_way = "#!/bin/sh\nprintf '\"ready\"' >&0\nprintf '\"started\"' >&0\nsleep 0.5\nkill -9 $$\n";
    let wrong_count = "#!/bin/sh\nprintf '\"ready\"' >&0\nprintf '\"started\"' >&0\nprintf '{\"holds\":{\"sessions\":0}}' >&0\nexec sleep 600\n";
    for (name, script, words) in [
        ("fails", "#!/bin/sh\nexit 1\n", "the other process is gone"),
        ("no-program", "no program at all", "cannot be started"),
        ("hangs", "#!/bin/sh\nexec sleep 600\n", "nothing was said"),
        ("other-version", other_version, "speaks version"),
        ("babbles", babble, "no message of this version"),
        // Whether the socket is full of what it does not hear is the kernel's matter.
        (
            "hangs-with-all",
            forged,
            "nothing was said|does not listen|in time",
        ),
        ("crashes-half-way", half_way, "the other process is gone"),
        ("counts-wrong", wrong_count, "was due|does not listen"),
    ] {
        let path = program(&node, name, script);
        let ended = order(&node, &["upgrade", "--program", &path.to_string_lossy()]).await;
        assert_eq!(
            ended.code,
            Some(1),
            "{name}: {}{}\n{}",
            ended.out,
            ended.err,
            node.log()
        );
        let told = words.split('|').any(|words| ended.err.contains(words));
        assert!(told, "{name}: {}", ended.err);
        assert!(node.runs());
        let mut fresh = caller(&cluster, first.listen[0]).await;
        assert_eq!(
            within("served", fresh.read("/readyz")).await.expect("an answer"),
            "ok",
            "{name}"
        );
        let status = node.attached().await;
        assert_eq!(status.pid, first.pid, "{name}");
    }
    // And after all that one that is good takes over.
    let ended = order(&node, &["upgrade", "--program", jackline]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, node.log());
    for done in clients.end().await {
        println!(
            "{:10} {:6} times, longest pause {:?}",
            done.what, done.times, done.pause
        );
    }
    assert_eq!(node.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_changes_nothing_and_a_good_one_moves_listeners_while_sessions_stay() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let (node, first) = started(&cluster, &server).await;
    let clients = Clients::start(&cluster, first.listen[0]).await;
    let file = node.path("config.yaml");
    let good = std::fs::read_to_string(&file).expect("there");
    std::fs::write(&file, format!("{good}no-such-key: 1\n")).expect("written");
    let ended = order(&node, &["reload"]).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("no-such-key"), "it says why: {}", ended.err);
    // The same by a signal.
    node.signal(rustix::process::Signal::HUP);
    crate::program::until("SIGHUP is heard, and refused", || async {
        (node.log().matches("goes on with all its sessions").count() >= 2).then_some(())
    })
    .await;
    assert_eq!(node.attached().await.pid, first.pid);

    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let further = free.local_addr().expect("an address");
    drop(free);
    let moved = good.replace("127.0.0.1:0", &further.to_string());
    assert_ne!(moved, good);
    std::fs::write(&file, moved).expect("written");
    let ended = order(&node, &["reload"]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.err, node.log());
    let status = node
        .status_when("the new one answers", |status| status.pid != first.pid)
        .await;
    assert_eq!(status.listen, [further], "listeners come and go");
    assert!(status.sessions.open >= 6, "sessions stay: {:?}", status.sessions);
    let mut fresh = caller(&cluster, further).await;
    assert_eq!(
        within("served", fresh.read("/readyz")).await.expect("an answer"),
        "ok"
    );
    crate::program::until("the old listener is closed", || async {
        std::net::TcpStream::connect(first.listen[0]).err()
    })
    .await;
    clients.end().await;
}
