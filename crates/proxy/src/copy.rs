//! The bytes of a session, both ways, until both sides have ended. No task and no buffer stands behind a [`Copy`]: it is
//! flat state, moved on by [`Copy::turn`] whenever the kernel says that something can be done.
//!
//! How bytes move is each [`Lane`]'s: through the thread's one buffer until a direction proves to be bulk, then by
//! `splice` through a leased pipe, and back. Who waits for the kernel is the [`crate::carrier`]'s.
//!
//! To others it owes: each received byte told to the [`Gauge`], what it holds as well; half-closes carried over; and
//! whose fault an error is.

use std::io;
use std::os::fd::BorrowedFd;

use tokio::time::Instant;

use self::lane::{Lane, Pace};
pub(crate) use self::pipes::{PIPE, Pipes};
use crate::fault::Side;
use crate::rest::{self, EstablishedState, FirstEnd};
use crate::thread::{Direction, Gauge};

mod lane;
mod pipes;

/// How bytes are moved. All but the first are for tests and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// As each direction deserves.
    #[default]
    Adaptive,
    /// Always by reading and writing.
    Buffered,
    /// Always by `splice`, as far as pipes can be had.
    Spliced,
    /// Always in the way that bulk moves while no pipe can be had: looked at in place, sent, then struck out.
    Peeked,
}

/// A connection failed.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Which of the two.
    pub(crate) side: Side,
    /// What the kernel said.
    pub(crate) error: io::Error,
}

/// What a thread lends to the copy whose turn it is.
#[derive(Debug)]
pub(crate) struct Tools {
    buffer: Box<[u8]>,
    pipes: Pipes,
    mode: CopyMode,
}

impl Tools {
    pub(crate) fn new(mode: CopyMode, pipes: Pipes) -> Self {
        Self {
            buffer: vec![0; lane::BUFFER].into_boxed_slice(),
            pipes,
            mode,
        }
    }
}

/// What a turn came to.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nothing can be done before the kernel says so.
    Rest,
    /// There is more to do at once; the others come first.
    Again,
    /// The session is over; what the upstream had sent before an error has been passed on.
    Over(Result<(), Broken>),
}

/// What the kernel says of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Readiness {
    /// There may be something to read.
    pub(crate) readable: bool,
    /// There may be room to write.
    pub(crate) writable: bool,
    /// It ended or failed: reading will tell.
    pub(crate) closing: bool,
}

/// The state of a session's copy.
#[derive(Debug)]
pub(crate) struct Copy {
    up: Lane,
    down: Lane,
    first_end: Option<Side>,
    /// The upstream takes nothing more; what it has said is still passed on.
    broken: Option<io::Error>,
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
            broken: None,
        }
    }

    /// A copy as another process has left it, with what that held.
    pub(crate) fn resumed(state: EstablishedState, (up, down): (Vec<u8>, Vec<u8>), gauge: &Gauge) -> Self {
        gauge.hold(Direction::Up, up.len());
        gauge.hold(Direction::Down, down.len());
        Self {
            up: Lane::resumed(Direction::Up, up, state.up),
            down: Lane::resumed(Direction::Down, down, state.down),
            first_end: state.first_end.map(|end| match end {
                FirstEnd::Client => Side::Downstream,
                FirstEnd::Upstream => Side::Upstream,
            }),
            broken: state.broken.map(io::Error::from_raw_os_error),
        }
    }

    /// Lays it to rest: it holds in memory whatever it has received and not sent on, and no pipe.
    ///
    /// # Errors
    /// A pipe that gives nothing back.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        self.up.rest()?;
        self.down.rest()
    }

    /// What there is to know of it at rest, and what it holds for the upstream and for the client.
    pub(crate) fn at_rest(&self) -> (EstablishedState, [&[u8]; 2]) {
        let ((up, for_upstream), (down, for_client)) = (self.up.at_rest(), self.down.at_rest());
        let state = EstablishedState {
            up,
            down,
            first_end: self.first_end.map(|side| match side {
                Side::Downstream => FirstEnd::Client,
                Side::Upstream => FirstEnd::Upstream,
            }),
            broken: self.broken.as_ref().map(rest::number),
        };
        (state, [for_upstream, for_client])
    }

    /// Notes what the kernel says of the socket on this side.
    pub(crate) fn note(&mut self, side: Side, ready: Readiness) {
        let (reader, writer) = match side {
            Side::Downstream => (&mut self.up, &mut self.down),
            Side::Upstream => (&mut self.down, &mut self.up),
        };
        reader.note_sender(ready.readable, ready.closing);
        if ready.writable {
            writer.note_room();
        }
    }

    /// Moves what can be moved now, but never so much that others would wait for long.
    pub(crate) fn turn(
        &mut self,
        downstream: BorrowedFd<'_>,
        upstream: BorrowedFd<'_>,
        tools: &mut Tools,
        gauge: &Gauge,
        now: Instant,
    ) -> Turn {
        let mut again = false;
        if self.broken.is_none() {
            let last = self.down.is_over();
            match self.up.turn((downstream, upstream), last, tools, gauge, now) {
                Ok(pace) => again |= pace == Pace::Again,
                Err(end) if end.side == Side::Upstream => {
                    // What the upstream said before it stopped listening is still to be read and passed on.
                    // The kernel tells an error once, and from then on an end.
                    self.broken = Some(end.error);
                    self.down.cut();
                }
                Err(end) => return Turn::Over(Err(end)),
            }
        }
        let last = self.up.is_over();
        match self.down.turn((upstream, downstream), last, tools, gauge, now) {
            Ok(pace) => again |= pace == Pace::Again,
            Err(end) => {
                let end = match self.broken.take() {
                    Some(error) => Broken {
                        side: Side::Upstream,
                        error,
                    },
                    None => end,
                };
                return Turn::Over(Err(end));
            }
        }
        self.note_first_end();
        if self.down.is_over() && (self.up.is_over() || self.broken.is_some()) {
            let error = self.broken.take();
            return Turn::Over(error.map_or(Ok(()), |error| {
                Err(Broken {
                    side: Side::Upstream,
                    error,
                })
            }));
        }
        if again { Turn::Again } else { Turn::Rest }
    }

    /// Who sent a FIN first; `None`: nobody yet.
    pub(crate) fn first_end(&self) -> Option<Side> {
        self.first_end
    }

    /// Whether the socket on this side took less than it was given: the kernel is to tell of room.
    pub(crate) fn lacks_room(&self, side: Side) -> bool {
        match side {
            Side::Downstream => self.down.lacks_room(),
            Side::Upstream => self.up.lacks_room(),
        }
    }

    /// Takes out what is held for the client. Nothing more is to be moved afterwards.
    ///
    /// # Errors
    /// A pipe that gives nothing back.
    pub(crate) fn take_unsent_for_client(&mut self) -> io::Result<Vec<u8>> {
        self.down.take_unsent()
    }

    fn note_first_end(&mut self) {
        if self.first_end.is_none() {
            self.first_end = match (self.up.has_ended(), self.down.has_ended()) {
                (true, _) => Some(Side::Downstream),
                (false, true) => Some(Side::Upstream),
                (false, false) => None,
            };
        }
    }
}
