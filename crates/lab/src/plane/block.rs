//! A block of loopback addresses of one's own: 127.x.y.0/24, so that labs that run side by side never meet.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::plane::PlaneError;

/// Ports that are tried for the servers: as on a real cluster first; others where something listens on every address.
const PORTS: [u16; 3] = [6443, 16_443, 26_443];
/// Blocks that are tried for each port.
const BLOCKS_MAX: u32 = 1_024;
/// The host whose socket claims a block.
const CLAIM: u8 = 254;

pub(crate) struct Block {
    first: u8,
    second: u8,
    pub(crate) port: u16,
    next: AtomicU8,
    /// As long as it is bound, no other lab takes the block.
    _claim: TcpListener,
}

impl Block {
    pub(crate) fn claim() -> Result<Self, PlaneError> {
        for port in PORTS {
            for attempt in 0..BLOCKS_MAX {
                // 127.64.0.0 to 127.127.255.0, beginning somewhere: no system puts a service of its own there.
                let number = std::process::id().wrapping_mul(37).wrapping_add(attempt);
                let [.., high, second] = number.to_be_bytes();
                let first = 64 | (high & 63);
                let address = SocketAddr::from(([127, first, second, CLAIM], port));
                if let Ok(claim) = TcpListener::bind(address) {
                    return Ok(Self {
                        first,
                        second,
                        port,
                        next: AtomicU8::new(1),
                        _claim: claim,
                    });
                }
            }
        }
        Err(PlaneError::NoAddresses)
    }

    /// An address that was never given out.
    pub(crate) fn next(&self) -> Result<Ipv4Addr, PlaneError> {
        let take = |host: u8| (host < CLAIM).then(|| host + 1);
        let host = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|_| PlaneError::NoAddresses)?;
        Ok(Ipv4Addr::new(127, self.first, self.second, host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_never_share_an_address_and_each_ends() {
        let (one, other) = (Block::claim().expect("free"), Block::claim().expect("free"));
        assert_ne!(
            (one.first, one.second, one.port),
            (other.first, other.second, other.port)
        );
        let first = one.next().expect("plenty");
        assert!(first.is_loopback());
        assert_eq!(std::iter::from_fn(|| one.next().ok()).count(), 252);
        assert!(one.next().is_err());
    }
}
