//! What is going on in one session.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::Ending;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::carrier::Summons;
use crate::closing::{Order, Plan, Traffic};
use crate::ledger::Ledger;
use crate::rest::{SessionState, Stage};

/// Whom to tell that a session is to be looked at.
#[derive(Debug)]
pub(super) enum Wake {
    /// The task of its first flight.
    Task(Rc<Notify>),
    /// The carrier, which knows it by this key.
    Carrier(Rc<Summons>, usize),
}

/// One session: a downstream–upstream pair.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) id: u64,
    pub(crate) ledger: Arc<Ledger>,
    opened: Instant,
    asked: Cell<Option<Instant>>,
    heard: Cell<Option<Instant>>,
    /// Since when an answer is missing that was not told as a stall yet: the oldest byte of the client's without one, or
    /// the last byte of a server's handshake that does not go on.
    pub(super) unanswered: Cell<Option<Instant>>,
    /// An answer has been overdue since the last stall was told.
    pub(super) overdue: Cell<bool>,
    /// The client's hello is answered only when the client speaks again: it always does once it has had all of the
    /// server's first flight.
    handshake: Cell<bool>,
    /// The kernel repeats what the upstream does not acknowledge; how far it had doubled its patience when that was told.
    pub(super) lost: Cell<u8>,
    /// When the kernel was last asked, the upstream had not acknowledged all.
    pub(super) outstanding: Cell<bool>,
    /// Bytes received, going up and going down.
    bytes: [Cell<u64>; 2],
    /// Bytes that we hold for either side.
    unsent: [Cell<usize>; 2],
    /// It is on the list of those that wait for something.
    pub(super) watched: Cell<bool>,
    pub(super) plan: Cell<Option<Plan>>,
    /// Its one moment among the table's `plans`.
    pub(super) look: Cell<Option<Instant>>,
    order: Cell<Option<Order>>,
    pub(crate) ending: Cell<Ending>,
    wake: RefCell<Wake>,
}

impl Entry {
    pub(super) fn new(id: u64, ledger: Arc<Ledger>, wake: Rc<Notify>, now: Instant) -> Self {
        Self {
            id,
            ledger,
            opened: now,
            asked: Cell::default(),
            heard: Cell::default(),
            unanswered: Cell::default(),
            overdue: Cell::default(),
            handshake: Cell::default(),
            lost: Cell::default(),
            outstanding: Cell::default(),
            bytes: Default::default(),
            unsent: Default::default(),
            watched: Cell::new(false),
            plan: Cell::default(),
            look: Cell::default(),
            order: Cell::default(),
            ending: Cell::new(Ending::Ours),
            wake: RefCell::new(Wake::Task(wake)),
        }
    }

    /// Goes on where another process has left off. What it waits for is waited for anew: the time in between was nobody's fault.
    pub(crate) fn resume(&self, state: &SessionState, now: Instant) {
        let then = |ago: Duration| now.checked_sub(ago).unwrap_or(now);
        self.asked.set(state.asked.map(then));
        self.heard.set(state.heard.map(then));
        self.handshake.set(state.handshake);
        self.bytes[0].set(state.bytes[0]);
        self.bytes[1].set(state.bytes[1]);
        if self.is_waiting() {
            self.unanswered.set(Some(now));
        }
    }

    /// Whether something is to come from the upstream.
    pub(crate) fn is_waiting(&self) -> bool {
        self.traffic().is_waiting()
    }

    /// What there is to know of it, for another process that goes on with it at this stage.
    pub(crate) fn at_rest(&self, stage: Stage, now: Instant) -> SessionState {
        let ago = |then: Instant| now.saturating_duration_since(then);
        SessionState {
            endpoint: Some(self.ledger.endpoint),
            age: ago(self.opened),
            asked: self.asked.get().map(ago),
            heard: self.heard.get().map(ago),
            handshake: self.handshake.get(),
            bytes: [self.bytes[0].get(), self.bytes[1].get()],
            stage,
        }
    }

    /// What the client has sent is a whole ClientHello, so that the server's first bytes are no whole answer.
    pub(crate) fn begins_handshake(&self) {
        self.handshake.set(true);
    }

    /// The client sent something.
    pub(crate) fn ask(&self, now: Instant) {
        self.asked.set(Some(now));
        if self.handshake.get() && self.heard.get().is_some() {
            self.handshake.set(false);
            self.unanswered.set(Some(now));
        } else if self.unanswered.get().is_none() {
            self.unanswered.set(Some(now));
        }
    }

    /// The upstream sent something. Gives the time since the client's last byte before it, if this was the first answer.
    pub(crate) fn hear(&self, now: Instant) -> Option<Duration> {
        self.unanswered.set(self.handshake.get().then_some(now));
        if self.overdue.replace(false) {
            self.wake_task();
        }
        match self.heard.replace(Some(now)) {
            None => self.asked.get().map(|asked| now.saturating_duration_since(asked)),
            Some(_) => None,
        }
    }

    /// Whether an answer is overdue. The task of a first flight is woken when this changes.
    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.get()
    }

    /// Whether the upstream has ever sent a byte.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.get().is_some()
    }

    /// Whether the server has begun a handshake and not ended it.
    pub(super) fn is_in_handshake(&self) -> bool {
        self.handshake.get() && self.is_heard()
    }

    /// Notes how many bytes were received in one of the two directions.
    pub(crate) fn count(&self, direction: usize, bytes: u64) {
        if let Some(all) = self.bytes.get(direction) {
            all.set(all.get().saturating_add(bytes));
        }
    }

    /// When it was opened, and the bytes received since, going up and going down.
    pub(crate) fn account(&self) -> (Instant, [u64; 2]) {
        (self.opened, [self.bytes[0].get(), self.bytes[1].get()])
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
        match &*self.wake.borrow() {
            Wake::Task(task) => task.notify_one(),
            Wake::Carrier(summons, key) => summons.call(*key),
        }
    }

    /// What the session is told to do, once.
    pub(crate) fn take_order(&self) -> Option<Order> {
        self.order.take()
    }

    /// From now on the carrier is told of orders. One that has come already is told at once.
    pub(crate) fn is_carried(&self, summons: &Rc<Summons>, key: usize) {
        self.wake.replace(Wake::Carrier(Rc::clone(summons), key));
        if let Some(order) = self.take_order() {
            self.order(order);
        }
    }

    /// By which key the carrier knows it; `None`: it is in its first flight.
    pub(super) fn key(&self) -> Option<usize> {
        match &*self.wake.borrow() {
            Wake::Task(_) => None,
            Wake::Carrier(_, key) => Some(*key),
        }
    }

    pub(super) fn wake_task(&self) {
        if let Wake::Task(task) = &*self.wake.borrow() {
            task.notify_one();
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            opened: self.opened,
            asked: self.asked.get(),
            heard: self.heard.get(),
            unfinished: self.handshake.get() || self.lost.get() > 0,
            unsent: self.unsent.iter().any(|unsent| unsent.get() > 0),
        }
    }
}
