//! The control plane: its servers, its store, and what nodes need to join it.

mod block;
mod cluster;
mod ledger;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

pub(crate) use cluster::{Cluster, hexadecimal};

use crate::credentials::{Credentials, Folder};
use crate::locked::lock;
use crate::objects::{Key, Resource, namespace, node, node_lease};
use crate::pki::Authority;
use crate::place::Place;
use crate::plan::{Plan, SERVERS_MAX, Timing};
use crate::plane::block::Block;
use crate::server::{Server, StartAs};

/// [`ControlPlane::wait_until`] asks at least this often: not everything that can be seen announces its changes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why something could not be done to a control plane.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The plan is impossible.
    #[error("the plan is impossible: {0}")]
    Plan(String),
    /// No block of addresses is free.
    #[error(
        "no free block of addresses in 127.0.0.0/8: other labs have taken them all, or loopback is restricted"
    )]
    NoAddresses,
    /// An address could not be bound.
    #[error("cannot bind {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused a socket filter.
    #[error("cannot cut {name} off: the kernel refuses the packet filter: {source}")]
    Filter {
        /// Which server.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate could not be used.
    #[error("cannot use a certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such server.
    #[error("there is no server {0}")]
    NoServer(String),
}

/// What is known of a request that named itself (`id`).
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The server that received it last.
    pub server: String,
    /// When it did.
    pub received: Instant,
    /// When its answer was handed to the connection; `None`: never.
    pub answered: Option<Instant>,
}

/// A control plane. Clones mean the same one; with the last it is gone, servers, files and all (a clone of a [`Server`]
/// keeps that server).
#[derive(Clone)]
pub struct ControlPlane {
    inner: Arc<Inner>,
}

struct Inner {
    servers: Vec<Server>,
    cluster: Arc<Cluster>,
    authority: Authority,
    folder: Folder,
    factor: u32,
    block: Block,
}

impl ControlPlane {
    /// Makes the control plane; no server runs yet. Called within a tokio runtime.
    ///
    /// # Errors
    /// When the plan is impossible, no addresses are free, or certificates or files cannot be made.
    pub fn start(plan: Plan) -> Result<Self, PlaneError> {
        Self::start_on(plan, |_| Place::Here)
    }

    /// The same, with each server in the place that its name leads to.
    pub(crate) fn start_on(plan: Plan, place: impl Fn(&str) -> Place) -> Result<Self, PlaneError> {
        possible(&plan, &place)?;
        let block = Block::claim()?;
        let authority = Authority::new("lab-server-ca")?;
        let timing = Timing {
            boot: plan.boot,
            ..Timing::compressed(plan.factor)
        };
        let cluster = Arc::new(Cluster::new(&authority, plan.anonymous, timing, plan.seed));
        for name in ["default", "kube-system", "kube-node-lease"] {
            // The store is empty: there is room.
            let _ = cluster
                .store
                .put(&Key::new(Resource::Namespaces, "", name), namespace(name));
        }
        let mut servers = Vec::new();
        for planned in &plan.servers {
            let address = match planned.address {
                Some(address) => address,
                None => block.next()?,
            };
            servers.push(Server::new(
                planned,
                SocketAddr::from((address, block.port)),
                place(&planned.name),
                &authority,
                &cluster,
            )?);
        }
        for server in &servers {
            server.introduce(&servers);
        }
        let folder = Folder::create(&authority, &cluster.node_password, &cluster.admin_token)?;
        Ok(Self {
            inner: Arc::new(Inner {
                servers,
                cluster,
                authority,
                folder,
                factor: plan.factor,
                block,
            }),
        })
    }

    /// Starts every server that does not run.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start_all(&self) -> Result<(), PlaneError> {
        self.inner
            .servers
            .iter()
            .try_for_each(|server| server.start(StartAs::Fresh))
    }

    /// The server of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn server(&self, name: &str) -> Result<Server, PlaneError> {
        let found = self.inner.servers.iter().find(|server| server.name() == name);
        found
            .cloned()
            .ok_or_else(|| PlaneError::NoServer(name.to_owned()))
    }

    /// All servers, in the order of the plan.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.inner.servers
    }

    /// The port of every server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.block.port
    }

    /// An address of the control plane's own block that was never given out, for [`Server::replace_at`], a name server or anything else.
    ///
    /// # Errors
    /// When the block (253 addresses) is used up.
    pub fn free_address(&self) -> Result<Ipv4Addr, PlaneError> {
        self.inner.block.next()
    }

    /// From now on apiservers that start write their leases and K3s's list into this etcd too.
    pub(crate) fn write_into(&self, etcd: crate::etcd::Access) {
        // A second one would be another cluster's.
        let _ = self.inner.cluster.etcd.set(etcd);
    }

    /// A wait of a person's length, compressed.
    #[must_use]
    pub fn compressed(&self, real: Duration) -> Duration {
        real / self.inner.factor
    }

    /// The authority that the cluster began with.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    // --- nodes ---

    /// The files of a node, made on the first call; its Node and Lease objects exist from then on (a server's Node is its
    /// own). The kubeconfigs point to `server` (e.g. `https://127.0.0.1:6440`) and are written anew on each call.
    ///
    /// # Errors
    /// When certificates or files cannot be made.
    pub fn credentials(&self, name: &str, server: &str) -> Result<Credentials, PlaneError> {
        let store = &self.inner.cluster.store;
        if store.object(&Key::node(name)).is_none()
            && self.inner.servers.iter().all(|server| server.name() != name)
        {
            // A full store holds no Node: the node's requests will be answered so.
            let _ = store.put(&Key::node(name), node(name, None, &[]));
        }
        if store.object(&Key::node_lease(name)).is_none() {
            let _ = store.put(&Key::node_lease(name), node_lease(name));
        }
        let token = lock(&self.inner.cluster.bearer_token).clone();
        self.inner.folder.node(name, server, &token)
    }

    /// Gives the ServiceAccount another token, in this node's file too; the old one is refused from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn renew_bearer_token(&self, node: &str) -> Result<(), PlaneError> {
        let fresh = self.inner.cluster.renew_bearer_token();
        self.inner.folder.write_bearer_token(node, &fresh)
    }

    /// A kubeconfig with all rights, by a client certificate; written on each call.
    ///
    /// # Errors
    /// When certificates or files cannot be made.
    pub fn admin_kubeconfig(&self, server: &str) -> Result<PathBuf, PlaneError> {
        self.inner.folder.admin(server, false)
    }

    /// The same by a bearer token.
    ///
    /// # Errors
    /// When certificates or files cannot be made.
    pub fn admin_token_kubeconfig(&self, server: &str) -> Result<PathBuf, PlaneError> {
        self.inner.folder.admin(server, true)
    }

    /// The folder of all files; it goes with the control plane.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.inner.folder.path()
    }

    /// Replaces a node's CA file (the kubeconfigs name that file) atomically.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_ca(&self, node: &str, authorities: &[&Authority]) -> Result<(), PlaneError> {
        self.inner.folder.write_ca(node, authorities)
    }

    /// Deletes a Node object; `false`: there was none.
    pub fn delete_node(&self, name: &str) -> bool {
        self.inner.cluster.store.delete(&Key::node(name)).is_some()
    }

    /// When the node's Lease was last renewed.
    #[must_use]
    pub fn heartbeat(&self, node: &str) -> Option<Instant> {
        self.inner.cluster.heartbeat(node)
    }

    /// Renews a node's Lease as its kubelet does.
    pub(crate) fn renew_lease(&self, node: &str) {
        let mut lease = node_lease(node);
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
        lease["spec"]["renewTime"] = serde_json::json!(now.to_string());
        // A store that is full of other things holds no Lease of ours.
        let _ = self.inner.cluster.store.put(&Key::node_lease(node), lease);
    }

    /// Forgets the history of all objects, as etcd's compaction does: watches from before get 410.
    pub fn compact(&self) {
        self.inner.cluster.store.compact();
    }

    // --- what can be seen ---

    /// The list of apiservers in the store.
    #[must_use]
    pub fn list(&self) -> Vec<SocketAddr> {
        self.inner.cluster.store.servers()
    }

    /// Whether some server is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.servers.iter().any(Server::is_ready)
    }

    /// Since when some server has been ready without a break; `None`: none is.
    #[must_use]
    pub fn ready_since(&self) -> Option<Instant> {
        self.inner.cluster.board.some_ready_since()
    }

    /// Waits until this holds; it is asked again at every change of a server or of the store, and every 20 ms. `false`: not
    /// within the limit.
    pub async fn wait_until(&self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let mut servers = self.inner.cluster.board.subscribe();
        let mut store = self.inner.cluster.store.subscribe();
        let held = async {
            while !holds(self) {
                tokio::select! {
                    _ = servers.changed() => {}
                    _ = store.changed() => {}
                    () = sleep(LOOK_EVERY) => {}
                }
            }
        };
        timeout(limit, held).await.is_ok()
    }

    /// Whether a request that named itself so (`?id=`) has reached any server. The last 200,000 are remembered.
    #[must_use]
    pub fn requests_seen(&self, id: &str) -> bool {
        self.sighting(id).is_some()
    }

    /// What is known of it.
    #[must_use]
    pub fn sighting(&self, id: &str) -> Option<Sighting> {
        self.inner.cluster.ledger.sighting(id)
    }
}

fn possible(plan: &Plan, place: impl Fn(&str) -> Place) -> Result<(), PlaneError> {
    let refuse = |why: &str| Err(PlaneError::Plan(why.to_owned()));
    if plan.servers.is_empty() || plan.servers.len() > SERVERS_MAX {
        return refuse("it takes 1 to 64 servers");
    }
    if plan.factor == 0 {
        return refuse("time cannot be compressed by 0; 1 leaves it as it is");
    }
    let names: BTreeSet<&str> = plan.servers.iter().map(|server| server.name.as_str()).collect();
    if names.len() < plan.servers.len() {
        return refuse("two servers have the same name");
    }
    let outside = |address: Ipv4Addr| !address.is_loopback();
    if plan
        .servers
        .iter()
        .any(|server| server.address.is_some_and(outside) && !place(&server.name).is_host())
    {
        return refuse("a server's address must be in 127.0.0.0/8");
    }
    Ok(())
}
