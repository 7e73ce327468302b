//! One thread's sessions: what is going on in each, whose turn it is to be closed, and who waits for an answer in vain.
//!
//! No session has a timer of its own. What has a moment (a stall, a close) stands in one ordered set, and one task of the
//! thread sleeps until the first of them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{CloseSessions, Ending};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::carrier::Summons;
use crate::closing::{self, Judgement, LOOK, Order, Plan, Traffic};
use crate::jitter::Jitter;
use crate::ledger::Ledger;

/// A session that sent something and heard nothing back for this long is a suspicion (D4).
const STALL: Duration = Duration::from_secs(1);

/// A session that waits for an answer in vain.
#[derive(Debug)]
pub(crate) struct Stalled {
    pub(crate) ledger: Arc<Ledger>,
    /// It was told before, and nothing was heard since.
    pub(crate) again: bool,
}

/// Whom to tell that a session is to be looked at.
#[derive(Debug)]
enum Wake {
    /// The task of its first flight.
    Task(Rc<Notify>),
    /// The carrier, which knows it by this key.
    Carrier(Rc<Summons>, usize),
}

/// One session: a downstream–upstream pair.
#[derive(Debug)]
pub(crate) struct Entry {
    id: u64,
    pub(crate) ledger: Arc<Ledger>,
    opened: Instant,
    asked: Cell<Option<Instant>>,
    heard: Cell<Option<Instant>>,
    /// The oldest byte of the client's that got no answer and was not told as a stall yet.
    unanswered: Cell<Option<Instant>>,
    /// An answer has been overdue since the last stall was told.
    overdue: Cell<bool>,
    /// Bytes that we hold for either side.
    unsent: [Cell<usize>; 2],
    watched: Cell<bool>,
    plan: Cell<Option<Plan>>,
    /// Its one moment among the table's `plans`.
    look: Cell<Option<Instant>>,
    order: Cell<Option<Order>>,
    pub(crate) ending: Cell<Ending>,
    wake: RefCell<Wake>,
}

impl Entry {
    /// The client sent something.
    pub(crate) fn ask(&self, now: Instant) {
        self.asked.set(Some(now));
        if self.unanswered.get().is_none() {
            self.unanswered.set(Some(now));
        }
    }

    /// The upstream sent something. Gives the time since the client's last byte before it, if this was the first answer.
    pub(crate) fn hear(&self, now: Instant) -> Option<Duration> {
        self.unanswered.set(None);
        if self.overdue.replace(false) {
            self.wake();
        }
        match self.heard.replace(Some(now)) {
            None => self.asked.get().map(|asked| now.saturating_duration_since(asked)),
            Some(_) => None,
        }
    }

    /// Whether an answer is overdue. The session is woken when this changes.
    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.get()
    }

    /// Whether the upstream has ever sent a byte.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.get().is_some()
    }

    /// Notes how many bytes we hold in one of the two directions.
    pub(crate) fn hold(&self, direction: usize, bytes: usize) {
        if let Some(unsent) = self.unsent.get(direction) {
            unsent.set(bytes);
        }
    }

    /// Tells the session what to do.
    pub(crate) fn order(&self, order: Order) {
        self.order.set(Some(order));
        self.wake();
    }

    /// From now on the carrier is told. It is told at once, for something may have come before.
    pub(crate) fn is_carried(&self, summons: &Rc<Summons>, key: usize) {
        self.wake.replace(Wake::Carrier(Rc::clone(summons), key));
        if self.order.get().is_some() || self.overdue.get() {
            self.wake();
        }
    }

    fn wake(&self) {
        match &*self.wake.borrow() {
            Wake::Task(task) => task.notify_one(),
            Wake::Carrier(summons, key) => summons.call(*key),
        }
    }

    /// What the session is told to do, once.
    pub(crate) fn take_order(&self) -> Option<Order> {
        self.order.take()
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            opened: self.opened,
            asked: self.asked.get(),
            heard: self.heard.get(),
            unsent: self.unsent.iter().any(|unsent| unsent.get() > 0),
        }
    }
}

/// One thread's sessions.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: RefCell<BTreeMap<u64, Rc<Entry>>>,
    /// When to look at which session for a stall.
    stalls: RefCell<BTreeSet<(Instant, u64)>>,
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
        let entry = Rc::new(Entry {
            id,
            ledger,
            opened: now,
            asked: Cell::default(),
            heard: Cell::default(),
            unanswered: Cell::default(),
            overdue: Cell::default(),
            unsent: Default::default(),
            watched: Cell::new(false),
            plan: Cell::default(),
            look: Cell::default(),
            order: Cell::default(),
            ending: Cell::new(Ending::Ours),
            wake: RefCell::new(Wake::Task(wake)),
        });
        self.entries.borrow_mut().insert(id, Rc::clone(&entry));
        if let Some(plan) = self.farewell.get() {
            self.plan(&entry, plan);
        }
        entry
    }

    /// Strikes a session out.
    pub(crate) fn close(&self, entry: &Entry) {
        self.entries.borrow_mut().remove(&entry.id);
        self.look(entry, None);
    }

    /// Looks after a session that has just sent something: it stalls if nothing comes back.
    pub(crate) fn watch(&self, entry: &Entry, now: Instant) {
        if entry.watched.replace(true) {
            return;
        }
        let mut stalls = self.stalls.borrow_mut();
        if stalls.is_empty() {
            self.changed.notify_one();
        }
        stalls.insert((now + STALL, entry.id));
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
        let stall = self.stalls.borrow().first().map(|(at, _)| *at);
        let plan = self.plans.borrow().first().map(|(at, _)| *at);
        stall.into_iter().chain(plan).min()
    }

    /// Serves every moment that has come: orders closes, and gives the accounts of those that let a session wait in vain.
    pub(crate) fn tick(&self, now: Instant) -> Vec<Stalled> {
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
        let mut stalled = Vec::new();
        for (_, id) in due(&self.stalls, now) {
            let Some(entry) = self.entry(id) else { continue };
            match entry.unanswered.get() {
                Some(since) if since + STALL <= now => {
                    // Told again only if the client goes on asking: a byte that needs no answer is no lasting suspicion.
                    entry.unanswered.set(None);
                    entry.watched.set(false);
                    stalled.push(Stalled {
                        ledger: Arc::clone(&entry.ledger),
                        again: entry.overdue.replace(true),
                    });
                    entry.wake();
                }
                Some(since) => {
                    self.stalls.borrow_mut().insert((since + STALL, id));
                }
                None => entry.watched.set(false),
            }
        }
        stalled
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
