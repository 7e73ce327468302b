//! The node's own limits harm nobody but those that come above them, and only for as long as they last.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jackline_core::{DialFailure, Event, LocalFault};
use jackline_proxy::ProxyConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::support::{Chance, Rig, Upstream, config, echo, ends_by_fin, soon};

/// Set in the child.
const CHILD: &str = "JACKLINE_TEST_IN_A_CHILD";
/// The child's last words.
const DONE: &str = "all of it was played";

#[tokio::test]
async fn clients_above_the_limit_are_reset_and_the_others_stay() {
    let upstream = Upstream::echo().await;
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            sessions_max: Some(2),
            ..config()
        },
        &[upstream.address],
    );
    let mut one = rig.echoed_client().await;
    let mut two = rig.echoed_client().await;
    // The reset may come as soon as the connect.
    if let Ok(mut three) = soon(TcpStream::connect(rig.address)).await {
        assert!(!ends_by_fin(&mut three).await);
    }
    let sessions = rig.plane.sessions();
    assert_eq!(
        (sessions.open, sessions.refused_total, sessions.over_limit_total),
        (2, 1, 1)
    );
    echo(&mut one, b"x").await;
    drop(one);
    rig.events.wait(1, crate::support::is_closed).await;
    soon(async {
        // The seat is given back right after the close is told.
        loop {
            let Ok(mut four) = TcpStream::connect(rig.address).await else {
                continue;
            };
            if four.write_all(b"x").await.is_ok() && four.read_u8().await.is_ok() {
                break;
            }
        }
    })
    .await;
    echo(&mut two, b"x").await;
}

#[tokio::test]
async fn an_endpoint_that_is_full_is_passed_by() {
    let (first, second) = (Upstream::echo().await, Upstream::echo().await);
    let config = ProxyConfig {
        allow_loopback: true,
        endpoint_sessions_max: Some(2),
        ..config()
    };
    let rig = Rig::with(config, &[first.address, second.address]);
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(rig.echoed_client().await);
    }
    let sessions = rig.plane.sessions();
    assert_eq!(
        sessions.by_endpoint,
        [(first.address, 2), (second.address, 2)].into()
    );
    assert_eq!(
        sessions.endpoint_full_total, 2,
        "one for each that went on to the second"
    );
    if let Ok(mut fifth) = soon(TcpStream::connect(rig.address)).await {
        assert!(!ends_by_fin(&mut fifth).await, "nobody has room");
    }
    drop(clients.remove(0));
    rig.events.wait(1, crate::support::is_closed).await;
    let mut sixth = rig.echoed_client().await;
    assert_eq!(rig.plane.sessions().by_endpoint[&first.address], 2);
    echo(&mut sixth, b"x").await;
}

#[tokio::test]
async fn the_limit_on_descriptors_is_raised() {
    drop(jackline_proxy::bind(&config()).unwrap());
    let limit = getrlimit(Resource::Nofile);
    assert_eq!(limit.current, limit.maximum);
}

/// In a process of its own, for the limit is the whole process's.
#[test]
fn without_descriptors_clients_wait_and_are_served_when_there_are_some() {
    in_a_child(
        "limits::without_descriptors_clients_wait_and_are_served_when_there_are_some",
        without_descriptors,
    );
}

/// In a process of its own, for the limit is the whole process's.
#[test]
fn without_pipes_bulk_goes_on_and_it_is_said_once() {
    in_a_child(
        "limits::without_pipes_bulk_goes_on_and_it_is_said_once",
        without_pipes,
    );
}

/// Runs this test in a process of its own, in which it is called again.
fn in_a_child(name: &str, play: impl AsyncFn()) {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(play());
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(said.contains(DONE), "{said}");
}

#[expect(
    clippy::print_stdout,
    reason = "the parent looks for it: a child that ran nothing must not pass"
)]
fn say_done() {
    println!("{DONE}");
}

async fn without_descriptors() {
    const CLIENTS: usize = 20;
    let upstream = Upstream::echo().await;
    let hold = Duration::from_secs(600);
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            hold,
            ..config()
        },
        &[upstream.address],
    );
    let sockets: Vec<TcpSocket> = (0..CLIENTS).map(|_| TcpSocket::new_v4().unwrap()).collect();

    // Room for ten more: three sessions, each of two descriptors here and one more of the upstream's, which lives here too.
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(u64::try_from(next).unwrap() + 10),
            maximum,
        },
    )
    .unwrap();

    let mut clients = Vec::new();
    for socket in sockets {
        let mut client = soon(socket.connect(rig.address)).await.unwrap();
        client.write_all(b"x").await.unwrap();
        clients.push(client);
    }
    let fault = Event::LocalFaultSeen {
        fault: LocalFault::Descriptors,
    };
    rig.events.wait(2, |event| *event == fault).await;
    assert!(rig.plane.sessions().open < u64::try_from(CLIENTS).unwrap());

    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    for client in &mut clients {
        assert_eq!(
            soon(client.read_u8()).await.unwrap(),
            b'x',
            "no client had to come anew"
        );
    }
    let slander = |event: &Event| matches!(event, Event::DialFailed { failure, .. } if *failure != DialFailure::Local(LocalFault::Descriptors));
    assert_eq!(
        rig.events.count(slander),
        0,
        "no endpoint is blamed: {:#?}",
        rig.events.all()
    );
    say_done();
}

/// Counts what is told at WARN.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn exchange(client: &mut TcpStream, seed: u64) {
    let sent = Chance(seed).bytes(2_000_000);
    let (mut from, mut to) = client.split();
    let mut received = vec![0; sent.len()];
    let (written, read) = tokio::join!(to.write_all(&sent), soon(from.read_exact(&mut received)));
    written.unwrap();
    read.unwrap();
    assert!(received == sent);
}

/// Ends of pipes that this process has.
fn pipes() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

async fn without_pipes() {
    let warnings = Warnings::default();
    tracing::subscriber::set_global_default(warnings.clone()).unwrap();
    let upstream = Upstream::echo().await;
    // Of one thread: each tells it once.
    let config = ProxyConfig {
        allow_loopback: true,
        threads: 1,
        ..config()
    };
    let rig = Rig::with(config, &[upstream.address]);
    let mut clients = [rig.echoed_client().await, rig.echoed_client().await];
    let before = pipes();
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        maximum,
    };
    setrlimit(Resource::Nofile, none).unwrap();
    for (seed, client) in (1..).zip(&mut clients) {
        exchange(client, seed).await;
        exchange(client, seed + 10).await;
    }
    assert_eq!(warnings.0.load(Ordering::SeqCst), 1);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    assert_eq!(pipes(), before);
    exchange(&mut clients[0], 20).await;
    assert!(
        pipes() > before,
        "it is spliced as soon as pipes can be had again"
    );
    say_done();
}
