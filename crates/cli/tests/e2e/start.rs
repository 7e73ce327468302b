//! Starting where something is missing: what can be waited for is, what cannot is told with its remedy.

use std::net::{IpAddr, Ipv4Addr};

use jackline_agent::status::{NodeState, SourceState};
use jackline_lab::NameServer;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::apiserver::Cluster;
use crate::node::Node;
use crate::program::{DEADLINE, end_of, jackline, not_run, within};

fn arguments(folder: &TempDir, listen: &str) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let arguments = [
        "run",
        "--server",
        "https://127.0.0.1:1",
        "--listen",
        listen,
        "--state-dir",
        &path("state"),
    ];
    arguments
        .into_iter()
        .map(str::to_owned)
        .chain(["--socket".to_owned(), path("s")])
        .collect()
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = TempDir::new().expect("a folder");
    let ended = end_of(jackline(arguments(&folder, &address))).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains(&address), "it says which: {}", ended.err);
    assert!(ended.err.contains("listen"), "it says what to do: {}", ended.err);
}

#[tokio::test]
async fn a_refused_configuration_exits_78_before_anything_is_opened() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, "sevrers: []\n").expect("a file");
    let ended = end_of(jackline(["run", "--config", &path.to_string_lossy()])).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("c.yaml:1:1: "), "{}", ended.err);
    assert!(ended.err.contains("did you mean servers?"), "{}", ended.err);
}

/// The name server answers nobody at first; then it does, and jackline, which has waited, attaches.
#[tokio::test]
async fn a_resolver_that_is_not_up_yet_is_waited_for() {
    const NAME: &str = "cp.example.com";
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let names = NameServer::start(Ipv4Addr::LOCALHOST).expect("a name server");
    names.set(NAME, &[IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    names.mute(true);
    let lines = format!(
        "servers: [\"https://{NAME}:{}\"]\ndns-servers: [\"{}\"]\ntiming: {{ hold: 200ms }}\n",
        server.address.port(),
        names.address()
    );
    let mut node = Node::start(&cluster, &lines);

    let failed = |status: &jackline_agent::status::Status| {
        status
            .sources
            .iter()
            .any(|source| source.state == SourceState::Failed && source.error.is_some())
    };
    let status = node.status_when("the resolver's silence is told", failed).await;
    assert_eq!(status.state, NodeState::Isolated);
    let mut client = TcpStream::connect(status.listen[0])
        .await
        .expect("clients are accepted");
    let read = within("the client is not left hanging", client.read(&mut [0; 1])).await;
    assert!(!matches!(read, Ok(1..)), "nobody is there to answer");
    assert!(node.runs());

    names.mute(false);
    node.attached().await;
}

/// In a network namespace without IPv6; where such a one cannot be had, the test is told to be not run.
#[tokio::test]
async fn a_missing_ipv6_loopback_only_degrades() {
    let folder = TempDir::new().expect("a folder");
    let script = "ip link set lo up && sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1 \
                  && exec \"$@\"";
    let namespace = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--net", "sh", "-c", script, "sh"])
            .args(arguments);
        command.kill_on_drop(true);
        command
    };
    let possible = namespace(&["true"])
        .output()
        .await
        .is_ok_and(|output| output.status.success());
    if !possible {
        let why = "it needs a network namespace without IPv6, and this machine grants none";
        return not_run(
            "a_missing_ipv6_loopback_only_degrades",
            why,
            "sysctl -w kernel.unprivileged_userns_clone=1",
        );
    }
    let mut run = arguments(&folder, "127.0.0.1:6440,[::1]:6440");
    run.insert(0, env!("CARGO_BIN_EXE_jackline").to_owned());
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let mut child = namespace(&run).spawn().expect("it starts");
    let socket = folder.path().join("s").to_string_lossy().into_owned();
    let status = crate::program::until("it answers", || async {
        let ended = crate::program::run(["status", "--output", "json", "--socket", &socket]).await;
        (ended.code != Some(3)).then_some(ended.out)
    })
    .await;
    let status: jackline_agent::status::Status = serde_json::from_str(&status).expect("a status");
    assert_eq!(status.listen.len(), 1, "{:?}", status.listen);
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("[::1]:6440")),
        "{:?}",
        status.warnings
    );
    child.kill().await.expect("it can be killed");
    tokio::time::timeout(DEADLINE, child.wait())
        .await
        .expect("it ends")
        .expect("it can be waited for");
}
