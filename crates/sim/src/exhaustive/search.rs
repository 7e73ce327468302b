//! Breadth first through all states, level by level: the first way found into a state is a shortest one.
//!
//! Deterministic with any number of threads: a level is cut into batches, each thread takes a run of a batch, and what
//! they find is merged in the order of the level.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::Instant;

use jackline_core::Jitter;

use super::heal::{Ended, Heal};
use super::moves::Move;
use super::subject::Subject;
use super::world::{Setting, World};
use super::{Level, Limits, Outcome, Way};

/// States that are expanded between two merges. What a batch may hold besides the level is bounded by it.
const BATCH: usize = 2048;
/// Ways that are kept for each kind of fault: the first ones, which are the shortest.
const WAYS_MAX: usize = 8;

/// A state that is new, and how it was come to.
struct Found<'a, S> {
    key: u64,
    parent: usize,
    chosen: Move,
    world: World<'a, S>,
}

/// How a state was come to.
struct Step {
    parent: usize,
    chosen: Move,
}

pub(super) struct Search<'a, S> {
    limits: Limits,
    seen: HashSet<u64>,
    steps: Vec<Step>,
    outcome: Outcome,
    setting: &'a Setting<S>,
    start: Instant,
}

impl<'a, S: Subject> Search<'a, S> {
    pub(super) fn new(setting: &'a Setting<S>, limits: Limits) -> Self {
        Self {
            limits,
            seen: HashSet::new(),
            steps: Vec::new(),
            outcome: Outcome::new(setting.cast, limits),
            setting,
            start: Instant::now(),
        }
    }

    /// Plays all sequences of moves up to the depth, or to a limit; `progress` hears of each level.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(&Level)) -> Outcome {
        let calm = World::calm(self.setting);
        self.seen.insert(calm.key(self.limits.symmetry));
        self.steps.push(Step {
            parent: usize::MAX,
            chosen: Move::Restart,
        });
        self.judge_all(&[(0, &calm)]);
        let mut level = vec![(0, calm)];
        self.tell_level(0, 1, progress);
        for depth in 1..=self.limits.depth {
            let before = self.steps.len();
            level = self.next_level(level, depth == self.limits.depth);
            self.tell_level(depth, self.steps.len() - before, progress);
            if level.is_empty() || self.outcome.cut_short.is_some() {
                break;
            }
        }
        self.outcome.took = self.start.elapsed();
        self.outcome
    }

    fn tell_level(&mut self, depth: u32, states: usize, progress: &mut dyn FnMut(&Level)) {
        let level = Level {
            depth,
            states,
            took: self.start.elapsed(),
        };
        progress(&level);
        self.outcome.levels.push(level);
    }

    /// All new states one move further; those of the last level are judged and not kept.
    fn next_level(&mut self, level: Vec<(usize, World<'a, S>)>, last: bool) -> Vec<(usize, World<'a, S>)> {
        let mut next = Vec::new();
        let mut level = level.into_iter();
        loop {
            let batch: Vec<_> = level.by_ref().take(BATCH).collect();
            if batch.is_empty() || self.must_stop() {
                break;
            }
            let found = self.expand(&batch);
            drop(batch);
            let mut fresh: Vec<(usize, World<'a, S>)> = Vec::new();
            for found in found {
                if self.seen.insert(found.key) {
                    fresh.push((self.steps.len(), found.world));
                    self.steps.push(Step {
                        parent: found.parent,
                        chosen: found.chosen,
                    });
                }
            }
            let judged: Vec<_> = fresh.iter().map(|(id, world)| (*id, world)).collect();
            self.judge_all(&judged);
            if !last {
                // A state in which a law is broken is told, and not gone on from.
                next.extend(fresh.into_iter().filter(|(_, world)| world.breach.is_none()));
            }
        }
        next
    }

    fn must_stop(&mut self) -> bool {
        if self.steps.len() >= self.limits.states_max {
            self.outcome.cut_short = Some("the bound on states");
        } else if self.start.elapsed() >= self.limits.time_max {
            self.outcome.cut_short = Some("the bound on time");
        }
        self.outcome.cut_short.is_some()
    }

    /// One move further from each state of a batch, on all threads.
    fn expand(&mut self, batch: &[(usize, World<'a, S>)]) -> Vec<Found<'a, S>> {
        let (seen, symmetry) = (&self.seen, self.limits.symmetry);
        let parts = on_threads(self.limits.threads, batch, |part| {
            let (mut found, mut here, mut played) = (Vec::new(), HashSet::new(), 0);
            for (parent, world) in part {
                for chosen in world.moves() {
                    for jitter in [Jitter::Early, Jitter::Late] {
                        let Some(after) = world.after(chosen, jitter) else {
                            continue;
                        };
                        played += 1;
                        let drew = after.node.chance_mark() != world.node.chance_mark();
                        let key = after.key(symmetry);
                        if !seen.contains(&key) && here.insert(key) {
                            let parent = *parent;
                            found.push(Found {
                                key,
                                parent,
                                chosen,
                                world: after,
                            });
                        }
                        if !drew && chosen != Move::Restart {
                            // The other end of the range would be the same.
                            break;
                        }
                    }
                }
            }
            (found, played)
        });
        let mut all = Vec::new();
        for (found, played) in parts {
            self.outcome.moves += played;
            all.extend(found);
        }
        all
    }

    /// Heals each state in every way that makes a difference.
    fn judge_all(&mut self, states: &[(usize, &World<'a, S>)]) {
        type Judged = (usize, Option<String>, Vec<(Heal, Ended)>);
        let judged: Vec<Vec<Judged>> = on_threads(self.limits.threads, states, |part| {
            let judge = |(id, world): &(usize, &World<'a, S>)| {
                let mut breach = world.breach.clone();
                let heals = world.heals().into_iter();
                let ended = heals.map(|heal| {
                    let (ended, broken) = world.healed(heal);
                    breach = breach.take().or(broken);
                    (heal, ended)
                });
                let ended = ended.collect();
                (*id, breach, ended)
            };
            part.iter().map(judge).collect()
        });
        for (id, breach, heals) in judged.into_iter().flatten() {
            self.outcome.states += 1;
            if let Some(breach) = breach {
                self.outcome.breaches += 1;
                let way = self.way(id, None);
                keep(&mut self.outcome.broken, (breach, way));
            }
            let mut worst = None;
            for (heal, ended) in heals {
                self.outcome.heals += 1;
                worst = worst.max(Some(ended));
                let way = match ended {
                    Ended::Served(_) => None,
                    _ => Some(self.way(id, Some(heal))),
                };
                let ways = match ended {
                    Ended::Served(took) => {
                        self.outcome.slowest = self.outcome.slowest.max(took);
                        continue;
                    }
                    Ended::TooLate(took) => {
                        self.outcome.slowest = self.outcome.slowest.max(took);
                        &mut self.outcome.too_late
                    }
                    Ended::Forgotten => &mut self.outcome.forgotten,
                    Ended::NotUsed => &mut self.outcome.not_used,
                };
                way.into_iter().for_each(|way| keep(ways, (ended, way)));
            }
            if let Some(ended) = worst {
                self.outcome.count(ended);
            }
        }
    }

    fn way(&self, id: usize, heal: Option<Heal>) -> Way {
        let mut moves = Vec::new();
        let mut at = id;
        while let Some(step) = self.steps.get(at).filter(|step| step.parent != usize::MAX) {
            moves.push(step.chosen);
            at = step.parent;
        }
        moves.reverse();
        Way { moves, heal }
    }
}

fn keep<T>(kept: &mut Vec<T>, one: T) {
    if kept.len() < WAYS_MAX {
        kept.push(one);
    }
}

/// Cuts the items into a run for each thread; the results come in the order of the runs.
fn on_threads<T: Sync, R: Send>(
    threads: NonZeroUsize,
    items: &[T],
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let run = items.len().div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = items
            .chunks(run)
            .map(|part| scope.spawn(move || work(part)))
            .collect();
        running
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
