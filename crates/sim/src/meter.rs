//! What one server has to bear, second by second: for fleets.

use jackline_core::Timestamp;

/// The places that a supervisor has for agents' requests at a time; whoever comes besides is told to come again.
pub(crate) const PLACES: u32 = 20;

/// So much of one thing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauge {
    second: u64,
    within: u32,
    /// The most within one second of the world.
    pub(crate) peak: u32,
    pub(crate) total: u64,
}

impl Gauge {
    pub(crate) fn count(&mut self, now: Timestamp) {
        let second = now.as_millis() / 1000;
        if self.second != second {
            self.second = second;
            self.within = 0;
        }
        self.within += 1;
        self.total += 1;
        self.peak = self.peak.max(self.within);
    }
}

/// What one server bears.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// TLS handshakes of clients' sessions.
    pub(crate) clients: Gauge,
    /// TLS handshakes of tests and questions.
    pub(crate) ours: Gauge,
    /// TCP connections of either kind that it took.
    pub(crate) connects: Gauge,
    /// … and that its kernel refused.
    pub(crate) refused: Gauge,
    /// Requests of tests and questions.
    pub(crate) requests: Gauge,
    /// The supervisor's places that are taken by questions of ours now, and the most that were.
    pub(crate) places: u32,
    pub(crate) places_peak: u32,
    /// Questions that found no place.
    pub(crate) turned_away: u64,
}

impl Meter {
    /// From now on counts begin anew; what is under way stays so.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            places: self.places,
            places_peak: self.places,
            ..Self::default()
        };
    }

    /// A question comes to the supervisor; `false`: there is no place for it.
    pub(crate) fn take_place(&mut self) -> bool {
        if self.places >= PLACES {
            self.turned_away += 1;
            return false;
        }
        self.places += 1;
        self.places_peak = self.places_peak.max(self.places);
        true
    }

    pub(crate) fn leave_place(&mut self) {
        self.places = self.places.saturating_sub(1);
    }
}
