//! S: which endpoint comes first. Pure; also called by the data plane on the published snapshot.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, SocketAddr};

use crate::bend::Bend;
use crate::chance::mix;
use crate::endpoint::Endpoint;
use crate::policy::Policy;
use crate::settings::SourceKind;
use crate::snapshot::{Class, EndpointView, Health, Snapshot, Standing};
use crate::zone::Distance;

/// The endpoints that a client may be connected to, best first (S1, S2, S6): all but impostors (H8).
///
/// Archived and unreachable ones are among them, at the end: nobody ready is not a reason to refuse (S6).
pub fn candidates(snapshot: &Snapshot) -> impl Iterator<Item = &EndpointView> {
    snapshot
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.class != Class::Impostor)
}

/// S1's order as a key: less is better. S2 breaks the tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    class: Class,
    avoided: bool,
    suspected: bool,
    only_configured: bool,
    distance: Distance,
    not_local: bool,
    weight: Reverse<u64>,
}

/// S1: the class that standing and health make together.
fn class_undrained(endpoint: &Endpoint, standing: Standing) -> Class {
    let judgement = &endpoint.judgement;
    match judgement.health {
        // H8: whatever else it is.
        Health::Impostor => Class::Impostor,
        _ if endpoint.membership.hint => Class::Hint,
        _ if judgement.doubt.is_some() => Class::Unverified,
        _ if !endpoint.serves_api() => Class::NoApi,
        Health::Unreachable => Class::Unreachable,
        _ if standing == Standing::Archived => Class::Archived,
        Health::Ready if standing == Standing::Listed => Class::ReadyListed,
        Health::Ready => Class::ReadyRetained,
        Health::Alive => Class::Alive,
        Health::Unknown => Class::Unknown,
        Health::NotReady => Class::NotReady,
    }
}

/// S2: rendezvous hashing (Thaler, Ravishankar 1996): each node has a stable order of its own.
pub(crate) fn weight(node: &str, address: SocketAddr) -> u64 {
    let mut hash = fnv(0xCBF2_9CE4_8422_2325, node.as_bytes());
    hash = match address.ip() {
        IpAddr::V4(ip) => fnv(hash, &ip.octets()),
        IpAddr::V6(ip) => fnv(hash, &ip.octets()),
    };
    mix(fnv(hash, &address.port().to_be_bytes()))
}

/// FNV-1a.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

impl Policy {
    /// S1: the class that standing, health and administration make together. D2: never away from the only ready server,
    /// so a drain counts only while another one is ready.
    pub(crate) fn class(&self, address: SocketAddr, endpoint: &Endpoint, standing: Standing) -> Class {
        let class = class_undrained(endpoint, standing);
        match endpoint.is_draining() && self.another_is_ready(address) {
            true => class.max(Class::Draining),
            false => class,
        }
    }

    pub(crate) fn rank(&self, address: SocketAddr, endpoint: &Endpoint) -> Rank {
        self.rank_as(address, endpoint, endpoint.membership.standing)
    }

    /// The rank that `endpoint` would have with this standing.
    pub(crate) fn rank_as(&self, address: SocketAddr, endpoint: &Endpoint, standing: Standing) -> Rank {
        let settings = &self.settings;
        let node = if self.is_bent(Bend::S2) {
            ""
        } else {
            settings.node.as_str()
        };
        Rank {
            class: match endpoint.avoided {
                // After every other ready one, whatever its standing.
                Some(_) => self.class(address, endpoint, standing).max(Class::ReadyRetained),
                None => self.class(address, endpoint, standing),
            },
            avoided: endpoint.avoided.is_some(),
            suspected: endpoint.is_second_choice() && !self.is_bent(Bend::S1),
            only_configured: !endpoint.membership.told_by_cluster,
            distance: self.distance(endpoint),
            not_local: settings.prefer_local && !settings.local.contains(&address.ip()),
            weight: Reverse(weight(node, address)),
        }
    }

    /// All endpoints, best first.
    pub(crate) fn ordered(&self) -> Vec<SocketAddr> {
        let mut ranked: Vec<_> = self
            .endpoints
            .iter()
            .map(|(&address, endpoint)| (self.rank(address, endpoint), address))
            .collect();
        ranked.sort();
        ranked.into_iter().map(|(_, address)| address).collect()
    }

    /// R3, H6: whom a source asks, best first. To a supervisor's source a server that answers without an API is worth more
    /// than any that is not reached: a dozen dead addresses before it would use up the time of a question.
    pub(crate) fn ordered_for(&self, kind: SourceKind) -> Vec<SocketAddr> {
        let mut all = self.ordered();
        if kind == SourceKind::Supervisor {
            let answers =
                |address: &SocketAddr| self.endpoints.get(address).is_some_and(Endpoint::is_reached);
            all.sort_by_key(|address| !answers(address));
        }
        all
    }

    /// Whether some other endpoint is ready, not being drained, and no way to it is known to be closed.
    pub(crate) fn another_is_ready(&self, address: SocketAddr) -> bool {
        self.ready_besides(address).next().is_some()
    }

    /// The endpoints other than `address` that are ready, not being drained, and no way to them is known to be closed.
    pub(crate) fn ready_besides(&self, address: SocketAddr) -> impl Iterator<Item = &Endpoint> {
        let others = self.endpoints.iter().filter(move |(other, _)| **other != address);
        others.map(|(_, endpoint)| endpoint).filter(|endpoint| {
            endpoint.is_ready() && !endpoint.is_draining() && endpoint.judgement.blocked.is_none()
        })
    }
}
