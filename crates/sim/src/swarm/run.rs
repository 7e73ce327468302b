//! Many seeds, on as many threads as are given: each world lives on one of them.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

use crate::policy::Kind;
use crate::swarm::shrink::shrink;
use crate::swarm::story::{Failure, Outcome, Story};

/// Failing seeds that are shrunk and told; more are only counted.
const TOLD_MAX: usize = 16;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds played.
    pub done: u64,
    /// Seeds to play.
    pub of: u64,
    /// Seeds that failed.
    pub failed: u64,
}

/// What came of many seeds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Seeds played.
    pub seeds: u64,
    /// Of those, which failed.
    pub failed: u64,
    /// The first of them, shrunk.
    pub failures: Vec<Failed>,
    /// How much happened.
    pub steps: u64,
    /// How much time passed for all nodes together, in seconds of the world.
    pub node_seconds: u64,
    /// The same for the same seeds, in whatever order they were played.
    pub fingerprint: u64,
    /// It was stopped before its end.
    pub stopped: bool,
}

/// A seed that failed, and the least of it that still does.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// Which.
    pub seed: u64,
    /// The rule that it broke.
    pub failure: Failure,
    /// Places of the nodes that are needed.
    pub nodes: Vec<usize>,
    /// Places of the faults that are needed.
    pub faults: Vec<usize>,
    /// The command that repeats the shrunk story, with its timeline.
    pub command: String,
    /// The shrunk story in words.
    pub story: String,
}

/// Plays `seeds` on `threads` threads. `make` makes the policies' kind on each; `progress` is told after each seed; `stop`
/// ends it early, and the report has what is known so far.
pub fn run(
    seeds: Range<u64>,
    threads: usize,
    make: fn() -> Rc<dyn Kind>,
    stop: &AtomicBool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let of = seeds.end.saturating_sub(seeds.start);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let kind = make();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let story = Story::of(seed);
                    let outcome = story.play(&kind);
                    let told = report
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .failures
                        .len();
                    let failed = outcome
                        .failure
                        .clone()
                        .filter(|_| told < TOLD_MAX)
                        .map(|failure| shrunk(seed, &story, &kind, failure));
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.add(&outcome, failed);
                    let (done, failed) = (report.seeds, report.failed);
                    drop(report);
                    progress(Progress { done, of, failed });
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.failures.sort_by_key(|failed| failed.seed);
    report.stopped = report.seeds < of;
    report
}

/// Shrinks a failing story and says how to repeat what is left.
fn shrunk(seed: u64, story: &Story, kind: &Rc<dyn Kind>, failure: Failure) -> Failed {
    let parts = shrink(story, kind, &failure);
    let words = |places: &[usize]| {
        let words: Vec<String> = places.iter().map(usize::to_string).collect();
        words.join(",")
    };
    let command = format!(
        "jackline simulate --seeds {seed}..{} --nodes {} --faults {}",
        seed + 1,
        words(&parts.nodes),
        match parts.faults.is_empty() {
            true => "none".to_owned(),
            false => words(&parts.faults),
        }
    );
    let story = story.only(&parts.nodes, &parts.faults).tell();
    Failed {
        seed,
        failure,
        nodes: parts.nodes,
        faults: parts.faults,
        command,
        story,
    }
}

impl Report {
    fn add(&mut self, outcome: &Outcome, failed: Option<Failed>) {
        self.seeds += 1;
        self.failed += u64::from(outcome.failure.is_some());
        self.failures.extend(failed);
        self.steps += outcome.steps;
        self.node_seconds += outcome.node_seconds;
        let mixed = outcome.fingerprint.wrapping_mul(outcome.seed.wrapping_mul(2) | 1);
        self.fingerprint = self.fingerprint.wrapping_add(mixed);
    }
}
