//! One thread's sessions at rest: told of, taken in from another process, and gone on with.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::carrier::{Carried, Carrier};
use crate::copy::Copy;
use crate::dial;
use crate::early::EarlySession;
use crate::flight::{Begun, Contender};
use crate::peer::{Peer, Upstream};
use crate::rest::{AtRest, EstablishedState, Moved, SessionState, Stage, Tell};
use crate::session;
use crate::socket;
use crate::thread::Thread;

/// Tells of every session at rest; gives how many there are.
///
/// # Errors
/// The first error of `tell`.
pub(super) fn tell(thread: &Rc<Thread>, carrier: &Carrier, tell: &mut Tell, now: Instant) -> io::Result<u64> {
    let mut told = 0;
    thread.early.each(|session| {
        told += 1;
        tell(&early(session, now))
    })?;
    carrier.each(now, |session| {
        told += 1;
        tell(session)
    })?;
    Ok(told)
}

/// What there is to tell of a session in its first flight.
fn early(session: &EarlySession, now: Instant) -> AtRest<'_> {
    use std::os::fd::AsFd;
    let contender = session.begun.contender.as_ref();
    let state = contender.map_or_else(unbegun, |contender| {
        let written = u32::try_from(contender.written).unwrap_or(u32::MAX);
        contender
            .upstream
            .entry()
            .at_rest(Stage::FirstFlight { written }, now)
    });
    AtRest {
        state,
        client: session.client.stream().as_fd(),
        upstream: contender.map(|contender| contender.upstream.peer.stream().as_fd()),
        up: &session.begun.kept,
        down: &[],
    }
}

/// The state of a session without an upstream: there is nothing yet to be known.
fn unbegun() -> SessionState {
    SessionState {
        endpoint: None,
        age: Duration::ZERO,
        asked: None,
        heard: None,
        handshake: false,
        bytes: [0; 2],
        stage: Stage::FirstFlight { written: 0 },
    }
}

/// Takes in a session that another process has laid to rest. Nothing of it is read or written.
///
/// # Errors
/// Its sockets cannot be watched.
pub(super) fn adopt(thread: &Rc<Thread>, carrier: &Carrier, session: Moved, now: Instant) -> io::Result<()> {
    match session.state.stage.clone() {
        Stage::Established(state) => carrier.admit(established(thread, session, state, now)?),
        Stage::FirstFlight { written } => {
            let written = usize::try_from(written).unwrap_or(usize::MAX);
            thread.early.lay_to_rest(begun(thread, session, written, now)?);
            Ok(())
        }
    }
}

fn established(
    thread: &Rc<Thread>,
    session: Moved,
    copied: EstablishedState,
    now: Instant,
) -> io::Result<Carried> {
    let Moved {
        state,
        client,
        upstream,
        up,
        down,
    } = session;
    let client = at_rest(Peer::new(client));
    let upstream = upstream.map(|upstream| at_rest(Peer::new(upstream)));
    // Checked when it was received.
    let upstream = upstream.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let upstream = enter(thread, &state, upstream, &Rc::default(), now)?;
    let copy = Copy::resumed(copied, (up, down), &upstream.gauge);
    let (seat, present) = (thread.shared.seat_handed_over(), thread.enter());
    Ok(Carried::resumed((upstream, client), copy, seat, present))
}

fn begun(thread: &Rc<Thread>, session: Moved, written: usize, now: Instant) -> io::Result<EarlySession> {
    let Moved {
        state,
        client,
        upstream,
        up,
        ..
    } = session;
    let client = at_rest(Peer::new(client)).into_runtime()?;
    let (seat, present) = (thread.shared.seat_handed_over(), thread.enter());
    let mut early = EarlySession::new(client, seat, present);
    let contender = match upstream {
        Some(upstream) => {
            let upstream = at_rest(Peer::new(upstream)).into_runtime()?;
            let upstream = enter(thread, &state, upstream, &early.wake, now)?;
            let (_, patience) = dial::usual(thread, upstream.endpoint());
            Some(Contender::resumed(upstream, patience, written, up.len()))
        }
        None => None,
    };
    early.begun = Begun { kept: up, contender };
    Ok(early)
}

/// Opens the session anew, as old as it is.
fn enter<S: std::os::fd::AsFd>(
    thread: &Rc<Thread>,
    state: &SessionState,
    peer: Peer<S>,
    wake: &Rc<Notify>,
    now: Instant,
) -> io::Result<Upstream<S>> {
    // Checked when it was received.
    let endpoint = state.endpoint.ok_or(io::ErrorKind::InvalidData)?;
    // The backstop is set by whoever finds that it is needed, and is not now.
    socket::backstop(peer.stream(), false)?;
    let (connect, _) = dial::usual(thread, endpoint);
    let opened = now.checked_sub(state.age).unwrap_or(now);
    let upstream = Upstream::enter(thread, (endpoint, connect), peer, wake, opened);
    upstream.entry().resume(state, now);
    if upstream.entry().is_waiting() {
        thread.table.watch(&upstream.gauge.entry, now);
    }
    Ok(upstream)
}

fn at_rest<S: std::os::fd::AsFd>(peer: Peer<S>) -> Peer<S> {
    peer.rest(true);
    peer
}

/// Goes on with the first flights at rest.
pub(super) fn go_on(thread: &Rc<Thread>, carrier: &Rc<Carrier>) {
    for session in thread.early.take() {
        session.rest(false);
        session::go_on(thread, carrier, session);
    }
}
