//! The exhaustive checker: all that can happen to one node and three servers, up to a number of moves.
//!
//! A state is the core and a small world around it: three servers, what etcd and the Endpoints object hold, questions
//! and probes under way, one client, what is on disk. A move is a server that stops, starts or loses its power, leases
//! that run out, the next word of a source (as it is, as it was, or a failure), the end of a probe, or a restart of
//! jackline. Each is played with all draws of jitter early and all late. States are merged by its key, which
//! rests on the core's `canonical()`: times in classes, servers that are alike permuted.
//!
//! From every state some servers are healed (all, or one), nothing else goes wrong, and the client must be served
//! within the core's own caps. The core's invariants are checked after each event on the way, in the heals too.
//!
//! What it does not show: it is a bounded search (its depth), of a small world (three servers, one client, no forged
//! certificates, no clocks), and its key merges states that differ only within a class of times. The swarm plays the
//! rest, at random.

mod answers;
mod cast;
mod client;
mod heal;
mod k3s;
mod key;
mod moves;
mod outcome;
mod search;
mod subject;
mod world;

use std::num::NonZeroUsize;
use std::time::Duration;

use jackline_core::{Bend, Policy, Timestamp};

pub use cast::{CASTS, Cast, Role, SERVERS, SPLIT_ROLES, THREE_CONTROL_PLANES};
pub use heal::{Ended, Heal};
pub use k3s::K3sBefore2024;
pub use moves::Move;
pub use outcome::{Level, Outcome, Way};
pub use subject::Subject;
pub use world::Setting;

use search::Search;
#[cfg(doc)]
use world::World;

/// The seed of the core that is examined. No draw hangs on it: the checker chooses them.
const SEED: u64 = 7;

/// How far the search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Moves in a row.
    pub depth: u32,
    /// The search ends with so many states, and says so. A state that is waiting costs some 10 kB.
    pub states_max: usize,
    /// The search ends after so long, and says so.
    pub time_max: Duration,
    /// Threads that search. The outcome is the same with any number.
    pub threads: NonZeroUsize,
    /// Whether servers that are alike are permuted.
    pub symmetry: bool,
}

impl Limits {
    /// To this depth, on two threads, with bounds that depth 8 does not reach.
    pub fn depth(depth: u32) -> Self {
        const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
        Self {
            depth,
            states_max: 20_000_000,
            time_max: Duration::from_secs(3600),
            threads: TWO,
            symmetry: true,
        }
    }
}

/// Examines any subject.
pub fn examine<S: Subject>(
    setting: &Setting<S>,
    limits: Limits,
    progress: &mut dyn FnMut(&Level),
) -> Outcome {
    Search::new(setting, limits).run(progress)
}

/// The core that ships, or with one rule switched off.
pub fn jackline(cast: Cast, bend: Option<Bend>) -> Setting<Policy> {
    let start = move |now: Timestamp| match bend {
        None => Policy::new(cast.settings(), SEED, now),
        Some(bend) => Policy::bent(cast.settings(), SEED, now, bend),
    };
    Setting {
        cast,
        start: Box::new(start),
    }
}

/// K3s's balancer of before December 2024.
pub fn k3s_before_2024(cast: Cast) -> Setting<K3sBefore2024> {
    Setting {
        cast,
        start: Box::new(K3sBefore2024::started),
    }
}
