//! Fleets: many nodes in one world, and what comes of it for them and for the busiest server.
//!
//! | module | what it does |
//! |---|---|
//! | [`play`] | what happens to a fleet, one world each |
//! | [`figures`] | what is counted in it, and which target that meets or misses |
//! | `table` | all of it for people |

pub mod figures;
pub mod play;
mod table;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::swarm::Progress;
use figures::Figures;
use play::Play;

/// Nodes of a fleet.
pub const NODES: std::ops::RangeInclusive<u32> = 10..=10_000;
/// How many servers a fleet's control plane is played with.
pub const SERVERS: [usize; 3] = [3, 5, 7];

/// What came of a fleet.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// How many nodes it has.
    pub nodes: u32,
    /// What was played, in the order of servers and of [`Play::ALL`].
    pub played: Vec<Figures>,
    /// How much happened.
    pub steps: u64,
    /// How much time passed for all nodes together, in seconds of the world.
    pub node_seconds: u64,
    /// It was stopped before its end.
    pub stopped: bool,
}

impl Report {
    /// Targets that were missed.
    pub fn missed(&self) -> usize {
        let targets = self.played.iter().flat_map(|figures| &figures.targets);
        targets.filter(|target| !target.met).count()
    }
}

/// Plays everything that can happen to a fleet of `nodes` under so many `servers` each, on `threads` threads. `stop` ends it
/// early, after the worlds under way.
pub fn run(
    nodes: u32,
    servers: &[usize],
    threads: usize,
    stop: &AtomicBool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Report {
    let plays = |servers: usize| Play::ALL.map(|play| (servers, play));
    let items: Vec<(usize, Play)> = servers.iter().copied().flat_map(plays).collect();
    let next = AtomicUsize::new(0);
    let played = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some((servers, play)) = items.get(place) else {
                        return;
                    };
                    let came = play.run(nodes, *servers);
                    let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
                    played.push((place, came));
                    let done = u64::try_from(played.len()).unwrap_or(u64::MAX);
                    drop(played);
                    let of = u64::try_from(items.len()).unwrap_or(u64::MAX);
                    let failed = 0;
                    progress(Progress { done, of, failed });
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    played.sort_by_key(|(place, _)| *place);
    let played: Vec<Figures> = played.into_iter().map(|(_, figures)| figures).collect();
    Report {
        nodes,
        steps: played.iter().map(|figures| figures.steps).sum(),
        node_seconds: played.iter().map(|figures| figures.node_seconds).sum(),
        stopped: played.len() < items.len(),
        played,
    }
}
