//! A whole jackline, as a child process of this test: it starts, answers, survives what it must, and ends as it should.

#[path = "run/jackline.rs"]
mod jackline;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

use jackline_agent::journal::replay::{replay, segments};
use jackline_agent::status::StateFileStatus;
use jackline_core::Class;
use rustix::process::Signal;

use jackline::{Jackline, PATIENCE};

#[test]
fn it_starts_answers_survives_sighup_and_ends_with_0_at_sigterm() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut jackline = Jackline::start(dir.path(), 0, "");
    jackline.says("jackline starts");
    let status = jackline.status_with(|status| !status.endpoints.is_empty());
    assert_eq!(status.node, "node-1");
    assert_eq!(status.sources[0].name, "static");
    assert_ne!(status.listen[0].port(), 0, "the true port is told");
    let file = dir.path().join("config.yaml");
    let good = fs::read(&file).expect("a configuration");
    fs::write(&file, "no-such-key: 1\n").expect("written");
    jackline.signal(Signal::HUP);
    jackline.says("goes on with all its sessions");
    fs::write(&file, good).expect("written");
    assert_eq!(
        jackline.status().pid,
        jackline.child.id(),
        "still the same process"
    );
    jackline.signal(Signal::TERM);
    let (exit, log) = jackline.end();
    assert_eq!(exit.code(), Some(0), "{log}");
    assert!(log.contains("jackline has ended"), "{log}");
    assert!(!dir.path().join("run/j.sock").exists(), "its socket goes with it");
    let state = fs::read_to_string(dir.path().join("state/state.json")).expect("a state file");
    assert!(state.contains("127.0.0.1:1"), "{state}");
    let segments = segments(&dir.path().join("state/journal")).expect("a journal");
    let mut steps = 0;
    let replayed = replay(&segments[0])
        .expect("a segment")
        .play(|_, _, _| steps += 1)
        .expect("played");
    assert!(steps > 0);
    assert_eq!(replayed.records()[0].address.to_string(), "127.0.0.1:1");
}

#[test]
fn what_was_remembered_is_found_again_after_a_kill() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = Jackline::start(dir.path(), 0, "");
    first.status_with(|status| status.state_file.status == StateFileStatus::Saved);
    drop(first);
    assert!(
        dir.path().join("run/j.sock").exists(),
        "a kill leaves the socket's file behind"
    );
    let second = Jackline::start(dir.path(), 0, "");
    let status = second.status();
    assert_eq!(
        status.state_file.status,
        StateFileStatus::Saved,
        "{:?}",
        status.state_file
    );
    assert_eq!(status.endpoints[0].address.to_string(), "127.0.0.1:1");
}

fn write_ca(path: &Path) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    fs::write(path, params.self_signed(&key).expect("a certificate").pem()).expect("written");
}

#[test]
fn another_clusters_state_file_gives_hints_that_come_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let ca = dir.path().join("ca.crt");
    write_ca(&ca);
    let more = format!(
        "cluster: {{ ca-file: {} }}\nkubernetes: {{ enabled: false }}\nservers: [\"https://127.0.0.1:2\"]\n",
        ca.display()
    );
    let mut first = Jackline::start(dir.path(), 0, &more);
    first.says("jackline starts");
    first.status_with(|status| status.endpoints.len() == 2);
    first.signal(Signal::TERM);
    assert_eq!(first.end().0.code(), Some(0));
    // The same machine in another cluster; the old registration address is not configured any more.
    write_ca(&ca);
    let mut second = Jackline::start(dir.path(), 0, &more.replace("127.0.0.1:2", "127.0.0.1:3"));
    second.says("shares no CA key with today's CA");
    let endpoints = second.status_with(|status| status.endpoints.len() == 3).endpoints;
    let hint = endpoints.last().expect("some endpoint");
    assert_eq!(
        (hint.address.to_string(), hint.class),
        ("127.0.0.1:2".to_owned(), Class::Hint),
        "{endpoints:?}"
    );
}

#[test]
fn ended_right_after_its_start_it_has_forgotten_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut first = Jackline::start(dir.path(), 0, "servers: [\"https://127.0.0.1:2\"]\n");
    first.says("jackline starts");
    first.status_with(|status| status.endpoints.len() == 2);
    first.signal(Signal::TERM);
    assert_eq!(first.end().0.code(), Some(0));
    for _ in 0..5 {
        let mut hasty = Jackline::start(dir.path(), 0, "servers: [\"https://unknown.invalid\"]\n");
        hasty.says("jackline starts");
        hasty.signal(Signal::TERM);
        assert_eq!(hasty.end().0.code(), Some(0));
        let state = fs::read_to_string(dir.path().join("state/state.json")).expect("a state file");
        assert!(
            state.contains("127.0.0.1:1") && state.contains("127.0.0.1:2"),
            "{state}"
        );
    }
}

#[test]
fn sigint_twice_ends_it_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    // A client that never goes away would hold the end up for an hour.
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = upstream.local_addr().expect("an address");
    let more = format!("servers: [\"https://{endpoint}\"]\ntiming: {{ shutdown-time: 1h }}\n");
    let mut jackline = Jackline::start(dir.path(), 0, &more);
    jackline.says("jackline starts");
    let listen = jackline.status().listen[0];
    let accepting = std::thread::spawn(move || upstream.incoming().flatten().take(50).collect::<Vec<_>>());
    let client = std::net::TcpStream::connect(listen).expect("accepted");
    jackline.status_with(|status| status.sessions.open > 0);
    jackline.signal(Signal::INT);
    jackline.says("SIGINT: no new sessions");
    jackline.signal(Signal::INT);
    let begun = Instant::now();
    let (exit, log) = jackline.end();
    assert_eq!(exit.code(), Some(130), "{log}");
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    drop((client, accepting));
}

#[test]
fn a_taken_port_and_a_second_one_are_refused_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a folder");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address").port();
    let (exit, log) = Jackline::start(dir.path(), taken, "").end();
    assert_eq!(exit.code(), Some(1), "{log}");
    assert!(
        log.contains("refused: ") && log.contains(&format!("127.0.0.1:{taken} is taken")),
        "{log}"
    );
    let mut first = Jackline::start(dir.path(), 0, "");
    first.says("jackline starts");
    first.status();
    let (exit, log) = Jackline::start(dir.path(), 0, "").end();
    assert_eq!(exit.code(), Some(1));
    assert!(log.contains("refused: jackline is already running"), "{log}");
    assert_eq!(
        first.status().pid,
        first.child.id(),
        "the first one is none the worse"
    );
}

#[test]
fn a_folder_that_cannot_be_written_and_a_broken_file_do_not_keep_it_from_starting() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("state")).expect("a folder");
    fs::write(dir.path().join("state/state.json"), b"{torn").expect("written");
    let jackline = Jackline::start(dir.path(), 0, "");
    let note = jackline.status().state_file.note.expect("told");
    assert!(note.contains("damaged") && note.contains("set aside"), "{note}");
    drop(jackline);
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("state"), b"a file in the folder's place").expect("written");
    let jackline = Jackline::start(dir.path(), 0, "");
    jackline.status_with(|status| status.state_file.status == StateFileStatus::MemoryOnly);
}
