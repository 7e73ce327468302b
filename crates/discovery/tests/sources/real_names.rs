//! Registration by the names of a real name server whose answers change under way.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_borrowed::not_run;
use jackline_core::Event;
use jackline_discovery::{SourceConfig, SystemFiles};

use crate::dnsmasq::{BRING, Dnsmasq};
use crate::registration::config;
use crate::stand::{Pki, Stand, listed, order};

/// All its answers hold for this long.
const TTL: Option<Duration> = Some(Duration::from_secs(7));

/// `None`, and told, where there is no such server.
async fn dnsmasq(test: &str) -> Option<Dnsmasq> {
    match Dnsmasq::find().await {
        Ok(dnsmasq) => Some(dnsmasq),
        Err(why) => {
            not_run(test, &why, BRING);
            None
        }
    }
}

fn stand(servers: &[&str], dns: SocketAddr, resolv_conf: &str) -> (Stand, Pki) {
    let folder = Pki::new();
    let files = SystemFiles {
        hosts: folder.file("hosts", ""),
        resolv_conf: folder.file("resolv.conf", resolv_conf),
    };
    let source = SourceConfig::Registration(config(servers, &[dns], files));
    (Stand::new(source, folder.anonymous()), folder)
}

/// Asks while nobody answers, which lasts until the deadline.
fn order_briefly(stand: &Stand, refresh: u64) {
    let mut brief = order(refresh, &[]);
    brief.timeout = Duration::from_secs(2);
    stand.discovery.refresh(brief);
}

/// The configuration of a server that knows this domain alone, and a service with these SRV records.
fn service(records: &[&str]) -> String {
    records.iter().fold(
        "domain-needed\nlocal=/example/\n".to_owned(),
        |mut text, record| {
            writeln!(text, "srv-host=_kubernetes._tcp.lab.example,{record}").unwrap();
            text
        },
    )
}

#[tokio::test]
async fn addresses_that_come_and_go_at_a_real_name_server_are_told_with_their_ttl() {
    let Some(dnsmasq) = dnsmasq("addresses of a real name server").await else {
        return;
    };
    let mut running = dnsmasq
        .start(&service(&[]), "10.0.0.1 cp.lab.example\nfd00::1 cp.lab.example\n")
        .await;
    let (mut stand, _folder) = stand(&["https://cp:6443"], running.address, "search lab.example\n");
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.1:6443", "fd00::1:6443"]);
    assert_eq!((report.valid_for, report.note.as_str()), (TTL, ""));

    running
        .tell("10.0.0.2 cp.lab.example\n10.0.0.3 cp.lab.example\n")
        .await;
    stand.order(2, &[]);
    assert_eq!(
        listed(&stand.report().await.2),
        ["10.0.0.2:6443", "10.0.0.3:6443"]
    );

    // The name is gone altogether, and then the server.
    running.tell("10.0.0.9 other.lab.example\n").await;
    let failure = stand.refused(3, &[]).await;
    assert!(failure.reason.contains("cp has no address"), "{}", failure.reason);
    running.stop().await;
    order_briefly(&stand, 4);
    let Event::SourceFailed { failure, .. } = stand.next().await else {
        panic!("it answered")
    };
    assert!(
        failure.reason.contains("cp could not be resolved"),
        "{}",
        failure.reason
    );

    dnsmasq.start_again(&mut running, &service(&[])).await;
    running.tell("10.0.0.4 cp.lab.example\n").await;
    stand.order(5, &[]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.4:6443"]);
}

#[tokio::test]
async fn a_services_servers_come_and_go_at_a_real_name_server() {
    let Some(dnsmasq) = dnsmasq("SRV records of a real name server").await else {
        return;
    };
    let hosts = "10.0.0.1 a.lab.example\nfd00::1 a.lab.example\n10.0.0.2 b.lab.example\n";
    let both = service(&["a.lab.example,6443,10,5", "b.lab.example,7443,20,0"]);
    let mut running = dnsmasq.start(&both, hosts).await;
    let servers = ["srv://_kubernetes._tcp", "https://10.9.9.9:6443"];
    let (mut stand, _folder) = stand(&servers, running.address, "search lab.example\n");
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    let all = ["10.0.0.1:6443", "10.0.0.2:7443", "10.9.9.9:6443", "fd00::1:6443"];
    assert_eq!(listed(&report), all, "both priorities");
    assert_eq!((report.valid_for, report.note.as_str()), (TTL, ""));

    // A server of the service moves to another address.
    running
        .tell("10.0.0.1 a.lab.example\nfd00::1 a.lab.example\n10.0.0.22 b.lab.example\n")
        .await;
    stand.order(2, &[]);
    let moved = ["10.0.0.1:6443", "10.0.0.22:7443", "10.9.9.9:6443", "fd00::1:6443"];
    assert_eq!(listed(&stand.report().await.2), moved);

    // Nobody answers: nothing is forgotten.
    running.stop().await;
    order_briefly(&stand, 3);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), moved);
    assert!(
        report
            .note
            .contains("SRV records of _kubernetes._tcp could not be had"),
        "{}",
        report.note
    );

    // It comes back, and the service is gone: nothing is forgotten.
    dnsmasq.start_again(&mut running, &service(&[])).await;
    stand.order(4, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), moved);
    assert!(report.note.contains("has no SRV record"), "{}", report.note);

    // It names other servers: those count.
    running.stop().await;
    let one = service(&["b.lab.example,8443"]);
    dnsmasq.start_again(&mut running, &one).await;
    stand.order(5, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.22:8443", "10.9.9.9:6443"]);
    assert_eq!((report.valid_for, report.note.as_str()), (TTL, ""));
}

#[tokio::test]
async fn more_addresses_than_a_datagram_holds_are_asked_for_by_tcp_and_64_are_used() {
    let Some(dnsmasq) = dnsmasq("a long answer of a real name server").await else {
        return;
    };
    let hosts = (1..=100).fold(String::new(), |mut hosts, n| {
        writeln!(hosts, "10.0.0.{n} cp.lab.example").unwrap();
        hosts
    });
    let running = dnsmasq.start(&service(&[]), &hosts).await;
    let (mut stand, _folder) = stand(&["https://cp.lab.example:6443"], running.address, "");
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(report.endpoints.len(), 64);
    assert!(report.note.contains("more than 64 addresses"), "{}", report.note);
}
