//! The first flight (S4): from the connect, which proves only a kernel, to the upstream's first byte.
//!
//! What the client sends goes to the upstream as it comes, and is kept as long as it may be, or is, a ClientHello. A
//! whole one that gets no answer goes to the next candidate too, and the first to answer has the session. Everything else
//! is never repeated: the copy takes over as soon as the bytes are anything else.
//!
//! A connection that the upstream ends at once, before the client has sent a byte, counts as a dial that failed.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackline_core::{Ending, Event};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::contender::Contender;
use self::contender::{Word, first_word, poll_read};
use crate::client_hello::{self, Verdict};
use crate::closing::Order;
use crate::copy::Copy;
use crate::dial::{Connected, Dialler};
use crate::fault::{self, SessionError};
use crate::peer::{Peer, Upstream};
use crate::thread::{Direction, Thread};

pub(crate) use self::outcome::{Begun, Outcome};

mod contender;
mod outcome;

/// An upstream that ends a connection so soon, before either side has said anything, never took it.
const STILLBORN: Duration = Duration::from_secs(1);
/// How often one client's bytes may look for more upstreams.
const REPEATS_MAX: usize = 8;

/// What happened next.
#[derive(Debug)]
enum Step {
    Ordered,
    Word(usize, Word),
    Client(io::Result<Vec<u8>>),
    ClientGone,
    Landed(Option<Connected>),
    Silence,
    Rest,
}

/// The session whose upstream has been found.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) upstream: Upstream,
    pub(crate) copy: Copy,
}

/// Why there is no session after all; `None`: it goes on.
type Turn = Result<Option<Settled>, SessionError>;

/// A first flight under way.
pub(crate) struct Flight<'a> {
    thread: &'a Rc<Thread>,
    client: &'a Peer,
    wake: &'a Rc<Notify>,
    /// All that the client has sent.
    kept: Vec<u8>,
    /// `kept` is a whole ClientHello.
    whole: bool,
    contenders: Vec<Contender>,
    dialler: Option<Dialler>,
    /// Nothing is repeated on silence before then; `None`: at no time, every candidate has it.
    repeat_from: Option<Instant>,
    /// How often more upstreams were looked for.
    repeats: usize,
    /// Whom it was taken from, at most as many; they come last, or not at all.
    lost: Vec<SocketAddr>,
}

impl<'a> Flight<'a> {
    /// A flight to this upstream, of which the client has sent so much.
    pub(crate) fn new(
        thread: &'a Rc<Thread>,
        client: &'a Peer,
        wake: &'a Rc<Notify>,
        kept: Vec<u8>,
        first: Contender,
    ) -> Self {
        Self {
            thread,
            client,
            wake,
            whole: client_hello::judge(&kept) == Verdict::Complete,
            kept,
            contenders: vec![first],
            dialler: None,
            repeat_from: Some(Instant::now()),
            repeats: 0,
            lost: Vec::new(),
        }
    }

    /// Goes on until an upstream has answered, or the bytes are nothing to be kept.
    ///
    /// # Errors
    /// The client has to be, or has been, reset.
    pub(crate) async fn run(mut self) -> Result<Outcome, SessionError> {
        loop {
            let step = self.step().await;
            let turn = match step {
                Step::Rest => return Ok(Outcome::Rests(self.rest())),
                Step::Ordered => self.obey(),
                Step::Word(_, Word::Taken) => Ok(None),
                Step::Word(index, Word::Bytes(bytes)) => Ok(Some(self.settle(index, bytes))),
                Step::Word(index, Word::End(end)) => self.lose(index, end),
                Step::Client(received) => self.listen(received),
                Step::ClientGone => Err(SessionError::Downstream(io::ErrorKind::ConnectionReset.into())),
                Step::Landed(landed) => self.land(landed),
                Step::Silence => {
                    self.repeat();
                    Ok(None)
                }
            };
            if let Err(SessionError::Downstream(_)) = &turn {
                self.contenders
                    .iter()
                    .for_each(|contender| contender.upstream.ends(Ending::Downstream));
            }
            if let Some(settled) = turn? {
                return Ok(Outcome::Settled(settled));
            }
        }
    }

    /// Of several upstreams one goes along. The others are let go: a flight that is raced for may be sent again.
    fn rest(self) -> Begun {
        Begun {
            kept: self.kept,
            contender: self.contenders.into_iter().next(),
        }
    }

    async fn step(&mut self) -> Step {
        let listens = self.listens();
        let silence = self.silence();
        let Self {
            thread,
            client,
            wake,
            kept,
            contenders,
            dialler,
            ..
        } = self;
        tokio::select! {
            biased;
            () = thread.laid_to_rest() => Step::Rest,
            () = wake.notified() => Step::Ordered,
            (index, word) = first_word(contenders, kept) => Step::Word(index, word),
            received = receive(client.stream()), if listens => Step::Client(received),
            () = client.gone(), if !listens => Step::ClientGone,
            landed = next(dialler), if dialler.is_some() => Step::Landed(landed),
            () = tokio::time::sleep_until(silence.unwrap_or_else(Instant::now)), if silence.is_some() => Step::Silence,
        }
    }

    /// Whether the client's bytes are wanted now: not while one contender has not taken the last ones, nor when several
    /// race, for what follows a flight belongs to the one that answers.
    fn listens(&self) -> bool {
        match self.contenders.as_slice() {
            [only] => only.written == self.kept.len() && self.dialler.is_none(),
            _ => false,
        }
    }

    /// When the flight is to be repeated.
    fn silence(&self) -> Option<Instant> {
        if !self.whole || self.dialler.is_some() {
            return None;
        }
        let latest = self.contenders.last()?;
        Some(self.repeat_from?.max(latest.asked? + latest.patience))
    }

    fn admit(&mut self, connected: Connected) {
        self.contenders
            .push(Contender::new(self.thread, connected, self.wake));
    }

    /// The client sent something, or its FIN.
    fn listen(&mut self, received: io::Result<Vec<u8>>) -> Turn {
        let received = received.map_err(SessionError::Downstream)?;
        let Some(only) = self.contenders.first() else {
            return Ok(None);
        };
        if !received.is_empty() {
            only.upstream.gauge.received(Direction::Up, received.len());
        }
        self.kept.extend_from_slice(&received);
        let verdict = if received.is_empty() {
            Verdict::Other
        } else {
            client_hello::judge(&self.kept)
        };
        match verdict {
            Verdict::Incomplete => Ok(None),
            Verdict::Complete => {
                self.whole = true;
                Ok(None)
            }
            Verdict::Other => Ok(Some(self.settle(0, Vec::new()))),
        }
    }

    /// The session is this contender's: the others are closed, and the copy takes over.
    fn settle(&mut self, index: usize, answer: Vec<u8>) -> Settled {
        let winner = self.contenders.swap_remove(index);
        let now = Instant::now();
        for loser in self.contenders.drain(..) {
            if loser.asked.is_some_and(|asked| now >= asked + loser.patience) {
                let (silent, winner) = (loser.upstream.endpoint(), winner.upstream.endpoint());
                self.thread.shared.tell(Event::HedgeWon { silent, winner });
            }
        }
        if self.whole {
            winner.upstream.entry().begins_handshake();
        }
        if !answer.is_empty() {
            winner.upstream.gauge.received(Direction::Down, answer.len());
        }
        let unsent = self.kept.split_off(winner.written);
        let copy = Copy::starting_with(unsent, answer, &winner.upstream.gauge);
        Settled {
            upstream: winner.upstream,
            copy,
        }
    }

    /// A contender ended its connection before its first byte.
    fn lose(&mut self, index: usize, end: io::Result<()>) -> Turn {
        let loser = &self.contenders[index];
        let endpoint = loser.upstream.endpoint();
        loser.upstream.ends(match &end {
            Ok(()) => Ending::UpstreamSilent,
            Err(error) => fault::ending(error, false),
        });
        let stillborn = self.kept.is_empty() && loser.connected.elapsed() < STILLBORN;
        if self.whole || stillborn {
            if self.is_contended() {
                self.strike(index);
                self.repeat();
                return Ok(None);
            }
            if self.pay() {
                self.strike(index);
                self.dialler = Some(Dialler::again(
                    self.thread,
                    self.client.opening(&self.thread.shared.ways),
                    self.lost.clone(),
                ));
                return Ok(None);
            }
        }
        match end {
            Ok(()) => Ok(Some(self.settle(index, Vec::new()))),
            Err(source) => Err(SessionError::Upstream { endpoint, source }),
        }
    }

    fn strike(&mut self, index: usize) {
        let struck = self.contenders.swap_remove(index);
        self.lost.push(struck.upstream.endpoint());
    }

    /// Whether somebody else is, or may soon be, at hand.
    fn is_contended(&self) -> bool {
        self.contenders.len() > 1 || self.dialler.is_some()
    }

    /// Takes what one more upstream for these bytes costs; `false`: it cannot be had.
    fn pay(&mut self) -> bool {
        let affordable = self.repeats < REPEATS_MAX && self.thread.shared.bucket.take();
        self.repeats += usize::from(affordable);
        affordable
    }

    /// One more upstream gets the flight, if there is one and the bucket allows.
    fn repeat(&mut self) {
        if self.dialler.is_some() {
            return;
        }
        let patience = self
            .contenders
            .last()
            .map_or(Duration::ZERO, |latest| latest.patience);
        self.repeat_from = Some(Instant::now() + patience);
        let dialler = Dialler::beside(
            self.thread,
            self.client.opening(&self.thread.shared.ways),
            self.tried(),
        );
        if dialler.is_exhausted() {
            self.repeat_from = None;
        } else if self.pay() {
            self.dialler = Some(dialler);
        }
    }

    fn tried(&self) -> Vec<SocketAddr> {
        let contenders = self
            .contenders
            .iter()
            .map(|contender| contender.upstream.endpoint());
        contenders.chain(self.lost.iter().copied()).collect()
    }

    fn land(&mut self, landed: Option<Connected>) -> Turn {
        let dialler = self.dialler.take();
        match landed {
            Some(connected) => {
                if self.whole {
                    self.thread.shared.counts.repeats.fetch_add(1, Ordering::Relaxed);
                }
                self.admit(connected);
            }
            // Everybody has it or does not take it.
            None if !self.contenders.is_empty() => self.repeat_from = None,
            // The others were lost while this one was being looked for: now for the hold time.
            None if dialler.is_some_and(|dialler| !dialler.is_holding()) && self.pay() => {
                self.dialler = Some(Dialler::again(
                    self.thread,
                    self.client.opening(&self.thread.shared.ways),
                    self.lost.clone(),
                ));
            }
            None => return Err(SessionError::NoUpstream),
        }
        Ok(None)
    }

    /// Some contender's session is to be closed: another upstream takes its place if the flight may be repeated, and the
    /// client notices nothing.
    fn obey(&mut self) -> Turn {
        self.contenders
            .iter()
            .for_each(|contender| contender.upstream.mind_backstop());
        let ordered = self.contenders.iter().enumerate().find_map(|(index, contender)| {
            contender
                .upstream
                .entry()
                .take_order()
                .map(|order| (index, order))
        });
        let Some((index, order)) = ordered else {
            return Ok(None);
        };
        // Another one may have been told at the same time.
        self.wake.notify_one();
        if self.is_contended() {
            self.strike(index);
            self.repeat();
            return Ok(None);
        }
        if order == Order::Part {
            // The copy knows how to part.
            let settled = self.settle(index, Vec::new());
            settled.upstream.entry().order(order);
            return Ok(Some(settled));
        }
        if self.whole && self.pay() {
            self.strike(index);
            self.dialler = Some(Dialler::again(
                self.thread,
                self.client.opening(&self.thread.shared.ways),
                self.lost.clone(),
            ));
            return Ok(None);
        }
        Err(SessionError::Ours("its upstream's sessions were to be reset"))
    }
}

/// Waits for a dialler that is there.
async fn next(dialler: &mut Option<Dialler>) -> Option<Connected> {
    match dialler {
        Some(dialler) => dialler.next().await,
        None => std::future::pending().await,
    }
}

/// What the client sends next, at most a piece; empty: its FIN.
async fn receive(client: &TcpStream) -> io::Result<Vec<u8>> {
    std::future::poll_fn(|context| poll_read(context, client)).await
}
