//! R5: all the chance there is. Drawn from the seed at construction; the same seed gives the same draws.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::millis;

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, good enough to spread a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Full jitter: anything from zero to `most`, in whole milliseconds.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        match millis(most) {
            0 => Duration::ZERO,
            most => Duration::from_millis(self.word() % (most + 1)),
        }
    }

    /// A period, jittered: nine to eleven tenths of it.
    pub(crate) fn about(&mut self, period: Duration) -> Duration {
        let tenth = period / 10;
        period - tenth + self.up_to(tenth * 2)
    }
}

/// Scatters the bits of `word`; bijective.
pub(crate) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
