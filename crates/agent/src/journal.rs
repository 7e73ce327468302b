//! The journal: every event with its time, so that what jackline did can be played again (design §3).
//!
//! Here is the driver's side: lines are gathered in memory and handed in chunks to a thread that owns the files
//! (`ring`), so that a slow or full disk never holds up a decision. [`replay`] reads a segment back. A segment is a
//! file of JSON lines: first a [`Header`], then one [`Line`] for each event, with what the core wanted done because of
//! it. Described in `docs/decisions/0005-journal-and-state-formats.md`.

pub mod deeds;
pub mod played;
pub mod replay;
pub(crate) mod ring;
#[cfg(test)]
mod tests;
pub mod told;

use std::time::{Duration, SystemTime};

pub use jackline_core::{Action, Event, Policy, Settings, Timestamp};
use serde::{Deserialize, Serialize};

use self::ring::{Chunk, Outlet};
use crate::clock::calendar;
use crate::lines;

/// The version of the format.
pub const FORMAT: u32 = 1;
/// So many segments share the space of the journal.
const SEGMENTS: u64 = 8;
/// What is gathered is handed on at this size, change or no change.
const GATHERED_MAX: usize = 64 << 10;
/// … and after this time at rest.
const REST: Duration = Duration::from_secs(60);
/// How long nothing is taken down after the disk took nothing: each attempt costs a whole checkpoint.
const GAP_PAUSE: Duration = Duration::from_secs(1);

/// The first line of a segment: all that is needed to play what follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub jackline_journal: u32,
    /// The version of the program.
    pub version: String,
    /// When the segment was begun, on the process's clock: the same as its events'.
    pub at: Timestamp,
    /// The same moment by the wall clock, for people.
    pub wall: Option<jiff::Timestamp>,
    /// The seed that the core was made with.
    pub seed: u64,
    /// The settings that the core was made with.
    pub settings: Settings,
    /// The core just before the first event that follows.
    pub checkpoint: Policy,
    /// Whether the lines tell what the core wanted done. Journals of before that was written don't.
    #[serde(default)]
    pub tells_actions: bool,
}

/// Any later line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it happened, on the process's clock.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// What the core wanted done because of it, as [`deeds`] keep it; `None`: the journal does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The core was told this.
    Event(Event),
    /// The core panicked over the event before, and was started anew: the next segment opens with the new one.
    Panic(String),
}

/// What a segment's header tells of the core, besides the core itself.
pub(crate) struct Origin {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
}

/// The driver's side of the journal.
pub(crate) struct Journal {
    outlet: Outlet,
    segment_max: u64,
    gathered: String,
    /// The gathered text begins a segment.
    opens: bool,
    /// The last line waits for what the core wants done.
    begun: bool,
    /// Bytes of the open segment; `None`: the next line opens one.
    size: Option<u64>,
    flushed: Timestamp,
    /// The last chunk was dropped then: the disk hangs.
    gap: Option<Timestamp>,
    /// A line could not be turned into text: told once.
    told: bool,
}

impl Journal {
    /// A journal of at most `size` bytes behind `outlet`.
    pub(crate) fn new(outlet: Outlet, size: u64) -> Self {
        Self {
            outlet,
            segment_max: size / SEGMENTS,
            gathered: String::new(),
            opens: false,
            begun: false,
            size: None,
            flushed: Timestamp::ZERO,
            gap: None,
            told: false,
        }
    }

    /// Takes down `event`, which `policy` is about to be told. Opens a segment with `policy` where one is due. What comes
    /// of it is told to [`Journal::acted`]; where the core panics over it, nothing is.
    pub(crate) fn record(&mut self, at: Timestamp, event: &Event, policy: &Policy, origin: &Origin) {
        self.end_line();
        if self.gathered.len() >= GATHERED_MAX {
            self.flush(at);
        }
        if self.gap.is_some_and(|gap| at.since(gap) < GAP_PAUSE) {
            return;
        }
        if self.size.is_none_or(|size| size >= self.segment_max) {
            self.open(at, policy, origin);
        }
        self.line(&Line {
            at,
            what: What::Event(event.clone()),
            actions: None,
        });
    }

    /// Takes down what the core wants done because of the event that was taken down last.
    pub(crate) fn acted(&mut self, actions: &[Action]) {
        if self.begun && !actions.is_empty() {
            match deeds::write(actions) {
                Ok(text) => self.add(&format!(",\"actions\":{text}")),
                Err(error) => self.tell_once(&error),
            }
        }
        self.end_line();
    }

    /// Takes down that the core panicked. The next event opens a segment with the new core.
    pub(crate) fn panicked(&mut self, at: Timestamp, message: &str) {
        self.end_line();
        self.line(&Line {
            at,
            what: What::Panic(message.to_owned()),
            actions: None,
        });
        self.flush(at);
        self.size = None;
    }

    /// Hands on what is gathered: something changed that people will ask about.
    pub(crate) fn flush(&mut self, now: Timestamp) {
        self.flushed = now;
        self.end_line();
        if self.gathered.is_empty() {
            return;
        }
        let chunk = Chunk {
            opens: std::mem::take(&mut self.opens),
            text: std::mem::take(&mut self.gathered),
        };
        if self.outlet.hand(chunk) {
            self.gap = None;
            return;
        }
        if self.gap.replace(now).is_none() {
            tracing::warn!(target: "jackline", event = lines::JOURNAL_UNSAVED, "the journal has a gap: the disk takes nothing");
        }
        // What follows would not replay after the gap, so a new segment.
        self.size = None;
    }

    /// Hands on what is gathered if it has waited for long enough.
    pub(crate) fn rest(&mut self, now: Timestamp) {
        if now.since(self.flushed) >= REST {
            self.flush(now);
        }
    }

    /// Hands on the rest and waits, not longer than `within`, until it is written.
    pub(crate) fn finish(mut self, now: Timestamp, within: Duration) {
        self.flush(now);
        self.outlet.finish(within);
    }

    fn open(&mut self, at: Timestamp, policy: &Policy, origin: &Origin) {
        self.flush(at);
        let header = Header {
            jackline_journal: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at,
            wall: calendar(SystemTime::now()),
            seed: origin.seed,
            settings: origin.settings.clone(),
            checkpoint: policy.clone(),
            tells_actions: true,
        };
        self.opens = true;
        match serde_json::to_string(&header) {
            Ok(text) => self.add(&format!("{text}\n")),
            Err(error) => self.tell_once(&error),
        }
        // The header does not count: with a large core a segment must still hold more than a line.
        self.size = Some(0);
    }

    /// Begins a line: all of it but the brace at its end, before which `acted` has its word.
    fn line(&mut self, line: &Line) {
        if self.size.is_none() {
            return;
        }
        match serde_json::to_string(line) {
            Ok(text) => {
                self.add(text.strip_suffix('}').unwrap_or(&text));
                self.begun = true;
            }
            Err(error) => self.tell_once(&error),
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.add("}\n");
        }
    }

    fn add(&mut self, text: &str) {
        self.gathered.push_str(text);
        self.size = self.size.map(|size| size.saturating_add(text.len() as u64));
    }

    fn tell_once(&mut self, error: &serde_json::Error) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::error!(target: "jackline", event = lines::DEFECT, %error, "the journal has a gap: a line could not be written; please report this");
        }
    }
}
