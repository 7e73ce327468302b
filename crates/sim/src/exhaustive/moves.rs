//! What may happen next: the moves of which the checker plays all sequences.

use std::fmt;
use std::time::Duration;

use jackline_core::{Ending, Jitter, SourceId};

use super::answers::Word;
use super::cast::{ASKED, ETCD, KUBERNETES, LEASE, SERVERS, address, name};
use super::subject::Subject;
use super::world::{Life, World};

/// Longer than any pace of the core.
const LONGEST_WAIT: Duration = Duration::from_secs(150);
/// A failure, and the end of a probe, are moves of their own only if they come this soon: in calm times they change
/// nothing that the passing of time in other moves does not bring as well.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// An apiserver accepts so long after its process began, as measured on a real one.
const STARTING: Duration = Duration::from_millis(800);

/// One move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// A server is stopped: it takes itself off the list, and refuses from then on.
    Stop(usize),
    /// A server's machine loses its power: its lease stands, and nothing comes from it.
    Kill(usize),
    /// A server's process starts: it answers, and is not ready.
    Start(usize),
    /// A server that has started serves, and writes itself into the list.
    Serve(usize),
    /// Fifteen seconds pass: the leases of the dead run out.
    ExpireLeases,
    /// A source's next word comes.
    Report(SourceId),
    /// … and tells how it was when it was asked.
    ReportLate(SourceId),
    /// … and is a failure.
    ReportFails(SourceId),
    /// The next probe of a server ends.
    Probe(usize),
    /// jackline itself is restarted, and reads what it saved.
    Restart,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = |id: &SourceId| match *id {
            KUBERNETES => "the Kubernetes watch",
            ETCD => "etcd",
            _ => "a supervisor",
        };
        match self {
            Self::Stop(server) => write!(f, "{} is stopped", name(*server)),
            Self::Kill(server) => write!(f, "{} loses its power", name(*server)),
            Self::Start(server) => write!(f, "{} starts", name(*server)),
            Self::Serve(server) => write!(f, "{} serves", name(*server)),
            Self::ExpireLeases => write!(f, "the leases of the dead run out"),
            Self::Report(id) => write!(f, "{} reports", source(id)),
            Self::ReportLate(id) => write!(f, "{} reports how it was", source(id)),
            Self::ReportFails(id) => write!(f, "{} fails", source(id)),
            Self::Probe(server) => write!(f, "a probe of {} ends", name(*server)),
            Self::Restart => write!(f, "jackline is restarted"),
        }
    }
}

impl<S: Subject> World<'_, S> {
    /// The moves that are possible here, in a fixed order.
    pub(super) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for server in 0..SERVERS {
            match self.servers[server].life {
                Life::Up => moves.extend([Move::Stop(server), Move::Kill(server)]),
                Life::Starting => moves.extend([Move::Serve(server), Move::Kill(server)]),
                Life::Stopped | Life::Off => moves.push(Move::Start(server)),
            }
            if self.probes[server].is_some() || self.node.tests(address(server)) {
                moves.push(Move::Probe(server));
            }
        }
        for source in ASKED {
            moves.push(Move::Report(source));
            moves.push(Move::ReportFails(source));
            if self.may_be_late(source) {
                moves.push(Move::ReportLate(source));
            }
        }
        moves.push(Move::ExpireLeases);
        moves.push(Move::Restart);
        moves
    }

    /// The world after a move whose draws of chance fall as `jitter` says; `None`: it was waited for in vain.
    pub(super) fn after(&self, chosen: Move, jitter: Jitter) -> Option<Self> {
        let mut world = self.clone();
        world.node.choose_jitter(jitter);
        world.steps = 0;
        world.play(chosen)?;
        world.dial();
        world.breach = world.breach.take().or_else(|| world.node.breach_at_rest());
        Some(world)
    }

    fn play(&mut self, chosen: Move) -> Option<()> {
        match chosen {
            Move::Stop(server) => self.stop(server),
            Move::Kill(server) => self.kill(server),
            Move::Start(server) => self.start(server),
            Move::Serve(server) => self.serve(server),
            Move::ExpireLeases => self.expire_leases(),
            Move::Report(source) => return self.hear(source, Word::Current),
            Move::ReportLate(source) => return self.hear(source, Word::Late),
            Move::ReportFails(source) => return self.hear(source, Word::Missing),
            Move::Probe(server) => return self.hear_probe(server),
            Move::Restart => self.restart(),
        }
        Some(())
    }

    fn stop(&mut self, server: usize) {
        self.servers[server].life = Life::Stopped;
        self.servers[server].lease = false;
        if self.setting.cast.serves_api(server) {
            // It writes the list once more, and is not in it.
            self.reconcile();
        }
        if self.session.is_some_and(|session| session.with == server) {
            self.end_session(Ending::Upstream);
        }
    }

    fn kill(&mut self, server: usize) {
        self.servers[server].life = Life::Off;
        self.lose_answers(server);
    }

    fn start(&mut self, server: usize) {
        let listens = self.now + STARTING;
        self.advance(listens);
        let was = self.servers[server].life;
        self.servers[server].life = match self.setting.cast.serves_api(server) {
            true => Life::Starting,
            false => Life::Up,
        };
        if was == Life::Off && self.session.is_some_and(|session| session.with == server) {
            // The new kernel knows nothing of the old session.
            self.end_session(Ending::Upstream);
        }
        if self.watch.is_some_and(|watch| watch.through == server) {
            self.end_watch();
        }
    }

    fn serve(&mut self, server: usize) {
        self.servers[server].life = Life::Up;
        if self.setting.cast.serves_api(server) {
            self.servers[server].lease = true;
            self.reconcile();
        }
    }

    fn expire_leases(&mut self) {
        let end = self.now + LEASE;
        self.advance(end);
        for server in &mut self.servers {
            if !matches!(server.life, Life::Up) {
                server.lease = false;
            }
        }
        if self.somebody_serves() {
            self.reconcile();
        }
    }

    /// The next word of a source: the answer that is awaited, what its watch tells, or the answer to its next question.
    fn hear(&mut self, source: SourceId, word: Word) -> Option<()> {
        let index = usize::from(source.0);
        if self.questions[index].is_none() {
            if source == KUBERNETES && word == Word::Current && self.watch_has_news() {
                self.watch_tells();
                return Some(());
            }
            let longest = match word {
                Word::Missing => SHORT_WAIT,
                Word::Current | Word::Late => LONGEST_WAIT,
            };
            self.wait_for(longest, |world| world.questions[index].is_some())?;
        }
        self.end_question(source, word);
        Some(())
    }

    fn hear_probe(&mut self, server: usize) -> Option<()> {
        if self.probes[server].is_none() {
            self.wait_for(SHORT_WAIT, |world| world.probes[server].is_some())?;
        }
        self.end_probe(server);
        Some(())
    }

    /// Lets time pass until something is under way; bounded, for it may never be.
    fn wait_for(&mut self, longest: Duration, done: impl Fn(&Self) -> bool) -> Option<()> {
        let limit = self.now + longest;
        self.run_until(limit, done).then_some(())
    }

    /// A server that was down starts and serves.
    pub(super) fn bring_up(&mut self, server: usize) {
        if matches!(self.servers[server].life, Life::Stopped | Life::Off) {
            self.start(server);
        }
        self.serve(server);
    }

    /// A peer that has come back resets what it does not know.
    fn end_watch(&mut self) {
        if let Some(watch) = self.watch.take() {
            self.tell(jackline_core::Event::WatchEnded {
                source: KUBERNETES,
                refresh: watch.refresh,
                reason: "reset".to_owned(),
            });
        }
    }
}
