//! Starting where something is missing: what can be waited for is, what cannot is told with its remedy.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;

use jackline_agent::status::{Depth, Endpoint, Health, NodeState, SourceState, Status};
use jackline_lab::NameServer;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use crate::apiserver::Cluster;
use crate::caller::Caller;
use crate::node::Node;
use crate::program::{end_of, jackline, run, until, within};
use jackline_borrowed::not_run;

fn arguments(folder: &TempDir, server: &str, listen: &str) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let arguments = [
        "run",
        "--server",
        server,
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
    let ended = end_of(jackline(arguments(&folder, "https://127.0.0.1:1", &address))).await;
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

    let failed = |status: &Status| {
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

/// The chicken and the egg of `kubeadm init` and of any first server: jackline is up before there is a cluster, a CA or an
/// apiserver, and the programs that make these go through it.
#[tokio::test]
async fn before_the_first_server_and_its_ca_are_made_it_waits_and_then_verifies() {
    let cluster = Cluster::new();
    // Bound and not listening: whoever connects is refused, and nobody else takes the port.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let address = socket.local_addr().expect("an address");
    let lines = format!("servers: [\"https://{address}\"]\ntiming: {{ hold: 200ms }}\n");
    let mut node = Node::start(&cluster, &lines);
    node.kill().await;
    let ca = node.path("ca.crt");
    let made = std::fs::read(&ca).expect("the CA");
    std::fs::remove_file(&ca).expect("not made yet");
    node.restart();

    let tried = |status: &Status| status.endpoints.iter().any(|one| one.last_probe.is_some());
    let status = node.status_when("the server has been tried", tried).await;
    assert_eq!(status.state, NodeState::Isolated);
    // `kubeadm init` asks again and again until its apiserver is up; each time it must be answered soon, if only by an end.
    let mut client = TcpStream::connect(status.listen[0])
        .await
        .expect("clients are accepted");
    let read = within("the client is not left hanging", client.read(&mut [0; 1])).await;
    assert!(!matches!(read, Ok(1..)), "nobody is there to answer");

    std::fs::write(&ca, made).expect("a file");
    cluster.tell(&[address]);
    let _server = cluster.server_on(socket.listen(16).expect("it listens"));
    let verified = |status: &Status| {
        let of = |one: &Endpoint| one.health == Health::Ready && one.depth == Some(Depth::Readyz);
        status.state == NodeState::Attached && status.endpoints.iter().any(of)
    };
    node.status_when("attached to a server that is verified", verified)
        .await;
    let status = node.attached().await;
    let mut caller = Caller::connect(&cluster, status.listen[0])
        .await
        .expect("a connection");
    let answer = within("an answer", caller.read("/readyz"))
        .await
        .expect("an answer");
    assert_eq!(answer, "ok");
}

/// `jackline run --listen LISTEN` in a network namespace of its own: no IPv6, nothing but a loopback, no route anywhere.
struct Alone {
    folder: TempDir,
    child: Child,
}

impl Alone {
    /// `None`, and told as not run for `test`, where no namespace can be had.
    async fn start(test: &str, listen: &str, server: &str) -> Option<Self> {
        let possible = Self::command(&["true".to_owned()]).output().await;
        if !possible.is_ok_and(|output| output.status.success()) {
            let why = "it needs a network namespace of its own, and this machine grants none";
            not_run(test, why, "sysctl -w kernel.unprivileged_userns_clone=1");
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        let mut arguments = vec![env!("CARGO_BIN_EXE_jackline").to_owned()];
        arguments.extend(self::arguments(&folder, server, listen));
        let mut command = Self::command(&arguments);
        let child = command.stderr(Stdio::null()).spawn().expect("it starts");
        Some(Self { folder, child })
    }

    fn command(arguments: &[String]) -> Command {
        let script = "ip link set lo up && exec \"$@\"";
        let script = format!(
            "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1 && {script}"
        );
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--net", "sh", "-c", &script, "sh"])
            .args(arguments);
        command.kill_on_drop(true);
        command
    }

    /// The status, as soon as `wanted` is pleased with it.
    async fn status_when(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let (wanted, socket) = (
            &wanted,
            self.folder.path().join("s").to_string_lossy().into_owned(),
        );
        let socket = &socket;
        until(what, || async move {
            let ended = run(["status", "--output", "json", "--socket", socket]).await;
            serde_json::from_str(&ended.out).ok().filter(wanted)
        })
        .await
    }
}

#[tokio::test]
async fn a_missing_ipv6_loopback_only_degrades() {
    const TEST: &str = "start::a_missing_ipv6_loopback_only_degrades";
    let Some(node) = Alone::start(TEST, "127.0.0.1:6440,[::1]:6440", "https://127.0.0.1:1").await else {
        return;
    };
    let status = node.status_when("it answers", |_| true).await;
    assert_eq!(status.listen, ["127.0.0.1:6440".parse().expect("an address")]);
    let told = status
        .warnings
        .iter()
        .any(|warning| warning.contains("[::1]:6440"));
    assert!(told, "{:?}", status.warnings);
}

#[tokio::test]
async fn a_network_that_is_not_up_is_waited_for() {
    const TEST: &str = "start::a_network_that_is_not_up_is_waited_for";
    let Some(mut node) = Alone::start(TEST, "127.0.0.1:6440", "https://192.0.2.1:6443").await else {
        return;
    };
    let tried = |status: &Status| {
        status
            .endpoints
            .iter()
            .any(|endpoint| endpoint.last_probe.is_some())
    };
    let status = node.status_when("the server has been tried", tried).await;
    assert_eq!(status.state, NodeState::Isolated);
    assert_eq!(status.endpoints[0].address.to_string(), "192.0.2.1:6443");
    // Not the server's fault, and not said to be (H3).
    assert_eq!(
        status.endpoints[0].health,
        Health::Unknown,
        "{}",
        status.endpoints[0].reason
    );
    assert!(
        node.child.try_wait().expect("it can be waited for").is_none(),
        "it waits"
    );
}
