//! What can be told: every kind of line that people read, with its meaning and its remedy. `docs/events.md` is written
//! from this table, logs and metrics carry the names.

use serde::{Deserialize, Serialize};

use crate::action::Level;
use crate::snapshot::{Health, NodeState};

/// One kind of announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// Some endpoint is ready.
    NodeAttached,
    /// None is ready, some answer.
    NodeDegraded,
    /// None answers.
    NodeIsolated,
    /// No certificate verifies (H8).
    TrustLost,
    /// One verifies again.
    TrustRegained,
    /// The node's Lease is not renewed.
    HeartbeatLate,
    /// It is renewed again.
    HeartbeatRenewed,
    /// Something fails on this machine (H3).
    LocalFault,
    /// The node's own zone is another (S1).
    ZoneChanged,
    /// What the state file holds was taken up at the start (P2).
    MembershipRestored,
    /// An operator had what was only remembered forgotten.
    MembershipReset,
    /// A source lists an endpoint that none listed.
    EndpointListed,
    /// A source lists it no longer (M3).
    EndpointUnlisted,
    /// Proven gone (M3).
    EndpointArchived,
    /// It was archived and is one of the cluster's again.
    EndpointRevived,
    /// It is not even remembered any more (M5).
    EndpointForgotten,
    /// Ready.
    EndpointReady,
    /// Its HTTP stack answers, readiness may not be asked.
    EndpointAlive,
    /// It says that it is not ready.
    EndpointNotReady,
    /// Refused, reset, timed out.
    EndpointUnreachable,
    /// Another one's server (H8).
    EndpointImpostor,
    /// The tests say nothing of it any more.
    EndpointUnknown,
    /// It looks ready and loses writes.
    EndpointLosesWrites,
    /// An operator drains it (D2).
    DrainBegan,
    /// The drain is over.
    DrainEnded,
    /// Its sessions are moved (D2).
    SessionsMove,
    /// A source answers otherwise than before.
    SourceAnswers,
    /// A source fails.
    SourceFails,
}

/// What is to be known of a kind of announcement.
struct Told {
    name: &'static str,
    level: Level,
    meaning: &'static str,
    remedy: &'static str,
}

const fn told(name: &'static str, level: Level, meaning: &'static str, remedy: &'static str) -> Told {
    Told {
        name,
        level,
        meaning,
        remedy,
    }
}

/// What is told where nothing is to be done.
const NOTHING: &str = "Nothing.";

impl Notice {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 28] = [
        Self::NodeAttached,
        Self::NodeDegraded,
        Self::NodeIsolated,
        Self::TrustLost,
        Self::TrustRegained,
        Self::HeartbeatLate,
        Self::HeartbeatRenewed,
        Self::LocalFault,
        Self::ZoneChanged,
        Self::MembershipRestored,
        Self::MembershipReset,
        Self::EndpointListed,
        Self::EndpointUnlisted,
        Self::EndpointArchived,
        Self::EndpointRevived,
        Self::EndpointForgotten,
        Self::EndpointReady,
        Self::EndpointAlive,
        Self::EndpointNotReady,
        Self::EndpointUnreachable,
        Self::EndpointImpostor,
        Self::EndpointUnknown,
        Self::EndpointLosesWrites,
        Self::DrainBegan,
        Self::DrainEnded,
        Self::SessionsMove,
        Self::SourceAnswers,
        Self::SourceFails,
    ];

    /// Its name, the same in logs, metrics, JSON and the reference.
    pub const fn name(self) -> &'static str {
        self.told().name
    }

    /// How loud it is.
    pub const fn level(self) -> Level {
        self.told().level
    }

    /// What has happened, in one or two sentences.
    pub const fn meaning(self) -> &'static str {
        self.told().meaning
    }

    /// What to do.
    pub const fn remedy(self) -> &'static str {
        self.told().remedy
    }

    pub(crate) const fn of_state(state: NodeState) -> Self {
        match state {
            NodeState::Attached => Self::NodeAttached,
            NodeState::Degraded => Self::NodeDegraded,
            NodeState::Isolated => Self::NodeIsolated,
        }
    }

    pub(crate) const fn of_health(health: Health) -> Self {
        match health {
            Health::Unknown => Self::EndpointUnknown,
            Health::Ready => Self::EndpointReady,
            Health::Alive => Self::EndpointAlive,
            Health::NotReady => Self::EndpointNotReady,
            Health::Unreachable => Self::EndpointUnreachable,
            Health::Impostor => Self::EndpointImpostor,
        }
    }

    const fn told(self) -> Told {
        match self {
            Self::NodeAttached | Self::NodeDegraded | Self::NodeIsolated => self.of_node_state(),
            Self::TrustLost
            | Self::TrustRegained
            | Self::HeartbeatLate
            | Self::HeartbeatRenewed
            | Self::LocalFault
            | Self::ZoneChanged
            | Self::MembershipRestored
            | Self::MembershipReset => self.of_the_node(),
            Self::EndpointListed
            | Self::EndpointUnlisted
            | Self::EndpointArchived
            | Self::EndpointRevived
            | Self::EndpointForgotten => self.of_standing(),
            _ => self.of_service(),
        }
    }

    const fn of_node_state(self) -> Told {
        match self {
            Self::NodeDegraded => told(
                "node-degraded",
                Level::Warn,
                "No apiserver is ready, but some answer. The cause is probably shared (etcd, an admission hook), so nothing is moved (S5).",
                "Look at the apiservers and at etcd, not at this node: `jackline explain isolation` names the checks that fail.",
            ),
            Self::NodeIsolated => told(
                "node-isolated",
                Level::Error,
                "No apiserver answers. Every endpoint is tried and every source is asked, without end (R1).",
                "Bring a control plane back, or the network to it. No restart and no file to delete: the node comes back by itself.",
            ),
            _ => told("node-attached", Level::Info, "Some apiserver is ready.", NOTHING),
        }
    }

    const fn of_the_node(self) -> Told {
        match self {
            Self::TrustLost => told(
                "trust-lost",
                Level::Error,
                "No server's certificate verifies against the CA file: the cluster's CA was rotated or the file is stale (H8). Clients are forwarded and verify for themselves.",
                "Put today's CA into the file that `jackline config show` names; it is read again by itself.",
            ),
            Self::TrustRegained => told(
                "trust-regained",
                Level::Info,
                "A server's certificate verifies again.",
                NOTHING,
            ),
            Self::HeartbeatLate => told(
                "heartbeat-late",
                Level::Warn,
                "The node's Lease is not renewed though a server looks ready: writes are lost on the way, or the kubelet is silent. After 40 s the node is NotReady.",
                "Where sessions were moved to another server, wait for heartbeat-renewed. Else look at the kubelet.",
            ),
            Self::HeartbeatRenewed => told(
                "heartbeat-renewed",
                Level::Info,
                "The node's Lease is renewed again.",
                NOTHING,
            ),
            Self::LocalFault => told(
                "local-fault",
                Level::Error,
                "Something fails on this very machine: no descriptors, ports, memory or route, or the proxy on the way. No endpoint is judged by it (H3).",
                "The line says what is missing and which limit to raise.",
            ),
            Self::MembershipRestored => told(
                "membership-restored",
                Level::Info,
                "What the state file holds was taken up at the start, as hints that are tested first (P2).",
                "Nothing; where the line says that the file's CA is not today's, see that the CA file is the right one.",
            ),
            Self::MembershipReset => told(
                "membership-reset",
                Level::Warn,
                "An operator had all forgotten that is only remembered (`jackline reset-state`); every source is asked.",
                "Nothing: `jackline status` shows what the sources tell now.",
            ),
            _ => told(
                "zone-changed",
                Level::Info,
                "The node's own zone is another: that zone's servers come first now (S1).",
                NOTHING,
            ),
        }
    }

    const fn of_standing(self) -> Told {
        match self {
            Self::EndpointUnlisted => told(
                "endpoint-unlisted",
                Level::Info,
                "A source lists the endpoint no longer. It is retained – tested and used – until Node and Endpoints have both not had it for the grace period (M3).",
                "Nothing. An apiserver that is down leaves the list within seconds and comes back to it.",
            ),
            Self::EndpointArchived => told(
                "endpoint-archived",
                Level::Info,
                "The endpoint is proven gone: tried only while the node is isolated (M3, M5).",
                "Nothing, if the server was removed. Else see why it is in neither list: `jackline explain ADDRESS`.",
            ),
            Self::EndpointRevived => told(
                "endpoint-revived",
                Level::Info,
                "An archived endpoint is ready and needed: it is one of the cluster's again.",
                "See why no source lists it.",
            ),
            Self::EndpointForgotten => told(
                "endpoint-forgotten",
                Level::Info,
                "The endpoint was archived for long and is forgotten (M5).",
                NOTHING,
            ),
            _ => told(
                "endpoint-listed",
                Level::Info,
                "A source lists an endpoint that was not known, or was archived.",
                NOTHING,
            ),
        }
    }

    const fn of_service(self) -> Told {
        match self {
            Self::EndpointAlive => told(
                "endpoint-alive",
                Level::Info,
                "The server answers, but its readiness may not be asked (401, 403).",
                "Give jackline a credential of the node: `jackline config show` tells which it found.",
            ),
            Self::EndpointNotReady => told(
                "endpoint-not-ready",
                Level::Warn,
                "The server says that it is not ready; the line names the checks that fail (H2).",
                "`shutdown`: it is leaving. `poststarthook/…`: it is starting. `etcd`, `kms-…`: look there. Sessions move while another is ready (D2).",
            ),
            Self::EndpointUnreachable => told(
                "endpoint-unreachable",
                Level::Warn,
                "The server refuses, resets or says nothing in time.",
                "Is it running, and is the way to it open? It is tried again and again.",
            ),
            Self::EndpointImpostor => told(
                "endpoint-impostor",
                Level::Warn,
                "Another cluster's server, or none of any, answers at this address, while others verify: it is never dialled for a client (H8).",
                "The address was given to another machine: take it out of whatever lists it. A renewed CA on one server only looks the same.",
            ),
            Self::EndpointUnknown => told(
                "endpoint-unknown",
                Level::Info,
                "The tests say nothing of the endpoint any more.",
                NOTHING,
            ),
            Self::EndpointReady => told("endpoint-ready", Level::Info, "The server serves.", NOTHING),
            _ => self.of_the_rest(),
        }
    }

    const fn of_the_rest(self) -> Told {
        match self {
            Self::EndpointLosesWrites => told(
                "endpoint-loses-writes",
                Level::Warn,
                "The endpoint looks ready, but the node's Lease is not renewed through it: avoided while another is ready.",
                "Look at the server's etcd and its disk, and at the path to it (MTU).",
            ),
            Self::DrainBegan => told(
                "drain-began",
                Level::Info,
                "An operator drains the endpoint, on this node or for the whole fleet: no new session, the present ones move (D2).",
                "`jackline undrain ADDRESS` takes it back; it ends by itself.",
            ),
            Self::DrainEnded => told(
                "drain-ended",
                Level::Info,
                "A drain of the endpoint is over.",
                NOTHING,
            ),
            Self::SessionsMove => told(
                "sessions-move",
                Level::Info,
                "The endpoint's sessions move to another, one by one, each at a quiet moment (D2); the line says why.",
                NOTHING,
            ),
            Self::SourceAnswers => told(
                "source-answers",
                Level::Info,
                "A source answers again, for the first time, or emptily. An empty answer takes nothing away (M2).",
                NOTHING,
            ),
            _ => told(
                "source-fails",
                Level::Warn,
                "A source could not be asked. Nothing is forgotten for it (M2).",
                "The line says why. `jackline explain source` shows all of them; one that fails for long blinds the node to new servers.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_notice_has_a_name_of_its_own_that_json_has_too() {
        let names: BTreeSet<&str> = Notice::ALL.iter().map(|notice| notice.name()).collect();
        assert_eq!(names.len(), Notice::ALL.len());
        for notice in Notice::ALL {
            let mut kebab = std::string::String::new();
            for letter in std::format!("{notice:?}").chars() {
                if letter.is_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.extend(letter.to_lowercase());
            }
            assert_eq!(notice.name(), kebab, "as serde names it");
            assert!(
                notice.meaning().ends_with(['.', ')']) && notice.remedy().ends_with('.'),
                "{kebab}"
            );
        }
    }
}
