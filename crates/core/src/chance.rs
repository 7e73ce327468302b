//! R5: all the chance there is. Drawn from the seed at construction; the same seed gives the same draws.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::millis;

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, good enough to spread a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub(crate) struct Chance {
    word: u64,
    jitter: Jitter,
}

/// Where in its range a draw falls. For doubt only: the checker tries both ends, since all orders of two deadlines
/// come from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Jitter {
    /// Anywhere, as the seed says: the only kind outside of tests.
    #[default]
    Seeded,
    /// At an eighth of the range, every time. Not at its very start: a backoff that is always zero would stop time.
    Early,
    /// At the end of the range, every time.
    Late,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            word: seed,
            jitter: Jitter::Seeded,
        }
    }

    pub(crate) fn choose(&mut self, jitter: Jitter) {
        self.jitter = jitter;
    }

    /// Another value after each draw.
    pub(crate) fn mark(self) -> u64 {
        self.word
    }

    fn word(&mut self) -> u64 {
        self.word = self.word.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.word)
    }

    /// Full jitter: anything from zero to `most`, in whole milliseconds.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        let word = self.word();
        match (self.jitter, millis(most)) {
            (_, 0) => Duration::ZERO,
            (Jitter::Seeded, most) => Duration::from_millis(word % (most + 1)),
            (Jitter::Early, most) => Duration::from_millis(most.div_ceil(8)),
            (Jitter::Late, most) => Duration::from_millis(most),
        }
    }

    /// A period, jittered: nine to eleven tenths of it.
    pub(crate) fn about(&mut self, period: Duration) -> Duration {
        let tenth = period / 10;
        period - tenth + self.up_to(tenth * 2)
    }
}

/// A checkpoint holds the word alone.
impl From<u64> for Chance {
    fn from(word: u64) -> Self {
        Self::new(word)
    }
}

impl From<Chance> for u64 {
    fn from(chance: Chance) -> Self {
        chance.word
    }
}

/// Scatters the bits of `word`; bijective.
pub(crate) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
