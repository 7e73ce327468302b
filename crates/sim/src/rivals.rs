//! Other node-local balancers in the same world, behind the same trait as the core.
//!
//! | module | who |
//! |---|---|
//! | `k3s_before_2024`, `k3s` | K3s's embedded balancer, before and since December 2024 |
//! | `checked`, `characters` | KubePrism, k0s's Envoy, HAProxy, local-apiserver-lb: a list, tests by the clock, a pick |
//! | `lister`, `rounds`, `tunnels` | what they are made of |
//! | [`compare`] | all of them on the same seeds, in one table |
//!
//! Each is written from documented behaviour, source or configuration; docs/rivals.md says which, and what each was
//! validated against. Stand-ins all the same: their data planes are the simulation's.

mod characters;
mod checked;
pub mod compare;
mod k3s;
mod k3s_before_2024;
mod lister;
mod rounds;
mod tunnels;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use jackline_core::{Record, Settings, SourceKind, Timestamp};

use crate::policy::{Candidate, Jackline, Kind, Manner, Policy};
use checked::{Character, Checked};

/// How K3s's balancer forwards: one dial after the other, 10 s each; Go's keep-alive of 15 s with nine probes.
const K3S_MANNER: Manner = Manner {
    depth: jackline_core::Depth::Readyz,
    dial_limit: Duration::from_secs(10),
    dead_peer_after: Duration::from_secs(150),
    ..characters::PLAIN
};

/// Somebody who takes part in a comparison.
pub struct Contestant {
    /// Its policy.
    pub kind: Rc<dyn Kind>,
    /// What it learns from.
    pub sources: Vec<SourceKind>,
}

impl Contestant {
    /// Its name, as in tables.
    pub fn name(&self) -> &str {
        self.kind.name()
    }
}

/// Jackline and all rivals.
pub fn contestants() -> Vec<Contestant> {
    let usual = vec![
        SourceKind::Registration,
        SourceKind::Kubernetes,
        SourceKind::Nodes,
        SourceKind::Supervisor,
    ];
    let k3s = vec![
        SourceKind::Registration,
        SourceKind::Kubernetes,
        SourceKind::Supervisor,
    ];
    let fixed = vec![SourceKind::Static];
    let kept = vec![SourceKind::Static, SourceKind::Kubernetes];
    let with = |rival: Rival, sources: &[SourceKind]| Contestant {
        kind: Rc::new(rival),
        sources: sources.to_vec(),
    };
    vec![
        Contestant {
            kind: Rc::new(Jackline::default().unjudged()),
            sources: usual,
        },
        with(Rival::K3sBefore2024, &k3s),
        with(Rival::K3s, &k3s),
        with(Rival::Checked(characters::kubeprism()), &[SourceKind::Import]),
        with(Rival::Checked(characters::k0s_envoy()), &kept),
        with(Rival::Checked(characters::haproxy_kubespray()), &fixed),
        with(Rival::Checked(characters::haproxy_tuned()), &fixed),
        with(Rival::Checked(characters::local_apiserver_lb()), &kept),
    ]
}

/// A rival.
enum Rival {
    K3sBefore2024,
    K3s,
    Checked(Character),
}

impl Kind for Rival {
    fn name(&self) -> &str {
        match self {
            Self::K3sBefore2024 => "k3s-before-2024",
            Self::K3s => "k3s",
            Self::Checked(character) => character.name,
        }
    }

    fn start(&self, settings: Settings, seed: u64, _: Timestamp) -> Box<dyn Policy> {
        match self {
            Self::K3sBefore2024 => Box::new(k3s_before_2024::Mind::start(&settings)),
            Self::K3s => Box::new(k3s::K3s::start(&settings)),
            Self::Checked(character) => Box::new(Checked::start(character, &settings, seed)),
        }
    }

    fn keeps_our_rules(&self) -> bool {
        false
    }
}

/// A server that is waited for as long as the data plane's own limits say: no hedge, no repeat.
fn candidate(endpoint: SocketAddr) -> Candidate {
    Candidate {
        endpoint,
        silence: Duration::MAX,
        patience: Duration::MAX,
    }
}

/// An address that is remembered, and nothing else of it.
pub(crate) fn record(address: SocketAddr) -> Record {
    Record {
        address,
        archived: false,
        seen_by: Vec::new(),
        node: None,
        zone: None,
        unlisted_for: None,
        node_gone_for: None,
        archived_for: None,
        last_seen: None,
        last_ready: None,
    }
}
