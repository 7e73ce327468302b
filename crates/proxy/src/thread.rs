//! What the tasks of one data plane thread share without locks.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::baton;
use crate::early::Early;
use crate::jitter::Jitter;
use crate::shared::{Bytes, Shared};
use crate::table::{Entry, Table};

/// One data plane thread.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) table: Table,
    pub(crate) jitter: Jitter,
    /// Told when the last client is gone.
    pub(crate) idle: Notify,
    /// Whether all is to be at rest.
    resting: watch::Sender<bool>,
    /// Sessions whose first flight is under way.
    pub(crate) early: Early,
    index: usize,
}

impl Thread {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, jitter: Jitter) -> Self {
        Self {
            shared,
            table: Table::default(),
            jitter,
            idle: Notify::new(),
            resting: watch::Sender::new(false),
            early: Early::default(),
            index,
        }
    }

    /// Has whatever is under way lay itself to rest, or lets it go on.
    pub(crate) fn rest(&self, at_rest: bool) {
        self.resting.send_replace(at_rest);
    }

    /// Whether all is to be at rest.
    pub(crate) fn is_at_rest(&self) -> bool {
        *self.resting.borrow()
    }

    /// Completes when all is to be at rest.
    pub(crate) async fn laid_to_rest(&self) {
        // The sender is here.
        let _ = self.resting.subscribe().wait_for(|resting| *resting).await;
    }

    /// Counts a client in until the guard is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Present {
        self.own_clients().fetch_add(1, Ordering::Relaxed);
        Present(Rc::clone(self))
    }

    /// Clients that are being served.
    pub(crate) fn clients(&self) -> usize {
        self.own_clients().load(Ordering::Relaxed)
    }

    /// Which of the threads it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Who is to accept in its place; `None`: nobody has clearly fewer clients.
    pub(crate) fn relief(&self) -> Option<usize> {
        let clients = self.shared.clients.iter();
        baton::relief(
            self.clients(),
            clients.map(|clients| clients.load(Ordering::Relaxed)),
        )
    }

    fn own_clients(&self) -> &AtomicUsize {
        &self.shared.clients[self.index]
    }

    fn bytes(&self) -> &Bytes {
        &self.shared.bytes[self.index]
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Nobody is to be relieved by it.
        self.own_clients().store(usize::MAX, Ordering::Relaxed);
    }
}

/// One client's presence on its thread.
#[derive(Debug)]
pub(crate) struct Present(Rc<Thread>);

impl Drop for Present {
    fn drop(&mut self) {
        // It was counted in.
        if self.0.own_clients().fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the upstream.
    Up,
    /// From the upstream to the client.
    Down,
}

/// Where the copy tells what passes through a session: all that stalls, quiet moments, events and counts are made of.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) thread: Rc<Thread>,
    pub(crate) entry: Rc<Entry>,
}

impl Gauge {
    /// So many bytes were received, going in this direction.
    pub(crate) fn received(&self, direction: Direction, bytes: usize) {
        self.received_at(direction, bytes, Instant::now());
    }

    /// The same for one who knows the time.
    pub(crate) fn received_at(&self, direction: Direction, bytes: usize, now: Instant) {
        let count = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.entry.count(usize::from(direction == Direction::Down), count);
        match direction {
            Direction::Up => {
                self.thread
                    .bytes()
                    .from_clients
                    .fetch_add(count, Ordering::Relaxed);
                self.ask(now);
            }
            Direction::Down => {
                self.thread
                    .bytes()
                    .from_upstreams
                    .fetch_add(count, Ordering::Relaxed);
                self.hear(now);
            }
        }
    }

    /// We hold so many bytes that this direction's receiver has not taken yet.
    pub(crate) fn hold(&self, direction: Direction, bytes: usize) {
        self.entry.hold(usize::from(direction == Direction::Down), bytes);
    }

    /// The upstream was sent something of the client's.
    pub(crate) fn asked(&self) {
        self.ask(Instant::now());
    }

    fn ask(&self, now: Instant) {
        self.entry.ask(now);
        self.thread.table.watch(&self.entry, now);
    }

    fn hear(&self, now: Instant) {
        let shared = &self.thread.shared;
        if let Some(after) = self.entry.hear(now) {
            shared.tell(jackline_core::Event::SessionAnswered {
                endpoint: self.entry.ledger.endpoint,
                after,
            });
        }
        shared.progressed(&self.entry.ledger, now);
    }
}
