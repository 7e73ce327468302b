//! Chance from the node's seed (R5): the same seed draws the same numbers. Not for secrets.

use std::cell::Cell;
use std::time::Duration;

/// A stream of numbers (SplitMix64).
#[derive(Debug)]
pub(crate) struct Jitter(Cell<u64>);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// The next number.
    pub(crate) fn draw(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut number = self.0.get();
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.draw().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    /// Something from zero up to, not including, `most`.
    pub(crate) fn up_to(&self, most: Duration) -> Duration {
        // 32 bits of chance are plenty, and an exact product of them with a duration cannot overflow.
        let part = u32::try_from(self.draw() >> 32).unwrap_or(0);
        most / 65_536 * (part >> 16)
    }

    /// `usual`, give or take half of it.
    pub(crate) fn around(&self, usual: Duration) -> Duration {
        usual / 2 + self.up_to(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers_within_their_bounds() {
        let (one, two) = (Jitter::new(7), Jitter::new(7));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let most = Duration::from_secs(3);
            let drawn = one.up_to(most);
            assert_eq!(drawn, two.up_to(most));
            assert!(drawn < most);
            seen.insert(drawn);
            let around = one.around(most);
            assert_eq!(around, two.around(most));
            assert!(around >= most / 2 && around < most + most / 2);
            assert!(one.below(5) < 5 && two.below(5) < 5);
        }
        assert!(seen.len() > 900, "they are spread");
        assert_eq!(one.below(0), 0);
    }
}
