//! How often each kind of announcement was told since the start: what metrics count by.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jackline_core::Notice;

/// The counts. As many as there are kinds.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<Notice, u64>>);

impl Tally {
    /// One more of `notice`.
    pub(crate) fn count(&self, notice: Notice) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(notice).or_default() += 1;
    }

    /// All counts; a kind that was not told is left out.
    pub(crate) fn counts(&self) -> BTreeMap<Notice, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
