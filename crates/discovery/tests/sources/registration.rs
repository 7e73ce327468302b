//! The registration address: names are resolved at every refresh, and one bad name hides nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use jackline_core::{Event, Mode};
use jackline_discovery::{RegistrationConfig, SourceConfig, SystemFiles};

use crate::dns::{NameServer, Told};
use crate::stand::{Pki, Stand, listed, order};

pub(crate) fn stand(servers: &[&str], dns: &[&NameServer]) -> Stand {
    // Whatever this machine's own files say is no part of the test.
    let nowhere = SystemFiles {
        hosts: "/nonexistent/hosts".into(),
        resolv_conf: "/nonexistent/resolv.conf".into(),
    };
    let dns: Vec<SocketAddr> = dns.iter().map(|server| server.address).collect();
    Stand::new(
        SourceConfig::Registration(config(servers, &dns, nowhere)),
        Pki::new().anonymous(),
    )
}

/// With files that say something of names; they live as long as the folder that comes along.
fn stand_with(servers: &[&str], dns: &NameServer, hosts: &str, resolv_conf: &str) -> (Stand, Pki) {
    let folder = Pki::new();
    let files = SystemFiles {
        hosts: folder.file("hosts", hosts),
        resolv_conf: folder.file("resolv.conf", resolv_conf),
    };
    let source = SourceConfig::Registration(config(servers, &[dns.address], files));
    (Stand::new(source, folder.anonymous()), folder)
}

pub(crate) fn config(servers: &[&str], dns: &[SocketAddr], system: SystemFiles) -> RegistrationConfig {
    RegistrationConfig {
        servers: servers.iter().map(|server| server.parse().unwrap()).collect(),
        dns_servers: dns.to_vec(),
        system,
    }
}

pub(crate) fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Asks with little time, for what ends only at the deadline.
async fn ask_briefly(stand: &mut Stand, seconds: u64) -> Event {
    let mut brief = order(1, &[]);
    brief.timeout = Duration::from_secs(seconds);
    stand.discovery.refresh(brief);
    stand.next().await
}

#[tokio::test]
async fn address_literals_are_fixed_and_ask_nobody() {
    let mut stand = stand(&["https://10.0.0.1:6443", "https://[fd00::1]:9345"], &[]);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (listed(&report), report.mode),
        (
            vec!["10.0.0.1:6443".to_owned(), "fd00::1:9345".to_owned()],
            Mode::Fixed
        )
    );
}

#[tokio::test]
async fn every_address_of_a_name_is_an_endpoint_in_both_families() {
    let dns = NameServer::start(|_, _| Told::Addresses(ips(&["10.0.0.2", "10.0.0.1", "fd00::1"]))).await;
    let mut stand = stand(&["https://cluster.example:6443"], &[&dns]);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        listed(&report),
        ["10.0.0.1:6443", "10.0.0.2:6443", "fd00::1:6443"]
    );
    assert_eq!(
        (report.mode, report.verified, report.note.as_str()),
        (Mode::Poll, false, "")
    );
}

#[tokio::test]
async fn a_name_is_resolved_at_every_refresh_whatever_its_ttl() {
    let turn = Arc::new(AtomicU8::new(1));
    let now = Arc::clone(&turn);
    let dns = NameServer::start(move |_, _| {
        Told::Addresses(vec![IpAddr::from([10, 0, 0, now.load(Ordering::SeqCst)])])
    })
    .await;
    let mut stand = stand(&["https://cluster.example:6443"], &[&dns]);
    for last in 1..=3 {
        turn.store(last, Ordering::SeqCst);
        stand.order(last.into(), &[]);
        assert_eq!(listed(&stand.report().await.2), [format!("10.0.0.{last}:6443")]);
    }
}

#[tokio::test]
async fn a_bad_name_hides_neither_the_others_nor_what_it_told_before() {
    let broken = Arc::new(AtomicU8::new(0));
    let state = Arc::clone(&broken);
    let dns = NameServer::start(move |name, _| match (name, state.load(Ordering::SeqCst)) {
        ("bad.example.", 1) => Told::Failure,
        ("bad.example.", 2) => Told::NoSuchName,
        ("bad.example.", 3) => Told::Addresses(Vec::new()),
        ("bad.example.", _) => Told::Addresses(ips(&["10.0.0.66"])),
        _ => Told::Addresses(ips(&["10.0.0.1"])),
    })
    .await;
    let mut stand = stand(
        &["https://good.example:6443", "https://bad.example:6443"],
        &[&dns],
    );
    for (state, words) in [
        (0, ""),
        (1, "could not be resolved"),
        (2, "has no address"),
        (3, "has no address"),
    ] {
        broken.store(state, Ordering::SeqCst);
        stand.order(u64::from(state) + 1, &[]);
        let (_, _, report) = stand.report().await;
        assert_eq!(
            listed(&report),
            ["10.0.0.1:6443", "10.0.0.66:6443"],
            "state {state}"
        );
        assert!(report.note.contains(words), "{}", report.note);
        assert_eq!(report.note.is_empty(), state == 0, "{}", report.note);
    }
}

#[tokio::test]
async fn a_literal_is_told_although_no_name_can_be_resolved() {
    let dns = NameServer::start(|_, _| Told::NoSuchName).await;
    let mut stand = stand(&["https://10.0.0.1:6443", "https://bad.example:6443"], &[&dns]);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.1:6443"]);
    assert!(
        report.note.contains("bad.example has no address"),
        "{}",
        report.note
    );
}

#[tokio::test]
async fn when_all_names_fail_the_refresh_fails() {
    let dns = NameServer::start(|name, _| {
        if name == "a.example." {
            Told::NoSuchName
        } else {
            Told::Failure
        }
    })
    .await;
    let mut stand = stand(&["https://a.example:6443", "https://b.example:6443"], &[&dns]);
    let failure = stand.refused(1, &[]).await;
    assert!(
        failure
            .reason
            .contains("a.example has no address; b.example could not be resolved"),
        "{}",
        failure.reason
    );
    assert!(
        failure.reason.contains("do the name servers answer?"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn silence_and_rubbish_from_a_name_server_end_at_the_deadline() {
    for answer in [|| Told::Silence, || Told::Rubbish] {
        let dns = NameServer::start(move |_, _| answer()).await;
        let mut stand = stand(&["https://a.example:6443"], &[&dns]);
        let Event::SourceFailed { failure, .. } = ask_briefly(&mut stand, 1).await else {
            panic!("it answered")
        };
        assert!(
            failure.reason.contains("a.example could not be resolved"),
            "{}",
            failure.reason
        );
        assert!(!dns.asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_dead_name_server_is_no_obstacle_beside_a_good_one() {
    let dead = NameServer::start(|_, _| Told::Silence).await;
    let good = NameServer::start(|_, _| Told::Addresses(ips(&["10.0.0.1"]))).await;
    let mut stand = stand(&["https://a.example:6443"], &[&dead, &good]);
    stand.order(1, &[]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443"]);
}

#[tokio::test]
async fn a_family_that_is_not_answered_does_not_hide_the_other() {
    let dns = NameServer::start(|_, kind| match kind {
        RecordType::A => Told::Addresses(ips(&["10.0.0.1"])),
        _ => Told::Silence,
    })
    .await;
    let mut stand = stand(&["https://a.example:6443"], &[&dns]);
    let Event::SourceReported { report, .. } = ask_briefly(&mut stand, 3).await else {
        panic!("it failed")
    };
    assert_eq!(listed(&report), ["10.0.0.1:6443"]);
    assert!(
        report.note.contains("AAAA records of a.example could not be had"),
        "{}",
        report.note
    );
}

#[tokio::test]
async fn odd_addresses_of_a_name_are_left_out() {
    let dns =
        NameServer::start(|_, _| Told::Addresses(ips(&["0.0.0.0", "224.0.0.1", "10.0.0.1", "::"]))).await;
    let mut stand = stand(&["https://a.example:6443"], &[&dns]);
    stand.order(1, &[]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443"]);
}

#[tokio::test]
async fn a_report_holds_for_as_long_as_the_shortest_of_its_answers() {
    let dns = NameServer::start(|name, kind| match (name, kind) {
        ("_kubernetes._tcp.example.", RecordType::SRV) => Told::Servers(vec![(0, 6443, "a.example.")], 90),
        ("a.example.", RecordType::A) => Told::Holding(ips(&["10.0.0.1"]), 20),
        ("a.example.", _) => Told::Holding(ips(&["fd00::1"]), 10),
        ("b.example.", RecordType::A) => Told::Holding(ips(&["10.0.0.2"]), 300),
        ("bad.example.", _) => Told::Failure,
        _ => Told::NoSuchName,
    })
    .await;
    let service = "srv://_kubernetes._tcp.example";
    for (servers, holds) in [
        (&[service][..], Some(10)),
        (&["https://b.example:6443"], Some(300)),
        (&[service, "https://b.example:6443"], Some(10)),
        // A name that fails is looked at again sooner than the one that holds for long.
        (&["https://b.example:6443", "https://bad.example:6443"], Some(60)),
        (&["https://10.0.0.9:6443"], None),
        (&["https://in-hosts:6443"], None),
    ] {
        let (mut stand, _folder) = stand_with(servers, &dns, "10.0.0.7 in-hosts\n", "");
        stand.order(1, &[]);
        let (_, _, report) = stand.report().await;
        assert_eq!(report.valid_for, holds.map(Duration::from_secs), "{servers:?}");
    }
}

#[tokio::test]
async fn the_hosts_file_goes_first_also_for_the_servers_of_a_service_and_is_read_again_each_time() {
    let dns = NameServer::start(|_, kind| match kind {
        RecordType::SRV => Told::Servers(vec![(0, 6443, "a.example.")], 30),
        _ => Told::Addresses(ips(&["10.9.9.9"])),
    })
    .await;
    let (mut stand, folder) = stand_with(
        &["srv://_kubernetes._tcp.example", "https://b:443"],
        &dns,
        "10.0.0.1 a.example\n10.0.0.2 B.example b # two names\n",
        "",
    );
    stand.order(1, &[]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443", "10.0.0.2:443"]);
    folder.file("hosts", "10.0.0.3 a.example b\n");
    stand.order(2, &[]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.3:443", "10.0.0.3:6443"]);
}

#[tokio::test]
async fn search_domains_complete_short_names_of_hosts_and_of_services() {
    let dns = NameServer::start(|name, kind| match (name, kind) {
        ("_kubernetes._tcp.lab.example.", RecordType::SRV) => {
            Told::Servers(vec![(0, 6443, "a.lab.example.")], 30)
        }
        ("a.lab.example.", _) => Told::Addresses(ips(&["10.0.0.1"])),
        ("api.second.example.", _) => Told::Addresses(ips(&["10.0.0.2"])),
        _ => Told::NoSuchName,
    })
    .await;
    let (mut stand, _folder) = stand_with(
        &["srv://_kubernetes._tcp", "https://api:443", "https://api.:444"],
        &dns,
        "",
        "nameserver 192.0.2.1\nsearch lab.example second.example\noptions ndots:2\n",
    );
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2:443"]);
    assert_eq!(
        report.note, "api. has no address",
        "a complete name is not completed"
    );
}
