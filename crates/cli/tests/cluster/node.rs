//! A control plane of the lab and one node: a folder with a configuration, and `jackline run` in it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jackline_agent::status::{Endpoint, Source, Status};
use jackline_lab::{Boot, ControlPlane, Credentials, Plan, Role, Server};
use tempfile::TempDir;
use tokio::process::Child;

use crate::program::{jackline, run, until, within};

/// Starts that leave no time to be bored.
const BRISK: Boot = Boot {
    accepts: Duration::from_millis(50),
    ready: Duration::from_millis(150),
};
/// The port of the node's listener; its address is its own.
const PORT: u16 = 6440;

/// `timing.grace` of every node here.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// `timing.unwitnessed-grace`.
pub(crate) const UNWITNESSED: Duration = Duration::from_secs(8);

/// A control plane of three servers, `a`, `b` and `c`, all ready.
pub(crate) async fn plane() -> ControlPlane {
    let plan = Plan {
        boot: BRISK,
        ..Plan::default()
    };
    let plan = ["a", "b", "c"]
        .iter()
        .fold(plan, |plan, name| plan.with(name, Role::Server));
    let plane = ControlPlane::start(plan).expect("a control plane");
    plane.start_all().expect("its servers start");
    ready(&plane).await;
    plane
}

/// Waits until every server that runs is ready and listed.
pub(crate) async fn ready(plane: &ControlPlane) {
    let all = |plane: &ControlPlane| {
        let mut running = plane.servers().iter().filter(|server| server.is_running());
        running.all(|server| server.is_ready() && plane.list().contains(&server.address()))
    };
    assert!(
        plane.wait_until(crate::program::DEADLINE, all).await,
        "the servers are ready"
    );
}

pub(crate) fn server(plane: &ControlPlane, name: &str) -> Server {
    plane.server(name).expect("it is planned")
}

pub(crate) struct Node {
    folder: TempDir,
    pub(crate) listen: SocketAddr,
    _child: Child,
}

impl Node {
    /// A node joined to the server `a`, with the one credential that `given` writes below `cluster:`.
    pub(crate) fn start(plane: &ControlPlane, name: &str, given: impl Fn(&Credentials) -> String) -> Self {
        Self::start_with(plane, name, given, "")
    }

    /// The same with more lines of configuration; `{ip}` in them is the address that is the node's own.
    pub(crate) fn start_with(
        plane: &ControlPlane,
        name: &str,
        given: impl Fn(&Credentials) -> String,
        more: &str,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let listen = SocketAddr::from((plane.free_address().expect("an address"), PORT));
        let files = plane
            .credentials(name, &format!("https://{listen}"))
            .expect("files");
        let at = |file: &str| folder.path().join(file);
        let text = format!(
            "node: {{ name: {name} }}\nservers: [\"https://{join}\"]\nlisten: [\"{listen}\"]\nstate-dir: {state}\nsocket: {socket}\n\
             cluster:\n  ca-file: {ca}\n  {given}\nallow-loopback-upstreams: true\n\
             timing: {{ grace: {grace}ms, unwitnessed-grace: {unwitnessed}ms, refresh-watched: 500ms, refresh-polled: 500ms, \
             drain-time: 1s, settling-time: 1s, shutdown-time: 1s }}\n{more}",
            more = more.replace("{ip}", &listen.ip().to_string()),
            join = server(plane, "a").address(),
            state = at("state").display(),
            socket = at("s").display(),
            ca = files.ca_file.display(),
            given = given(&files),
            grace = GRACE.as_millis(),
            unwitnessed = UNWITNESSED.as_millis(),
        );
        std::fs::write(at("config.yaml"), text).expect("a file");
        let log = File::create(at("log")).expect("a log");
        let mut command = jackline(["run", "--config", &at("config.yaml").to_string_lossy()]);
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        let child = command.spawn().expect("it starts");
        Self {
            folder,
            listen,
            _child: child,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The status; `None` while nobody answers.
    async fn status(&self) -> Option<Status> {
        let socket = self.path("s");
        let ended = run([
            "status",
            "--output",
            "json",
            "--socket",
            &socket.to_string_lossy(),
        ])
        .await;
        if ended.code == Some(3) {
            return None;
        }
        let told = serde_json::from_str(&ended.out);
        Some(told.unwrap_or_else(|error| panic!("{error}: {}", ended.err)))
    }

    /// The status, as soon as `wanted` is pleased with it.
    pub(crate) async fn when(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let wanted = &wanted;
        let looking = until(what, || async move { self.status().await.filter(wanted) });
        match tokio::time::timeout(crate::program::DEADLINE / 2, looking).await {
            Ok(status) => status,
            Err(_) => panic!(
                "never: {what}; {:#?}\n{}",
                self.status().await,
                std::fs::read_to_string(self.path("log")).unwrap_or_default()
            ),
        }
    }

    /// The status right now.
    pub(crate) async fn now(&self) -> Status {
        within("a status", self.when("it answers", |_| true)).await
    }
}

pub(crate) fn endpoint<'a>(status: &'a Status, server: &Server) -> Option<&'a Endpoint> {
    let address = server.address();
    status
        .endpoints
        .iter()
        .find(|endpoint| endpoint.address == address)
}

pub(crate) fn source<'a>(status: &'a Status, name: &str) -> &'a Source {
    let found = status.sources.iter().find(|source| source.name == name);
    found.unwrap_or_else(|| panic!("no source {name}: {:?}", status.sources))
}
