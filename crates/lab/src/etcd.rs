//! Real etcd beside the stand-ins: members with TLS and client certificates, each a process of its own where its server
//! lives, and the keys that apiservers write into it.
//!
//! The lab's store stays what the stand-in apiservers answer from; real etcd holds what a node on an etcd member reads. Who
//! writes it is `scribe`'s, by what means `gateway`'s; one member is `member`'s.

mod gateway;
mod member;
pub(crate) mod scribe;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use jackline_borrowed::EtcdPrograms;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

use crate::pki::Authority;
use crate::place::Place;
pub(crate) use gateway::Gateway;
use member::Member;
use scribe::Scribe;

/// Where clients reach a member, and where the others do.
const CLIENTS: u16 = 2379;
const PEERS: u16 = 2380;

/// A member that does not come up within this is the lab's own fault.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at a member that is coming up.
const GLANCE: Duration = Duration::from_millis(50);

/// A real etcd cluster. Dropped, all of it is gone.
pub(crate) struct Etcd {
    programs: EtcdPrograms,
    members: Vec<Member>,
    access: Access,
    files: EtcdFiles,
    /// A restored cluster is a new one at the same addresses.
    generation: u32,
    folder: TempDir,
}

/// What a node on a member is given: its own CA and client certificate.
#[derive(Clone, Debug)]
pub(crate) struct EtcdFiles {
    pub(crate) ca_file: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Whom apiservers write to, and how. Clones share the turn.
#[derive(Clone)]
pub(crate) struct Access {
    gateway: Gateway,
    members: Arc<[SocketAddr]>,
    turn: Arc<AtomicUsize>,
    /// Apiservers write nothing for now.
    withheld: Arc<AtomicBool>,
}

impl Access {
    /// `true`: from now on apiservers write nothing, and their leases run out; `false`: from their next turn on they do again.
    pub(crate) fn withhold(&self, withheld: bool) {
        self.withheld.store(withheld, Ordering::Relaxed);
    }

    fn is_withheld(&self) -> bool {
        self.withheld.load(Ordering::Relaxed)
    }

    /// The member whose turn it is.
    pub(crate) fn member(&self) -> SocketAddr {
        self.members[self.turn.load(Ordering::Relaxed) % self.members.len()]
    }

    /// That one failed: the next.
    fn next_member(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// The hand of the apiserver at this address, writing from its own place.
    pub(crate) fn scribe(&self, server: SocketAddr, place: &Place, lasts: Duration) -> Scribe {
        let gateway = self.gateway.from(place.clone());
        Scribe {
            access: Self {
                gateway,
                ..self.clone()
            },
            server,
            lasts,
        }
    }
}

impl Etcd {
    /// Prepares a cluster with a member at each of these addresses. None runs yet.
    ///
    /// # Errors
    /// When there is no etcd on this machine, or files or certificates cannot be made.
    pub(crate) fn plan(at: &[(String, Place, Ipv4Addr)]) -> anyhow::Result<Self> {
        anyhow::ensure!(!at.is_empty(), "an etcd cluster without members");
        let programs = jackline_borrowed::etcd().map_err(anyhow::Error::msg)?;
        let folder = tempfile::Builder::new().prefix("jackline-etcd-").tempdir()?;
        let authority = Authority::new("lab-etcd-ca")?;
        let write = |name: &str, text: &str| -> anyhow::Result<PathBuf> {
            let path = folder.path().join(name);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            Ok(path)
        };
        let reader = authority.client("etcd-client", &[])?;
        let files = EtcdFiles {
            ca_file: write("server-ca.crt", authority.pem())?,
            certificate: write("client.crt", &reader.certificate_pem)?,
            key: write("client.key", &reader.key_pem)?,
        };
        let mut members = Vec::new();
        for (name, place, address) in at {
            let peer = authority.peer(name, &[address.to_string()])?;
            write(&format!("{name}.crt"), &peer.certificate_pem)?;
            write(&format!("{name}.key"), &peer.key_pem)?;
            members.push(Member::new(name, place, *address));
        }
        let addresses: Vec<SocketAddr> = members.iter().map(Member::client).collect();
        let access = Access {
            gateway: Gateway::new(&authority, Place::Here)?,
            members: addresses.into(),
            turn: Arc::default(),
            withheld: Arc::default(),
        };
        Ok(Self {
            programs,
            members,
            access,
            files,
            generation: 1,
            folder,
        })
    }

    pub(crate) fn access(&self) -> Access {
        self.access.clone()
    }

    pub(crate) fn files(&self) -> EtcdFiles {
        self.files.clone()
    }

    /// Somebody who may write, in the place of a member: it is reached wherever the network is cut.
    pub(crate) fn gateway(&self, member: usize) -> Gateway {
        self.access.gateway.from(self.members[member].place.clone())
    }

    pub(crate) fn client(&self, member: usize) -> SocketAddr {
        self.members[member].client()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Starts all that do not run and waits until each has a quorum.
    ///
    /// # Errors
    /// When one does not come up: with what it wrote last.
    pub(crate) async fn start_all(&mut self) -> anyhow::Result<()> {
        for member in 0..self.members.len() {
            self.start(member)?;
        }
        for member in 0..self.members.len() {
            self.wait_healthy(member).await?;
        }
        Ok(())
    }

    /// Starts one, and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) fn start(&mut self, member: usize) -> anyhow::Result<()> {
        let cluster: Vec<String> = self.members.iter().map(Member::as_peer).collect();
        let token = format!("generation-{}", self.generation);
        let folder = self.folder.path();
        self.members[member].start(&self.programs.etcd, folder, &cluster.join(","), &token)
    }

    pub(crate) async fn kill(&mut self, member: usize) {
        self.members[member].kill().await;
    }

    /// Waits until a member can write.
    ///
    /// # Errors
    /// When it does not come to that: with what it wrote last.
    pub(crate) async fn wait_healthy(&self, member: usize) -> anyhow::Result<()> {
        let (gateway, client) = (self.gateway(member), self.client(member));
        let coming = async {
            let mut glances = interval(GLANCE);
            while !gateway.is_healthy(client).await {
                glances.tick().await;
            }
        };
        if timeout(UP_WITHIN, coming).await.is_err() {
            let tail = self.members[member].log_tail(self.folder.path());
            anyhow::bail!("etcd's member {client} does not come up: …{tail}");
        }
        Ok(())
    }

    /// Waits until the members that run agree on a leader, and gives its number.
    ///
    /// # Errors
    /// When they do not.
    pub(crate) async fn leader(&self) -> anyhow::Result<usize> {
        let finding = async {
            let mut glances = interval(GLANCE);
            loop {
                glances.tick().await;
                for member in 0..self.members.len() {
                    let known = self.gateway(member).leader(self.client(member)).await;
                    if known.is_some_and(|(own, leader)| own == leader) {
                        return member;
                    }
                }
            }
        };
        timeout(UP_WITHIN, finding).await.context("no leader is elected")
    }

    /// Takes a snapshot of what a member has.
    ///
    /// # Errors
    /// When there is no tool for it, or it fails.
    pub(crate) async fn snapshot(&self, member: usize) -> anyhow::Result<PathBuf> {
        let etcdctl = self.programs.etcdctl.as_deref();
        let etcdctl = etcdctl.context("no etcdctl is beside ETCD_BIN: put it there, or leave it unset")?;
        let file = self.folder.path().join(format!("snapshot-{}", self.generation));
        let endpoint = format!("--endpoints=https://{}", self.client(member));
        let mut command = tokio::process::Command::new(etcdctl);
        command
            .env("ETCDCTL_API", "3")
            .arg(endpoint)
            .arg("--cacert")
            .arg(&self.files.ca_file)
            .arg("--cert")
            .arg(&self.files.certificate)
            .arg("--key")
            .arg(&self.files.key)
            .args(["snapshot", "save"])
            .arg(&file);
        member::run_tool(command).await?;
        Ok(file)
    }

    /// Ends all members and makes them anew from a snapshot: a new cluster at the old addresses, whose revisions begin
    /// where the snapshot's end. They run and have a quorum afterwards.
    ///
    /// # Errors
    /// When there is no tool for it, or it fails.
    pub(crate) async fn restore(&mut self, snapshot: &std::path::Path) -> anyhow::Result<()> {
        let restorer = self.programs.restorer.clone();
        let restorer =
            restorer.context("no etcdutl or etcdctl is beside ETCD_BIN: put it there, or leave it unset")?;
        for member in &mut self.members {
            member.kill().await;
        }
        self.generation += 1;
        let cluster: Vec<String> = self.members.iter().map(Member::as_peer).collect();
        for member in &mut self.members {
            member
                .restore(
                    &restorer,
                    self.folder.path(),
                    snapshot,
                    &cluster.join(","),
                    &format!("generation-{}", self.generation),
                )
                .await?;
        }
        self.start_all().await
    }
}
