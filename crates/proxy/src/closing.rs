//! When a session that is to be closed is closed: the paces of R4, D2 and D4 as plain rules over plain data.

use std::time::Duration;

use jackline_core::{Pace, Which};
use tokio::time::Instant;

use crate::jitter::Jitter;

/// Both directions have been silent for this long at a quiet moment (D2).
const QUIET: Duration = Duration::from_millis(100);
/// The same at a shutdown, which no other upstream makes up for: an answer that pauses for a moment is not cut.
const QUIET_AT_FAREWELL: Duration = Duration::from_secs(1);
/// What is enough silence at the end of the drain time.
const QUIET_ENOUGH: Duration = Duration::from_millis(5);
/// How long after the drain time a session without even that is closed all the same.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often sessions that wait for a quiet moment are looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(25);

/// How a session is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Both sides get a reset, now.
    Reset,
    /// What we hold is flushed, then both sides get a FIN.
    Part,
}

/// What is known of a session's traffic, in the terms of the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// When the session was opened.
    pub(crate) opened: Instant,
    /// When the last byte came from the client.
    pub(crate) asked: Option<Instant>,
    /// When the last byte came from the upstream.
    pub(crate) heard: Option<Instant>,
    /// Whether a handshake has begun and not ended, or the upstream has not acknowledged what was sent.
    pub(crate) unfinished: bool,
    /// Whether we hold bytes that a side has not taken yet.
    pub(crate) unsent: bool,
}

impl Traffic {
    /// Since when the upstream has been silent.
    fn silent_since(&self) -> Instant {
        self.heard.unwrap_or(self.opened)
    }

    /// Whether the client has sent something that nothing, or not all, came back for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.unfinished
            || self
                .asked
                .is_some_and(|asked| self.heard.is_none_or(|heard| heard < asked))
    }

    /// D4: silent for at least `least`, whether or not it owes an answer: a watch that waits for events asks nothing, and would
    /// wait at a frozen server for as long as that is frozen.
    pub(crate) fn is_silent(&self, least: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.silent_since()) >= least
    }

    /// D2: nothing unsent, both directions silent for `least`, the last byte from the server or none at all.
    fn is_quiet(&self, least: Duration, now: Instant) -> bool {
        !self.unsent && !self.is_waiting() && now.saturating_duration_since(self.silent_since()) >= least
    }
}

/// What will become of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// A reset at this moment, if it still deserves one.
    Reset {
        /// The session's own moment.
        at: Instant,
        /// When it was ordered: a session that has heard something since then is spared if `silent`.
        ordered: Instant,
        /// Only silent sessions are meant (D4).
        silent: bool,
    },
    /// A FIN at a quiet moment (D2).
    Quiet {
        /// From when on a quiet moment is looked for: the session's own moment.
        at: Instant,
        /// How long both directions have been silent at such a moment.
        quiet: Duration,
        /// From when on less quiet is enough.
        end: Instant,
        /// From when on none is needed.
        limit: Instant,
    },
}

impl Plan {
    /// The session's own moment: before it nothing happens.
    pub(crate) fn moment(&self) -> Instant {
        let (Self::Reset { at, .. } | Self::Quiet { at, .. }) = *self;
        at
    }

    /// Whether this plan is kept when `other` is ordered on top: a reset is never softened, a moment never put off.
    fn stands_against(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reset { at: mine, .. }, Self::Reset { at: theirs, .. }) => mine <= theirs,
            (Self::Reset { .. }, Self::Quiet { .. }) => true,
            (Self::Quiet { limit: mine, .. }, Self::Quiet { limit: theirs, .. }) => mine <= theirs,
            (Self::Quiet { .. }, Self::Reset { .. }) => false,
        }
    }

    /// Of two plans for one session, the one that holds.
    pub(crate) fn over(self, earlier: Option<Self>) -> Self {
        earlier
            .filter(|earlier| earlier.stands_against(&self))
            .unwrap_or(self)
    }

    /// What is to be done now.
    pub(crate) fn judge(&self, traffic: &Traffic, now: Instant) -> Judgement {
        match *self {
            Self::Reset { at, ordered, silent } => {
                if silent && traffic.heard.is_some_and(|heard| heard > ordered) {
                    Judgement::Spare
                } else if now >= at {
                    Judgement::Close(Order::Reset)
                } else {
                    Judgement::Wait
                }
            }
            Self::Quiet {
                at,
                quiet,
                end,
                limit,
            } => {
                let least = if now >= end { QUIET_ENOUGH } else { quiet };
                if now >= limit || now >= at && traffic.is_quiet(least, now) {
                    Judgement::Close(Order::Part)
                } else {
                    Judgement::Wait
                }
            }
        }
    }
}

/// What a plan says of its session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Not yet.
    Wait,
    /// Now.
    Close(Order),
    /// Never: it came back to life.
    Spare,
}

/// Whether a session with this traffic is meant.
pub(crate) fn is_meant(which: Which, traffic: &Traffic, now: Instant) -> bool {
    match which {
        Which::All => true,
        Which::SilentFor(least) => traffic.is_silent(least, now),
    }
}

/// A plan for each of `count` sessions, spread evenly over the pace's time, each with jitter within its own share.
pub(crate) fn spread(pace: Pace, which: Which, count: usize, now: Instant, jitter: &Jitter) -> Vec<Plan> {
    let (Pace::Reset(time) | Pace::Quiet(time)) = pace;
    let shares = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    let share = time / shares;
    let mut plans: Vec<Plan> = (0..shares)
        .take(count)
        .map(|index| {
            let at = now + share * index + jitter.up_to(share);
            match pace {
                Pace::Reset(_) => Plan::Reset {
                    at,
                    ordered: now,
                    silent: which != Which::All,
                },
                Pace::Quiet(_) => Plan::Quiet {
                    at,
                    quiet: QUIET,
                    end: now + time,
                    limit: now + time + PATIENCE,
                },
            }
        })
        .collect();
    // The table is in the order of opening; who goes first is left to chance.
    for last in (1..plans.len()).rev() {
        plans.swap(last, jitter.below(last + 1));
    }
    plans
}

/// The plan of every session at a shutdown that may take `within`: each may go at its first quiet moment.
pub(crate) fn farewell(within: Duration, now: Instant) -> Plan {
    Plan::Quiet {
        at: now,
        quiet: QUIET_AT_FAREWELL,
        end: now + within * 3 / 4,
        limit: now + within,
    }
}

#[cfg(test)]
mod tests;
