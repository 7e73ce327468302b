//! Forwarding loops are refused (design §5): our own listeners always; any other loopback upstream unless a configured
//! source lists it (jackline → K3s's balancer → jackline would go round for ever).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};

use jackline_core::{EndpointView, Snapshot, SourceKind};

/// How many refused addresses are told in the log, once each.
const TOLD_MAX: usize = 64;

/// Knows which endpoints would lead back to us.
#[derive(Debug)]
pub(crate) struct Loops {
    own: Vec<SocketAddr>,
    allow_loopback: bool,
    told: Mutex<BTreeSet<SocketAddr>>,
}

impl Loops {
    pub(crate) fn new(own: Vec<SocketAddr>, allow_loopback: bool) -> Self {
        Self {
            own,
            allow_loopback,
            told: Mutex::default(),
        }
    }

    /// Whether `endpoint` of `snapshot` may be dialled.
    pub(crate) fn permit(&self, endpoint: &EndpointView, snapshot: &Snapshot) -> bool {
        let address = endpoint.address;
        if self.is_ours(address) {
            self.tell(address, "it is our own listener");
            return false;
        }
        if !is_loopback(address.ip()) || self.allow_loopback || is_configured(endpoint, snapshot) {
            return true;
        }
        self.tell(
            address,
            "a loopback address that no configured source lists may be a balancer that forwards to us",
        );
        false
    }

    fn is_ours(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.own
            .iter()
            .filter(|own| own.port() == address.port())
            .any(|own| {
                let own = own.ip().to_canonical();
                own == ip
                    || ip.is_unspecified() && own.is_loopback()
                    || own.is_unspecified() && (is_loopback(ip) || is_local(ip))
            })
    }

    fn tell(&self, address: SocketAddr, why: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(address) {
            tracing::warn!(endpoint = %address, "not dialled, to avoid a forwarding loop: {why}");
        }
    }
}

/// Whether connecting there stays on this machine by its very address. The kernel takes the unspecified address for loopback.
fn is_loopback(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// Whether the address is one of this machine's: then it can be bound. Asked only where a listener takes every address.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether people put it there by hand.
fn is_configured(endpoint: &EndpointView, snapshot: &Snapshot) -> bool {
    endpoint
        .sources
        .iter()
        .filter_map(|source| snapshot.sources.get(usize::from(source.0)))
        .any(|source| matches!(source.kind, SourceKind::Static | SourceKind::Registration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{endpoint, snapshot, source};
    use jackline_core::SourceId;

    fn permits(own: &str, allow_loopback: bool, kind: SourceKind, address: &str) -> bool {
        let mut view = endpoint(address.parse().unwrap());
        view.sources = vec![SourceId(0)];
        let mut snapshot = snapshot(vec![view.clone()]);
        snapshot.sources = vec![source(kind)];
        Loops::new(vec![own.parse().unwrap()], allow_loopback).permit(&view, &snapshot)
    }

    #[test]
    fn our_own_listener_is_refused_always() {
        for kind in [SourceKind::Static, SourceKind::Kubernetes] {
            assert!(!permits("127.0.0.1:6440", true, kind, "127.0.0.1:6440"));
            assert!(!permits("127.0.0.1:6440", true, kind, "[::ffff:127.0.0.1]:6440"));
            assert!(!permits("127.0.0.1:6440", true, kind, "0.0.0.0:6440"));
            assert!(!permits("[::1]:6440", true, kind, "[::1]:6440"));
            assert!(
                !permits("0.0.0.0:6440", true, kind, "127.0.0.7:6440"),
                "a listener that takes every address"
            );
        }
    }

    #[test]
    fn other_loopback_upstreams_need_a_hand_that_configured_them() {
        assert!(permits(
            "127.0.0.1:6440",
            false,
            SourceKind::Static,
            "127.0.0.1:6443"
        ));
        assert!(permits(
            "127.0.0.1:6440",
            false,
            SourceKind::Registration,
            "127.0.0.2:6440"
        ));
        for kind in [SourceKind::Kubernetes, SourceKind::Supervisor, SourceKind::Import] {
            assert!(!permits("127.0.0.1:6440", false, kind, "127.0.0.1:6444"));
            assert!(!permits("127.0.0.1:6440", false, kind, "[::1]:6444"));
            assert!(!permits("127.0.0.1:6440", false, kind, "0.0.0.0:6444"));
            assert!(permits("127.0.0.1:6440", true, kind, "127.0.0.1:6444"));
        }
    }

    #[test]
    fn the_others_are_none_of_our_business() {
        assert!(
            permits("0.0.0.0:6440", false, SourceKind::Kubernetes, "192.0.2.7:6440"),
            "another machine's"
        );
        assert!(permits(
            "127.0.0.1:6440",
            false,
            SourceKind::Kubernetes,
            "192.0.2.7:6443"
        ));
    }
}
