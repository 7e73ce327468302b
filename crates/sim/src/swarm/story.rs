//! A world and what is done to it, as data; and what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use jackline_core::Timestamp;
use serde::Serialize;

use crate::fault::Fault;
use crate::fault::sentence::Cast;
use crate::page::{Group, Lane, Mark, Page, Tone};
use crate::policy::Kind;
use crate::spec::WorldSpec;
use crate::swarm::{draw, heal};
use crate::timeline::Telling;
use crate::world::World;

/// A story: a world, what is done to it, and when it is healed.
#[derive(Clone, Debug)]
pub struct Story {
    /// The world at its beginning.
    pub world: WorldSpec,
    /// What is done to it, in the order of time.
    pub faults: Vec<(Timestamp, Fault)>,
    /// When all is made well again.
    pub healed_at: Timestamp,
}

/// What came of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// The first rule that was broken.
    pub failure: Option<Failure>,
    /// The same for the same seed.
    pub fingerprint: u64,
    /// How much happened.
    pub steps: u64,
    /// How much time passed for all nodes together, in seconds of the world.
    pub node_seconds: u64,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// When, in milliseconds of the world.
    pub at_ms: u64,
    /// On which node; empty: in the world as a whole.
    pub node: String,
    /// Which rule, and how.
    pub what: String,
}

impl Failure {
    /// The rule without its particulars: a smaller story must break the same one.
    pub(crate) fn rule(&self) -> &str {
        self.what
            .split_once(':')
            .map_or(self.what.as_str(), |(rule, _)| rule)
    }
}

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        draw::draw(seed)
    }

    /// Only these of its nodes, and only these of its faults, by their places.
    #[must_use]
    pub fn only(&self, nodes: &[usize], faults: &[usize]) -> Self {
        let mut world = self.world.clone();
        world.nodes = nodes
            .iter()
            .filter_map(|node| self.world.nodes.get(*node).cloned())
            .collect();
        let kept = faults.iter().filter_map(|fault| self.faults.get(*fault));
        let faults = kept.filter_map(|(at, fault)| Some((*at, fault.among(nodes)?)));
        Self {
            world,
            faults: faults.collect(),
            healed_at: self.healed_at,
        }
    }

    /// Plays it. A panic of the policy is a failure like any other.
    pub fn play(&self, kind: &Rc<dyn Kind>) -> Outcome {
        self.play_told(kind, Telling::Nothing).0
    }

    /// Plays it and keeps its timeline.
    pub fn play_told(&self, kind: &Rc<dyn Kind>, telling: Telling) -> (Outcome, Vec<(Timestamp, String)>) {
        let mut world = World::new(&self.world, kind, telling);
        let outcome = self.play_to_its_end(&mut world);
        (outcome, world.timeline().to_vec())
    }

    /// Plays it and puts it on a page: what came of it, and what happened to whom.
    pub fn play_on(&self, page: &mut Page, kind: &Rc<dyn Kind>) -> Outcome {
        let mut world = World::new(&self.world, kind, Telling::Nothing);
        world.record();
        let outcome = self.play_to_its_end(&mut world);
        page.to_ms = world.now().as_millis();
        let mut lanes = world.take_record();
        lanes.push(self.lane());
        page.take(lanes);
        outcome
    }

    /// What is done to the world.
    fn lane(&self) -> Lane {
        let cast = Cast::of(&self.world);
        let mark = |at: Timestamp, tone, what| Mark {
            at_ms: at.as_millis(),
            tone,
            what,
            why: Vec::new(),
        };
        let faults = self.faults.iter().enumerate();
        let mut marks: Vec<Mark> = faults
            .map(|(place, (at, fault))| mark(*at, Tone::Bad, format!("{} (fault {place})", cast.tell(fault))))
            .collect();
        marks.push(mark(self.healed_at, Tone::Good, "all is healed".to_owned()));
        Lane {
            group: Group::Fault,
            name: "the world".to_owned(),
            spans: Vec::new(),
            marks,
        }
    }

    fn play_to_its_end(&self, world: &mut World) -> Outcome {
        let played = catch_unwind(AssertUnwindSafe(|| self.play_in(world)));
        let failure = match played {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(panic) => Some(Failure {
                at_ms: world.now().as_millis(),
                node: String::new(),
                what: format!("panic: {}", words_of(panic.as_ref())),
            }),
        };
        let seconds = world.now().as_millis() / 1000;
        let nodes = u64::try_from(self.world.nodes.len()).unwrap_or(0);
        Outcome {
            seed: self.world.seed,
            failure,
            fingerprint: world.fingerprint(),
            steps: world.steps(),
            node_seconds: seconds * nodes,
        }
    }

    fn play_in(&self, world: &mut World) -> Result<(), Failure> {
        world.plan_all(&self.faults);
        world.run_until(self.healed_at);
        heal::breach_of(world)?;
        heal::heal(world)
    }

    /// The story in the words of a scenario.
    pub fn tell(&self) -> String {
        let cast = Cast::of(&self.world);
        let mut text = String::new();
        for (place, (at, fault)) in self.faults.iter().enumerate() {
            text.push_str(&format!("{at} s: {}. (fault {place})\n", cast.tell(fault)));
        }
        text.push_str(&format!("{} s: all is healed.\n", self.healed_at));
        text
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}
