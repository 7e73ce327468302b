//! Sessions that wait for something from their upstream: an answer (D4), the rest of a handshake, or the kernel's
//! acknowledgement of what was sent (D3).
//!
//! No session has a timer. Whoever sends something goes on a list; while the list is not empty it is walked ten times a
//! second, and who has its answer leaves it. So nothing outstanding costs nothing, and a thousand that wait cost a walk over
//! a thousand flags and, in turn, three system calls a second each.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Entry;
use crate::ledger::Ledger;
use crate::tcp_info::Sample;

/// A session that sent something and heard nothing back for this long is a suspicion (D4).
const STALL: Duration = Duration::from_secs(1);
/// A handshake that a server has begun and does not go on with, for this long, is a strong one: its first flight is sent in
/// one go, and then it is the client's turn. In between only the path can be so slow.
const HANDSHAKE_STALL: Duration = Duration::from_millis(500);
/// How often the list is walked.
const WALK: Duration = Duration::from_millis(100);
/// Each session's data is asked for at every so-manieth walk.
const SAMPLE_EVERY: u64 = 3;
/// What was sent so lately may well be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// A session that waits in vain.
#[derive(Debug)]
pub(crate) struct Stalled {
    pub(crate) ledger: Arc<Ledger>,
    /// It is more than the first question without an answer, which may need none.
    pub(crate) again: bool,
}

/// Those of one thread that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    list: RefCell<Vec<Rc<Entry>>>,
    next: Cell<Option<Instant>>,
    walks: Cell<u64>,
}

/// Asks for a carried session's unacknowledged data, by its key; `None`: it is over.
pub(crate) type Ask<'a> = &'a dyn Fn(usize) -> Option<Sample>;

impl Waiting {
    /// Puts a session on the list that has just sent something. `true`: there is a next walk where there was none.
    pub(super) fn watch(&self, entry: &Rc<Entry>, now: Instant) -> bool {
        if entry.watched.replace(true) {
            return false;
        }
        self.list.borrow_mut().push(Rc::clone(entry));
        let sleeping = self.next.get().is_none();
        if sleeping {
            self.next.set(Some(now + WALK));
        }
        sleeping
    }

    /// Takes a session that is over from the list.
    pub(super) fn forget(&self, entry: &Entry) {
        // The list is not searched: the next walk drops it.
        entry.watched.set(false);
    }

    /// When the list is to be walked; `None`: nobody waits.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.get()
    }

    /// Walks the list if it is time. Gives the accounts of those that wait in vain.
    pub(super) fn walk(&self, ask: Ask<'_>, now: Instant) -> Vec<Stalled> {
        if self.next.get().is_none_or(|next| now < next) {
            return Vec::new();
        }
        let walk = self.walks.get().wrapping_add(1);
        self.walks.set(walk);
        let mut stalled = Vec::new();
        let mut list = self.list.take();
        list.retain(|entry| {
            let sampled = entry.id % SAMPLE_EVERY == walk % SAMPLE_EVERY;
            let stays = entry.watched.get() && look(entry, sampled.then_some(ask), now, &mut stalled);
            entry.watched.set(stays);
            stays
        });
        // Nobody can have come meanwhile: looking at them calls nobody else.
        self.next.set((!list.is_empty()).then(|| now + WALK));
        self.list.replace(list);
        stalled
    }
}

/// Looks at one of them. `true`: it still waits.
fn look(entry: &Entry, ask: Option<Ask<'_>>, now: Instant, stalled: &mut Vec<Stalled>) -> bool {
    let mut tell = |again| {
        stalled.push(Stalled {
            ledger: Arc::clone(&entry.ledger),
            again,
        });
    };
    let since = entry.unanswered.get();
    let for_long = |least| since.is_some_and(|since| now.saturating_duration_since(since) >= least);
    if let Some(ask) = ask.filter(|_| entry.outstanding.get() || for_long(ON_ITS_WAY)) {
        sample(entry, ask, &mut tell);
    }
    if entry.is_in_handshake() && !entry.overdue.get() && for_long(HANDSHAKE_STALL) {
        entry.overdue.set(true);
        tell(true);
    }
    if for_long(STALL) {
        // Told again only if the client goes on asking: a byte that needs no answer is no lasting suspicion.
        entry.unanswered.set(None);
        tell(entry.overdue.replace(true));
        entry.wake_task();
    }
    entry.unanswered.get().is_some() || entry.outstanding.get()
}

/// D3: whether the kernel repeats in vain what we sent. A peer that merely does not read has acknowledged all.
fn sample(entry: &Entry, ask: Ask<'_>, tell: &mut impl FnMut(bool)) {
    let Some(sample) = entry.key().and_then(ask) else {
        return;
    };
    entry.outstanding.set(sample.unacked > 0);
    let lost = if sample.is_lost() { sample.backoff } else { 0 };
    // Each time that the kernel has lost more of its patience.
    if lost > entry.lost.replace(lost) {
        tell(true);
    }
}
