//! What goes wrong with one service is that service's own matter.

use std::fs;
use std::net::TcpListener;

use jackline_agent::status::{NodeState, StateFileStatus};
use rustix::process::Signal;

use crate::jackline::Jackline;
use crate::service;

/// The section of an etcd service that knows one member, which is nobody.
fn etcd(listen: &str, more: &str) -> String {
    format!(
        "services: {{ etcd: {{ listen: [\"{listen}\"], endpoints: [\"https://127.0.0.1:2\"]{more} }} }}\n"
    )
}

#[test]
fn a_taken_port_keeps_nobody_else_from_starting_and_is_had_once_it_is_free() {
    let dir = tempfile::tempdir().expect("a folder");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address");
    let mut jackline = Jackline::start(dir.path(), 0, &etcd(&taken.to_string(), ""));
    let line = jackline.says("the service does not start");
    assert!(
        line.contains("is taken by another process") && line.contains("services.etcd.listen"),
        "{line}"
    );
    let status = jackline.status_with(|status| !status.endpoints.is_empty());
    assert_eq!(status.listen.len(), 1, "the API's clients are accepted");
    assert!(
        status
            .warnings
            .iter()
            .all(|warning| !warning.contains("is taken"))
    );
    let waiting = service(&status);
    assert_eq!(waiting.listen, []);
    assert_eq!(waiting.state, NodeState::Isolated);
    assert!(
        waiting.warnings[0].contains("is taken by another process"),
        "{:?}",
        waiting.warnings
    );
    drop(other);
    let status = jackline.status_with(|status| !service(status).listen.is_empty());
    assert_eq!(service(&status).listen, [taken]);
    let known = jackline.status_with(|status| !service(status).endpoints.is_empty());
    assert_eq!(service(&known).endpoints[0].address.to_string(), "127.0.0.1:2");
    jackline.signal(Signal::TERM);
    let (exit, log) = jackline.end();
    assert_eq!(exit.code(), Some(0), "{log}");
    let state = fs::read_to_string(dir.path().join("state/services/etcd/state.json")).expect("a state file");
    assert!(state.contains("127.0.0.1:2"), "{state}");
    let api = fs::read_to_string(dir.path().join("state/state.json")).expect("a state file");
    assert!(
        !api.contains("127.0.0.1:2\""),
        "each service remembers its own: {api}"
    );
    assert!(dir.path().join("state/services/etcd/journal").is_dir());
}

#[test]
fn a_broken_ca_and_a_folder_that_cannot_be_written_are_told_and_harm_nobody_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let ca = dir.path().join("broken.crt");
    fs::write(&ca, "no certificate").expect("written");
    fs::create_dir_all(dir.path().join("state")).expect("a folder");
    fs::write(dir.path().join("state/services"), "in the folder's place").expect("written");
    let more = etcd("127.0.0.1:0", &format!(", ca-file: {}", ca.display()));
    let jackline = Jackline::start(dir.path(), 0, &more);
    let status = jackline.status_with(|status| {
        status.state_file.status == StateFileStatus::Saved
            && service(status).state_file.status == StateFileStatus::MemoryOnly
    });
    let etcd = service(&status);
    assert_eq!(etcd.listen.len(), 1, "its clients are accepted all the same");
    let warnings = etcd.warnings.join("\n");
    assert!(
        warnings.contains("broken.crt") && warnings.contains("NOT VERIFIED"),
        "{warnings}"
    );
    assert!(!status.warnings.join("\n").contains("broken.crt"));
}

#[test]
fn a_process_that_ends_while_a_service_waits_for_its_port_ends_cleanly() {
    let dir = tempfile::tempdir().expect("a folder");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address");
    let mut jackline = Jackline::start(dir.path(), 0, &etcd(&taken.to_string(), ""));
    jackline.says("the service does not start");
    jackline.signal(Signal::TERM);
    let (exit, log) = jackline.end();
    assert_eq!(exit.code(), Some(0), "{log}");
    assert!(log.contains("jackline has ended"), "{log}");
}
