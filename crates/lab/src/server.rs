//! One server of the control plane: what can be done to it, and what can be seen of it.
//!
//! A [`Server`] is the machine; what runs on it between a start and an end is a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::pki::Authority;
use crate::plan::Role;
use crate::plane::PlaneError;

/// What a just-started server tells as the list of apiservers until it is ready and has written itself into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StartAs {
    /// What the store holds, as real ones do: a dead address after a kill of the last server, nothing after its clean stop.
    #[default]
    Fresh,
    /// An empty list.
    EmptyList,
    /// This list.
    ShortList(Vec<SocketAddr>),
    /// The servers that do not run right now, and an address that never was where there is none.
    DeadList,
}

/// How a server is stopped cleanly. Either way it takes itself off the list first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// The listener closes at once, idle connections are closed, requests in flight finished (`--shutdown-delay-duration=0`).
    AtOnce,
    /// `/readyz` fails with `shutdown` first while everything is served for this long; then as [`Shutdown::AtOnce`]. Not compressed.
    Delayed(Duration),
}

/// How slow a server is: each answer waits for a time drawn evenly from a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowSpec {
    /// Answers to `/readyz`, `/livez` and `/healthz`.
    pub readyz: Range<Duration>,
    /// All others; of a watch its first byte.
    pub request: Range<Duration>,
}

/// A server. Clones mean the same one.
#[derive(Clone)]
pub struct Server {
    name: std::sync::Arc<str>,
    role: Role,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn new(name: &str, role: Role, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            role,
            address,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What runs on it.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Where it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    // --- what can be done to it ---

    /// Starts it: it accepts connections after 0.8 s and is ready after 2.0 s. Does nothing if it runs. Called within
    /// a tokio runtime.
    ///
    /// # Errors
    /// When its address cannot be bound.
    pub fn start(&self, as_what: StartAs) -> Result<(), PlaneError> {
        let _ = as_what;
        Ok(())
    }

    /// Stops it cleanly and returns once it is gone. Does nothing if it does not run.
    pub async fn stop(&self, shutdown: Shutdown) {
        let _ = shutdown;
    }

    /// Ends it as a dead process ends: the kernel closes its sockets at once (FIN, or RST where it had not read all).
    /// It leaves the list when its lease has run out, if another server is alive.
    pub fn kill(&self) {}

    /// Freezes it as SIGSTOP does: its kernel accepts and acknowledges, and nobody answers. Its lease runs out.
    pub fn freeze(&self) {}

    /// Lets a frozen server go on where it was.
    pub fn thaw(&self) {}

    /// Cuts it off from the network, etcd too: every packet to it vanishes, and it sends nothing. Its lease runs out.
    ///
    /// # Errors
    /// When the kernel refuses the filter; nothing is cut off then.
    pub fn black_hole(&self) -> Result<(), PlaneError> {
        Ok(())
    }

    /// Connects a black-holed server again.
    pub fn restore(&self) {}

    /// Makes its answers slow, also across restarts, until [`Server::normal`].
    pub fn slow(&self, spec: SlowSpec) {
        let _ = spec;
    }

    /// Ends [`Server::slow`].
    pub fn normal(&self) {}

    /// Makes `/readyz` fail with these checks, also across restarts, until [`Server::heal_readyz`]. All else is served.
    pub fn fail_readyz(&self, checks: &[&str]) {
        let _ = checks;
    }

    /// Ends [`Server::fail_readyz`].
    pub fn heal_readyz(&self) {}

    /// Puts a new machine of this name and role to a new address and starts it; nobody is left at the old one. A server
    /// that still runs is killed first.
    ///
    /// # Errors
    /// When the new address cannot be bound.
    pub fn replace_at(&self, address: Ipv4Addr) -> Result<(), PlaneError> {
        let _ = address;
        Ok(())
    }

    /// Puts another cluster's server to this address and starts it: its certificate is of `authority`, it has a store of
    /// its own and knows none of our credentials. A server that still runs is killed first. [`Server::kill`] or
    /// [`Server::stop`] and then [`Server::start`] bring our own back.
    ///
    /// # Errors
    /// When its address cannot be bound or no certificate can be made.
    pub fn foreign(&self, authority: &Authority) -> Result<(), PlaneError> {
        let _ = authority;
        Ok(())
    }

    /// From the next handshake on it presents a certificate of this authority, also across restarts, and takes client
    /// certificates of the new and the old one.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn present_ca(&self, authority: &Authority) -> Result<(), PlaneError> {
        let _ = authority;
        Ok(())
    }

    // --- what can be seen of it ---

    /// Whether a process is there, be it frozen, cut off or still starting.
    #[must_use]
    pub fn is_running(&self) -> bool {
        false
    }

    /// Whether it answers requests: past its start, not frozen, not cut off.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        false
    }

    /// Whether a client that asks it now is served the Kubernetes API and told that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        false
    }

    /// Since when [`Server::is_ready`] has held without a break.
    #[must_use]
    pub fn ready_since(&self) -> Option<Instant> {
        None
    }

    /// How many connections it has open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        0
    }

    /// How many connections it has accepted since the control plane was made.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        0
    }

    /// How many requests it has received since the control plane was made.
    #[must_use]
    pub fn requests(&self) -> u64 {
        0
    }

    /// The list of apiservers that it tells: that of the store, or of its start. `None`: it does not answer.
    #[must_use]
    pub fn list(&self) -> Option<Vec<SocketAddr>> {
        None
    }
}
