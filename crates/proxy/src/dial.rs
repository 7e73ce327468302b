//! Finds an upstream that takes the connection: hedged dialling (S3), and the walk that goes on within the hold (S6).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackline_core::{DialFailure, Event, LocalFault, selection};
use jackline_way::Opening;
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::attempt::{ANSWER_MIN, Attempt, Candidate, DIAL_LIMIT, landed};
use crate::fault;
use crate::thread::Thread;

mod attempt;

/// How many times its silence a dial is given before another takes its place where the bucket is empty.
const ABANDON_TIMES: u32 = 2;
/// The pause before all candidates are tried again (S6); jittered by half.
const ROUND_PAUSE: Duration = Duration::from_millis(50);
/// How many dials of one client may be under way.
const ATTEMPTS_MAX: usize = 8;
/// How many dials of one client to the same endpoint may be under way: the second takes the place of a lost SYN's repeat.
const ATTEMPTS_SAME_MAX: usize = 2;

/// What a connect takes where nothing is known of it.
const CONNECT_UNKNOWN: Duration = Duration::from_millis(1);

/// A connection to an upstream, just made.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) endpoint: SocketAddr,
    /// How long the connect took.
    pub(crate) connect: Duration,
    /// After how long a first flight without an answer is repeated (S4).
    pub(crate) patience: Duration,
}

/// How long connects to this endpoint usually take, and after how long a first flight without an answer is repeated there.
pub(crate) fn usual(thread: &Thread, endpoint: SocketAddr) -> (Duration, Duration) {
    let snapshot = thread.shared.snapshots.load();
    let view = snapshot.endpoints.iter().find(|view| view.address == endpoint);
    let connect = view.map_or(CONNECT_UNKNOWN, |view| view.connect_usual);
    let patience = view.map_or(ANSWER_MIN, |view| Candidate::new(view).patience);
    (connect, patience)
}

/// How long a [`Dialler`] goes on.
#[derive(Clone, Copy, Debug)]
enum Span {
    /// Each candidate once.
    Once,
    /// All candidates again and again until then (S6).
    Hold(Instant),
}

/// One client's search for an upstream.
pub(crate) struct Dialler {
    thread: Rc<Thread>,
    /// For whom.
    opening: Opening,
    span: Span,
    /// Those that were tried already and come last, or, in a single walk, not at all.
    tried: Vec<SocketAddr>,
    /// The rest of this round.
    walk: VecDeque<Candidate>,
    attempts: Vec<Attempt>,
    /// Nothing is started before then.
    paused_until: Option<Instant>,
    /// The last dial failed: the next one takes its place and is no hedge.
    vacant: bool,
    /// Its dials fill the bucket: they are not themselves paid from it.
    earns: bool,
}

impl Dialler {
    /// Tries all candidates again and again for the hold time (S6).
    pub(crate) fn first(thread: &Rc<Thread>, opening: Opening) -> Self {
        Self::new(
            (thread, opening),
            Span::Hold(Instant::now() + thread.shared.hold),
            Vec::new(),
            true,
        )
    }

    /// The same in place of upstreams that were lost, which come last. Paid from the bucket by the caller.
    pub(crate) fn again(thread: &Rc<Thread>, opening: Opening, lost: Vec<SocketAddr>) -> Self {
        Self::new(
            (thread, opening),
            Span::Hold(Instant::now() + thread.shared.hold),
            lost,
            false,
        )
    }

    /// Tries each candidate once, but for those in `tried`. Paid from the bucket by the caller.
    pub(crate) fn beside(thread: &Rc<Thread>, opening: Opening, tried: Vec<SocketAddr>) -> Self {
        Self::new((thread, opening), Span::Once, tried, false)
    }

    fn new(
        (thread, opening): (&Rc<Thread>, Opening),
        span: Span,
        tried: Vec<SocketAddr>,
        earns: bool,
    ) -> Self {
        let mut dialler = Self {
            thread: Rc::clone(thread),
            opening,
            span,
            tried,
            walk: VecDeque::new(),
            attempts: Vec::new(),
            paused_until: None,
            vacant: true,
            earns,
        };
        dialler.begin_round();
        dialler
    }

    /// Whether there is nobody (left) to dial.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.walk.is_empty() && self.attempts.is_empty()
    }

    /// Whether it walks again and again.
    pub(crate) fn is_holding(&self) -> bool {
        matches!(self.span, Span::Hold(_))
    }

    /// The first upstream that takes the connection; all other dials are closed by then. `None`: there is none. May be
    /// dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Connected> {
        loop {
            let now = Instant::now();
            self.expire(now);
            if self.is_over(now) {
                self.give_up(now);
                return None;
            }
            self.advance(now);
            let wake = self.next_moment(Instant::now());
            tokio::select! {
                biased;
                (index, result) = landed(&mut self.attempts) => {
                    let attempt = self.attempts.swap_remove(index);
                    match result {
                        Ok(stream) => return Some(self.win(attempt, stream)),
                        Err(error) => self.fail(attempt.candidate, fault::of_dial(&error)),
                    }
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Reads the snapshot afresh.
    fn begin_round(&mut self) {
        let shared = &self.thread.shared;
        let snapshot = shared.snapshots.load();
        let permitted = selection::candidates(&snapshot)
            .filter(|view| shared.loops.permit(view, &snapshot) && shared.has_room(view.address));
        let (last, first): (Vec<Candidate>, Vec<Candidate>) = permitted
            .map(Candidate::new)
            .partition(|candidate| self.tried.contains(&candidate.endpoint));
        self.walk = first.into();
        if self.is_holding() {
            self.walk.extend(last);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.span {
            Span::Once => self.is_exhausted(),
            // A dial that was started last is given its time.
            Span::Hold(until) => now >= until && self.attempts.iter().all(|attempt| attempt.is_silent(now)),
        }
    }

    /// Starts the next dial if its time has come (S3).
    fn advance(&mut self, now: Instant) {
        let closed = matches!(self.span, Span::Hold(until) if now >= until);
        let paused = self.paused_until.is_some_and(|until| now < until);
        if closed || paused || !self.attempts.iter().all(|attempt| attempt.is_silent(now)) {
            return;
        }
        let Some(candidate) = self.turn(now) else { return };
        if !self.afford() && !self.abandon(now) {
            self.paused_until = Some(now + ROUND_PAUSE);
            return;
        }
        self.walk.pop_front();
        self.paused_until = None;
        self.vacant = false;
        let ways = &self.thread.shared.ways;
        self.attempts
            .push(Attempt::start(candidate, self.opening, ways, now));
    }

    /// Whose turn it is; `None`: nobody's, or a pause has to be made first.
    fn turn(&mut self, now: Instant) -> Option<Candidate> {
        if self.walk.is_empty() {
            if !self.is_holding() {
                return None;
            }
            if self.paused_until.take().is_some() {
                self.begin_round();
            }
            if self.walk.is_empty() {
                self.paused_until = Some(now + self.thread.jitter.around(ROUND_PAUSE));
                return None;
            }
        }
        let candidate = *self.walk.front()?;
        let same = self
            .attempts
            .iter()
            .filter(|attempt| attempt.candidate.endpoint == candidate.endpoint);
        if self.attempts.len() >= ATTEMPTS_MAX || same.count() >= ATTEMPTS_SAME_MAX {
            self.walk.pop_front();
            self.paused_until = Some(now + ROUND_PAUSE);
            return None;
        }
        Some(candidate)
    }

    /// Whether one more dial may be: beside silent ones it is a hedge, which costs.
    fn afford(&self) -> bool {
        let shared = &self.thread.shared;
        if self.attempts.is_empty() || self.vacant {
            if self.earns {
                shared.bucket.earn();
            }
            return true;
        }
        let affordable = shared.bucket.take();
        if affordable {
            shared.counts.hedges.fetch_add(1, Ordering::Relaxed);
        }
        affordable
    }

    /// Where a hedge cannot be afforded, the next dial takes the place of one that was given twice its time: no client is
    /// lost to a silent endpoint while another one would take it, and still there is one dial where there was one.
    fn abandon(&mut self, now: Instant) -> bool {
        let given = |attempt: &Attempt| attempt.started + attempt.candidate.silence * ABANDON_TIMES;
        let Some(index) = self.attempts.iter().position(|attempt| now >= given(attempt)) else {
            return false;
        };
        let attempt = self.attempts.swap_remove(index);
        self.fail(attempt.candidate, DialFailure::TimedOut);
        true
    }

    /// When something is to be done though no dial ends.
    fn next_moment(&self, now: Instant) -> Instant {
        let limits = self.attempts.iter().map(|attempt| attempt.started + DIAL_LIMIT);
        let silences = self
            .attempts
            .iter()
            .map(|attempt| attempt.started + attempt.candidate.silence);
        let until = match self.span {
            Span::Once => None,
            Span::Hold(until) => Some(until),
        };
        let moments = limits.chain(silences).chain(self.paused_until).chain(until);
        // With nothing ahead there is nothing to wait for; the bound only keeps a mistake from sleeping for ever.
        moments
            .filter(|moment| *moment > now)
            .min()
            .unwrap_or(now + ROUND_PAUSE)
    }

    /// Ends the dials that have had their time.
    fn expire(&mut self, now: Instant) {
        while let Some(index) = self
            .attempts
            .iter()
            .position(|attempt| now >= attempt.started + DIAL_LIMIT)
        {
            let attempt = self.attempts.swap_remove(index);
            self.fail(attempt.candidate, DialFailure::TimedOut);
        }
    }

    fn fail(&mut self, candidate: Candidate, failure: DialFailure) {
        self.vacant = true;
        if matches!(
            failure,
            DialFailure::Local(LocalFault::Descriptors | LocalFault::Memory)
        ) {
            // No other candidate would fare better; the hold gives us time to recover.
            self.walk.clear();
        }
        self.thread.shared.dial_failed(candidate.endpoint, failure);
    }

    fn give_up(&mut self, now: Instant) {
        for attempt in std::mem::take(&mut self.attempts) {
            if attempt.is_silent(now) {
                self.thread
                    .shared
                    .dial_failed(attempt.candidate.endpoint, DialFailure::TimedOut);
            }
        }
    }

    fn win(&mut self, attempt: Attempt, stream: TcpStream) -> Connected {
        let now = Instant::now();
        let Candidate {
            endpoint, patience, ..
        } = attempt.candidate;
        for loser in self.attempts.drain(..).filter(|loser| loser.is_silent(now)) {
            let silent = loser.candidate.endpoint;
            if silent != endpoint {
                self.thread.shared.tell(Event::HedgeWon {
                    silent,
                    winner: endpoint,
                });
            }
        }
        Connected {
            stream,
            endpoint,
            connect: now.saturating_duration_since(attempt.started),
            patience,
        }
    }
}
