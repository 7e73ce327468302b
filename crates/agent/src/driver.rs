//! The one loop: it owns the core, is the only one to step it, publishes what it says and hands on what it wants done.

mod restart;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jackline_core::{Action, Event, Policy, Record, Snapshot, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::journal::{Journal, Origin};
use crate::lines;
use crate::queue::Queue;

/// The longest sleep. Timers of the runtime stand still while the machine is suspended, the core's clock does not.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The shortest: a deadline that never passes, a defect of the core's, must not take a whole processor.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// The pause after the core had to be started anew: a core that panics at every step must not take a whole processor.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// So many events are taken before a stop, or a deadline, has its turn.
const TOGETHER_MAX: usize = 64;

/// The process's clock.
pub(crate) type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What carries out actions. Returns at once; work that is started ends in an event.
pub(crate) trait Effects: Send {
    /// Carries out one action.
    fn carry_out(&self, action: Action);
}

/// The loop and all that it owns.
pub(crate) struct Driver<E> {
    pub(crate) policy: Policy,
    /// [`Policy::step`]; in tests one that panics.
    pub(crate) stepping: fn(&mut Policy, Timestamp, Event, &mut Vec<Action>),
    pub(crate) origin: Origin,
    pub(crate) clock: Now,
    pub(crate) queue: Arc<Queue>,
    pub(crate) published: Arc<ArcSwap<Snapshot>>,
    pub(crate) journal: Journal,
    pub(crate) effects: E,
    /// The newest membership, from which a core that panicked starts anew, and whether all of it is this cluster's (P2).
    pub(crate) membership: (Vec<Record>, bool),
}

impl<E: Effects> Driver<E> {
    /// Runs until `stop`, and gives all back, for what is to be written at the end.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Self {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                event = self.queue.next() => event,
                due = sleep_until(self.policy.next_deadline().map(|(at, _)| at), &self.clock) => {
                    if !due {
                        self.journal.rest((self.clock)());
                        continue;
                    }
                    Event::DeadlineReached
                }
            };
            let mut good = self.take(event);
            // What has come with it is taken at once: waiting anew for each would cost more than the step.
            let mut together = 1;
            while good
                && together < TOGETHER_MAX
                && let Some(event) = self.queue.take()
            {
                good = self.take(event);
                together += 1;
            }
            if !good {
                tokio::time::sleep(RESTART_PAUSE).await;
            }
        }
        self
    }

    /// One event. `false`: the core panicked and was started anew.
    pub(crate) fn take(&mut self, event: Event) -> bool {
        let now = (self.clock)();
        if let Event::MembershipRestored { records, trusted } = &event {
            self.membership.0.extend_from_slice(records);
            self.membership.1 &= trusted;
        }
        let panicked = self.step(now, event).err();
        if let Some(message) = &panicked {
            tracing::error!(target: "jackline", event = lines::DEFECT, %message, "the core panicked and is started anew from what it last knew; please report this with the journal");
            self.journal.panicked(now, message);
            self.restart(now);
        }
        panicked.is_none()
    }

    fn step(&mut self, now: Timestamp, event: Event) -> Result<(), String> {
        self.journal.record(now, &event, &self.policy, &self.origin);
        let mut actions = Vec::new();
        // Whatever a panic leaves half-done in the core is thrown away with it.
        catch_unwind(AssertUnwindSafe(|| {
            (self.stepping)(&mut self.policy, now, event, &mut actions)
        }))
        .map_err(restart::words)?;
        self.journal.acted(&actions);
        let changed = self.publish();
        let told = actions.iter().any(|action| matches!(action, Action::Announce(_)));
        for action in actions {
            if let Action::PersistMembership { records } = &action {
                self.membership.0.clone_from(records);
            }
            self.effects.carry_out(action);
        }
        if changed || told {
            self.journal.flush(now);
        } else {
            self.journal.rest(now);
        }
        Ok(())
    }

    /// Publishes the core's snapshot, if it is another one.
    fn publish(&self) -> bool {
        let snapshot = self.policy.snapshot();
        let changed = snapshot.generation != self.published.load().generation;
        if changed {
            self.published.store(snapshot);
        }
        changed
    }
}

/// Sleeps until `at`, but not for long. Whether it has come.
async fn sleep_until(at: Option<Timestamp>, clock: &Now) -> bool {
    let left = |now| at.map_or(SLEEP_MAX, |at| at.since(now));
    tokio::time::sleep(left(clock()).clamp(SLEEP_MIN, SLEEP_MAX)).await;
    at.is_some() && left(clock()).is_zero()
}
