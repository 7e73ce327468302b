//! One direction of a session: how its bytes move, and when it changes its way.
//!
//! - **Buffered**: one read into the thread's buffer, one write out of it. What the receiver does not take at once is held.
//! - **Spliced**, once the direction is bulk: into an empty leased pipe, and out of it. When the sender is drained the pipe
//!   goes back, so that a quiet session never has one.
//! - **Peeked**, for bulk while no pipe can be had: the bytes are looked at where they lie, sent, and what was taken is
//!   struck out. Nothing is held, so that no number of slow readers fills our memory.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::time::Instant;

use super::pipes::{Lease, PIPE};
use super::{Broken, CopyMode, Tools};
use crate::fault::Side;
use crate::rest::LaneState;
use crate::socket;
use crate::thread::{Direction, Gauge};

/// The size of each thread's buffer, in bytes.
pub(super) const BUFFER: usize = 64 * 1024;
/// How much a direction that is not bulk reads at a time, and so the most that it ever holds. In bytes.
const PIECE: usize = 32 * 1024;
/// A direction is bulk when so much came without its sender being drained once. In bytes.
const BULK: usize = 2 * PIECE;
/// It is bulk no longer when less than this came until its sender was drained. In bytes.
const BULK_LEAST: usize = 16 * 1024;
/// How much one direction moves before others have their turn. In bytes.
const TURN_MAX: usize = PIPE;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Nothing can be done before the kernel says so.
    Rest,
    /// There may be more.
    Again,
}

/// What was received and not yet sent on.
#[derive(Debug)]
enum Unsent {
    Nothing,
    /// From the index on.
    Held(Vec<u8>, usize),
    Piped(Lease),
}

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    direction: Direction,
    unsent: Unsent,
    /// How much came since the sender was last drained.
    run: usize,
    bulk: bool,
    /// The sender may have something for us.
    readable: bool,
    /// The sender has ended or failed: it is readable until reading has told so.
    closing: bool,
    /// The receiver may have room.
    writable: bool,
    /// The sender has sent its FIN.
    ended: bool,
    /// The sender has failed: what looks like its end is none.
    cut: bool,
    /// The FIN was carried over: nothing is left to do.
    over: bool,
}

impl Lane {
    /// A direction whose sender has sent these bytes already.
    pub(super) fn new(direction: Direction, held: Vec<u8>) -> Self {
        let unsent = if held.is_empty() {
            Unsent::Nothing
        } else {
            Unsent::Held(held, 0)
        };
        Self {
            direction,
            unsent,
            run: 0,
            bulk: false,
            readable: false,
            closing: false,
            writable: true,
            ended: false,
            cut: false,
            over: false,
        }
    }

    /// A direction as another process has left it, with what that held. What the kernel has to say of its sockets is found out anew.
    pub(super) fn resumed(direction: Direction, held: Vec<u8>, state: LaneState) -> Self {
        Self {
            readable: true,
            ended: state.ended,
            cut: state.cut,
            over: state.over,
            ..Self::new(direction, held)
        }
    }

    /// Lays it to rest: whatever is in a pipe is held in memory.
    ///
    /// # Errors
    /// A pipe that gives nothing back.
    pub(super) fn rest(&mut self) -> io::Result<()> {
        if matches!(self.unsent, Unsent::Piped(_)) {
            let held = self.take_unsent()?;
            if !held.is_empty() {
                self.unsent = Unsent::Held(held, 0);
            }
        }
        Ok(())
    }

    /// What there is to know of it at rest, and what it holds.
    pub(super) fn at_rest(&self) -> (LaneState, &[u8]) {
        let state = LaneState {
            ended: self.ended,
            cut: self.cut,
            over: self.over,
        };
        match &self.unsent {
            Unsent::Held(bytes, sent) => (state, &bytes[*sent..]),
            Unsent::Nothing | Unsent::Piped(_) => (state, &[]),
        }
    }

    pub(super) fn note_sender(&mut self, readable: bool, closing: bool) {
        self.readable |= readable;
        self.closing |= closing;
    }

    pub(super) fn note_room(&mut self) {
        self.writable = true;
    }

    /// The sender is known to have failed, unless it has ended before. What it has said is passed on, but whoever hears it
    /// must not take that for all.
    pub(super) fn cut(&mut self) {
        self.cut = !self.ended;
        self.note_sender(true, true);
    }

    /// Whether the sender has sent its FIN.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the FIN was carried over.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the receiver took less than it was given.
    pub(super) fn lacks_room(&self) -> bool {
        !self.writable && !self.over
    }

    /// Moves what can be moved, up to [`TURN_MAX`]. `last`: the other direction is over, so that the close of both sockets
    /// that follows is the FIN as well.
    pub(super) fn turn(
        &mut self,
        between: (BorrowedFd<'_>, BorrowedFd<'_>),
        last: bool,
        tools: &mut Tools,
        gauge: &Gauge,
        now: Instant,
    ) -> Result<Pace, Broken> {
        let pace = self.move_on(between, last, tools, gauge, now);
        if matches!(&self.unsent, Unsent::Piped(lease) if lease.holds() == 0) {
            self.unsent = Unsent::Nothing;
        }
        gauge.hold(self.direction, self.withheld());
        pace
    }

    /// Takes out what is held.
    pub(super) fn take_unsent(&mut self) -> io::Result<Vec<u8>> {
        match std::mem::replace(&mut self.unsent, Unsent::Nothing) {
            Unsent::Nothing => Ok(Vec::new()),
            Unsent::Held(mut bytes, sent) => Ok(bytes.split_off(sent)),
            Unsent::Piped(mut lease) => lease.read_out(),
        }
    }

    /// How much the receiver has not taken yet, as far as we know: at least one byte if it takes nothing.
    fn withheld(&self) -> usize {
        let held = match &self.unsent {
            Unsent::Nothing => 0,
            Unsent::Held(bytes, sent) => bytes.len() - sent,
            Unsent::Piped(lease) => lease.holds(),
        };
        held.max(usize::from(!self.writable))
    }

    fn move_on(
        &mut self,
        (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
        last: bool,
        tools: &mut Tools,
        gauge: &Gauge,
        now: Instant,
    ) -> Result<Pace, Broken> {
        let mut moved = 0;
        while !self.over {
            if !self.flush(to).map_err(|error| self.by_receiver(error))? {
                return Ok(Pace::Rest);
            }
            if self.ended && self.cut {
                return Err(self.by_sender(io::ErrorKind::ConnectionReset.into()));
            }
            if self.ended {
                self.over = true;
                if last {
                    return Ok(Pace::Rest);
                }
                // Half-close: the sender's FIN becomes ours to the receiver.
                return match socket::finish(to) {
                    Ok(()) => Ok(Pace::Rest),
                    Err(error) => Err(self.by_receiver(error)),
                };
            }
            if !self.readable || !self.writable {
                return Ok(Pace::Rest);
            }
            if moved >= TURN_MAX {
                return Ok(Pace::Again);
            }
            let received = self.pass_on(from, to, tools)?;
            if received > 0 {
                gauge.received_at(self.direction, received, now);
                moved += received;
                self.run = self.run.saturating_add(received);
            }
        }
        Ok(Pace::Rest)
    }

    /// Takes something from the sender, in the way that suits, and gives how much.
    fn pass_on(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        tools: &mut Tools,
    ) -> Result<usize, Broken> {
        let bulk = match tools.mode {
            CopyMode::Adaptive => {
                self.bulk |= self.run >= BULK;
                self.bulk
            }
            CopyMode::Buffered => false,
            CopyMode::Spliced | CopyMode::Peeked => true,
        };
        if !bulk {
            return self.through_buffer(from, to, tools);
        }
        // The lease of the last round of this turn is empty by now.
        let lease = match std::mem::replace(&mut self.unsent, Unsent::Nothing) {
            Unsent::Piped(lease) => Some(lease),
            _ if tools.mode == CopyMode::Peeked => None,
            _ => tools.pipes.lease(),
        };
        match lease {
            Some(lease) => self.through_pipe(lease, from),
            None => self.in_place(from, to, tools),
        }
    }

    /// One read and one write.
    fn through_buffer(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        tools: &mut Tools,
    ) -> Result<usize, Broken> {
        let read = recv(from, &mut tools.buffer[..PIECE], RecvFlags::empty()).map(|(_, read)| read);
        let Some(received) = self.judge(read.map_err(io::Error::from))? else {
            return Ok(0);
        };
        if received < PIECE {
            self.drained();
        }
        let sent = self.send(to, &tools.buffer[..received])?;
        if sent < received {
            self.unsent = Unsent::Held(tools.buffer[sent..received].to_vec(), 0);
        }
        Ok(received)
    }

    /// Into an empty pipe. It is sent on by [`Self::flush`], at the next round.
    fn through_pipe(&mut self, mut lease: Lease, from: BorrowedFd<'_>) -> Result<usize, Broken> {
        let filled = lease.fill(from);
        let received = self.judge(filled)?;
        self.unsent = Unsent::Piped(lease);
        Ok(received.unwrap_or(0))
    }

    /// Looks at what is there, sends it, and strikes out what was taken.
    fn in_place(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        tools: &mut Tools,
    ) -> Result<usize, Broken> {
        let seen = recv(from, &mut tools.buffer[..], RecvFlags::PEEK).map(|(_, seen)| seen);
        let Some(seen) = self.judge(seen.map_err(io::Error::from))? else {
            return Ok(0);
        };
        let sent = self.send(to, &tools.buffer[..seen])?;
        let mut struck = 0;
        while struck < sent {
            // They are there: nobody else reads from this socket.
            match recv(from, &mut tools.buffer[struck..sent], RecvFlags::TRUNC) {
                Ok((_, more @ 1..)) => struck += more,
                Ok(_) => return Err(self.by_sender(io::ErrorKind::UnexpectedEof.into())),
                Err(error) => return Err(self.by_sender(error.into())),
            }
        }
        Ok(sent)
    }

    /// What a read came to; `None`: nothing, and what that means is noted.
    fn judge(&mut self, read: io::Result<usize>) -> Result<Option<usize>, Broken> {
        match read {
            Ok(0) => self.ended = true,
            Ok(received) => return Ok(Some(received)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.closing = false;
                self.drained();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(self.by_sender(error)),
        }
        Ok(None)
    }

    /// The sender has nothing more for now; the kernel tells when it has. An end that it told already it does not tell again.
    fn drained(&mut self) {
        self.readable = self.closing;
        self.bulk &= self.run >= BULK_LEAST;
        self.run = 0;
    }

    /// Sends what the receiver takes.
    fn send(&mut self, to: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Broken> {
        let sent = match send(to, bytes, SendFlags::NOSIGNAL).map_err(io::Error::from) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(self.by_receiver(error)),
        };
        self.writable = sent == bytes.len();
        Ok(sent)
    }

    /// Sends on what is unsent; `true`: nothing is left.
    fn flush(&mut self, to: BorrowedFd<'_>) -> io::Result<bool> {
        loop {
            let sent = match &mut self.unsent {
                Unsent::Nothing => return Ok(true),
                Unsent::Piped(lease) if lease.holds() == 0 => return Ok(true),
                Unsent::Held(bytes, sent) if *sent == bytes.len() => {
                    // The memory goes back: a session that was slow once does not stay big.
                    self.unsent = Unsent::Nothing;
                    return Ok(true);
                }
                _ if !self.writable => return Ok(false),
                Unsent::Piped(lease) => lease.drain(to).map(|_| ()),
                Unsent::Held(bytes, sent) => send(to, &bytes[*sent..], SendFlags::NOSIGNAL)
                    .map(|more| *sent += more)
                    .map_err(io::Error::from),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
        }
    }

    fn by_sender(&self, error: io::Error) -> Broken {
        let side = match self.direction {
            Direction::Up => Side::Downstream,
            Direction::Down => Side::Upstream,
        };
        Broken { side, error }
    }

    fn by_receiver(&self, error: io::Error) -> Broken {
        let side = match self.direction {
            Direction::Up => Side::Upstream,
            Direction::Down => Side::Downstream,
        };
        Broken { side, error }
    }
}
