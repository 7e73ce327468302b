//! Etcd: who takes part, who leads, and from when on it takes writes.

use std::time::Duration;

use jackline_core::Timestamp;

use crate::chance::Chance;
use crate::plane::{Plane, ServerId};

/// An election with the default time-outs: 1 s of silence, and up to as much again.
const ELECTION: (u64, u64) = (1000, 2200);

/// Etcd of our cluster.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Etcd {
    pub(crate) leader: Option<ServerId>,
    /// No writes and no consistent reads before.
    pub(crate) writable_from: Timestamp,
}

impl Plane {
    /// Looks at the members after a change. Gives the moment from which writes are taken, if that is news.
    pub(crate) fn settle_etcd(&mut self, now: Timestamp, chance: &mut Chance) -> Option<Timestamp> {
        let members = self.servers.iter().filter(|server| server.is_member()).count();
        let voting: Vec<ServerId> = self.ids().filter(|id| self[*id].votes()).collect();
        if voting.len() * 2 <= members {
            self.etcd.leader = None;
            return None;
        }
        if self.etcd.leader.is_some_and(|leader| voting.contains(&leader)) {
            return None;
        }
        self.etcd.leader = voting.first().copied();
        self.elect(now, chance)
    }

    /// A new leader is being elected, for whatever reason.
    pub(crate) fn elect(&mut self, now: Timestamp, chance: &mut Chance) -> Option<Timestamp> {
        self.etcd.leader?;
        let lasts = match now {
            // The world begins with an etcd that is settled.
            Timestamp::ZERO => Duration::ZERO,
            _ => chance.millis(ELECTION.0, ELECTION.1),
        };
        self.etcd.writable_from = now + lasts;
        Some(self.etcd.writable_from)
    }
}
