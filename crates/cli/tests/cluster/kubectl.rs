//! The real kubectl through the real jackline: with a client certificate and with a token. Every version since Debian 12's
//! 1.20 will do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use jackline_borrowed::{BRING_KUBECTL, not_run};
use jackline_lab::ControlPlane;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::node::{Node, endpoint, plane};
use crate::program::within;

/// A pod of the lab.
pub(crate) const POD: &str = r#"{ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
    "spec": { "containers": [{ "name": "web", "image": "none" }] } }"#;

pub(crate) type Forward = (Child, Lines<BufReader<ChildStdout>>);

/// How kubectl reaches the cluster.
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    /// Through the node, as an administrator; `by_token`: instead of by certificate. `None`: there is no kubectl, which is
    /// told.
    pub(crate) fn through(test: &str, node: &Node, plane: &ControlPlane, by_token: bool) -> Option<Self> {
        let url = format!("https://{}", node.listen);
        let kubeconfig = match by_token {
            true => plane.admin_token_kubeconfig(&url),
            false => plane.admin_kubeconfig(&url),
        };
        match jackline_borrowed::kubectl() {
            Ok(program) => Some(Self {
                program,
                kubeconfig: kubeconfig.expect("written"),
                home: plane.folder().to_owned(),
            }),
            Err(why) => {
                let why = format!("there is no kubectl: {why}");
                not_run(test, &why, BRING_KUBECTL);
                None
            }
        }
    }

    /// What another program needs to start this very kubectl.
    pub(crate) fn variables(&self) -> [(&'static str, &std::path::Path); 3] {
        [
            ("KUBECTL", &self.program),
            ("KUBECONFIG", &self.kubeconfig),
            ("HOME", &self.home),
        ]
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end with this input.
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // One that has not read all of it has ended for another reason, which it tells.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        within("kubectl ends", child.wait_with_output())
            .await
            .expect("kubectl runs")
    }

    /// The same, and it must end well: what it wrote.
    pub(crate) async fn well(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input).await;
        let [out, err] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        out
    }

    /// Applies a ConfigMap with this value.
    pub(crate) async fn apply(&self, name: &str, value: &str) {
        let object = format!(
            r#"{{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {{ "name": "{name}" }}, "data": {{ "value": "{value}" }} }}"#
        );
        self.well(&["apply", "--validate=false", "-f", "-"], &object)
            .await;
    }

    /// Starts it, and gives the lines that it writes.
    pub(crate) fn start(&self, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            // Nobody reads it: a pipe would fill.
            .stderr(Stdio::inherit())
            .spawn()
            .expect("kubectl starts");
        let out = child.stdout.take().expect("a pipe");
        (child, BufReader::new(out).lines())
    }

    /// `port-forward` to the pod's port 80: the child with its lines, which must be kept for it to write to, and where it
    /// listens.
    pub(crate) async fn forward(&self) -> (Forward, SocketAddr) {
        let (child, mut lines) = self.start(&["port-forward", "--address", "127.0.0.1", "pod/web", ":80"]);
        let told = line(&mut lines, |line| line.starts_with("Forwarding from 127.0.0.1:")).await;
        let port = told
            .split([':', ' '])
            .find_map(|word| word.parse().ok().filter(|port: &u16| *port != 0))
            .unwrap_or_else(|| panic!("no port: {told}"));
        ((child, lines), SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// The program that `KUBECTL` names, the machine's, or Debian's.
/// The next line that is as wanted.
pub(crate) async fn line(lines: &mut Lines<BufReader<ChildStdout>>, wanted: impl Fn(&str) -> bool) -> String {
    within("a line of kubectl's", async {
        loop {
            let line = lines
                .next_line()
                .await
                .expect("it can be read")
                .expect("kubectl goes on");
            if wanted(&line) {
                return line;
            }
        }
    })
    .await
}

/// A node with all servers known, and kubectl through it.
pub(crate) async fn cluster(test: &str, by_token: bool) -> Option<(ControlPlane, Node, Kubectl)> {
    let plane = plane().await;
    let node = Node::start(&plane, "worker-1", |files| {
        format!("kubeconfig: {}", files.kube_proxy_kubeconfig.display())
    });
    node.when("all servers are ready", |status| {
        let known = |server| {
            endpoint(status, server).is_some_and(|e| jackline_agent::status::word(&e.health) == "ready")
        };
        plane.servers().iter().all(known)
    })
    .await;
    let kubectl = Kubectl::through(test, &node, &plane, by_token)?;
    Some((plane, node, kubectl))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_applies_gets_and_watches_with_a_certificate() {
    applies_gets_and_watches("kubectl::it_applies_gets_and_watches_with_a_certificate", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_applies_gets_and_watches_with_a_token() {
    applies_gets_and_watches("kubectl::it_applies_gets_and_watches_with_a_token", true).await;
}

async fn applies_gets_and_watches(test: &str, by_token: bool) {
    let Some((_plane, _node, kubectl)) = cluster(test, by_token).await else {
        return;
    };
    kubectl.apply("settings", "one").await;
    let get = ["get", "configmap", "settings", "-o", "jsonpath={.data.value}"];
    assert_eq!(kubectl.well(&get, "").await, "one");
    let (_watch, mut lines) =
        kubectl.start(&["get", "configmaps", "-w", "-o", "jsonpath={.data.value}{\"\\n\"}"]);
    line(&mut lines, |line| line == "one").await;
    kubectl.apply("settings", "two").await;
    line(&mut lines, |line| line == "two").await;
    assert_eq!(kubectl.well(&get, "").await, "two");
    kubectl.apply("others", "three").await;
    line(&mut lines, |line| line == "three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_exec_and_port_forward_carry_bytes_ends_and_exit_codes_with_a_certificate() {
    let test = "kubectl::logs_exec_and_port_forward_carry_bytes_ends_and_exit_codes_with_a_certificate";
    logs_exec_and_port_forward(test, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_exec_and_port_forward_carry_bytes_ends_and_exit_codes_with_a_token() {
    let test = "kubectl::logs_exec_and_port_forward_carry_bytes_ends_and_exit_codes_with_a_token";
    logs_exec_and_port_forward(test, true).await;
}

async fn logs_exec_and_port_forward(test: &str, by_token: bool) {
    let Some((_plane, _node, kubectl)) = cluster(test, by_token).await else {
        return;
    };
    kubectl.well(&["apply", "--validate=false", "-f", "-"], POD).await;
    let (_logs, mut lines) = kubectl.start(&["logs", "-f", "web"]);
    for wanted in ["tick 1", "tick 2", "tick 3"] {
        assert_eq!(line(&mut lines, |_| true).await, wanted);
    }
    assert_eq!(
        kubectl
            .well(&["logs", "--tail=1", "web"], "")
            .await
            .lines()
            .count(),
        1
    );

    let exec = ["exec", "-i", "web", "--"];
    let with = |command: &[&'static str]| [exec.as_slice(), command].concat();
    assert_eq!(
        kubectl.well(&with(&["echo", "two", "words"]), "").await,
        "two words\n"
    );
    // More than any buffer on the way holds, and the command ends when its input does.
    let long = "0123456789abcde\n".repeat(64 << 10);
    assert_eq!(kubectl.well(&with(&["cat"]), &long).await, long);
    for (command, code) in [(["exit", "3"], 3), (["no-such", "command"], 127)] {
        let output = kubectl.run(&with(&command), "").await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!output.stderr.is_empty(), "{output:?}");
    }

    let (_forward, address) = kubectl.forward().await;
    for text in ["ping", long.as_str()] {
        let stream = within("a connection", TcpStream::connect(address))
            .await
            .expect("connected");
        let (mut reader, mut writer) = stream.into_split();
        let write = async {
            writer.write_all(text.as_bytes()).await.expect("written");
            writer.shutdown().await.expect("half closed");
        };
        let mut told = String::new();
        let read = reader.read_to_string(&mut told);
        let ((), read) = within("all comes back", async { tokio::join!(write, read) }).await;
        read.expect("read to its end");
        assert!(
            told == format!("{text}{} bytes\n", text.len()),
            "{} of {}",
            told.len(),
            text.len()
        );
    }
}
