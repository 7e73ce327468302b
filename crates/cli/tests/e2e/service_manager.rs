//! Under a service manager, as systemd is one: listeners that it holds, and what it is told. The test plays its part: it holds
//! the socket, sets the variables, and hears the notifications.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::apiserver::{Cluster, Server};
use crate::caller::Caller;
use crate::program::{DEADLINE, within};

/// What systemd does between fork and exec: descriptor 3 is the listener, and the variables name this very process. The shell
/// takes the listener as its standard input, so that no descriptor has to be moved by hand.
const AS_SYSTEMD: &str = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";

/// A service manager with one unit.
struct Service {
    folder: TempDir,
    socket: TcpListener,
    heard: UnixDatagram,
    child: Option<Child>,
}

impl Service {
    /// A node of `cluster`, with these lines in its configuration besides the usual ones.
    fn new(cluster: &Cluster, server: &Server, lines: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("ca.crt"), cluster.ca_pem()).expect("a file");
        let text = format!(
            "node: {{ name: node-1 }}\nstate-dir: {}\nsocket: {}\ncluster: {{ ca-file: {} }}\nservers: [\"{}\"]\n\
             kubernetes: {{ nodes: false }}\nallow-loopback-upstreams: true\n{lines}",
            path("state"),
            path("s"),
            path("ca.crt"),
            server.url(),
        );
        std::fs::write(path("config.yaml"), text).expect("a file");
        let heard = UnixDatagram::bind(folder.path().join("notify")).expect("bound");
        heard.set_read_timeout(Some(DEADLINE)).expect("set");
        Self {
            socket: TcpListener::bind("127.0.0.1:0").expect("a port"),
            heard,
            child: None,
            folder,
        }
    }

    fn at(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    fn start(&mut self) {
        let path = |name: &str| self.folder.path().join(name);
        let handed = OwnedFd::from(self.socket.try_clone().expect("the socket"));
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                AS_SYSTEMD,
                env!("CARGO_BIN_EXE_jackline"),
                "run",
                "--config",
            ])
            .arg(path("config.yaml"))
            .env_clear()
            .env("JACKLINE_PROFILE", "generic")
            .env("NOTIFY_SOCKET", path("notify"))
            .env("WATCHDOG_USEC", "600000")
            .stdin(Stdio::from(handed))
            .kill_on_drop(true);
        self.child = Some(command.spawn().expect("it starts"));
    }

    /// Hears notifications until one has all of these words, and gives the time that took.
    fn hears(&self, words: &[&str]) -> Duration {
        let (start, mut bytes) = (Instant::now(), [0; 1024]);
        while start.elapsed() < DEADLINE {
            let length = self.heard.recv(&mut bytes).expect("a notification");
            let told = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if words.iter().all(|word| told.contains(word)) {
                return start.elapsed();
            }
        }
        panic!("never told: {words:?}");
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(Child::id).expect("it runs");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a process's id")).expect("not nought");
        kill_process(pid, signal).expect("it can be signalled");
    }

    async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it runs");
        let status = within("it ends", child.wait()).await.expect("waited for");
        assert!(status.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_started_again_nobody_is_refused_for_the_listener_is_the_service_managers() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    // Its address stands nowhere in the configuration: what is handed over is served all the same.
    let mut service = Service::new(&cluster, &server, "listen: [\"127.0.0.1:0\"]\n");
    let at = service.at();
    service.start();
    service.hears(&["READY=1"]);
    let mut caller = within("served", Caller::connect(&cluster, at))
        .await
        .expect("a connection");
    assert_eq!(
        within("served", caller.read("/readyz")).await.expect("an answer"),
        "ok"
    );
    drop(caller);
    service.stop().await;
    service.hears(&["STOPPING=1"]);
    // Nothing runs now, and the client is not refused: it waits in the backlog.
    let waits = async {
        let mut caller = Caller::connect(&cluster, at).await?;
        caller.read("/readyz").await.map_err(std::io::Error::other)
    };
    let (answer, ()) = tokio::join!(within("served after the restart", waits), async {
        service.start()
    });
    assert_eq!(answer.expect("not refused"), "ok");
    service.stop().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told_how_the_node_fares_and_that_it_is_alive_until_it_hangs() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let mut service = Service::new(&cluster, &server, "listen: [\"127.0.0.1:0\"]\n");
    service.start();
    tokio::task::block_in_place(|| {
        service.hears(&["READY=1"]);
        service.hears(&["STATUS=attached"]);
        service.hears(&["WATCHDOG=1"]);
        service.hears(&["WATCHDOG=1"]);
    });
    // A process that hangs says nothing: only then is a sign of life worth anything.
    service.signal(Signal::STOP);
    service.heard.set_nonblocking(true).expect("set");
    let mut bytes = [0; 64];
    while service.heard.recv(&mut bytes).is_ok() {}
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(
        service.heard.recv(&mut bytes).is_err(),
        "frozen, and it tells of life"
    );
    service.signal(Signal::CONT);
    service.stop().await;
}
