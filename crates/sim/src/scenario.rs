//! Scenarios: prose that runs. What there is, what happens, what must hold, and the timeline that is expected.
//!
//! ```text
//! k3s#11349: the control planes fail in turn.
//!
//! Servers: etcd1 (etcd only), cp1 (control plane) and cp2 (control plane).
//! Nodes: n1 and n2, joined to etcd1.
//!
//! 60 s: cp1 is stopped.
//!
//! Must hold: every node is attached from 10 s to 90 s.
//! Ends at 90 s.
//!
//! Timeline:
//! 60.000 cp1 is being stopped
//! ```
//!
//! Lines that begin with `#` are for people. What can happen is in [`crate::fault::sentence`], what can be claimed in
//! `claim`, who there can be in `cast`.

mod cast;
mod claim;

use std::rc::Rc;

use jackline_core::Timestamp;
use thiserror::Error;

use crate::fault::Fault;
use crate::fault::sentence::Cast;
use crate::policy::Kind;
use crate::spec::WorldSpec;
use crate::timeline::Telling;
use crate::world::World;

use claim::Claim;

/// A scenario that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct Unreadable {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its first line.
    pub title: String,
    world: WorldSpec,
    faults: Vec<(Timestamp, Fault)>,
    claims: Vec<Claim>,
    ends_at: Timestamp,
    /// The expected timeline.
    pub expected: Vec<String>,
}

/// What came of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Claims that did not hold, and rules that were broken, in words.
    pub broken: Vec<String>,
    /// What happened.
    pub timeline: Vec<String>,
}

/// The line after which the expected timeline stands.
const TIMELINE: &str = "Timeline:";

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The first line that makes no sense.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let mut scenario = Self {
            title: String::new(),
            world: cast::nobody(),
            faults: Vec::new(),
            claims: Vec::new(),
            ends_at: Timestamp::ZERO,
            expected: Vec::new(),
        };
        let mut lines = text.lines().enumerate();
        for (index, line) in lines.by_ref() {
            let line = line.trim();
            if line == TIMELINE {
                break;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            scenario.take(line).map_err(|what| Unreadable {
                line: index + 1,
                what,
            })?;
        }
        let rest = lines.map(|(_, line)| line.trim_end().to_owned());
        scenario.expected = rest.filter(|line| !line.is_empty()).collect();
        Ok(scenario)
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        if self.title.is_empty() {
            self.title = line.to_owned();
            return Ok(());
        }
        if let Some(servers) = line.strip_prefix("Servers:") {
            self.world.servers = cast::servers(servers)?;
            return Ok(());
        }
        if let Some(nodes) = line.strip_prefix("Nodes:") {
            return cast::nodes(&mut self.world, nodes);
        }
        if let Some(given) = line.strip_prefix("Given:") {
            return cast::given(&mut self.world, given);
        }
        if let Some(claim) = line.strip_prefix("Must hold:") {
            self.claims.push(Claim::read(claim, &self.world)?);
            return Ok(());
        }
        if let Some(end) = line.strip_prefix("Ends at ") {
            self.ends_at = moment(end.trim_end_matches('.'))?;
            return Ok(());
        }
        let (at, sentence) = line.split_once(": ").ok_or_else(|| {
            format!("{line:?} is neither a moment and what happens then, nor anything else")
        })?;
        let fault = Cast::of(&self.world).read(sentence)?;
        self.faults.push((moment(at)?, fault));
        Ok(())
    }

    /// Plays it.
    pub fn play(&self, kind: &Rc<dyn Kind>) -> Played {
        let mut world = World::new(&self.world, kind, Telling::Turns);
        world.plan_all(&self.faults);
        let mut broken = Vec::new();
        let mut moments: Vec<Timestamp> = self.claims.iter().flat_map(Claim::moments).collect();
        moments.push(self.ends_at);
        moments.sort();
        for moment in moments {
            world.run_until(moment);
            let now = self.claims.iter().filter_map(|claim| claim.look(&world, moment));
            broken.extend(now);
        }
        broken.extend(self.claims.iter().filter_map(|claim| claim.judge(&world)));
        broken.extend(
            world
                .breach()
                .map(|breach| format!("{}: {}", breach.node, breach.what)),
        );
        let timeline = world.timeline().iter().map(|(at, line)| format!("{at} {line}"));
        Played {
            broken,
            timeline: timeline.collect(),
        }
    }

    /// `text`, the file that this scenario was read from, with another expected timeline.
    pub fn rewritten(text: &str, timeline: &[String]) -> String {
        let head = text.split_once(TIMELINE).map_or(text, |(head, _)| head);
        format!("{}\n\n{TIMELINE}\n{}\n", head.trim_end(), timeline.join("\n"))
    }
}

/// `12 s` or `12.5 s`.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is no moment: say 12 s or 12.5 s");
    let number = text.trim().strip_suffix('s').ok_or_else(wrong)?.trim();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
    Ok(Timestamp::from_millis(whole * 1000 + part))
}
