//! The balancers of [`super::checked`], each from its own documentation, source or configuration. docs/rivals.md maps every
//! figure to where it stands; where a real one is not known to do better, it is given the benefit.

use std::time::Duration;

use jackline_core::Depth;

use super::checked::{Character, List, Pick, Verdict};
use crate::policy::Manner;

/// Linux without any setting of the program's: unacknowledged data ends a connection after 15 retransmissions.
const TCP_RETRIES2: Duration = Duration::from_millis(924_600);
/// client-go, from whose watches lists come: a ping after 30 s of silence, 15 s for the answer.
pub(super) const CLIENT_GO: Duration = Duration::from_secs(45);

/// What most have in common: one dial after the other, no hedges, no keep-alive, no hold.
pub(super) const PLAIN: Manner = Manner {
    depth: Depth::Tcp,
    dial_limit: Duration::from_secs(30),
    hold: Duration::ZERO,
    tries_next: true,
    dead_peer_after: Duration::MAX,
    unacknowledged_after: TCP_RETRIES2,
    watch_silent_after: CLIENT_GO,
    watch_mute_after: CLIENT_GO,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Talos's KubePrism, and extractedprism: `siderolabs/go-loadbalancer`.
pub(super) fn kubeprism() -> Character {
    Character {
        name: "kubeprism",
        check: (seconds(20), seconds(15)),
        serial: true,
        verdict: Verdict::Score { low: -3, high: 3 },
        starts_up: true,
        believes_anybody: true,
        pick: Pick::Random,
        panics: false,
        tries_all: false,
        cuts: false,
        list: List::Outside(seconds(30)),
        manner: Manner {
            dial_limit: seconds(15),
            tries_next: false,
            // TCP_USER_TIMEOUT 30 s, keep-alive each 30 s under it.
            dead_peer_after: seconds(60),
            unacknowledged_after: seconds(30),
            ..PLAIN
        },
    }
}

/// k0s's node-local load balancing: Envoy, its list of endpoints watched through itself.
pub(super) fn k0s_envoy() -> Character {
    Character {
        name: "k0s-envoy",
        check: (seconds(5), seconds(1)),
        serial: false,
        verdict: Verdict::InARow { rise: 3, fall: 5 },
        starts_up: true,
        believes_anybody: true,
        pick: Pick::Random,
        panics: true,
        tries_all: true,
        cuts: false,
        list: List::ThroughItself,
        manner: Manner {
            dial_limit: Duration::from_millis(250),
            // `max_connect_attempts` is 1 by default.
            tries_next: false,
            ..PLAIN
        },
    }
}

/// Kubespray's HAProxy.
pub(super) fn haproxy_kubespray() -> Character {
    Character {
        name: "haproxy-kubespray",
        check: (seconds(15), seconds(30)),
        serial: false,
        verdict: Verdict::InARow { rise: 2, fall: 2 },
        starts_up: true,
        believes_anybody: true,
        pick: Pick::LeastConnections,
        panics: false,
        tries_all: false,
        cuts: false,
        list: List::Fixed,
        manner: Manner {
            depth: Depth::Readyz,
            ..PLAIN
        },
    }
}

/// HAProxy as somebody sets it up who knows what matters: `/readyz` each second, `fall 2 rise 1`, a short connect time-out,
/// `on-marked-down shutdown-sessions`.
pub(super) fn haproxy_tuned() -> Character {
    Character {
        name: "haproxy-tuned",
        check: (seconds(1), seconds(1)),
        verdict: Verdict::InARow { rise: 1, fall: 2 },
        cuts: true,
        manner: Manner {
            depth: Depth::Readyz,
            dial_limit: seconds(1),
            ..PLAIN
        },
        ..haproxy_kubespray()
    }
}

/// `cooloo9871/local-apiserver-lb`, with its discovery on.
pub(super) fn local_apiserver_lb() -> Character {
    Character {
        name: "local-apiserver-lb",
        check: (seconds(3), seconds(3)),
        serial: false,
        verdict: Verdict::InARow { rise: 2, fall: 2 },
        starts_up: true,
        believes_anybody: false,
        pick: Pick::RoundRobin,
        panics: false,
        tries_all: true,
        cuts: true,
        list: List::Polled(seconds(30)),
        manner: Manner {
            depth: Depth::Readyz,
            dial_limit: seconds(3),
            // Go's keep-alive of 30 s: nine probes unanswered.
            dead_peer_after: seconds(300),
            ..PLAIN
        },
    }
}
