//! Sessions whose first flight is under way, counted, and those that were laid to rest on it: a thread is at rest only when
//! each of them is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use crate::flight::Begun;
use crate::peer::Peer;
use crate::shared::Seat;
use crate::thread::{Present, Thread};

/// A session before the first answer.
#[derive(Debug)]
pub(crate) struct EarlySession {
    // In the order in which they are dropped: first the connections, then the places in the counts.
    pub(crate) begun: Begun,
    pub(crate) client: Peer,
    pub(crate) wake: Rc<Notify>,
    pub(crate) seat: Seat,
    pub(crate) present: Present,
}

impl EarlySession {
    /// A client that has just come.
    pub(crate) fn new(client: Peer, seat: Seat, present: Present) -> Self {
        Self {
            begun: Begun::default(),
            client,
            wake: Rc::default(),
            seat,
            present,
        }
    }

    /// While it is at rest, dropping it says nothing to its peers.
    pub(crate) fn rest(&self, at_rest: bool) {
        self.client.rest(at_rest);
        if let Some(contender) = &self.begun.contender {
            contender.upstream.peer.rest(at_rest);
        }
    }
}

/// One thread's early sessions.
#[derive(Debug, Default)]
pub(crate) struct Early {
    under_way: Cell<usize>,
    changed: Notify,
    at_rest: RefCell<Vec<EarlySession>>,
}

/// One that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Rc<Thread>);

impl Early {
    /// Counts one in until the guard is dropped.
    pub(crate) fn begin(thread: &Rc<Thread>) -> UnderWay {
        let count = &thread.early.under_way;
        count.set(count.get() + 1);
        UnderWay(Rc::clone(thread))
    }

    /// Takes one in that has been laid to rest.
    pub(crate) fn lay_to_rest(&self, session: EarlySession) {
        session.rest(true);
        self.at_rest.borrow_mut().push(session);
    }

    /// Completes when none is under way any more.
    pub(crate) async fn all_at_rest(&self) {
        while self.under_way.get() > 0 {
            self.changed.notified().await;
        }
    }

    /// Looks at each that is at rest.
    ///
    /// # Errors
    /// The first that `look` gives.
    pub(crate) fn each<E>(&self, look: impl FnMut(&EarlySession) -> Result<(), E>) -> Result<(), E> {
        self.at_rest.borrow().iter().try_for_each(look)
    }

    /// Takes all out that are at rest.
    pub(crate) fn take(&self) -> Vec<EarlySession> {
        self.at_rest.take()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let early = &self.0.early;
        early.under_way.set(early.under_way.get() - 1);
        early.changed.notify_one();
    }
}
