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
/// States of a level that wait as a whole world, some 10 kB each. The others wait as the way that leads to them, and are
/// played again from the start: a few moves more for each, where one state costs some thirty.
const WORLDS_MAX: usize = 100_000;
/// Ways that are kept for each kind of fault: the first ones, which are the shortest.
const WAYS_MAX: usize = 16;

/// A state that is new, and how it was come to.
struct Found<'a, S> {
    key: u64,
    step: Step,
    world: World<'a, S>,
}

/// How a state was come to.
#[derive(Clone, Copy)]
struct Step {
    parent: usize,
    chosen: Move,
    jitter: Jitter,
}

/// A state from which the search goes on: its number, and the world unless it is to be played again.
type Waiting<'a, S> = (usize, Option<World<'a, S>>);

pub(super) struct Search<'a, S> {
    limits: Limits,
    seen: HashSet<u64>,
    steps: Vec<Step>,
    outcome: Outcome,
    calm: World<'a, S>,
    start: Instant,
}

impl<'a, S: Subject> Search<'a, S> {
    pub(super) fn new(setting: &'a Setting<S>, limits: Limits) -> Self {
        Self {
            limits,
            seen: HashSet::new(),
            steps: Vec::new(),
            outcome: Outcome::new(setting.cast, limits),
            calm: World::calm(setting),
            start: Instant::now(),
        }
    }

    /// Plays all sequences of moves up to the depth, or to a limit; `progress` hears of each level.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(&Level)) -> Outcome {
        let calm = self.calm.clone();
        self.seen.insert(calm.key(self.limits.symmetry));
        self.steps.push(Step {
            parent: usize::MAX,
            chosen: Move::Restart,
            jitter: Jitter::Late,
        });
        self.judge_all(&[(0, &calm)]);
        let mut level = vec![(0, Some(calm))];
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
    fn next_level(&mut self, level: Vec<Waiting<'a, S>>, last: bool) -> Vec<Waiting<'a, S>> {
        let mut next: Vec<Waiting<'a, S>> = Vec::new();
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
                    self.steps.push(found.step);
                }
            }
            let judged: Vec<_> = fresh.iter().map(|(id, world)| (*id, world)).collect();
            self.judge_all(&judged);
            if last {
                continue;
            }
            // A state in which a law is broken is told, and not gone on from.
            for (id, world) in fresh.into_iter().filter(|(_, world)| world.breach.is_none()) {
                let kept = (next.len() < WORLDS_MAX).then_some(world);
                next.push((id, kept));
            }
        }
        next
    }

    /// The world that a state is, played again from the start. `None` would be a checker that is not deterministic.
    fn played_again(&self, id: usize) -> Option<World<'a, S>> {
        let mut world = self.calm.clone();
        for step in steps_to(&self.steps, id) {
            world = world.after(step.chosen, step.jitter)?;
        }
        Some(world)
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
    fn expand(&mut self, batch: &[Waiting<'a, S>]) -> Vec<Found<'a, S>> {
        let parts = on_threads(self.limits.threads, batch, |part| self.expand_part(part));
        let mut all = Vec::new();
        for (found, played, lost) in parts {
            self.outcome.moves += played;
            if lost > 0 {
                self.outcome.cut_short = Some("states that could not be played again");
            }
            all.extend(found);
        }
        all
    }

    /// What one thread finds, how many moves it played, and how many states it could not play again.
    fn expand_part(&self, part: &[Waiting<'a, S>]) -> (Vec<Found<'a, S>>, u64, u64) {
        let (mut found, mut here, mut played, mut lost) = (Vec::new(), HashSet::new(), 0, 0);
        for (parent, waiting) in part {
            let again = match waiting {
                Some(_) => None,
                None => self.played_again(*parent),
            };
            let Some(world) = waiting.as_ref().or(again.as_ref()) else {
                lost += 1;
                continue;
            };
            for chosen in world.moves() {
                for jitter in [Jitter::Early, Jitter::Late] {
                    let Some(after) = world.after(chosen, jitter) else {
                        continue;
                    };
                    played += 1;
                    let drew = after.node.chance_mark() != world.node.chance_mark();
                    let key = after.key(self.limits.symmetry);
                    if !self.seen.contains(&key) && here.insert(key) {
                        let parent = *parent;
                        let step = Step {
                            parent,
                            chosen,
                            jitter,
                        };
                        found.push(Found {
                            key,
                            step,
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
        (found, played, lost)
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
                if self.outcome.broken.len() < WAYS_MAX {
                    let way = way(&steps_to(&self.steps, id), None);
                    self.outcome.broken.push((breach, way));
                }
            }
            let mut worst = None;
            for (heal, ended) in heals {
                self.outcome.heals += 1;
                worst = worst.max(Some(ended));
                let ways = match ended {
                    Ended::Served(took) => {
                        self.outcome.slowest = self.outcome.slowest.max(took);
                        continue;
                    }
                    Ended::TooLate(took) => {
                        self.outcome.slowest = self.outcome.slowest.max(took);
                        // What takes exactly as long is mostly the same story.
                        if self.outcome.too_late.iter().any(|(as_well, _)| *as_well == ended) {
                            continue;
                        }
                        &mut self.outcome.too_late
                    }
                    Ended::Forgotten => &mut self.outcome.forgotten,
                    Ended::NotUsed => &mut self.outcome.not_used,
                };
                if ways.len() < WAYS_MAX {
                    ways.push((ended, way(&steps_to(&self.steps, id), Some(heal))));
                }
            }
            if let Some(ended) = worst {
                self.outcome.count(ended);
            }
        }
    }
}

/// The steps from the start to a state.
fn steps_to(steps: &[Step], id: usize) -> Vec<Step> {
    let mut way = Vec::new();
    let mut at = id;
    while let Some(step) = steps.get(at).filter(|step| step.parent != usize::MAX) {
        way.push(*step);
        at = step.parent;
    }
    way.reverse();
    way
}

fn way(steps: &[Step], heal: Option<Heal>) -> Way {
    Way {
        moves: steps.iter().map(|step| step.chosen).collect(),
        draws: steps.iter().map(|step| step.jitter).collect(),
        heal,
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
