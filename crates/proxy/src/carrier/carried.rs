//! One established session: two descriptors, the copy's state, and what it is counted by.

use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use jackline_core::Ending;
use tokio::time::Instant;

use super::Summons;
use crate::closing::Order;
use crate::copy::{Broken, Copy, Readiness, Tools, Turn};
use crate::fault::{self, SessionError, Side};
use crate::flight::Settled;
use crate::parting::Parting;
use crate::peer::{Peer, Upstream};
use crate::plane::OpenSession;
use crate::rest::{AtRest, Stage};
use crate::shared::Seat;
use crate::tcp_info::{self, Sample};
use crate::thread::Present;

/// What becomes of a session after its turn.
#[derive(Debug)]
pub(super) enum Verdict {
    Stay,
    Again,
    Over(Result<(), Broken>),
}

/// An established session.
#[derive(Debug)]
pub(crate) struct Carried {
    // In the order in which they are dropped: first the connections, then the places in the counts. Whoever sees none
    // left may rely on it.
    upstream: Upstream<TcpStream>,
    client: Peer<TcpStream>,
    copy: Copy,
    seat: Seat,
    present: Present,
    /// On which side the kernel tells of room: downstream, upstream.
    told_of_room: [bool; 2],
}

impl Carried {
    /// A session whose first flight has been answered, or needs no answer.
    ///
    /// # Errors
    /// The runtime does not let go of a socket.
    pub(crate) fn new(settled: Settled, client: Peer, seat: Seat, present: Present) -> std::io::Result<Self> {
        let Settled { upstream, copy } = settled;
        // It has answered.
        upstream.set_backstop(false);
        Ok(Self {
            upstream: upstream.into_plain()?,
            client: client.into_plain()?,
            copy,
            seat,
            present,
            told_of_room: [false; 2],
        })
    }

    /// A session that another process has left at rest; it stays so until [`Self::go_on`].
    pub(crate) fn resumed(
        (upstream, client): (Upstream<TcpStream>, Peer<TcpStream>),
        copy: Copy,
        seat: Seat,
        present: Present,
    ) -> Self {
        let session = Self {
            upstream,
            client,
            copy,
            seat,
            present,
            told_of_room: [false; 2],
        };
        session.quiet(true);
        session
    }

    /// Lays it to rest.
    ///
    /// # Errors
    /// What it holds cannot be had.
    pub(super) fn rest(&mut self) -> std::io::Result<()> {
        self.quiet(true);
        self.copy.rest()
    }

    /// It is at rest no more.
    pub(super) fn go_on(&self) {
        self.quiet(false);
    }

    fn quiet(&self, at_rest: bool) {
        self.client.rest(at_rest);
        self.upstream.peer.rest(at_rest);
    }

    /// What there is to tell of it while it is at rest.
    pub(super) fn at_rest(&self, now: Instant) -> AtRest<'_> {
        let (state, [up, down]) = self.copy.at_rest();
        AtRest {
            state: self.upstream.entry().at_rest(Stage::Established(state), now),
            client: self.client(),
            upstream: Some(self.upstream()),
            up,
            down,
        }
    }

    /// A side whose socket has no room and whose kernel is not to tell of it yet; from now on it is.
    pub(super) fn wants_room(&mut self) -> Option<Side> {
        let sides = [Side::Downstream, Side::Upstream];
        for (side, told) in sides.into_iter().zip(&mut self.told_of_room) {
            if !*told && self.copy.lacks_room(side) {
                *told = true;
                return Some(side);
            }
        }
        None
    }

    pub(super) fn socket(&self, side: Side) -> BorrowedFd<'_> {
        match side {
            Side::Downstream => self.client(),
            Side::Upstream => self.upstream(),
        }
    }

    pub(super) fn client(&self) -> BorrowedFd<'_> {
        self.client.stream().as_fd()
    }

    pub(super) fn upstream(&self) -> BorrowedFd<'_> {
        self.upstream.peer.stream().as_fd()
    }

    /// Who, where, since when, how much. `None`: the kernel does not know the client any more.
    pub(super) fn told(&self, now: Instant) -> Option<OpenSession> {
        let entry = self.upstream.entry();
        let (opened, [up, down]) = entry.account();
        Some(OpenSession {
            client: self.client.stream().peer_addr().ok()?,
            endpoint: entry.ledger.endpoint,
            open_for: now.saturating_duration_since(opened),
            bytes_from_client: up,
            bytes_from_upstream: down,
        })
    }

    /// From now on orders come by summons; one may have come already.
    pub(super) fn is_carried(&self, summons: &Rc<Summons>, key: usize) {
        self.upstream.entry().is_carried(summons, key);
    }

    pub(super) fn note(&mut self, side: Side, ready: Readiness) {
        self.copy.note(side, ready);
    }

    /// Moves what can be moved. `failed`: the kernel says that the client's connection failed; it is not read from while
    /// the upstream takes nothing, but its reset is to be seen at once.
    pub(super) fn turn(&mut self, tools: &mut Tools, now: Instant, failed: bool) -> Verdict {
        let Self {
            upstream,
            client,
            copy,
            ..
        } = self;
        let (client, gauge) = (client.stream().as_fd(), &upstream.gauge);
        match copy.turn(client, upstream.peer.stream().as_fd(), tools, gauge, now) {
            Turn::Over(end) => Verdict::Over(end),
            Turn::Rest | Turn::Again if failed && let Some(error) = failure(client) => {
                Verdict::Over(Err(Broken {
                    side: Side::Downstream,
                    error,
                }))
            }
            Turn::Rest => Verdict::Stay,
            Turn::Again => Verdict::Again,
        }
    }

    /// What it was summoned for, if that still holds.
    pub(super) fn heed(&self) -> Option<Order> {
        self.upstream.entry().take_order()
    }

    /// What the upstream has not acknowledged. The kernel's own backstop stands as long as it repeats that in vain, and
    /// not for a peer that merely does not read: it would be killed by it.
    pub(super) fn sample(&self) -> Option<Sample> {
        match tcp_info::sample(self.upstream()) {
            Ok(sample) => {
                self.upstream.set_backstop(sample.is_lost());
                Some(sample)
            }
            Err(error) => {
                tracing::debug!(%error, "an upstream's socket tells nothing of its data");
                None
            }
        }
    }

    /// It came to an end by itself.
    pub(super) fn end(self, end: Result<(), Broken>) {
        self.upstream.ends(self.ending(&end));
        match end {
            Ok(()) => {
                self.upstream.peer.end_fairly();
                self.client.end_fairly();
            }
            Err(broken) => {
                let error = match broken.side {
                    Side::Downstream => SessionError::Downstream(broken.error),
                    Side::Upstream => SessionError::Upstream {
                        endpoint: self.upstream.endpoint(),
                        source: broken.error,
                    },
                };
                tracing::debug!(%error, "client reset");
            }
        }
    }

    /// It is ended by an order. What is left to do for the client, if anything.
    pub(super) fn obey(mut self, order: Order) -> Option<Parting> {
        self.upstream.ends(Ending::Ours);
        if order == Order::Reset {
            let error = SessionError::Ours("its upstream's sessions were to be reset");
            tracing::debug!(%error, "client reset");
            return None;
        }
        let unsent = self.copy.take_unsent_for_client();
        let client = self.client.into_runtime();
        match (client, unsent) {
            (Ok(client), Ok(unsent)) => Some(Parting {
                client,
                unsent,
                upstream: self.upstream,
                seat: self.seat,
                present: self.present,
            }),
            (Err(error), _) | (_, Err(error)) => {
                tracing::debug!(%error, "client reset: it could not be parted from");
                None
            }
        }
    }

    /// Who ended it, and how. The first FIN decides; an error only where there was none.
    fn ending(&self, end: &Result<(), Broken>) -> Ending {
        let heard = self.upstream.entry().is_heard();
        match (self.copy.first_end(), end) {
            (_, Err(broken)) if broken.side == Side::Upstream => fault::ending(&broken.error, heard),
            (Some(Side::Upstream), _) if heard => Ending::Upstream,
            (Some(Side::Upstream), _) => Ending::UpstreamSilent,
            _ => Ending::Downstream,
        }
    }
}

/// What a socket failed with; `None`: it has not, or a read or a write was told already.
fn failure(socket: BorrowedFd<'_>) -> Option<std::io::Error> {
    match rustix::net::sockopt::socket_error(socket) {
        Ok(state) => state.err().map(std::io::Error::from),
        Err(error) => Some(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        let size = size_of::<Carried>();
        assert!(size <= 256, "{size} bytes");
    }
}
