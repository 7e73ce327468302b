//! The two clocks: the process's own, by which everything is decided, and the wall's, which is for people (P5).

use std::time::{Duration, SystemTime};

use jackline_core::Timestamp;

/// A clock that never jumps and goes on while the machine sleeps. Its origin is the start of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Duration,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { origin: since_boot() }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = since_boot().saturating_sub(self.origin);
        Timestamp::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// `at` by the wall clock, `wall` being what it shows at `now`. `None`: it shows a time that no calendar has.
pub(crate) fn wall_of(at: Timestamp, now: Timestamp, wall: SystemTime) -> Option<jiff::Timestamp> {
    let told = if at >= now {
        wall.checked_add(at.since(now))
    } else {
        wall.checked_sub(now.since(at))
    };
    told.and_then(calendar)
}

/// `time` for people, to the millisecond.
pub(crate) fn calendar(time: SystemTime) -> Option<jiff::Timestamp> {
    let exact = jiff::Timestamp::try_from(time).ok()?;
    jiff::Timestamp::from_millisecond(exact.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use jackline_core::Timestamp;

    use super::{Clock, wall_of};

    #[test]
    fn the_clock_starts_at_nought_and_only_goes_forward() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(first.as_millis() < 60_000, "{first}");
        assert!(clock.now() >= first);
    }

    #[test]
    fn a_moment_is_counted_back_from_what_the_wall_clock_shows_now() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let seconds = |at| {
            wall_of(Timestamp::from_millis(at), Timestamp::from_millis(5000), wall).map(|t| t.as_second())
        };
        assert_eq!(seconds(2000), Some(997));
        assert_eq!(seconds(6000), Some(1001));
    }
}
