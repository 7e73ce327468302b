//! The two connections of a session as owned things. Whatever happens to the task that holds them, also a panic: the peer is
//! told by a reset unless the end was fair, and the core is told of each session's end exactly once.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use jackline_core::{Ending, Event};
use jackline_way::Opening;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dial::Connected;
use crate::socket;
use crate::table::Entry;
use crate::thread::{Gauge, Thread};

/// A connection that is reset when it is dropped, unless its end was fair.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    fair: Cell<bool>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            fair: Cell::new(false),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// All that was to be said has been said: the close needs no reset.
    pub(crate) fn end_fairly(&self) {
        self.fair.set(true);
    }

    /// For whom upstreams are dialled where this is the client's connection.
    pub(crate) fn opening(&self) -> Opening {
        match (self.stream.peer_addr(), self.stream.local_addr()) {
            (Ok(client), Ok(listener)) => Opening::Relayed { client, listener },
            // It is gone, and soon we notice.
            _ => Opening::Ours,
        }
    }

    /// Waits until the peer has reset the connection, or was given up by the kernel. Reads nothing.
    pub(crate) async fn gone(&self) {
        loop {
            match self.stream.ready(Interest::ERROR).await {
                Ok(ready) if !ready.is_error() => {}
                _ => return,
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if !self.fair.get() {
            socket::doom(&self.stream);
        }
    }
}

/// The upstream's side: an open session in the table and in the core's eyes, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) peer: Peer,
    pub(crate) gauge: Gauge,
    /// Whether the socket has the backstop.
    backstop: Cell<bool>,
}

impl Upstream {
    /// Opens a session on a connection that was just made. `wake` is told when the session gets an order.
    pub(crate) fn open(thread: &Rc<Thread>, connected: Connected, wake: &Rc<Notify>) -> Self {
        let ledger = thread.shared.ledgers.of(connected.endpoint);
        ledger.open.fetch_add(1, Ordering::Relaxed);
        thread.shared.counts.opened.fetch_add(1, Ordering::Relaxed);
        let entry = thread.table.open(ledger, Rc::clone(wake), Instant::now());
        let upstream = Self {
            peer: Peer::new(connected.stream),
            gauge: Gauge {
                thread: Rc::clone(thread),
                entry,
            },
            backstop: Cell::new(false),
        };
        thread.shared.tell(Event::SessionOpened {
            endpoint: connected.endpoint,
            connect: connected.connect,
        });
        upstream
    }

    pub(crate) fn endpoint(&self) -> SocketAddr {
        self.gauge.entry.ledger.endpoint
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.gauge.entry
    }

    /// Sets the backstop for data that stays unacknowledged while an answer is overdue, and lifts it again.
    pub(crate) fn mind_backstop(&self) {
        let overdue = self.entry().is_overdue();
        if self.backstop.replace(overdue) != overdue
            && let Err(error) = socket::backstop(self.peer.stream(), overdue)
        {
            tracing::debug!(%error, "an upstream's socket takes no user timeout");
        }
    }

    /// Says how it ends; told to the core when this is dropped.
    pub(crate) fn ends(&self, ending: Ending) {
        self.gauge.entry.ending.set(ending);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let Gauge { thread, entry } = &self.gauge;
        thread.table.close(entry);
        entry.ledger.open.fetch_sub(1, Ordering::Relaxed);
        thread.shared.counts.closed.fetch_add(1, Ordering::Relaxed);
        let (endpoint, ending) = (entry.ledger.endpoint, entry.ending.get());
        tracing::debug!(%endpoint, ?ending, "session closed");
        thread.shared.tell(Event::SessionClosed { endpoint, ending });
    }
}
