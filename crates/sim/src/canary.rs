//! Canaries: for each rule of docs/design.md a core without it, and what notices.
//!
//! A rule that can be switched off without anything noticing is not tested. Two things look: random worlds judged from
//! outside ([`caught_by_worlds`]), and the exhaustive checker ([`crate::exhaustive`]). Rules that live outside of the
//! core are held by tests of the crate where they live; [`table::ELSEWHERE`] names one for each.

mod dice;
mod oracle;
mod play;
mod shell;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::Bend;

pub use oracle::Broken;

/// A bend must be caught within so many worlds.
pub const SEEDS_MAX: u64 = 200;
/// S2: of so many nodes, no server may be the first of more than this share, in percent.
const FIRST_MAX: usize = 60;
/// S2, R5: fewer nodes than this say nothing of a fleet.
const FLEET_MIN: usize = 40;

/// How a bend, or the core as it ships, fared in worlds.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The seed of the world that showed it.
    pub seed: u64,
    /// The law that was broken.
    pub broken: Broken,
}

/// Plays worlds until a law is broken; `None`: none was, in `seeds` worlds.
pub fn caught_by_worlds(bend: Option<Bend>, seeds: u64) -> Option<Caught> {
    let mut firsts: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    let mut pauses: BTreeSet<Duration> = BTreeSet::new();
    let mut nodes = 0;
    for seed in 0..seeds {
        let played = play::play(seed, bend);
        if let Some(broken) = played.broken {
            return Some(Caught { seed, broken });
        }
        nodes += 1;
        pauses.extend(played.pauses);
        if let Some(first) = played.first {
            *firsts.entry(first).or_default() += 1;
        }
        if nodes < FLEET_MIN {
            continue;
        }
        let most = firsts.values().max().copied().unwrap_or_default();
        if most * 100 > nodes * FIRST_MAX {
            let broken = Broken::new(
                "S2",
                format!("{most} of {nodes} nodes have the same first choice"),
            );
            return Some(Caught { seed, broken });
        }
        if pauses.len() < 5 {
            let broken = Broken::new("R5", format!("{nodes} nodes test at the same pauses: {pauses:?}"));
            return Some(Caught { seed, broken });
        }
    }
    None
}
