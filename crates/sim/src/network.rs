//! The network between nodes and servers: delay, loss, and ways that are cut, each direction by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::chance::Chance;
use crate::plane::ServerId;

/// A node, by its place in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// An end of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A node.
    Node(NodeId),
    /// A server.
    Server(ServerId),
}

/// What the first SYN and the first segment of data wait for before they are sent again (Linux: 1 s and 200 ms, then
/// doubling; field-notes' kernel facts).
const SYN_AGAIN: Duration = Duration::from_secs(1);
const DATA_AGAIN: Duration = Duration::from_millis(200);
/// Doublings that are looked at.
const DOUBLINGS: u32 = 12;

/// The network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// One way, each packet.
    pub(crate) delay: Duration,
    /// Of a thousand packets so many are lost.
    pub(crate) loss: u64,
    /// Ways on which nothing arrives.
    cuts: BTreeSet<(Place, Place)>,
}

impl Network {
    /// A sound network.
    pub(crate) fn of(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    pub(crate) fn cut(&mut self, from: Place, to: Place) {
        self.cuts.insert((from, to));
    }

    pub(crate) fn mend(&mut self, from: Place, to: Place) {
        self.cuts.remove(&(from, to));
    }

    pub(crate) fn mend_all(&mut self) {
        self.cuts.clear();
        self.loss = 0;
    }

    /// Whether packets go this way.
    pub(crate) fn is_open(&self, from: Place, to: Place) -> bool {
        self.cuts.is_empty() || !self.cuts.contains(&(from, to))
    }

    /// Whether packets go both ways.
    pub(crate) fn connects(&self, one: Place, other: Place) -> bool {
        self.is_open(one, other) && self.is_open(other, one)
    }

    /// There and back, at least a millisecond.
    pub(crate) fn round_trip(&self) -> Duration {
        (self.delay * 2).max(Duration::from_millis(1))
    }

    /// What losses add to an exchange that begins with a SYN, or with data on a connection that stands.
    pub(crate) fn losses(&self, chance: &mut Chance, syn: bool) -> Duration {
        if self.loss == 0 {
            return Duration::ZERO;
        }
        // One packet there and one back: either one lost has the sender repeat.
        let lost = (0..DOUBLINGS).take_while(|_| chance.happens((self.loss * 2).min(1000)));
        let times = u32::try_from(lost.count()).unwrap_or(DOUBLINGS);
        let first = if syn { SYN_AGAIN } else { DATA_AGAIN };
        first * ((1 << times) - 1)
    }
}

/// When after its beginning something that was sent into silence is sent again, at the earliest after `elapsed`.
pub(crate) fn sent_again(elapsed: Duration, syn: bool) -> Duration {
    let first = if syn { SYN_AGAIN } else { DATA_AGAIN };
    let moments = (1..=DOUBLINGS).map(|k| first * ((1 << k) - 1));
    moments
        .into_iter()
        .find(|moment| *moment >= elapsed)
        .unwrap_or(elapsed)
}
