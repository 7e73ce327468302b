//! What clients notice when one of three servers fails: killed, told to leave, frozen, or cut off.
//!
//! The servers are processes of their own, each in a network namespace of its own ([`servers`]); the one that answers the
//! client that keeps its connection is the one that fails.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use self::clients::{Clients, Noticed};
use self::servers::Servers;
use crate::target::{Sort, Tools};
use crate::tls::Tls;
use crate::work::Figures;

mod clients;
mod servers;
pub(crate) mod waiting;

/// How long all is well before the fault (checks have been made, and connections are used), and how long clients go on
/// after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    before: Duration,
    after: Duration,
}

impl Span {
    pub(crate) const FULL: Self = Self {
        before: Duration::from_secs(3),
        after: Duration::from_secs(13),
    };
    /// Longer than every target, and no more: a rival's longer gap is cut off there.
    pub(crate) const QUICK: Self = Self {
        before: Duration::from_secs(2),
        after: Duration::from_secs(5),
    };
}

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

    /// Whether it is wanted; nobody named: all are.
    pub(crate) fn is_named(self, only: &[String]) -> bool {
        let name = format!("failover.{}", self.word());
        only.is_empty() || only.iter().any(|wanted| name.starts_with(wanted.as_str()))
    }

    pub(crate) fn word(self) -> &'static str {
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

/// Whether servers can have namespaces of their own.
fn is_in_own_network() -> bool {
    std::env::var_os(OWN_NETWORK).is_some()
}

/// One fault with one balancer.
pub(crate) async fn run(fault: Fault, sort: &Sort, tools: &Tools, span: Span) -> anyhow::Result<Figures> {
    if fault == Fault::Drop && !is_in_own_network() {
        bail!("packets can be dropped only in network namespaces of one's own (unshare --net as root)");
    }
    let folder = TempDir::new()?;
    let tls = Tls::new_in(folder.path())?;
    let servers = Servers::start(folder.path(), is_in_own_network()).await?;
    let target = tools.start(sort, &servers.addresses()).await?;
    let clients = Clients::start(target.address, &tls);
    tokio::time::sleep(span.before).await;
    let victim = clients
        .served_by()
        .context("nobody was served before the fault")?;
    let victim = servers.named(&victim).context("an unknown server answered")?;
    clients.fault_begins();
    victim.fail(fault).await?;
    tokio::time::sleep(span.after).await;
    let noticed = clients.end().await;
    target.end().await;
    Ok(figures(fault, &noticed, span))
}

fn figures(fault: Fault, noticed: &Noticed, span: Span) -> Figures {
    let name = |unit: &str| format!("failover.{}.{unit}", fault.word());
    vec![
        (name("failed"), noticed.failed),
        (name("failed_in_flight"), noticed.failed_in_flight),
        (name("new_per_s"), noticed.begun / span.after.as_secs_f64()),
        (name("slowest_s"), noticed.slowest),
        (name("gap_s"), noticed.gap),
        (name("watch_gap_s"), noticed.watch_gap),
    ]
}

/// A server's whole life, in a process of its own: tells its address, serves, and leaves at SIGTERM.
pub(crate) async fn serve(name: &str, folder: PathBuf, listen: SocketAddr) -> anyhow::Result<()> {
    let origin = crate::origin::Origin::named(name, Tls::from(&folder)?, listen).await?;
    println!("{}", origin.address);
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    term.recv().await;
    origin.leave().await;
    Ok(())
}
