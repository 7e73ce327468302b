//! A node: a folder with a configuration, and `jackline run` in it, which can be killed and started again.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use jackline_agent::status::{NodeState, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin};

use crate::apiserver::Cluster;
use crate::described::faults;
use crate::program::{Ended, jackline, run, until, within};

pub(crate) struct Node {
    folder: TempDir,
    child: Option<Child>,
    /// Its standard input, and that of all who take over from it: when this is closed they end.
    input: Option<ChildStdin>,
    heritable: bool,
    variables: Vec<(&'static str, String)>,
}

impl Node {
    /// A node of `cluster` that runs with these lines besides the usual ones, which are: folder, socket, CA, a listener on
    /// a free port, loopback upstreams, and a pace for tests.
    pub(crate) fn start(cluster: &Cluster, lines: &str) -> Self {
        Self::start_in(cluster, lines, &[])
    }

    /// One that others take over from. Whoever has taken over last ends when this is dropped.
    pub(crate) fn heritable(cluster: &Cluster, lines: &str) -> Self {
        Self::begin(cluster, lines, &[], true)
    }

    /// The same with these variables.
    pub(crate) fn start_in(cluster: &Cluster, lines: &str, variables: &[(&'static str, String)]) -> Self {
        Self::begin(cluster, lines, variables, false)
    }

    fn begin(cluster: &Cluster, lines: &str, variables: &[(&'static str, String)], heritable: bool) -> Self {
        let folder = TempDir::new().expect("a folder");
        let node = Self {
            folder,
            child: None,
            input: None,
            heritable,
            variables: variables.to_vec(),
        };
        std::fs::write(node.path("ca.crt"), cluster.ca_pem()).expect("a file");
        let listen = if lines.contains("listen:") {
            ""
        } else {
            "listen: [\"127.0.0.1:0\"]\n"
        };
        let text = format!(
            "node: {{ name: node-1 }}\nstate-dir: {}\nsocket: {}\ncluster: {{ ca-file: {} }}\n\
             kubernetes: {{ nodes: false }}\nallow-loopback-upstreams: true\n{listen}{lines}",
            node.path("state").display(),
            node.path("s").display(),
            node.path("ca.crt").display(),
        );
        std::fs::write(node.path("config.yaml"), text).expect("a file");
        let mut node = node;
        node.restart();
        node
    }

    /// Starts jackline; before, it must have ended.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("a log");
        let mut command = jackline(["run", "--config", &self.path("config.yaml").to_string_lossy()]);
        command.envs(self.variables.iter().cloned());
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        if self.heritable {
            command.arg("--until-input-ends").stdin(Stdio::piped());
        }
        let mut child = command.spawn().expect("it starts");
        self.input = child.stdin.take();
        self.child = Some(child);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// `jackline status`, as it ends.
    pub(crate) async fn status_command(&self, output: &str) -> Ended {
        run([
            "status",
            "--output",
            output,
            "--socket",
            &self.path("s").to_string_lossy(),
        ])
        .await
    }

    /// The status; `None` while nobody answers. Whatever is told must be what the schema says.
    pub(crate) async fn status(&self) -> Option<Status> {
        let ended = self.status_command("json").await;
        if ended.code == Some(3) {
            return None;
        }
        let told: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.err));
        assert_eq!(faults(&told), Vec::<String>::new());
        Some(serde_json::from_value(told).expect("a status"))
    }

    /// The status, as soon as `wanted` is pleased with it.
    pub(crate) async fn status_when(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let wanted = &wanted;
        let looked = tokio::time::timeout(
            crate::program::DEADLINE,
            until(what, || async move { self.status().await.filter(wanted) }),
        );
        match looked.await {
            Ok(status) => status,
            Err(_) => panic!(
                "never: {what}; status: {:#?}\nlog:\n{}",
                self.status().await,
                self.log()
            ),
        }
    }

    pub(crate) async fn attached(&self) -> Status {
        self.status_when("attached", |status| status.state == NodeState::Attached)
            .await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(Child::id).expect("it runs");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a process's id")).expect("not nought");
        kill_process(pid, signal).expect("it can be signalled");
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        within("jackline ends", child.wait())
            .await
            .expect("it can be waited for")
    }

    /// Whether the process still runs.
    pub(crate) fn runs(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("it can be waited for").is_none()
    }

    /// Kills it, as the kernel does when memory is short.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }
}
