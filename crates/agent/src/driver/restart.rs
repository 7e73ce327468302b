//! What follows a panic of the core: a new one, from what was last known. The sessions never notice.

use std::any::Any;

use jackline_core::{Event, Policy, Timestamp};

use super::{Driver, Effects};

use crate::lines;

impl<E: Effects> Driver<E> {
    /// A new core, with another seed, that remembers the newest membership; or, if that is what it panics over, nothing.
    pub(super) fn restart(&mut self, now: Timestamp) {
        let (records, trusted) = self.membership.clone();
        self.renew(now);
        if let Err(message) = self.step(now, Event::MembershipRestored { records, trusted }) {
            tracing::error!(target: "jackline", event = lines::DEFECT, %message, "the core panicked over what is remembered; it starts with nothing but the configuration");
            self.journal.panicked(now, &message);
            self.renew(now);
        }
        self.published.store(self.policy.snapshot());
    }

    fn renew(&mut self, now: Timestamp) {
        self.origin.seed = self.origin.seed.wrapping_add(1);
        self.policy = Policy::new(self.origin.settings.clone(), self.origin.seed, now);
    }
}

/// What a panic says.
pub(super) fn words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a word".to_owned())
}
