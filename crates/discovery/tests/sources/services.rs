//! Services as registration addresses: what SRV records name, at their own ports, and what is kept of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use hickory_proto::rr::RecordType;
use jackline_core::Mode;

use crate::dns::{NameServer, Told};
use crate::registration::{ips, stand};
use crate::stand::listed;

#[tokio::test]
async fn every_srv_record_is_an_endpoint_at_its_own_port_whatever_its_priority() {
    let dns = NameServer::start(|name, kind| match (name, kind) {
        ("_kubernetes._tcp.example.", RecordType::SRV) => Told::Servers(
            vec![
                (10, 6443, "a.example."),
                (20, 7443, "b.example."),
                (10, 9443, "a.example."),
                (0, 6443, "."),
                (0, 0, "c.example."),
            ],
            3600,
        ),
        ("a.example.", _) => Told::Addresses(ips(&["10.0.0.1", "fd00::1"])),
        ("b.example.", _) => Told::Addresses(ips(&["10.0.0.2", "10.0.0.3"])),
        _ => Told::NoSuchName,
    })
    .await;
    let mut stand = stand(
        &["srv://_kubernetes._tcp.example", "https://a.example:443"],
        &[&dns],
    );
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        listed(&report),
        [
            "10.0.0.1:443",
            "10.0.0.1:6443",
            "10.0.0.1:9443",
            "10.0.0.2:7443",
            "10.0.0.3:7443",
            "fd00::1:443",
            "fd00::1:6443",
            "fd00::1:9443"
        ]
    );
    assert_eq!(
        (report.mode, report.verified, report.note.as_str()),
        (Mode::Poll, false, "")
    );
}

#[tokio::test]
async fn a_service_that_fails_or_answers_emptily_keeps_its_servers_and_their_names_are_still_resolved() {
    let state = Arc::new(AtomicU8::new(0));
    let now = Arc::clone(&state);
    let dns = NameServer::start(move |name, _| match (name, now.load(Ordering::SeqCst)) {
        ("_kubernetes._tcp.example.", 0) => Told::Servers(vec![(0, 6443, "a.example.")], 30),
        ("_kubernetes._tcp.example.", 1) => Told::Failure,
        ("_kubernetes._tcp.example.", 2) => Told::NoSuchName,
        ("_kubernetes._tcp.example.", 3) => Told::Servers(vec![(0, 6443, ".")], 30),
        ("_kubernetes._tcp.example.", _) => Told::Servers(vec![(0, 6443, "b.example.")], 30),
        ("a.example.", n) => Told::Addresses(vec![IpAddr::from([10, 0, 0, n])]),
        ("b.example.", _) => Told::Addresses(ips(&["10.0.1.1"])),
        _ => Told::NoSuchName,
    })
    .await;
    let mut stand = stand(&["srv://_kubernetes._tcp.example"], &[&dns]);
    for (turn, listing, words) in [
        (0, "10.0.0.0:6443", ""),
        (1, "10.0.0.1:6443", "could not be had"),
        (2, "10.0.0.2:6443", "has no SRV record"),
        (3, "10.0.0.3:6443", "has no SRV record"),
        (4, "10.0.1.1:6443", ""),
    ] {
        state.store(turn, Ordering::SeqCst);
        stand.order(u64::from(turn) + 1, &[]);
        let (_, _, report) = stand.report().await;
        assert_eq!(listed(&report), [listing], "state {turn}");
        assert!(report.note.contains(words), "{}", report.note);
        assert_eq!(report.note.is_empty(), words.is_empty(), "{}", report.note);
    }
}

#[tokio::test]
async fn a_service_without_servers_is_a_failure_that_says_so() {
    let dns = NameServer::start(|_, _| Told::NoSuchName).await;
    let mut stand = stand(&["srv://_kubernetes._tcp.example"], &[&dns]);
    let failure = stand.refused(1, &[]).await;
    assert!(
        failure
            .reason
            .starts_with("_kubernetes._tcp.example has no SRV record; is the name right"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn a_service_gives_64_endpoints_at_most_and_it_is_said() {
    let dns = NameServer::start(|_, kind| match kind {
        RecordType::SRV => Told::Servers(
            vec![(0, 1, "a.example."), (1, 2, "b.example."), (2, 3, "c.example.")],
            30,
        ),
        RecordType::A => Told::Addresses((0..25).map(|n| IpAddr::from([10, 0, 0, n + 1])).collect()),
        _ => Told::NoSuchName,
    })
    .await;
    let mut stand = stand(&["srv://_kubernetes._tcp.example"], &[&dns]);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    let at = |port| report.endpoints.iter().filter(|e| e.port == Some(port)).count();
    assert_eq!((at(1), at(2), at(3)), (25, 25, 14));
    assert_eq!(
        report.note,
        "srv://_kubernetes._tcp.example leads to more than 64 endpoints, the first 64 are used"
    );
}
