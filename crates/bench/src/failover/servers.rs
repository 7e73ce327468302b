//! Three servers, each a process in a network namespace of its own, joined to the balancer's by a pair of virtual cards:
//! each has its own stack, so that what befalls one is as on three hosts. Without root they share the machine's loopback.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::Fault;

/// How many servers there are.
const SERVERS: u8 = 3;
const PORT: u16 = 6443;
/// What a server's namespace does before the server runs: it waits for its card, which is given from outside.
const JOINED: &str = "read _ && ip link set lo up && ip address add \"$1\" dev eth0 && ip link set eth0 up && shift && exec \"$@\"";
/// Neither lets a packet in nor out; the sender is told nothing.
const CUT_OFF: &str = "table inet cut { \
    chain in { type filter hook prerouting priority -300; drop; }; \
    chain out { type filter hook postrouting priority 300; drop; }; }";

/// All of them. Dropped, they are killed, and their namespaces are gone with them.
pub(super) struct Servers(Vec<Server>);

/// One server.
pub(super) struct Server {
    name: String,
    address: SocketAddr,
    child: Child,
    /// Keeps the namespace when the process in it is killed: its kernel answers for it.
    namespace: Option<File>,
}

impl Servers {
    /// Starts them with the certificate in this folder.
    pub(super) async fn start(folder: &Path, apart: bool) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        for number in 0..SERVERS {
            servers.push(Server::start(number, folder, apart).await?);
        }
        Ok(Self(servers))
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|server| server.address).collect()
    }

    pub(super) fn first(&self) -> Option<&Server> {
        self.0.first()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Server> {
        self.0.iter().find(|server| server.name == name)
    }
}

impl Server {
    async fn start(number: u8, folder: &Path, apart: bool) -> anyhow::Result<Self> {
        let name = format!("server-{number}");
        let program = std::env::current_exe()?;
        let mut command = if apart {
            let mut command = Command::new("unshare");
            command
                .args(["--net", "--", "sh", "-c", JOINED, "sh"])
                .arg(format!("10.77.{number}.2/24"))
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let listen = if apart {
            SocketAddr::from(([10, 77, number, 2], PORT))
        } else {
            SocketAddr::from(([127, 0, 0, 1], 0))
        };
        let mut child = command
            .args([
                "origin",
                "--name",
                &name,
                "--listen",
                &listen.to_string(),
                "--folder",
            ])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let namespace = match apart {
            true => Some(join(number, &mut child).await?),
            false => None,
        };
        let said = child.stdout.take().context("a server's output")?;
        let line = BufReader::new(said).lines().next_line().await?;
        let address = line.context("a server did not start")?.parse()?;
        Ok(Self {
            name,
            address,
            child,
            namespace,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this to it.
    pub(super) async fn fail(&self, fault: Fault) -> anyhow::Result<()> {
        let signal = match fault {
            Fault::Kill => Signal::KILL,
            Fault::Term => Signal::TERM,
            Fault::Stop => Signal::STOP,
            Fault::Drop => return self.cut_off().await,
        };
        Ok(kill_process(pid(&self.child)?, signal)?)
    }

    /// From now on no packet reaches it or comes from it.
    pub(super) async fn cut_off(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.namespace.is_some(), "it has no network of its own");
        let target = pid(&self.child)?.as_raw_nonzero().to_string();
        run("nsenter", &["--target", &target, "--net", "nft", CUT_OFF]).await
    }
}

/// Gives a namespace that waits for it a card, and lets it go on.
async fn join(number: u8, child: &mut Child) -> anyhow::Result<File> {
    let pid = pid(child)?.as_raw_nonzero().to_string();
    let here = std::fs::read_link("/proc/self/ns/net")?;
    let path = format!("/proc/{pid}/ns/net");
    // It begins in ours, and leaves it as soon as it has its own.
    let start = std::time::Instant::now();
    while std::fs::read_link(&path)? == here {
        anyhow::ensure!(
            start.elapsed().as_secs() < 10,
            "a server got no network of its own"
        );
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let namespace = File::open(&path)?;
    let card = format!("bench{number}");
    // What is left of the last three goes away with their namespaces, which the kernel takes its time for.
    let _ = run("ip", &["link", "delete", &card]).await;
    let pair = [
        "link", "add", &card, "type", "veth", "peer", "name", "eth0", "netns", &pid,
    ];
    run("ip", &pair).await?;
    run(
        "ip",
        &["address", "add", &format!("10.77.{number}.1/24"), "dev", &card],
    )
    .await?;
    run("ip", &["link", "set", &card, "up"]).await?;
    let mut go = child.stdin.take().context("a server's input")?;
    go.write_all(b"go\n").await?;
    Ok(namespace)
}

fn pid(child: &Child) -> anyhow::Result<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    id.and_then(Pid::from_raw).context("the server is gone")
}

async fn run(program: &str, words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(words).output().await;
    let output = output.with_context(|| format!("{program} is not on this machine"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
