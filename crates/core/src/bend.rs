//! For doubt only: the core with one rule switched off, and the choice of its jitter.
//!
//! A check is worth what it catches. For each rule that the core keeps there is a [`Bend`] that breaks it, and the
//! simulator must notice within a few hundred worlds; see `crates/sim/src/canary.rs`. Nothing that ships can reach
//! this: no setting, event or checkpoint brings a bend, and a test looks for the word outside of core and simulator.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::Action;
use crate::chance::Jitter;
use crate::event::SourceId;
use crate::policy::Policy;
use crate::{Settings, Timestamp};

/// A rule, switched off or bent as a careless change would. What each does is said at its variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bend {
    /// A report replaces what all sources say, not only what its own said before.
    M1,
    /// An empty report takes all away that the source listed.
    M2Empty,
    /// An answer to an older question takes away like the newest.
    M2Order,
    /// What a report leaves out is archived at once.
    M3,
    /// The Node source is asked for the whole list each time.
    M3a,
    /// Of the addresses of a name only the first is taken.
    M4,
    /// Archived endpoints are forgotten at once.
    M5Forgets,
    /// Archived endpoints are tested while attached, too.
    M5Tries,
    /// What is archived with sessions on it is not tested.
    M5Sessions,
    /// An answer that nobody verified takes away like a verified one, and a supervisor's omission is absence.
    M6,
    /// A missing port is invented.
    M7,
    /// The names of failed checks say nothing.
    H2,
    /// A failure of this machine counts as the endpoint's.
    H3Local,
    /// A session that the server ends puts it behind its equals.
    H3Slander,
    /// One bad end is enough to fall.
    H4Fall,
    /// One good answer is enough to rise, and flapping is not damped.
    H4Rise,
    /// A probe's time-out closes all sessions of the endpoint.
    H5,
    /// A server without an API counts as one that is not ready.
    H6,
    /// A suspicion waits for the usual pace.
    H7Urgency,
    /// Every endpoint is tested four times a second, always.
    H7Price,
    /// A certificate that does not verify makes an impostor without a witness.
    H8,
    /// Changes of health are not told, and their reason is empty.
    H9,
    /// Suspected endpoints stay among their equals.
    S1,
    /// All nodes have the same order.
    S2,
    /// Sessions leave a not-ready server though nobody is ready.
    S5,
    /// Endpoints that are unreachable are not offered to clients.
    S6,
    /// Isolated, the pause between tries grows to half a minute.
    R1,
    /// Degraded, who is not reached keeps its usual pace.
    R1Missed,
    /// Beside a watch nothing is asked again.
    R2,
    /// A source asks the first server only.
    R3,
    /// Isolated, an endpoint must rise as at other times.
    R4Rise,
    /// Sessions stay with a server that has no API.
    R4NoApi,
    /// No draw is jittered.
    R5,
    /// A refused dial closes the endpoint's sessions.
    D1,
    /// Moves are resets, all at once.
    D2,
    /// A peer that the kernel gave up is no suspicion.
    D3,
    /// A session that hears nothing is no suspicion.
    D4,
    /// The membership is never saved.
    P1,
    /// What the state file holds is taken for ready.
    P2Ready,
    /// The state file of another cluster is trusted.
    P2Foreign,
    /// Ages grow while not attached, too.
    P5,
    /// A late heartbeat blames nobody.
    Heartbeat,
    /// The fleet's drain is not heeded.
    FleetDrain,
}

impl Bend {
    /// All of them, in the order of the rules.
    pub const ALL: [Self; 43] = [
        Self::M1,
        Self::M2Empty,
        Self::M2Order,
        Self::M3,
        Self::M3a,
        Self::M4,
        Self::M5Forgets,
        Self::M5Tries,
        Self::M5Sessions,
        Self::M6,
        Self::M7,
        Self::H2,
        Self::H3Local,
        Self::H3Slander,
        Self::H4Fall,
        Self::H4Rise,
        Self::H5,
        Self::H6,
        Self::H7Urgency,
        Self::H7Price,
        Self::H8,
        Self::H9,
        Self::S1,
        Self::S2,
        Self::S5,
        Self::S6,
        Self::R1,
        Self::R1Missed,
        Self::R2,
        Self::R3,
        Self::R4Rise,
        Self::R4NoApi,
        Self::R5,
        Self::D1,
        Self::D2,
        Self::D3,
        Self::D4,
        Self::P1,
        Self::P2Ready,
        Self::P2Foreign,
        Self::P5,
        Self::Heartbeat,
        Self::FleetDrain,
    ];
}

impl Policy {
    /// A policy without one of its rules, for doubt only.
    pub fn bent(settings: Settings, seed: u64, now: Timestamp, bend: Bend) -> Self {
        let mut policy = Self::new(settings, seed, now);
        policy.bend = Some(bend);
        if bend == Bend::R5 {
            policy.choose_jitter(Jitter::Late);
        }
        policy
    }

    /// Where the draws of this policy fall from now on, for doubt only.
    pub fn choose_jitter(&mut self, jitter: Jitter) {
        self.chance.choose(jitter);
    }

    /// Another value after each draw of chance: tells the checker whether a choice of jitter made a difference.
    pub fn chance_mark(&self) -> u64 {
        self.chance.mark()
    }

    /// Whether a rule is switched off.
    pub(crate) fn is_bent(&self, bend: Bend) -> bool {
        self.bend == Some(bend)
    }

    /// [`Bend::M1`]: what this report leaves out is taken from all sources.
    pub(crate) fn take_from_all(&mut self, listed: &BTreeSet<SocketAddr>, actions: &mut Vec<Action>) {
        for index in 0..self.sources.len() {
            let gone: Vec<SocketAddr> = self.sources[index].current.difference(listed).copied().collect();
            for address in gone {
                self.sources[index].current.remove(&address);
                self.unlist(
                    address,
                    SourceId(u16::try_from(index).unwrap_or(u16::MAX)),
                    actions,
                );
            }
        }
    }
}
