//! How long something usually takes: a running mean, and the rounder value of it that others are told.
//!
//! Hedges and repeats go by three times the usual, and never by less than 200 ms (S3, S4), so that what is told need not
//! follow each microsecond: a snapshot made and published for every connection would cost more than the connection.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The newest counts for one part in so many.
const WEIGHT: u32 = 8;
/// Nothing counts as longer.
const LONGEST: Duration = Duration::from_secs(10);
/// What is told stands while the mean is no further from it than this, or than a quarter of it.
const NEAR: Duration = Duration::from_millis(10);

/// How long something usually takes; zero before the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Usual {
    mean: Duration,
    told: Duration,
}

impl Usual {
    /// It took this long. `true`: others are to be told of another value than before.
    pub(crate) fn take(&mut self, newest: Duration) -> bool {
        let newest = newest.min(LONGEST);
        let first = self.mean.is_zero();
        self.mean = match first {
            true => newest,
            false => (self.mean * (WEIGHT - 1) + newest) / WEIGHT,
        };
        let news = first && !newest.is_zero() || self.mean.abs_diff(self.told) > NEAR.max(self.told / 4);
        if news {
            self.told = self.mean;
        }
        news
    }

    /// As exactly as it is known.
    pub(crate) fn mean(self) -> Duration {
        self.mean
    }

    /// What others go by.
    pub(crate) fn told(self) -> Duration {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn what_hardly_differs_is_not_told_anew() {
        let mut usual = Usual::default();
        assert!(usual.take(ms(1)), "the first is");
        let told = (0..1000).filter(|round| usual.take(ms(1 + round % 5))).count();
        assert_eq!((told, usual.told()), (0, ms(1)));
        assert!(usual.mean() > ms(1), "it is known all the same");
    }

    #[test]
    fn what_becomes_slow_is_told_in_steps_and_never_far_from_the_mean() {
        let mut usual = Usual::default();
        usual.take(ms(1));
        let mut told = 0;
        for _ in 0..100 {
            told += usize::from(usual.take(ms(400)));
            let far = usual.mean().abs_diff(usual.told());
            assert!(far <= NEAR.max(usual.told() / 4), "{usual:?}");
        }
        assert!((2..20).contains(&told), "{told} times");
        assert!(usual.told() > ms(300));
    }

    #[test]
    fn nothing_takes_longer_than_the_longest() {
        let mut usual = Usual::default();
        usual.take(Duration::MAX);
        assert_eq!(usual.told(), LONGEST);
    }
}
