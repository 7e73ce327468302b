//! Long sessions of kubectl's, `logs -f`, `get -w`, `exec` and `port-forward`: whatever becomes of other servers, and
//! when their own one refuses new connections, they stay (D1); they end when it is gone.

use std::process::ExitStatus;

use jackline_agent::status::{Status, word};
use jackline_lab::{ControlPlane, Server, StartAs};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::kubectl::{Forward, Kubectl, POD, cluster, line};
use crate::node::{Node, endpoint, ready};
use crate::program::within;

type Output = Lines<BufReader<ChildStdout>>;

/// The sessions.
struct Long<'a> {
    kubectl: &'a Kubectl,
    logs: (Child, Output),
    watch: (Child, Output),
    exec: (Child, Output),
    stdin: ChildStdin,
    forward: Forward,
    stream: TcpStream,
    said: u32,
}

impl<'a> Long<'a> {
    async fn start(kubectl: &'a Kubectl) -> Self {
        let mut exec = kubectl.start(&["exec", "-i", "web", "--", "cat"]);
        let stdin = exec.0.stdin.take().expect("a pipe");
        let (forward, address) = kubectl.forward().await;
        Self {
            kubectl,
            logs: kubectl.start(&["logs", "-f", "web"]),
            watch: kubectl.start(&["get", "configmaps", "-w", "-o", "jsonpath={.data.value}{\"\\n\"}"]),
            exec,
            stdin,
            forward,
            stream: within("a connection", TcpStream::connect(address))
                .await
                .expect("connected"),
            said: 0,
        }
    }

    /// Something goes over those that carry both ways, and comes back.
    async fn talk(&mut self) {
        self.said += 1;
        let text = format!("word {}", self.said);
        self.stdin
            .write_all(format!("{text}\n").as_bytes())
            .await
            .expect("exec reads");
        assert_eq!(line(&mut self.exec.1, |_| true).await, text);
        self.stream
            .write_all(text.as_bytes())
            .await
            .expect("the forward reads");
        let mut back = vec![0; text.len()];
        within("it comes back", self.stream.read_exact(&mut back))
            .await
            .expect("the forward answers");
        assert_eq!(back, text.as_bytes());
        // A line that was written before this is not what is waited for.
        let seen = self.last_tick().await;
        line(&mut self.logs.1, |line| tick(line) > seen + 1).await;
    }

    /// The watch tells what is applied now.
    async fn watches(&mut self) {
        let value = format!("value {}", self.said);
        self.kubectl.apply("settings", &value).await;
        line(&mut self.watch.1, |line| line == value).await;
    }

    async fn last_tick(&mut self) -> u64 {
        tick(&self.kubectl.well(&["logs", "--tail=1", "web"], "").await)
    }

    /// They end; how watch, log and exec did. What kubectl makes of a broken exec is its own: over SPDY it takes it for a
    /// success, and a watch's end always.
    async fn ended(mut self) -> [ExitStatus; 3] {
        let children = [&mut self.watch.0, &mut self.logs.0, &mut self.exec.0];
        let ends = children.map(|child| within("kubectl ends", child.wait()));
        let [watch, logs, exec] = ends;
        let ends = [watch.await, logs.await, exec.await].map(|end| end.expect("it can be waited for"));
        let mut rest = Vec::new();
        // kubectl's port-forward ends, or stays with a listener that leads nowhere, by its version: the connection ends.
        let _ = within("the connection ends", self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{rest:?}");
        drop(self.forward);
        ends
    }
}

fn tick(line: &str) -> u64 {
    let number = line
        .trim()
        .strip_prefix("tick ")
        .and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no line of the log: {line:?}"))
}

/// The server that all of the node's sessions are with.
async fn server_in_use(node: &Node, plane: &ControlPlane) -> Server {
    let status = node
        .when("four sessions and more", |status| {
            status.endpoints.iter().any(|endpoint| endpoint.sessions >= 4)
        })
        .await;
    let used: Vec<_> = status
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.sessions > 0)
        .collect();
    assert_eq!(used.len(), 1, "all go to the node's first choice: {used:?}");
    let mut servers = plane.servers().iter();
    let found = servers.find(|server| server.address() == used[0].address);
    found.expect("a server of ours").clone()
}

fn health(status: &Status, server: &Server) -> String {
    endpoint(status, server)
        .map(|endpoint| word(&endpoint.health))
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_outlast_everything_but_their_own_server() {
    let test = "long_sessions::they_outlast_everything_but_their_own_server";
    let Some((plane, node, kubectl)) = cluster(test, false).await else {
        return;
    };
    kubectl.well(&["apply", "--validate=false", "-f", "-"], POD).await;
    let mut long = Long::start(&kubectl).await;
    long.talk().await;
    long.watches().await;
    let own = server_in_use(&node, &plane).await;
    let others: Vec<&Server> = plane
        .servers()
        .iter()
        .filter(|server| server.name() != own.name())
        .collect();

    // One of the others is drained for the whole fleet; the other is killed and comes back.
    let drain = format!("jackline.dev/drain={}", others[0].address());
    kubectl
        .well(&["annotate", "endpoints", "kubernetes", &drain], "")
        .await;
    node.when("it is drained", |status| {
        endpoint(status, others[0]).is_some_and(|e| word(&e.administration) == "draining")
    })
    .await;
    others[1].kill();
    node.when("the other is gone", |status| {
        health(status, others[1]) == "unreachable"
    })
    .await;
    long.talk().await;
    long.watches().await;
    others[1].start(StartAs::Fresh).expect("it starts");
    ready(&plane).await;
    kubectl
        .well(
            &["annotate", "endpoints", "kubernetes", "jackline.dev/drain-"],
            "",
        )
        .await;
    node.when("all are back", |status| {
        let back = |server: &&Server| {
            endpoint(status, server)
                .is_some_and(|e| (word(&e.health) + &word(&e.administration)) == "readyenabled")
        };
        others.iter().all(back)
    })
    .await;
    long.talk().await;
    long.watches().await;

    // D1: their own server refuses new connections, as one that stops. It is left by what is new, and they stay.
    own.close_listener();
    kubectl.well(&["get", "nodes"], "").await;
    node.when("it refuses", |status| health(status, &own) == "unreachable")
        .await;
    long.talk().await;
    long.watches().await;

    own.kill();
    let [_, logs, _] = long.ended().await;
    assert!(!logs.success(), "the log broke off: {logs:?}");
}
