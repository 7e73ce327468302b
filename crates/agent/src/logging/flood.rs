//! How often one and the same place in the code may speak: a burst, then a line in a while that says how many were left
//! out. What is told once a change – the announcements – never comes near it; what a broken disk or a storm of clients
//! repeats does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;
use tracing::callsite::Identifier;

/// So many lines of one place in [`WINDOW`]: a hundred endpoints that change at once are still told one by one.
const BURST: u32 = 200;
/// The time over which they are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Whether a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is; so many of its kind were left out since the last one.
    Speak {
        /// How many.
        left_out: u64,
    },
    /// It is not.
    Silent,
}

/// Counts of all places that speak: as many as there are in the code.
#[derive(Default)]
pub(super) struct Flood(Mutex<HashMap<Identifier, Count>>);

#[derive(Clone, Copy)]
struct Count {
    since: Instant,
    spoken: u32,
    left_out: u64,
}

impl Flood {
    /// Judges a line of `place`. Whoever asked for `debug` or more gets all of it.
    pub(super) fn judge(&self, place: Identifier, level: Level) -> Verdict {
        match level > Level::INFO {
            true => Verdict::Speak { left_out: 0 },
            false => self.judge_at(place, Instant::now()),
        }
    }

    fn judge_at(&self, place: Identifier, now: Instant) -> Verdict {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Count {
            since: now,
            spoken: 0,
            left_out: 0,
        };
        let count = counts.entry(place).or_insert(fresh);
        if now.saturating_duration_since(count.since) >= WINDOW {
            count.since = now;
            count.spoken = 0;
        }
        if count.spoken >= BURST {
            count.left_out += 1;
            return Verdict::Silent;
        }
        count.spoken += 1;
        Verdict::Speak {
            left_out: std::mem::take(&mut count.left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::callsite::Callsite;

    use super::*;

    struct Place;

    impl Callsite for Place {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}
        fn metadata(&self) -> &tracing::Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    static ONE: Place = Place;

    #[test]
    fn a_flood_of_one_place_is_cut_and_counted() {
        let flood = Flood::default();
        let (place, start) = (Identifier(&ONE), Instant::now());
        for _ in 0..BURST {
            assert_eq!(
                flood.judge_at(place.clone(), start),
                Verdict::Speak { left_out: 0 }
            );
        }
        for _ in 0..50 {
            assert_eq!(flood.judge_at(place.clone(), start), Verdict::Silent);
        }
        let later = start + WINDOW;
        assert_eq!(
            flood.judge_at(place.clone(), later),
            Verdict::Speak { left_out: 50 }
        );
        assert_eq!(flood.judge_at(place, later), Verdict::Speak { left_out: 0 });
    }
}
