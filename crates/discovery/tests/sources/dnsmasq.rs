//! A real name server, Debian's dnsmasq, run on loopback as an ordinary process: no service, no root, no file of the
//! machine's own. Taken from `DNSMASQ_BIN`, from where programs are, or unpacked from Debian's packages.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use jackline_borrowed::{Unpacked, on_this_machine, unpacked};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::stand::PATIENCE;

/// What must be unpacked beside the base system for dnsmasq to start.
const PACKAGES: [&str; 11] = [
    "dnsmasq-base",
    "libedit2",
    "libjansson4",
    "libmd0",
    "libbsd0",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftables1",
    "libnftnl11",
    "libxtables12",
];

/// How a test of it says what it would take.
pub(crate) const BRING: &str = "apt-get install dnsmasq-base, or DNSMASQ_BIN";

/// So often a port that was free a moment ago may be taken by somebody else.
const STARTS_MAX: usize = 10;

/// The program and the libraries that it needs.
pub(crate) struct Dnsmasq {
    program: PathBuf,
    libraries: Option<Unpacked>,
}

/// A running one.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    process: Child,
    says: Lines<BufReader<ChildStderr>>,
}

impl Dnsmasq {
    /// The program, or in words why it cannot be had.
    pub(crate) async fn find() -> Result<Self, String> {
        if let Some(program) = std::env::var_os("DNSMASQ_BIN") {
            return Self::tried(PathBuf::from(program), None).await;
        }
        if let Some(program) = on_this_machine("dnsmasq") {
            return Self::tried(program, None).await;
        }
        let debian = spawn_blocking(|| unpacked("dnsmasq", &PACKAGES));
        let debian = debian.await.map_err(|error| error.to_string())??;
        let program = debian
            .program("dnsmasq")
            .ok_or("Debian's dnsmasq-base has no dnsmasq")?;
        Self::tried(program, Some(debian)).await
    }

    async fn tried(program: PathBuf, libraries: Option<Unpacked>) -> Result<Self, String> {
        let dnsmasq = Self { program, libraries };
        let output = timeout(PATIENCE, dnsmasq.command().arg("--version").output()).await;
        let words = match output {
            Ok(Ok(output)) if output.status.success() => return Ok(dnsmasq),
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        Err(format!("{} does not run: {words}", dnsmasq.program.display()))
    }

    fn command(&self) -> Command {
        let mut command = std::process::Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            libraries.offer(&mut command);
        }
        let mut command = Command::from(command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts it with these lines of configuration and of a hosts file, and waits until it answers.
    pub(crate) async fn start(&self, configuration: &str, hosts: &str) -> Running {
        for _ in 0..STARTS_MAX {
            let folder = TempDir::new().unwrap();
            std::fs::write(folder.path().join("conf"), configuration).unwrap();
            std::fs::write(folder.path().join("hosts"), hosts).unwrap();
            let address = free_address();
            let (process, says) = self.run(folder.path(), address);
            let mut running = Running {
                address,
                folder,
                process,
                says,
            };
            if running.has_read_hosts().await {
                return running;
            }
        }
        panic!("dnsmasq never got a port");
    }

    /// The same one anew, after [`Running::stop`].
    pub(crate) async fn start_again(&self, running: &mut Running, configuration: &str) {
        std::fs::write(running.folder.path().join("conf"), configuration).unwrap();
        (running.process, running.says) = self.run(running.folder.path(), running.address);
        assert!(running.has_read_hosts().await, "it started before");
    }

    fn run(&self, folder: &Path, address: SocketAddr) -> (Child, Lines<BufReader<ChildStderr>>) {
        // Its own user is nobody, and may not read the folder otherwise.
        let user = rustix::process::geteuid().is_root().then_some("--user=root");
        let mut process = self
            .command()
            .env("LC_ALL", "C")
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
            ])
            .args(["--pid-file=", "--log-facility=-", "--no-poll", "--local-ttl=7"])
            .args(user)
            .arg(format!("--listen-address={}", address.ip()))
            .arg(format!("--port={}", address.port()))
            .arg(format!("--conf-file={}", folder.join("conf").display()))
            .arg(format!("--addn-hosts={}", folder.join("hosts").display()))
            .stderr(Stdio::piped())
            .spawn()
            .expect("dnsmasq starts");
        let says = process.stderr.take().expect("piped");
        (process, BufReader::new(says).lines())
    }
}

impl Running {
    /// Other hosts, from now on.
    pub(crate) async fn tell(&mut self, hosts: &str) {
        std::fs::write(self.folder.path().join("hosts"), hosts).unwrap();
        let process = self.process.id().expect("it runs");
        let process = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::HUP).expect("it runs");
        assert!(self.has_read_hosts().await, "it goes on");
    }

    /// Waits until it says that it has read its hosts, after which it answers; `false`, if it ends instead.
    async fn has_read_hosts(&mut self) -> bool {
        let done = format!("read {}", self.folder.path().join("hosts").display());
        let read = async {
            while let Some(line) = self.says.next_line().await.expect("text") {
                if line.contains(&done) {
                    return true;
                }
            }
            false
        };
        timeout(PATIENCE, read)
            .await
            .expect("it reads its hosts, or ends")
    }

    /// Ends it; its address stays its own.
    pub(crate) async fn stop(&mut self) {
        self.process.kill().await.expect("it runs");
    }
}

/// An address on loopback of which both ports were free just now.
fn free_address() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
