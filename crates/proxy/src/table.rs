//! One thread's sessions: what is going on in each, whose turn it is to be closed, and who waits for an answer in vain.
//!
//! No session has a timer of its own. What has a moment (a close) stands in one ordered set, who waits for an answer on one
//! list, and one task of the thread sleeps until the first of these moments.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::CloseSessions;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::entry::Entry;
use self::waiting::Waiting;
pub(crate) use self::waiting::{Ask, Stalled};
use crate::closing::{self, Judgement, LOOK, Plan};
use crate::jitter::Jitter;
use crate::ledger::Ledger;

mod entry;
mod waiting;

/// One thread's sessions.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: RefCell<BTreeMap<u64, Rc<Entry>>>,
    /// Those that wait for an answer.
    waiting: Waiting,
    /// When to look at which session for its plan.
    plans: RefCell<BTreeSet<(Instant, u64)>>,
    last_id: Cell<u64>,
    farewell: Cell<Option<Plan>>,
    /// Told when there may be an earlier moment than the one that the thread sleeps for.
    pub(crate) changed: Notify,
}

impl Table {
    /// Enters a session that has just been opened; `wake` is told of orders.
    pub(crate) fn open(&self, ledger: Arc<Ledger>, wake: Rc<Notify>, now: Instant) -> Rc<Entry> {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let entry = Rc::new(Entry::new(id, ledger, wake, now));
        self.entries.borrow_mut().insert(id, Rc::clone(&entry));
        if let Some(plan) = self.farewell.get() {
            self.plan(&entry, plan);
        }
        entry
    }

    /// Strikes a session out.
    pub(crate) fn close(&self, entry: &Entry) {
        self.entries.borrow_mut().remove(&entry.id);
        self.waiting.forget(entry);
        self.look(entry, None);
    }

    /// Looks after a session that has just sent something: it stalls if nothing comes back.
    pub(crate) fn watch(&self, entry: &Rc<Entry>, now: Instant) {
        if self.waiting.watch(entry, now) {
            self.changed.notify_one();
        }
    }

    /// Carries out a [`jackline_core::Action::CloseSessions`] on what is open now.
    pub(crate) fn order(&self, order: &CloseSessions, jitter: &Jitter, now: Instant) {
        let meant: Vec<Rc<Entry>> = self
            .entries
            .borrow()
            .values()
            .filter(|entry| entry.ledger.endpoint == order.endpoint)
            .filter(|entry| closing::is_meant(order.which, &entry.traffic(), now))
            .map(Rc::clone)
            .collect();
        let plans = closing::spread(order.pace, order.which, meant.len(), now, jitter);
        for (entry, plan) in meant.iter().zip(plans) {
            self.plan(entry, plan);
        }
    }

    /// Every session, also one that is opened later, ends at a quiet moment within this time.
    pub(crate) fn say_farewell(&self, within: Duration, now: Instant) {
        let farewell = closing::farewell(within, now);
        self.farewell.set(Some(farewell));
        let entries: Vec<Rc<Entry>> = self.entries.borrow().values().map(Rc::clone).collect();
        entries.iter().for_each(|entry| self.plan(entry, farewell));
    }

    /// Forgets the plans of this endpoint's sessions, but for a farewell.
    pub(crate) fn keep(&self, endpoint: SocketAddr) {
        if self.farewell.get().is_some() {
            return;
        }
        for entry in self
            .entries
            .borrow()
            .values()
            .filter(|entry| entry.ledger.endpoint == endpoint)
        {
            entry.plan.set(None);
            self.look(entry, None);
        }
    }

    fn plan(&self, entry: &Entry, plan: Plan) {
        let plan = plan.over(entry.plan.get());
        entry.plan.set(Some(plan));
        self.look(entry, Some(plan.moment()));
        self.changed.notify_one();
    }

    /// Moves the moment at which a session's plan is looked at.
    fn look(&self, entry: &Entry, at: Option<Instant>) {
        let mut plans = self.plans.borrow_mut();
        if let Some(before) = entry.look.replace(at) {
            plans.remove(&(before, entry.id));
        }
        plans.extend(at.map(|at| (at, entry.id)));
    }

    /// When [`Self::tick`] is due next; `None`: not before something changes.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let plan = self.plans.borrow().first().map(|(at, _)| *at);
        self.waiting.next().into_iter().chain(plan).min()
    }

    /// Serves every moment that has come: orders closes, and gives the accounts of those that let a session wait in vain;
    /// `ask` tells of a carried session's unacknowledged data.
    pub(crate) fn tick(&self, ask: Ask<'_>, now: Instant) -> Vec<Stalled> {
        for (_, id) in due(&self.plans, now) {
            let Some(entry) = self.entry(id) else { continue };
            entry.look.set(None);
            let Some(plan) = entry.plan.get() else { continue };
            match plan.judge(&entry.traffic(), now) {
                Judgement::Wait => self.look(&entry, Some(plan.moment().max(now + LOOK))),
                Judgement::Spare => entry.plan.set(None),
                Judgement::Close(order) => {
                    entry.plan.set(None);
                    entry.order(order);
                }
            }
        }
        self.waiting.walk(ask, now)
    }

    fn entry(&self, id: u64) -> Option<Rc<Entry>> {
        self.entries.borrow().get(&id).map(Rc::clone)
    }
}

/// Takes out what is due by `now`.
fn due(moments: &RefCell<BTreeSet<(Instant, u64)>>, now: Instant) -> BTreeSet<(Instant, u64)> {
    let mut moments = moments.borrow_mut();
    let later = moments.split_off(&(now, u64::MAX));
    std::mem::replace(&mut moments, later)
}

#[cfg(test)]
mod tests;
