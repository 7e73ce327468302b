//! What happened in a world, in one line each, for people; and a fingerprint of all that happened, for the test that
//! the same seed gives the same world.

use jackline_core::{Event, Timestamp};

/// Lines kept at the most; a world that tells more only counts the rest.
const LINES_MAX: usize = 100_000;

/// Letters of a fact that are told.
const EVENT_MAX: usize = 240;

/// How much of a world is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Telling {
    /// Nothing but the fingerprint.
    Nothing,
    /// What scenarios compare: states, judgements, moves.
    Turns,
    /// Besides, every line that a policy has for people, and its reasons.
    Everything,
}

/// The record of a world.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    telling: Telling,
    lines: Option<Vec<(Timestamp, String)>>,
    fingerprint: u64,
}

impl Timeline {
    pub(crate) fn new(telling: Telling) -> Self {
        Self {
            telling,
            lines: (telling > Telling::Nothing).then(Vec::new),
            fingerprint: 0xCBF2_9CE4_8422_2325,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Whether what policies say to people is written down in full.
    pub(crate) fn has_everything(&self) -> bool {
        self.telling == Telling::Everything
    }

    pub(crate) fn tell(&mut self, now: Timestamp, who: &str, what: &str) {
        if let Some(lines) = self.lines.as_mut().filter(|lines| lines.len() < LINES_MAX) {
            lines.push((now, format!("{who} {what}")));
        }
    }

    /// A fact that a policy is told; what is due by itself is left out.
    pub(crate) fn tell_event(&mut self, now: Timestamp, who: &str, event: &Event) {
        if *event == Event::DeadlineReached {
            return;
        }
        let mut text = format!("is told {event:?}");
        if let Some((end, _)) = text.char_indices().nth(EVENT_MAX) {
            text.truncate(end);
        }
        self.tell(now, who, &text);
    }

    pub(crate) fn lines(&self) -> &[(Timestamp, String)] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// Mixes words into the fingerprint (FNV-1a on whole words).
    pub(crate) fn mark(&mut self, words: [u64; 3]) {
        for word in words {
            self.fingerprint = (self.fingerprint ^ word).wrapping_mul(0x0100_0000_01B3);
            self.fingerprint ^= self.fingerprint >> 29;
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}
