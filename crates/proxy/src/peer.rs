//! The two connections of a session as owned things. Whatever happens to the task that holds them, also a panic: the peer is
//! told by a reset unless the end was fair, and the core is told of each session's end exactly once.

use std::cell::Cell;
use std::io;
use std::net::{self, SocketAddr};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackline_core::{Ending, Event};
use jackline_way::{Opening, Ways};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dial::Connected;
use crate::socket;
use crate::table::Entry;
use crate::thread::{Gauge, Thread};

/// A peer's stream is there but in the midst of a conversion, which takes the peer by value.
const WHOLE: &str = "a peer has its stream";

/// A connection that is reset when it is dropped, unless its end was fair. While it is dialled or in its first flight it is
/// the runtime's; an established one is a plain socket.
#[derive(Debug)]
pub(crate) struct Peer<S: AsFd = TcpStream> {
    /// Taken out only when it goes over to another kind.
    stream: Option<S>,
    fair: Cell<bool>,
}

impl<S: AsFd> Peer<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream: Some(stream),
            fair: Cell::new(false),
        }
    }

    pub(crate) fn stream(&self) -> &S {
        self.stream.as_ref().expect(WHOLE)
    }

    pub(crate) fn stream_mut(&mut self) -> &mut S {
        self.stream.as_mut().expect(WHOLE)
    }

    /// All that was to be said has been said: the close needs no reset.
    pub(crate) fn end_fairly(&self) {
        self.fair.set(true);
    }

    /// While it is at rest its close says nothing to the peer: another process may have the same connection, and a reset would
    /// be that one's as well.
    pub(crate) fn rest(&self, at_rest: bool) {
        self.fair.set(at_rest);
    }

    fn convert<T: AsFd>(mut self, convert: impl FnOnce(S) -> io::Result<T>) -> io::Result<Peer<T>> {
        let fair = self.fair.get();
        let stream = self.stream.take().expect(WHOLE);
        Ok(Peer {
            stream: Some(convert(stream)?),
            fair: Cell::new(fair),
        })
    }
}

impl Peer {
    /// Takes it away from the runtime.
    ///
    /// # Errors
    /// The runtime does not let go of it.
    pub(crate) fn into_plain(self) -> io::Result<Peer<net::TcpStream>> {
        self.convert(TcpStream::into_std)
    }

    /// For whom upstreams are dialled where this is the client's connection. Not asked for where no server is told.
    pub(crate) fn opening(&self, ways: &Ways) -> Opening {
        if !ways.tell_openings() {
            return Opening::Ours;
        }
        match (self.stream().peer_addr(), self.stream().local_addr()) {
            (Ok(client), Ok(listener)) => Opening::Relayed { client, listener },
            // It is gone, and soon we notice.
            _ => Opening::Ours,
        }
    }

    /// Waits until the peer has reset the connection, or was given up by the kernel. Reads nothing.
    pub(crate) async fn gone(&self) {
        loop {
            match self.stream().ready(Interest::ERROR).await {
                Ok(ready) if !ready.is_error() => {}
                _ => return,
            }
        }
    }
}

impl Peer<net::TcpStream> {
    /// Gives it to the runtime.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub(crate) fn into_runtime(self) -> io::Result<Peer> {
        self.convert(TcpStream::from_std)
    }
}

impl<S: AsFd> Drop for Peer<S> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.as_ref().filter(|_| !self.fair.get()) {
            socket::doom(stream);
        }
    }
}

/// The upstream's side: an open session in the table and in the core's eyes, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Upstream<S: AsFd = TcpStream> {
    // The connection is closed before the core is told.
    pub(crate) peer: Peer<S>,
    pub(crate) gauge: Open,
    /// Whether the socket has the backstop.
    backstop: Cell<bool>,
}

/// A session's gauge, for as long as the session is open.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Upstream {
    /// Opens a session on a connection that was just made. `wake` is told when the session gets an order.
    pub(crate) fn open(thread: &Rc<Thread>, connected: Connected, wake: &Rc<Notify>) -> Self {
        let Connected {
            stream,
            endpoint,
            connect,
            ..
        } = connected;
        Self::enter(
            thread,
            (endpoint, connect),
            Peer::new(stream),
            wake,
            Instant::now(),
        )
    }

    /// Takes its connection away from the runtime.
    ///
    /// # Errors
    /// The runtime does not let go of it.
    pub(crate) fn into_plain(self) -> io::Result<Upstream<net::TcpStream>> {
        Ok(Upstream {
            peer: self.peer.into_plain()?,
            gauge: self.gauge,
            backstop: self.backstop,
        })
    }
}

impl<S: AsFd> Upstream<S> {
    /// Opens a session that began at `opened`, on a connection to this endpoint that took so long to make.
    pub(crate) fn enter(
        thread: &Rc<Thread>,
        (endpoint, connect): (SocketAddr, Duration),
        peer: Peer<S>,
        wake: &Rc<Notify>,
        opened: Instant,
    ) -> Self {
        let ledger = thread.shared.ledgers.of(endpoint);
        ledger.open.fetch_add(1, Ordering::Relaxed);
        thread.shared.counts.opened.fetch_add(1, Ordering::Relaxed);
        let entry = thread.table.open(ledger, Rc::clone(wake), opened);
        let upstream = Self {
            peer,
            gauge: Open(Gauge {
                thread: Rc::clone(thread),
                entry,
            }),
            backstop: Cell::new(false),
        };
        thread.shared.tell(Event::SessionOpened { endpoint, connect });
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
        self.set_backstop(self.entry().is_overdue());
    }

    /// The same as others see fit.
    pub(crate) fn set_backstop(&self, set: bool) {
        if self.backstop.replace(set) != set
            && let Err(error) = socket::backstop(self.peer.stream(), set)
        {
            tracing::debug!(%error, "an upstream's socket takes no user timeout");
        }
    }

    /// Says how it ends; told to the core when this is dropped.
    pub(crate) fn ends(&self, ending: Ending) {
        self.gauge.entry.ending.set(ending);
    }
}

impl Deref for Open {
    type Target = Gauge;

    fn deref(&self) -> &Gauge {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Gauge { thread, entry } = &self.0;
        thread.table.close(entry);
        entry.ledger.open.fetch_sub(1, Ordering::Relaxed);
        thread.shared.counts.closed.fetch_add(1, Ordering::Relaxed);
        let (endpoint, ending) = (entry.ledger.endpoint, entry.ending.get());
        tracing::debug!(%endpoint, ?ending, "session closed");
        thread.shared.tell(Event::SessionClosed { endpoint, ending });
    }
}
