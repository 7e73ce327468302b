//! IPv6 alone, both families with one that dies, and proxies told by the environment: each in a network of the test's own,
//! for loopback always has both families, and is never proxied.
//!
//! The test starts itself again in a network namespace (a user namespace where there is no root) and plays there.

use std::net::SocketAddr;
use std::process::{Command, Output};

use jackline_agent::status::{Endpoint, Health, NodeState, Status};
use tokio::net::TcpListener;

use crate::apiserver::{Cluster, Server};
use crate::caller::Caller;
use crate::node::Node;
use crate::program::within;
use crate::proxy::{Act, Proxy};
use jackline_borrowed::not_run;

/// Tells a process that it is in a network of its own.
const INSIDE: &str = "JACKLINE_TEST_OWN_NETWORK";

/// Whether this process is in a network of its own. If not, the test is run again in one, prepared by `ip` with each of
/// `setting`, and has passed if it has passed there.
fn inside(test: &str, setting: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let lines: Vec<String> = ["link set lo up"]
        .iter()
        .chain(setting)
        .map(|line| format!("ip {line}"))
        .collect();
    let script = format!("{} && exec \"$@\"", lines.join(" && "));
    let this = std::env::current_exe().expect("this program");
    let name = format!("families::{test}");
    let mut lack = String::new();
    for user in [&[][..], &["--user", "--map-root-user"][..]] {
        let unshared = Command::new("unshare")
            .args(user)
            .args(["--net", "--", "sh", "-c", &script, "sh"])
            .arg(&this)
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .env(INSIDE, "1")
            .output();
        let Output {
            status,
            stdout,
            stderr,
        } = match unshared {
            Ok(output) => output,
            Err(error) => {
                lack = format!("unshare: {error}");
                continue;
            }
        };
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if out.contains("running 1 test") {
            assert!(
                status.success() && out.contains("1 passed"),
                "in its own network:\n{out}\n{err}"
            );
            return false;
        }
        lack = err.trim().replace(['\n', '\t'], " ");
    }
    not_run(
        test,
        &format!("no network of its own: {lack}"),
        "apt-get install util-linux iproute2",
    );
    false
}

/// Changes this network.
fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().expect("ip");
    assert!(
        output.status.success(),
        "ip {line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn server_at(cluster: &Cluster, address: &str) -> Server {
    cluster.server_on(
        TcpListener::bind(address)
            .await
            .expect("an address of this network"),
    )
}

async fn answers(cluster: &Cluster, listener: SocketAddr) {
    // A session that was moved away at this very moment is asked anew, as every client does.
    for attempt in 1.. {
        let asked = async {
            let mut caller = Caller::connect(cluster, listener).await.ok()?;
            caller.read("/readyz").await.ok()
        };
        match within("an answer or an error", asked).await {
            Some(answer) => return assert_eq!(answer, "ok"),
            None => assert!(attempt < 100, "no answer"),
        }
    }
}

fn health_of(status: &Status, server: SocketAddr) -> Option<Health> {
    let endpoint = status
        .endpoints
        .iter()
        .find(|endpoint| endpoint.address == server)?;
    Some(endpoint.health)
}

#[tokio::test]
async fn a_node_without_any_ipv4_attaches_forwards_recovers_and_remembers() {
    let setting = [
        "-4 addr flush dev lo",
        "-6 addr add fd00::1/128 dev lo nodad",
        "-6 addr add fd00::2/128 dev lo nodad",
        "-6 addr add fd00::3/128 dev lo nodad",
    ];
    if !inside(
        "a_node_without_any_ipv4_attaches_forwards_recovers_and_remembers",
        &setting,
    ) {
        return;
    }
    assert!(
        TcpListener::bind("127.0.0.1:0").await.is_err(),
        "there is no IPv4 here"
    );
    let cluster = Cluster::new();
    let joined = server_at(&cluster, "[fd00::1]:6443").await;
    let other = server_at(&cluster, "[fd00::2]:6443").await;
    let addresses: Vec<SocketAddr> = ["[fd00::1]:6443", "[fd00::2]:6443", "[fd00::3]:6443"]
        .map(|address| address.parse().expect("an address"))
        .into();
    cluster.tell(&addresses);
    // The listeners are those of the default.
    let lines = "servers: [\"https://[fd00::1]:6443\"]\nlisten: [\"127.0.0.1:6440\", \"[::1]:6440\"]\n";
    let mut node = Node::start(&cluster, lines);
    let status = node
        .status_when("both ready", |status| {
            addresses[..2]
                .iter()
                .all(|server| health_of(status, *server) == Some(Health::Ready))
        })
        .await;
    assert_eq!(status.listen, ["[::1]:6440".parse().expect("an address")]);
    let missing = status
        .warnings
        .iter()
        .any(|warning| warning.contains("no IPv4 loopback"));
    assert!(missing, "{:?}", status.warnings);
    answers(&cluster, status.listen[0]).await;
    let table = node.status_command("table").await.out;
    assert!(table.contains("[fd00::1]:6443"), "{table}");

    drop((joined, other));
    node.status_when("isolated", |status| status.state == NodeState::Isolated)
        .await;
    let third = server_at(&cluster, "[fd00::3]:6443").await;
    let status = node.attached().await;
    assert_eq!(health_of(&status, third.address), Some(Health::Ready));
    answers(&cluster, status.listen[0]).await;

    // What is learnt is written down within a second (P1): a node that is killed before remembers nothing.
    // A file that was written before the third was known remembers nothing of use.
    let file = node.path("state/state.json");
    let third_is_in_it = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("[fd00::3]:6443"));
    node.status_when("saved", |_| third_is_in_it()).await;
    node.kill().await;
    node.restart();
    let status = node.attached().await;
    assert_eq!(
        health_of(&status, third.address),
        Some(Health::Ready),
        "remembered"
    );
    answers(&cluster, status.listen[0]).await;
}

#[tokio::test]
async fn a_family_that_dies_takes_no_client_with_it_and_judges_no_server() {
    let setting = [
        "addr add 10.0.0.1/32 dev lo",
        "-6 addr add fd00::2/128 dev lo nodad",
        "-6 addr add fd00::3/128 dev lo nodad",
    ];
    if !inside(
        "a_family_that_dies_takes_no_client_with_it_and_judges_no_server",
        &setting,
    ) {
        return;
    }
    let cluster = Cluster::new();
    let four = server_at(&cluster, "10.0.0.1:6443").await;
    let six = [
        server_at(&cluster, "[fd00::2]:6443").await,
        server_at(&cluster, "[fd00::3]:6443").await,
    ];
    cluster.tell(&[four.address, six[0].address, six[1].address]);
    let node = Node::start(&cluster, "servers: [\"https://10.0.0.1:6443\"]\n");
    let all_ready = |status: &Status| {
        [four.address, six[0].address, six[1].address]
            .iter()
            .all(|server| health_of(status, *server) == Some(Health::Ready))
    };
    let status = node.status_when("all ready", all_ready).await;
    answers(&cluster, status.listen[0]).await;

    ip("-6 addr del fd00::2/128 dev lo");
    ip("-6 addr del fd00::3/128 dev lo");
    for _ in 0..20 {
        answers(&cluster, status.listen[0]).await;
    }
    let told = node
        .status_when("no way to the other family, and why", |status| {
            let closed = status
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.reason.contains("no way to it from here"));
            closed.count() == 2
        })
        .await;
    assert_eq!(told.state, NodeState::Attached);
    for server in &six {
        assert_eq!(
            health_of(&told, server.address),
            Some(Health::Ready),
            "no route judges nobody"
        );
    }
    assert_eq!(
        told.endpoints[0].address, four.address,
        "what can be reached comes first"
    );

    ip("-6 addr add fd00::2/128 dev lo nodad");
    ip("-6 addr add fd00::3/128 dev lo nodad");
    ip("addr del 10.0.0.1/32 dev lo");
    node.status_when("the other way round", |status| {
        let closed = |endpoint: &&Endpoint| endpoint.reason.contains("no way to it from here");
        let closed: Vec<_> = status
            .endpoints
            .iter()
            .filter(closed)
            .map(|endpoint| endpoint.address)
            .collect();
        status.state == NodeState::Attached && closed == [four.address]
    })
    .await;
    answers(&cluster, status.listen[0]).await;
}

#[tokio::test]
async fn what_the_environment_says_of_proxies_is_heeded_and_the_configuration_goes_before_it() {
    let setting = [
        "addr add 10.0.0.1/32 dev lo",
        "addr add 10.0.1.2/32 dev lo",
        "addr add 10.0.0.9/32 dev lo",
    ];
    if !inside(
        "what_the_environment_says_of_proxies_is_heeded_and_the_configuration_goes_before_it",
        &setting,
    ) {
        return;
    }
    let cluster = Cluster::new();
    let proxied = server_at(&cluster, "10.0.0.1:6443").await;
    let excepted = server_at(&cluster, "10.0.1.2:6443").await;
    cluster.tell(&[proxied.address, excepted.address]);
    let proxy = Proxy::on(
        TcpListener::bind("10.0.0.9:3128").await.expect("an address"),
        Act::Open,
    );
    let variables = [
        ("HTTPS_PROXY", format!("http://{}", proxy.address)),
        ("no_proxy", "example.com, 10.0.1.0/24".to_owned()),
    ];
    let both = |status: &Status| {
        [proxied.address, excepted.address]
            .iter()
            .all(|server| health_of(status, *server) == Some(Health::Ready))
    };
    let lines = "servers: [\"https://10.0.0.1:6443\"]\n";
    let node = Node::start_in(&cluster, lines, &variables);
    node.status_when("both ready", both).await;
    assert!(proxy.asked_for(proxied.address) > 0);
    assert_eq!(proxy.asked_for(excepted.address), 0);
    drop(node);
    // Another one, which the node that has just ended knows nothing of.
    let unasked = Proxy::on(
        TcpListener::bind("10.0.0.9:3129").await.expect("an address"),
        Act::Open,
    );
    let variables = [("HTTPS_PROXY", format!("http://{}", unasked.address))];
    let off = Node::start_in(&cluster, &format!("{lines}way: {{ proxy: none }}\n"), &variables);
    off.status_when("both ready", both).await;
    assert_eq!(unasked.asked().len(), 0, "the configuration switches it off");
}
