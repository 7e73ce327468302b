//! Carries the bytes of a session, both ways, until both sides have ended. The one module to replace for a faster copy.
//!
//! Plain reads and writes through one buffer per thread: an idle session holds no buffer, and one whose receiver does
//! not keep up holds at most one buffer's worth for each direction, and is not read from meanwhile.
//!
//! To others it owes: each received byte told to the [`Gauge`], the bytes that it holds as well; state that outlives a
//! dropped [`Copy::run`], so that it may be interrupted at any await and go on, or be flushed; half-closes carried over;
//! and whose fault an error is.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::fault::Side;
use crate::socket;
use crate::thread::{Direction, Gauge};

/// The size of each thread's buffer, in bytes.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// A connection failed.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Which of the two.
    pub(crate) side: Side,
    /// What the kernel said.
    pub(crate) error: io::Error,
}

/// The state of a session's copy.
#[derive(Debug)]
pub(crate) struct Copy {
    up: Lane,
    down: Lane,
    first_end: Option<Side>,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    direction: Direction,
    /// What was received and not yet sent on, from `sent` on.
    held: Vec<u8>,
    sent: usize,
    /// The sender has sent its FIN.
    ended: bool,
    /// The FIN was carried over: nothing is left to do.
    over: bool,
}

impl Copy {
    /// A copy that starts with bytes that were received already, at most a flight each.
    pub(crate) fn starting_with(up: Vec<u8>, down: Vec<u8>, gauge: &Gauge) -> Self {
        gauge.hold(Direction::Up, up.len());
        gauge.hold(Direction::Down, down.len());
        Self {
            up: Lane::new(Direction::Up, up),
            down: Lane::new(Direction::Down, down),
            first_end: None,
        }
    }

    /// Carries bytes until both sides have sent a FIN and had the other's. May be dropped and called again.
    ///
    /// # Errors
    /// The first connection that fails. What the upstream had sent before it failed has been passed on then.
    pub(crate) async fn run(
        &mut self,
        downstream: &TcpStream,
        upstream: &TcpStream,
        gauge: &Gauge,
    ) -> Result<(), Broken> {
        let mut carry = std::pin::pin!(self.carry(downstream, upstream, gauge));
        tokio::select! {
            biased;
            end = &mut carry => return end,
            error = failure(downstream) => if let Some(error) = error {
                // The client is not read from while the upstream takes nothing, but its reset is to be seen at once.
                return Err(Broken { side: Side::Downstream, error });
            },
        }
        carry.await
    }

    /// Who sent a FIN first; `None`: nobody yet.
    pub(crate) fn first_end(&self) -> Option<Side> {
        self.first_end
    }

    /// Sends on what is held for the client.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn flush_to_client(
        &mut self,
        downstream: &TcpStream,
        gauge: &Gauge,
    ) -> Result<(), Broken> {
        std::future::poll_fn(|context| self.down.poll_flush(context, downstream, gauge)).await
    }

    async fn carry(
        &mut self,
        downstream: &TcpStream,
        upstream: &TcpStream,
        gauge: &Gauge,
    ) -> Result<(), Broken> {
        let mut broken = None;
        std::future::poll_fn(|context| {
            if broken.is_none() {
                match self.up.poll(context, downstream, upstream, gauge) {
                    // What the upstream said before it stopped listening is still to be read and passed on.
                    Poll::Ready(Err(end)) if end.side == Side::Upstream => broken = Some(end),
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                    _ => {}
                }
            }
            if let Poll::Ready(Err(end)) = self.down.poll(context, upstream, downstream, gauge) {
                return Poll::Ready(Err(broken.take().unwrap_or(end)));
            }
            if self.first_end.is_none() {
                self.first_end = match (self.up.ended, self.down.ended) {
                    (true, _) => Some(Side::Downstream),
                    (false, true) => Some(Side::Upstream),
                    (false, false) => None,
                };
            }
            match (self.down.over, self.up.over || broken.is_some()) {
                (true, true) => Poll::Ready(broken.take().map_or(Ok(()), Err)),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

impl Lane {
    fn new(direction: Direction, held: Vec<u8>) -> Self {
        Self {
            direction,
            held,
            sent: 0,
            ended: false,
            over: false,
        }
    }

    fn sender(&self) -> Side {
        if self.direction == Direction::Up {
            Side::Downstream
        } else {
            Side::Upstream
        }
    }

    fn receiver(&self) -> Side {
        if self.direction == Direction::Up {
            Side::Upstream
        } else {
            Side::Downstream
        }
    }

    /// Ready when this direction is over. The kernel's readiness is polled at each turn, and tokio's budget with it, so
    /// that a stream without end leaves the thread to others in between.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &TcpStream,
        to: &TcpStream,
        gauge: &Gauge,
    ) -> Poll<Result<(), Broken>> {
        let sender = self.sender();
        let broken = |error| Broken { side: sender, error };
        while !self.over {
            ready!(self.poll_flush(context, to, gauge))?;
            if self.ended {
                self.over = true;
                return Poll::Ready(self.carry_end(to));
            }
            ready!(from.poll_read_ready(context)).map_err(broken)?;
            match SCRATCH.with_borrow_mut(|buffer| self.pass_on(buffer, from, to, gauge)) {
                Err(end) if end.error.kind() == io::ErrorKind::WouldBlock => {}
                other => other?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One read and one write. What the receiver does not take at once is held.
    fn pass_on(
        &mut self,
        buffer: &mut [u8],
        from: &TcpStream,
        to: &TcpStream,
        gauge: &Gauge,
    ) -> Result<(), Broken> {
        let received = from.try_read(buffer).map_err(|error| Broken {
            side: self.sender(),
            error,
        })?;
        if received == 0 {
            self.ended = true;
            return Ok(());
        }
        gauge.received(self.direction, received);
        let sent = match to.try_write(&buffer[..received]) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                return Err(Broken {
                    side: self.receiver(),
                    error,
                });
            }
        };
        if sent < received {
            self.held.extend_from_slice(&buffer[sent..received]);
            gauge.hold(self.direction, received - sent);
        }
        Ok(())
    }

    /// Ready when nothing is held.
    fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        to: &TcpStream,
        gauge: &Gauge,
    ) -> Poll<Result<(), Broken>> {
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.sent < self.held.len() {
            let side = self.receiver();
            ready!(to.poll_write_ready(context)).map_err(|error| Broken { side, error })?;
            match to.try_write(&self.held[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(Broken { side, error })),
            }
        }
        // The memory goes back: a session that was slow once does not stay big.
        self.held = Vec::new();
        self.sent = 0;
        gauge.hold(self.direction, 0);
        Poll::Ready(Ok(()))
    }

    /// Half-close: the sender's FIN becomes ours to the receiver.
    fn carry_end(&self, to: &TcpStream) -> Result<(), Broken> {
        socket::finish(to).map_err(|error| Broken {
            side: self.receiver(),
            error,
        })
    }
}

/// Waits for a connection to fail; `None`: its error was taken by a read or a write already.
async fn failure(stream: &TcpStream) -> Option<io::Error> {
    loop {
        match stream.ready(Interest::ERROR).await {
            Ok(ready) if !ready.is_error() => {}
            Ok(_) => return stream.take_error().unwrap_or_else(Some),
            Err(error) => return Some(error),
        }
    }
}
