//! The token bucket that hedges and repeats share (S3, S4): an overload is never multiplied.

use std::sync::atomic::{AtomicU32, Ordering};

/// What one hedge or one repeat costs.
const COST: u32 = 10;
/// What one dial that costs nothing puts back: a tenth.
const GAIN: u32 = 1;
/// The most that is kept: 20 hedges.
const FULL: u32 = 20 * COST;

/// Full at the start; shared by all threads of one data plane.
#[derive(Debug)]
pub(crate) struct Bucket(AtomicU32);

impl Bucket {
    pub(crate) fn full() -> Self {
        Self(AtomicU32::new(FULL))
    }

    /// Takes a token for a hedge or a repeat; `false`: there is none, so it must not be.
    pub(crate) fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |level| {
                level.checked_sub(COST)
            })
            .is_ok()
    }

    /// Puts back what an ordinary dial earns.
    pub(crate) fn earn(&self) {
        // An `Err` cannot be: the closure always gives a value.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |level| {
                Some(FULL.min(level + GAIN))
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_at_once_then_one_for_ten_dials() {
        let bucket = Bucket::full();
        assert_eq!((0..100).filter(|_| bucket.take()).count(), 20);
        let mut hedges = 0;
        for _ in 0..1000 {
            bucket.earn();
            hedges += usize::from(bucket.take());
        }
        assert_eq!(hedges, 100, "a tenth of the dials");
    }

    #[test]
    fn it_never_holds_more_than_twenty() {
        let bucket = Bucket::full();
        (0..1000).for_each(|_| bucket.earn());
        assert_eq!((0..100).filter(|_| bucket.take()).count(), 20);
    }
}
