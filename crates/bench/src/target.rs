//! Whom is measured: jackline and its rivals, each started as a process of its own between the same clients and origin.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::origin::Raw;
use crate::process::Process;

mod configuration;

/// How long a target may take to carry its first byte; under callgrind everything takes long.
const START: Duration = Duration::from_secs(60);
/// How long HAProxy may take to tell of its pipes.
const PIPES_TIME: Duration = Duration::from_secs(1);
/// How long one may take to end after SIGTERM.
const END: Duration = Duration::from_secs(2);
/// The same under callgrind.
const END_COUNTED: Duration = Duration::from_secs(60);

/// A kind of target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// No target: the limit.
    Direct,
    Jackline,
    Haproxy,
    /// With splicing forced: `splice-auto` hardly splices.
    HaproxySplice,
    Nginx,
    /// Tokio's copy_bidirectional.
    Copy,
    /// HAProxy as Kubespray sets it up.
    HaproxyKubespray,
    /// HAProxy tuned for a quick change of servers.
    HaproxyTuned,
    /// What `--rival` gives.
    Given {
        name: String,
        command: String,
    },
}

impl Sort {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Direct => "direct",
            Self::Jackline => "jackline",
            Self::Haproxy => "haproxy",
            Self::HaproxySplice => "haproxy-splice",
            Self::HaproxyKubespray => "haproxy-kubespray",
            Self::HaproxyTuned => "haproxy-tuned",
            Self::Nginx => "nginx",
            Self::Copy => "copy",
            Self::Given { name, .. } => name,
        }
    }
}

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Tools {
    jackline: PathBuf,
    haproxy: Option<PathBuf>,
    nginx: Option<PathBuf>,
    given: Vec<Sort>,
}

impl Tools {
    /// Looks for the rivals in the PATH; one that is not there is told and left out.
    pub(crate) fn new(jackline: PathBuf, rivals: &[String]) -> anyhow::Result<Self> {
        let given = rivals.iter().map(|rival| {
            let (name, command) = rival.split_once('=').context("--rival NAME=COMMAND")?;
            Ok(Sort::Given {
                name: name.to_owned(),
                command: command.to_owned(),
            })
        });
        Ok(Self {
            jackline,
            haproxy: find("haproxy"),
            nginx: find("nginx"),
            given: given.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Rivals that this machine lacks, each with the line that brings it.
    pub(crate) fn missing(&self) -> Vec<String> {
        let programs = [("haproxy", &self.haproxy), ("nginx", &self.nginx)];
        let missing = programs.into_iter().filter(|(_, found)| found.is_none());
        missing
            .map(|(name, _)| format!("{name}: it is not on this machine (apt-get install {name})"))
            .collect()
    }

    /// All that can be started.
    pub(crate) fn sorts(&self) -> Vec<Sort> {
        let mut sorts = vec![Sort::Direct, Sort::Jackline];
        if self.haproxy.is_some() {
            sorts.extend([Sort::Haproxy, Sort::HaproxySplice]);
        }
        sorts.extend(self.nginx.is_some().then_some(Sort::Nginx));
        sorts.push(Sort::Copy);
        sorts.extend(self.given.iter().cloned());
        sorts
    }

    /// Those that can choose among several servers.
    pub(crate) fn choosers(&self) -> Vec<Sort> {
        let mut sorts = vec![Sort::Jackline];
        if self.haproxy.is_some() {
            sorts.extend([Sort::HaproxyKubespray, Sort::HaproxyTuned]);
        }
        sorts.extend(self.nginx.is_some().then_some(Sort::Nginx));
        sorts
    }

    /// Starts one before these servers, and waits until it carries bytes.
    pub(crate) async fn start(&self, sort: &Sort, servers: &[SocketAddr]) -> anyhow::Result<Target> {
        let folder = TempDir::new()?;
        let address = match servers {
            [only] if *sort == Sort::Direct => *only,
            _ => free_address()?,
        };
        let command = self.command(sort, address, servers, folder.path())?;
        self.start_with(sort, address, command, folder).await
    }

    /// The same under callgrind, which leaves its counts in the target's folder.
    pub(crate) async fn start_counted(&self, sort: &Sort, servers: &[SocketAddr]) -> anyhow::Result<Target> {
        let folder = TempDir::new()?;
        let address = free_address()?;
        let command = self.command(sort, address, servers, folder.path())?;
        let command = command.context("nothing to be counted")?;
        let mut counted = Command::new("valgrind");
        counted
            .arg("--tool=callgrind")
            .arg(format!(
                "--callgrind-out-file={}",
                folder.path().join("callgrind").display()
            ))
            .arg(command.get_program())
            .args(command.get_args());
        self.start_with(sort, address, Some(counted), folder).await
    }

    async fn start_with(
        &self,
        sort: &Sort,
        address: SocketAddr,
        command: Option<Command>,
        folder: TempDir,
    ) -> anyhow::Result<Target> {
        let child = command
            .map(|command| spawn(command, sort, folder.path()))
            .transpose()?;
        let mut target = Target {
            sort: sort.clone(),
            address,
            child,
            folder,
        };
        target.wait().await?;
        Ok(target)
    }

    fn command(
        &self,
        sort: &Sort,
        listen: SocketAddr,
        to: &[SocketAddr],
        folder: &Path,
    ) -> anyhow::Result<Option<Command>> {
        let installed = |program: &Option<PathBuf>| program.clone().context("it is not installed");
        let command = match sort {
            Sort::Direct => return Ok(None),
            Sort::Jackline => {
                let file = folder.join("jackline.yaml");
                fs::write(&file, configuration::jackline(listen, to, folder))?;
                let mut command = Command::new(&self.jackline);
                command.arg("run").arg("--config").arg(file);
                command
            }
            Sort::Haproxy | Sort::HaproxySplice | Sort::HaproxyKubespray | Sort::HaproxyTuned => {
                let file = folder.join("haproxy.cfg");
                fs::write(&file, configuration::haproxy(sort, listen, to, folder))?;
                let mut command = Command::new(installed(&self.haproxy)?);
                command.arg("-db").arg("-f").arg(file);
                command
            }
            Sort::Nginx => {
                let nginx = installed(&self.nginx)?;
                let file = folder.join("nginx.conf");
                fs::write(&file, configuration::nginx(listen, to, folder, &nginx))?;
                let mut command = Command::new(nginx);
                command
                    .arg("-p")
                    .arg(folder)
                    .args(["-e", "stderr", "-c"])
                    .arg(file);
                command
            }
            Sort::Copy => {
                let mut command = Command::new(std::env::current_exe()?);
                let (listen, to) = (listen.to_string(), first(to)?.to_string());
                command.args(["relay", "--listen", &listen, "--to", &to]);
                command
            }
            Sort::Given { command: given, .. } => {
                let given = given.replace("{listen}", &listen.to_string());
                let mut command = Command::new("sh");
                command.args([
                    "-c",
                    &format!("exec {}", given.replace("{to}", &first(to)?.to_string())),
                ]);
                command
            }
        };
        Ok(Some(command))
    }
}

/// A running target.
pub(crate) struct Target {
    pub(crate) sort: Sort,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    child: Option<Child>,
    folder: TempDir,
}

impl Target {
    /// What it costs is read from there; `None`: there is no target in between.
    pub(crate) fn process(&self) -> Option<Process> {
        self.child.as_ref().map(|child| Process(child.id()))
    }

    /// How many pipes HAProxy has in use; `None`: it is none, or does not say.
    pub(crate) fn pipes(&self) -> Option<u64> {
        if !matches!(self.sort, Sort::Haproxy | Sort::HaproxySplice) {
            return None;
        }
        use std::io::{Read, Write};
        let mut socket = std::os::unix::net::UnixStream::connect(self.folder.path().join("stats")).ok()?;
        socket.set_read_timeout(Some(PIPES_TIME)).ok()?;
        socket.write_all(b"show info\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("PipesUsed: "))?;
        line.trim().parse().ok()
    }

    /// Ends it, and waits for that.
    pub(crate) async fn end(mut self) {
        self.end_within(END).await;
    }

    /// Ends it in peace, and gives what it left.
    pub(crate) async fn leave(mut self) -> anyhow::Result<TempDir> {
        self.end_within(END_COUNTED).await;
        let left = std::mem::replace(&mut self.folder, TempDir::new()?);
        Ok(left)
    }

    async fn end_within(&mut self, time: Duration) {
        let Some(child) = &mut self.child else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let start = Instant::now();
        while start.elapsed() < time && matches!(child.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What is left is killed as this is dropped.
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < START {
            if carries(self.address).await.is_ok() {
                return Ok(());
            }
            let over = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if over.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let said = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        let end: Vec<&str> = said.lines().rev().take(3).collect();
        bail!("{} carries nothing: {}", self.sort.name(), end.join(" / "))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(mut command: Command, sort: &Sort, folder: &Path) -> anyhow::Result<Child> {
    let said = fs::File::create(folder.join("said"))?;
    command
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
        .with_context(|| format!("{} cannot be started", sort.name()))
}

async fn carries(address: SocketAddr) -> anyhow::Result<()> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&[Raw::Quiet.word()]).await?;
        stream.read_u8().await?;
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await?
}

fn first(servers: &[SocketAddr]) -> anyhow::Result<SocketAddr> {
    servers.first().copied().context("no server to relay to")
}

/// A port that nobody has at this moment.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
