//! A cluster of real etcd members, each on a loopback address and in a folder of its own, with TLS and client certificates
//! towards clients and among themselves. Each is ended by its own handle, at the latest when this is dropped.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use jackline_borrowed::{BRING_ETCD, EtcdPrograms, not_run};
use jackline_discovery::RegistrationAddress;
use rcgen::SanType;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{interval, timeout};

use super::gateway::Gateway;
use crate::stand::{PATIENCE, Pki};

/// So many clusters run at the same time: more would only hold each other up.
static ROOM: Semaphore = Semaphore::const_new(2);

/// Each cluster has eight loopback addresses of its own.
static CLUSTERS: AtomicU8 = AtomicU8::new(0);
const ADDRESSES: u8 = 8;

/// What every member's certificate is good for, too.
pub(super) const NAME: &str = "etcd.example";

/// Between two looks at a member that is coming up.
const GLANCE: Duration = Duration::from_millis(50);

/// How much of a member's log is shown when it does not come up.
const LOG_SHOWN: usize = 4_000;

/// The members.
pub(super) struct Members {
    pub(super) pki: Arc<Pki>,
    pub(super) gateway: Gateway,
    pub(super) programs: EtcdPrograms,
    number: u8,
    token: String,
    members: Vec<Member>,
    /// A stranger has none of its own.
    _room: Option<SemaphorePermit<'static>>,
}

struct Member {
    name: String,
    ip: IpAddr,
    child: Option<Child>,
    /// Etcd knows it no more.
    removed: bool,
}

impl Members {
    /// Starts so many members and waits until each has a quorum. `None`: there is no etcd, which was told.
    pub(super) async fn start(count: u8) -> Option<Self> {
        let programs = match jackline_borrowed::etcd() {
            Ok(programs) => programs,
            Err(why) => {
                not_run("a test on real etcd", &why, BRING_ETCD);
                return None;
            }
        };
        let room = ROOM.acquire().await.expect("it is never closed");
        let pki = Arc::new(Pki::new());
        let writer = pki.identity_as("writer", |_| {});
        super::files(&pki, "writer", &writer);
        pki.file("members-ca.crt", pki.pem());
        let mut members = Self {
            gateway: Gateway::new(&pki, &writer),
            pki,
            programs,
            number: CLUSTERS.fetch_add(1, Ordering::Relaxed),
            token: "first".to_owned(),
            members: Vec::new(),
            _room: Some(room),
        };
        for _ in 0..count {
            members.plan();
        }
        members.start_all("new").await;
        Some(members)
    }

    /// One more cluster of one member, which believes the same CA.
    pub(super) async fn stranger(&self) -> Self {
        let mut stranger = Self {
            pki: Arc::clone(&self.pki),
            gateway: self.gateway.clone(),
            programs: self.programs.clone(),
            number: CLUSTERS.fetch_add(1, Ordering::Relaxed),
            token: "stranger".to_owned(),
            members: Vec::new(),
            _room: None,
        };
        stranger.plan();
        stranger.start_all("new").await;
        stranger
    }

    /// Plans one more member, and gives its number.
    pub(super) fn plan(&mut self) -> usize {
        let index = self.members.len();
        let last = u8::try_from(index).expect("few");
        assert!(last < ADDRESSES, "addresses for so many");
        let process = std::process::id().to_be_bytes();
        let ip = IpAddr::from(Ipv4Addr::new(
            127,
            64 + (process[2] & 0x3f),
            process[3],
            1 + self.number * ADDRESSES + last,
        ));
        let name = format!("m{}-{index}", self.number);
        // Members dial each other from the usual loopback address, and hold their certificates to it.
        let identity = self.pki.identity_as(&ip.to_string(), |params| {
            let dials_from = IpAddr::from(Ipv4Addr::LOCALHOST);
            params.subject_alt_names.push(SanType::IpAddress(dials_from));
            params
                .subject_alt_names
                .push(SanType::DnsName(NAME.try_into().expect("a name")));
        });
        super::files(&self.pki, &name, &identity);
        self.members.push(Member {
            name,
            ip,
            child: None,
            removed: false,
        });
        index
    }

    /// Where clients reach a member.
    pub(super) fn client(&self, index: usize) -> SocketAddr {
        SocketAddr::new(self.members[index].ip, 2379)
    }

    pub(super) fn peer_url(&self, index: usize) -> String {
        format!("https://{}:2380", self.members[index].ip)
    }

    /// The same, as the configuration names it.
    pub(super) fn endpoint(&self, index: usize) -> RegistrationAddress {
        format!("https://{}", self.client(index))
            .parse()
            .expect("an address")
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.members[index].name
    }

    /// The members of a new cluster, at the same addresses.
    pub(super) fn begin_anew(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    pub(super) fn data(&self, index: usize) -> PathBuf {
        self.pki.folder().join(&self.members[index].name)
    }

    /// Starts all that do not run and waits until each has a quorum.
    pub(super) async fn start_all(&mut self, state: &str) {
        let all: Vec<usize> = (0..self.members.len()).collect();
        self.start_some(&all, state).await;
    }

    /// The same with some of them; `state` is `new` or `existing`, for members without data.
    pub(super) async fn start_some(&mut self, which: &[usize], state: &str) {
        for &index in which {
            if self.members[index].child.is_none() {
                self.members[index].child = Some(self.spawn(index, state));
            }
        }
        for &index in which {
            self.healthy(index).await;
        }
    }

    fn spawn(&self, index: usize, state: &str) -> Child {
        let member = &self.members[index];
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(index))
            .expect("a log");
        let (client, peer) = (format!("https://{}", self.client(index)), self.peer_url(index));
        // Where the tests are killed, their members shall not stay behind.
        let mut command = match Path::new("/usr/bin/setpriv").is_file() {
            true => {
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--pdeathsig", "KILL"]).arg(&self.programs.etcd);
                command
            }
            false => Command::new(&self.programs.etcd),
        };
        command
            .env_clear()
            .args(["--name", &member.name, "--initial-cluster-state", state])
            .args(["--initial-cluster-token", &self.token])
            .arg("--data-dir")
            .arg(self.data(index))
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &self.initial_cluster()])
            .args(["--client-cert-auth", "--peer-client-cert-auth", "--logger", "zap"])
            .args(["--max-request-bytes", "16777216", "--max-txn-ops", "10000"])
            // Else a young cluster refuses to have a member removed.
            .arg("--strict-reconfig-check=false");
        let file = |name: String| self.pki.folder().join(name);
        for option in ["--cert-file", "--peer-cert-file"] {
            command.arg(option).arg(file(format!("{}.crt", member.name)));
        }
        for option in ["--key-file", "--peer-key-file"] {
            command.arg(option).arg(file(format!("{}.key", member.name)));
        }
        for option in ["--trusted-ca-file", "--peer-trusted-ca-file"] {
            command.arg(option).arg(file("members-ca.crt".to_owned()));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("etcd runs")
    }

    /// All members that run or are being started, as etcd wants to be told of them.
    pub(super) fn initial_cluster(&self) -> String {
        let all: Vec<String> = (0..self.members.len())
            .filter(|index| !self.members[*index].removed)
            .map(|index| format!("{}={}", self.members[index].name, self.peer_url(index)))
            .collect();
        all.join(",")
    }

    fn log(&self, index: usize) -> PathBuf {
        self.pki
            .folder()
            .join(format!("{}.log", self.members[index].name))
    }

    /// Waits until a member can write.
    pub(super) async fn healthy(&self, index: usize) {
        let member = self.client(index);
        let coming = async {
            let mut glances = interval(GLANCE);
            while !self.gateway.is_healthy(member).await {
                glances.tick().await;
            }
        };
        if timeout(PATIENCE, coming).await.is_err() {
            let log = fs::read_to_string(self.log(index)).unwrap_or_default();
            let tail = log.len().saturating_sub(LOG_SHOWN);
            panic!(
                "{member} does not come up: …{}",
                log.get(tail..).unwrap_or_default()
            );
        }
    }

    /// Waits until a member and all others that run agree on a leader, and gives its number.
    pub(super) async fn leader(&self) -> usize {
        let finding = async {
            let mut glances = interval(GLANCE);
            loop {
                glances.tick().await;
                for index in 0..self.members.len() {
                    let known = self.gateway.leader(self.client(index)).await;
                    if known.is_some_and(|(own, leader)| own == leader) {
                        return index;
                    }
                }
            }
        };
        timeout(PATIENCE, finding).await.expect("a leader is elected")
    }

    /// A member's own id.
    pub(super) async fn id(&self, index: usize) -> String {
        let (own, _) = self.gateway.leader(self.client(index)).await.expect("it answers");
        own
    }

    /// Removes a member and puts a new one in its place, whose number it gives. Member 0 is told.
    pub(super) async fn replace(&mut self, old: usize) -> usize {
        let id = self.id(old).await;
        self.gateway.remove_member(self.client(0), &id).await;
        self.kill(old).await;
        self.members[old].removed = true;
        // It may have been the leader, and an order without one is lost.
        self.leader().await;
        self.healthy(0).await;
        let new = self.plan();
        self.gateway.add_member(self.client(0), &self.peer_url(new)).await;
        self.start_some(&[new], "existing").await;
        new
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) async fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.members[index].child.take() {
            child.kill().await.expect("it can be killed");
        }
    }

    pub(super) async fn kill_all(&mut self) {
        for index in 0..self.members.len() {
            self.kill(index).await;
        }
    }

    /// SIGSTOP, and waits until each of its threads has stopped. Its kernel goes on to accept and to acknowledge.
    pub(super) async fn freeze(&self, index: usize) {
        self.signal(index, Signal::STOP);
        let pid = self.pid(index).as_raw_nonzero();
        let stopping = async {
            let mut glances = interval(GLANCE);
            while !all_stopped(Path::new(&format!("/proc/{pid}/task"))) {
                glances.tick().await;
            }
        };
        timeout(PATIENCE, stopping).await.expect("it stops");
    }

    pub(super) fn thaw(&self, index: usize) {
        self.signal(index, Signal::CONT);
    }

    fn signal(&self, index: usize, signal: Signal) {
        kill_process(self.pid(index), signal).expect("it can be signalled");
    }

    fn pid(&self, index: usize) -> Pid {
        let child = self.members[index].child.as_ref().expect("it runs");
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("it runs")
    }
}

/// Whether the kernel says so of every thread; its state stands behind the name in brackets.
fn all_stopped(tasks: &Path) -> bool {
    let threads = fs::read_dir(tasks).expect("it runs");
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        status
            .rsplit_once(") ")
            .is_none_or(|(_, state)| state.starts_with('T'))
    })
}
