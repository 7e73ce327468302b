//! A journal played again through the same core: each event with what it led to then and leads to now, and the first
//! place where the two differ.

mod change;
mod find;
#[cfg(test)]
mod tests;
pub mod what_if;
pub mod why;
pub mod words;

use std::path::PathBuf;
use std::sync::Arc;

use jackline_core::{Action, Event, Policy, Snapshot, Timer, Timestamp};

use super::deeds::are_alike;
use super::replay::{ReplayError, replay};
use super::{Header, What};

pub use change::Change;
pub use find::{FindError, find};

/// So many events are held at the most: a longer journal is played in parts.
const STEPS_MAX: usize = 2_000_000;

/// A journal, played.
#[derive(Debug)]
pub struct Played {
    /// Its segments, oldest first.
    pub segments: Vec<Segment>,
    /// Every event, oldest first.
    pub steps: Vec<Step>,
    /// Of those, so many whose actions the journal tells: the others cannot be compared.
    pub compared: usize,
    /// The first step after which the core wants something else than it wanted then.
    pub difference: Option<usize>,
}

/// A file of the journal.
#[derive(Debug)]
pub struct Segment {
    /// Where it is.
    pub path: PathBuf,
    /// How it opens.
    pub header: Header,
    /// How it follows the one before.
    pub joint: Joint,
    /// It ends in the middle of a line, as after a kill: that line is left out.
    pub cut: bool,
    /// The core panicked over the last event, with these words. That event is not played.
    pub panic: Option<String>,
    /// What the core knew at its beginning.
    pub opening: Vec<Change>,
}

/// How a segment follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// There is none before.
    First,
    /// The core is as the one before left it.
    Whole,
    /// Jackline, or the core alone, was started anew.
    Restarted,
    /// Lines between the two were lost, as on a disk that hung – or the core came to something else then.
    Parted,
}

/// An event, and what it leads to.
#[derive(Debug)]
pub struct Step {
    /// The place of its segment.
    pub segment: usize,
    /// Its line there, from 1.
    pub line: u64,
    /// When, on that process's clock.
    pub at: Timestamp,
    /// When, by the wall clock.
    pub wall: Option<jiff::Timestamp>,
    /// What happened.
    pub event: Event,
    /// The deadline that had come by then, where that is what happened.
    pub timer: Option<Timer>,
    /// What the core wanted done then; `None`: the journal does not tell.
    pub kept: Option<Vec<Action>>,
    /// What it wants done now.
    pub actions: Vec<Action>,
    /// What is different since.
    pub changes: Vec<Change>,
}

/// Why a journal cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// One of its segments cannot.
    #[error("{}: {source}", .path.display())]
    Segment {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ReplayError,
    },
    /// There is too much of it.
    #[error("the journal holds more than {STEPS_MAX} events: play its segments one by one")]
    Long,
}

/// Plays these segments, oldest first.
///
/// # Errors
/// One of them cannot be read, is damaged, or was written in another format.
pub fn play(paths: &[PathBuf]) -> Result<Played, PlayError> {
    let mut played = Played {
        segments: Vec::new(),
        steps: Vec::new(),
        compared: 0,
        difference: None,
    };
    let mut end: Option<Policy> = None;
    for path in paths {
        let wrong = |source| PlayError::Segment {
            path: path.clone(),
            source,
        };
        end = Some(played.add(path.clone(), end.as_ref()).map_err(wrong)?);
        if played.steps.len() > STEPS_MAX {
            return Err(PlayError::Long);
        }
    }
    Ok(played)
}

impl Played {
    /// Plays the next segment; `end` is the core after the one before. The core after this one.
    fn add(&mut self, path: PathBuf, end: Option<&Policy>) -> Result<Policy, ReplayError> {
        let mut lines = replay(&path)?;
        let header = lines.header.clone();
        let mut policy = header.checkpoint.clone();
        let joint = self.joint(&header, end);
        let mut seen = policy.snapshot();
        self.segments.push(Segment {
            path,
            joint,
            cut: false,
            panic: None,
            opening: change::opening(&seen),
            header,
        });
        let mut waiting: Option<(u64, super::Line)> = None;
        let mut panic = None;
        loop {
            let next = lines.next().transpose()?;
            match (waiting.take(), &next) {
                // The core is not to be played over it again.
                (
                    _,
                    Some(super::Line {
                        what: What::Panic(message),
                        ..
                    }),
                ) => {
                    panic = Some(message.clone());
                    break;
                }
                (Some((number, line)), _) => self.step(&mut policy, &mut seen, number, line),
                (None, _) => {}
            }
            let Some(line) = next else { break };
            waiting = Some((lines.line(), line));
            if self.steps.len() > STEPS_MAX {
                break;
            }
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.cut = lines.is_cut();
            segment.panic = panic;
        }
        Ok(policy)
    }

    fn joint(&self, header: &Header, end: Option<&Policy>) -> Joint {
        let (Some(before), Some(end)) = (self.segments.last(), end) else {
            return Joint::First;
        };
        let last = self.steps.last().map(|step| step.at);
        if *end == header.checkpoint {
            Joint::Whole
        } else if before.header.seed != header.seed
            || before.header.settings != header.settings
            || last.is_some_and(|last| header.at < last)
        {
            Joint::Restarted
        } else {
            Joint::Parted
        }
    }

    fn step(&mut self, policy: &mut Policy, seen: &mut Arc<Snapshot>, number: u64, line: super::Line) {
        let What::Event(event) = line.what else { return };
        let Some(segment) = self.segments.last() else {
            return;
        };
        let due = policy.next_deadline().filter(|(due, _)| *due <= line.at);
        let timer = due
            .filter(|_| event == Event::DeadlineReached)
            .map(|(_, timer)| timer);
        let mut actions = Vec::new();
        policy.step(line.at, event.clone(), &mut actions);
        let now = policy.snapshot();
        let changes = change::between(seen, &now);
        *seen = now;
        if let Some(kept) = &line.actions {
            self.compared += 1;
            if self.difference.is_none() && !are_alike(kept, &actions) {
                self.difference = Some(self.steps.len());
            }
        }
        self.steps.push(Step {
            segment: self.segments.len() - 1,
            line: number,
            at: line.at,
            wall: segment.header.wall_of(line.at),
            event,
            timer,
            kept: line.actions,
            actions,
            changes,
        });
    }

    /// The steps between two moments of the wall clock, both included.
    pub fn between(&self, from: jiff::Timestamp, to: jiff::Timestamp) -> impl Iterator<Item = usize> {
        let within = move |step: &Step| step.wall.is_some_and(|wall| wall >= from && wall <= to);
        self.steps
            .iter()
            .enumerate()
            .filter(move |(_, step)| within(step))
            .map(|(place, _)| place)
    }
}

impl Header {
    /// A moment of the segment by the wall clock, which is taken to have gone on as it was when the segment was begun.
    #[must_use]
    pub fn wall_of(&self, at: Timestamp) -> Option<jiff::Timestamp> {
        let ahead = i64::try_from(at.as_millis()).ok()? - i64::try_from(self.at.as_millis()).ok()?;
        let wall = self.wall?.as_millisecond().checked_add(ahead)?;
        jiff::Timestamp::from_millisecond(wall).ok()
    }
}
