//! What clients notice when one of three servers fails: killed, told to leave, frozen, or cut off.
//!
//! The servers are processes of their own; the one that answers the client that keeps its connection is the one that fails. Cutting
//! off needs a network namespace of this run's own and `nft`; without them that fault is told and left out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use self::clients::{Clients, Noticed};
use crate::target::{Sort, Tools};
use crate::tls::Tls;
use crate::work::Figures;

mod clients;

/// How many servers there are.
const SERVERS: usize = 3;
/// How long all is well before the fault: checks have been made, and connections are used.
const BEFORE: Duration = Duration::from_secs(3);
/// How long clients go on after it.
const AFTER: Duration = Duration::from_secs(13);
/// In this network namespace packets may be dropped.
const OWN_NETWORK: &str = "JACKLINE_BENCH_OWN_NETWORK";

/// What happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Term,
    Stop,
    Drop,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Kill, Self::Term, Self::Stop, Self::Drop];

    fn word(self) -> &'static str {
        match self {
            Self::Kill => "sigkill",
            Self::Term => "sigterm",
            Self::Stop => "sigstop",
            Self::Drop => "dropped",
        }
    }
}

/// Begins this program anew in a network namespace of its own, if that can be had; `None`: it is in one, or cannot be.
pub(crate) fn in_own_network() -> Option<std::process::Command> {
    if std::env::var_os(OWN_NETWORK).is_some() {
        return None;
    }
    let possible = std::process::Command::new("unshare")
        .args(["--net", "true"])
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut again = std::process::Command::new("unshare");
    again
        .args([
            "--net",
            "--",
            "sh",
            "-c",
            "ip link set lo up && exec \"$0\" \"$@\"",
        ])
        .arg(std::env::current_exe().ok()?)
        .args(std::env::args_os().skip(1))
        .env(OWN_NETWORK, "1");
    Some(again)
}

/// One fault with one balancer.
pub(crate) async fn run(fault: Fault, sort: &Sort, tools: &Tools) -> anyhow::Result<Figures> {
    if fault == Fault::Drop && std::env::var_os(OWN_NETWORK).is_none() {
        bail!("packets can be dropped only in a network namespace of one's own (unshare --net as root)");
    }
    let folder = TempDir::new()?;
    let tls = Tls::new_in(folder.path())?;
    let mut servers = Vec::new();
    for number in 0..SERVERS {
        servers.push(Server::start(number, folder.path()).await?);
    }
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let target = tools.start(sort, &addresses).await?;
    let clients = Clients::start(target.address, &tls);
    tokio::time::sleep(BEFORE).await;
    let victim = clients
        .served_by()
        .context("nobody was served before the fault")?;
    let victim = servers
        .iter()
        .find(|server| server.name == victim)
        .context("an unknown server answered")?;
    clients.fault_begins();
    victim.fail(fault).await?;
    tokio::time::sleep(AFTER).await;
    let noticed = clients.end().await;
    target.end().await;
    if fault == Fault::Drop {
        nft(&["delete", "table", "inet", "bench"]).await?;
    }
    Ok(figures(fault, &noticed))
}

fn figures(fault: Fault, noticed: &Noticed) -> Figures {
    let name = |unit: &str| format!("failover.{}.{unit}", fault.word());
    vec![
        (name("failed"), noticed.failed),
        (name("failed_in_flight"), noticed.failed_in_flight),
        (name("new_per_s"), noticed.begun / AFTER.as_secs_f64()),
        (name("slowest_s"), noticed.slowest),
        (name("gap_s"), noticed.gap),
        (name("watch_gap_s"), noticed.watch_gap),
    ]
}

/// One server.
struct Server {
    name: String,
    address: SocketAddr,
    child: Child,
}

impl Server {
    async fn start(number: usize, folder: &Path) -> anyhow::Result<Self> {
        let name = format!("server-{number}");
        let mut child = Command::new(std::env::current_exe()?)
            .args(["origin", "--name", &name, "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let said = child.stdout.take().context("a server's output")?;
        let line = BufReader::new(said).lines().next_line().await?;
        let address = line.context("a server did not start")?.parse()?;
        Ok(Self { name, address, child })
    }

    async fn fail(&self, fault: Fault) -> anyhow::Result<()> {
        let signal = match fault {
            Fault::Kill => Signal::KILL,
            Fault::Term => Signal::TERM,
            Fault::Stop => Signal::STOP,
            Fault::Drop => return self.cut_off().await,
        };
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw).context("the server is gone")?;
        Ok(kill_process(pid, signal)?)
    }

    /// From now on no packet reaches it or comes from it.
    async fn cut_off(&self) -> anyhow::Result<()> {
        let port = self.address.port().to_string();
        nft(&["add", "table", "inet", "bench"]).await?;
        nft(&[
            "add",
            "chain",
            "inet",
            "bench",
            "input",
            "{ type filter hook input priority 0; }",
        ])
        .await?;
        for end in ["dport", "sport"] {
            nft(&["add", "rule", "inet", "bench", "input", "tcp", end, &port, "drop"]).await?;
        }
        Ok(())
    }
}

async fn nft(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("nft").args(words).output().await.context("nft")?;
    if !output.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A server's whole life, in a process of its own: tells its address, serves, and leaves at SIGTERM.
pub(crate) async fn serve(name: &str, folder: PathBuf) -> anyhow::Result<()> {
    let origin = crate::origin::Origin::named(name, Tls::from(&folder)?).await?;
    println!("{}", origin.address);
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    term.recv().await;
    origin.leave().await;
    Ok(())
}
