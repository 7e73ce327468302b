//! The etcd service in front of real members: known by one of them, carried to any, whatever befalls the others.

#[path = "../../../discovery/tests/sources/etcd/gateway.rs"]
#[expect(
    dead_code,
    reason = "a client of etcd for the tests of sources; here some of it is used"
)]
mod gateway;
#[path = "../../../discovery/tests/sources/etcd/members.rs"]
#[expect(
    dead_code,
    reason = "members for the tests of sources; here some of it is used"
)]
mod members;

use std::net::SocketAddr;
use std::path::PathBuf;

use jackline_agent::status::{Depth, Health, NodeState, ServiceStatus, Standing, Status};
use tokio::task::block_in_place;
use tokio::time::{Duration, interval, timeout};

use self::members::Members;
use crate::jackline::Jackline;
use crate::service;
use crate::stand::{Identity, PATIENCE, Pki};

/// A certificate and its key as files.
fn files(pki: &Pki, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
    (
        pki.file(&format!("{name}.crt"), identity.certificate_pem()),
        pki.file(&format!("{name}.key"), identity.key_pem()),
    )
}

/// A jackline that knows member 0 and nobody else, and asks often.
fn jackline(members: &Members, dir: &tempfile::TempDir) -> Jackline {
    let pki = &members.pki;
    let (certificate, key) = files(pki, "jackline", &pki.identity_as("jackline", |_| {}));
    let more = format!(
        "allow-loopback-upstreams: true\n\
         timing: {{ refresh-polled: 500ms, probe-used: 500ms, probe-idle: 500ms, hold: 5s }}\n\
         services:\n  etcd:\n    listen: [\"127.0.0.1:0\"]\n    endpoints: [\"https://{}\"]\n    ca-file: {}\n    \
         client-certificate: {}\n    client-key: {}\n",
        members.client(0),
        pki.file("etcd-ca.crt", pki.pem()).display(),
        certificate.display(),
        key.display()
    );
    Jackline::start(dir.path(), 0, &more)
}

/// Waits until the service is so.
fn until(jackline: &Jackline, wanted: impl Fn(&ServiceStatus) -> bool) -> Status {
    block_in_place(|| jackline.status_with(|status| status.services.first().is_some_and(&wanted)))
}

fn ready(service: &ServiceStatus) -> Vec<SocketAddr> {
    let ready = service
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.health == Health::Ready && endpoint.standing == Standing::Listed);
    let mut ready: Vec<SocketAddr> = ready.map(|endpoint| endpoint.address).collect();
    ready.sort_unstable();
    ready
}

fn clients(members: &Members, which: &[usize]) -> Vec<SocketAddr> {
    let mut clients: Vec<SocketAddr> = which.iter().map(|index| members.client(*index)).collect();
    clients.sort_unstable();
    clients
}

/// As etcd's clients do: tries again until it is written.
async fn write_through(members: &Members, listener: SocketAddr) {
    let writing = async {
        let mut pace = interval(Duration::from_millis(50));
        while !members.gateway.is_healthy(listener).await {
            pace.tick().await;
        }
        members.gateway.put(listener, "key", "value").await;
    };
    timeout(PATIENCE, writing).await.expect("it is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_write_on_while_members_are_replaced_and_the_one_in_use_dies() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let jackline = jackline(&members, &dir);
    let all = clients(&members, &[0, 1, 2]);
    let status = until(&jackline, |service| ready(service) == all);
    let etcd = service(&status);
    assert_eq!(etcd.state, NodeState::Attached);
    assert!(
        etcd.endpoints
            .iter()
            .all(|endpoint| endpoint.depth == Some(Depth::Health)),
        "each was asked for its health: {:?}",
        etcd.endpoints
    );
    let sources: Vec<&str> = etcd.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(sources, ["registration", "members"]);
    let listener = etcd.listen[0];
    write_through(&members, listener).await;

    let new = members.replace(1).await;
    let others = clients(&members, &[0, 2, new]);
    let status = until(&jackline, |service| ready(service) == others);
    let gone = members.client(1);
    let gone = service(&status)
        .endpoints
        .iter()
        .find(|endpoint| endpoint.address == gone);
    assert_eq!(
        gone.expect("it is remembered").standing,
        Standing::Retained,
        "M3: absence is not removal"
    );
    write_through(&members, listener).await;

    let in_use = service(&status).endpoints[0].address;
    let dying = [0, 2, new]
        .into_iter()
        .find(|index| members.client(*index) == in_use);
    members.kill(dying.expect("one of them")).await;
    write_through(&members, listener).await;
    let left: Vec<SocketAddr> = others
        .iter()
        .copied()
        .filter(|member| *member != in_use)
        .collect();
    let status = until(&jackline, |service| ready(service) == left);
    assert_eq!(
        service(&status).sessions.refused_total,
        0,
        "nobody was turned away"
    );
    assert_eq!(service(&status).state, NodeState::Attached);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_that_is_lost_makes_no_node_isolated_and_closes_no_session() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let jackline = jackline(&members, &dir);
    let all = clients(&members, &[0, 1, 2]);
    let status = until(&jackline, |service| ready(service) == all);
    let listener = service(&status).listen[0];
    let first = service(&status).endpoints[0].address;
    let used = (0..3)
        .find(|index| members.client(*index) == first)
        .expect("one of them");
    // A session that says nothing yet, as a watch that waits.
    let session = tokio::net::TcpStream::connect(listener).await.expect("accepted");
    until(&jackline, |service| service.sessions.open == 1);
    for other in (0..3).filter(|index| *index != used) {
        members.kill(other).await;
    }
    let status = until(&jackline, |service| service.state != NodeState::Attached);
    let etcd = service(&status);
    assert_eq!(etcd.state, NodeState::Degraded, "{}", etcd.state_reason);
    assert_eq!(
        etcd.sessions.closed_total, 0,
        "S5: the cause is shared, nothing moves"
    );
    let left = etcd
        .endpoints
        .iter()
        .find(|endpoint| endpoint.address == first)
        .expect("known");
    assert_eq!(left.health, Health::NotReady);
    assert!(left.reason.contains("failed: etcd"), "H2: {}", left.reason);
    assert_eq!(
        etcd.endpoints[0].address, first,
        "new sessions go to the one that lives"
    );

    members.start_all("existing").await;
    let status = until(&jackline, |service| ready(service) == all);
    assert_eq!(service(&status).state, NodeState::Attached);
    assert_eq!(service(&status).sessions.closed_total, 0);
    write_through(&members, listener).await;
    drop(session);
}
