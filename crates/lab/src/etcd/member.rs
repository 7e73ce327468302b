//! One member: an etcd process in the place of its server, ended by its own handle.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::{CLIENTS, PEERS};
use crate::place::Place;

/// How much of a member's log is shown when it does not come up.
const LOG_SHOWN: usize = 3_000;

/// Ends a child with its parent, so that a lab that is killed leaves no members behind.
const LEASH: &str = "/usr/bin/setpriv";

/// A member, running or not.
pub(super) struct Member {
    name: String,
    pub(super) place: Place,
    address: Ipv4Addr,
    child: Option<Child>,
    /// How often it was made anew: each time in another folder.
    life: u32,
}

impl Member {
    pub(super) fn new(name: &str, place: &Place, address: Ipv4Addr) -> Self {
        Self {
            name: name.to_owned(),
            place: place.clone(),
            address,
            child: None,
            life: 1,
        }
    }

    pub(super) fn client(&self) -> SocketAddr {
        SocketAddr::from((self.address, CLIENTS))
    }

    fn peer_url(&self) -> String {
        format!("https://{}:{PEERS}", self.address)
    }

    /// As etcd wants to be told of it.
    pub(super) fn as_peer(&self) -> String {
        format!("{}={}", self.name, self.peer_url())
    }

    fn data(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}-data-{}", self.name, self.life))
    }

    fn log(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.log", self.name))
    }

    /// Where its clients reach it: on a host of its own at the loopback address too, as on a real one.
    fn client_urls(&self) -> String {
        let own = format!("https://{}", self.client());
        match self.place.is_host() {
            true => format!("{own},https://127.0.0.1:{CLIENTS}"),
            false => own,
        }
    }

    /// Starts it if it does not run. Called within a tokio runtime.
    pub(super) fn start(
        &mut self,
        etcd: &Path,
        folder: &Path,
        cluster: &str,
        token: &str,
    ) -> anyhow::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(folder))
            .context("opening a member's log")?;
        let mut command = self.command(etcd, folder, cluster, token);
        command.stderr(log);
        // A child is born into the network of the thread that starts it, and into this runtime.
        let runtime = Handle::current();
        let spawn = move || {
            let _within = runtime.enter();
            command.spawn()
        };
        let child = self.place.within(spawn).and_then(|spawned| spawned);
        self.child = Some(child.with_context(|| format!("running {}", etcd.display()))?);
        Ok(())
    }

    fn command(&self, etcd: &Path, folder: &Path, cluster: &str, token: &str) -> Command {
        // A host's thread lives as long as the play, and so does whatever it starts; elsewhere any thread may end first.
        let mut command = match self.place.is_host() || !Path::new(LEASH).is_file() {
            true => Command::new(etcd),
            false => {
                let mut command = Command::new(LEASH);
                command.args(["--pdeathsig", "KILL"]).arg(etcd);
                command
            }
        };
        let (own, peer) = (format!("https://{}", self.client()), self.peer_url());
        let pair = |end: &str| folder.join(format!("{}.{end}", self.name));
        command
            .env_clear()
            .args(["--name", &self.name, "--initial-cluster", cluster])
            .args(["--initial-cluster-state", "new", "--initial-cluster-token", token])
            .arg("--data-dir")
            .arg(self.data(folder))
            .args(["--listen-client-urls", &self.client_urls()])
            .args(["--advertise-client-urls", &own])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--client-cert-auth", "--peer-client-cert-auth", "--logger", "zap"]);
        for (option, file) in [
            ("--cert-file", pair("crt")),
            ("--peer-cert-file", pair("crt")),
            ("--key-file", pair("key")),
            ("--peer-key-file", pair("key")),
            ("--trusted-ca-file", folder.join("server-ca.crt")),
            ("--peer-trusted-ca-file", folder.join("server-ca.crt")),
        ] {
            command.arg(option).arg(file);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
    }

    /// Makes it anew from a snapshot, in another folder.
    pub(super) async fn restore(
        &mut self,
        restorer: &Path,
        folder: &Path,
        snapshot: &Path,
        cluster: &str,
        token: &str,
    ) -> anyhow::Result<()> {
        self.life += 1;
        let mut command = Command::new(restorer);
        command
            .env("ETCDCTL_API", "3")
            .args(["snapshot", "restore"])
            .arg(snapshot)
            .args(["--name", &self.name, "--initial-cluster", cluster])
            .args(["--initial-cluster-token", token])
            .args(["--initial-advertise-peer-urls", &self.peer_url()])
            .arg("--data-dir")
            .arg(self.data(folder));
        run_tool(command).await
    }

    /// What it wrote last.
    pub(super) fn log_tail(&self, folder: &Path) -> String {
        let log = std::fs::read_to_string(self.log(folder)).unwrap_or_default();
        let from = log.len().saturating_sub(LOG_SHOWN);
        log.get(from..).unwrap_or_default().to_owned()
    }
}

/// Runs one of etcd's tools to its end.
pub(super) async fn run_tool(mut command: Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("running one of etcd's tools")?;
    anyhow::ensure!(
        output.status.success(),
        "etcd's tool failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
