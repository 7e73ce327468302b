//! The world around one node: three servers, what they answer, one client. Small, and all of it in the key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{
    Action, CloseSessions, Ending, Event, ProbeId, ProbeLimits, Record, RefreshId, RefreshSource, SourceId,
    StartProbe, Timestamp, Which,
};

use super::cast::{Cast, SERVERS, SOURCES, address, server_at};
use super::subject::Subject;

/// Events that one call may lead to; more is a loop, and a fault of the subject.
const STEPS_MAX: u32 = 20_000;

/// What is the same in all states: the cast, and how a process starts.
pub struct Setting<S> {
    /// Who plays.
    pub cast: Cast,
    /// A process of the subject that has just started, and knows what its configuration says.
    pub start: Box<dyn Fn(Timestamp) -> S + Send + Sync>,
}

/// How a server fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    /// Serves.
    Up,
    /// Its process runs, it tells the list as etcd has it, and is not ready.
    Starting,
    /// Its process has ended: dials are refused.
    Stopped,
    /// Its machine is off: nothing comes.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) life: Life,
    /// Its lease key stands in etcd.
    pub(super) lease: bool,
    /// The Endpoints object has it.
    pub(super) listed: bool,
    /// … and had it when each source was asked last.
    pub(super) listed_then: [bool; SOURCES],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeUnderWay {
    pub(super) probe: ProbeId,
    pub(super) started: Timestamp,
    pub(super) limits: ProbeLimits,
}

#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) refresh: RefreshId,
    pub(super) started: Timestamp,
    pub(super) targets: Vec<SocketAddr>,
    pub(super) timeout: Duration,
}

/// The watch that the Kubernetes source has open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub(super) through: usize,
    pub(super) refresh: RefreshId,
    pub(super) position: u32,
    pub(super) told: [bool; SERVERS],
}

/// The one client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) with: usize,
    /// How often it was told to be stalled.
    pub(super) stalled: u8,
    pub(super) next_stall: Option<Timestamp>,
}

pub(super) struct World<'a, S> {
    pub(super) setting: &'a Setting<S>,
    pub(super) node: S,
    pub(super) now: Timestamp,
    pub(super) servers: [Server; SERVERS],
    pub(super) probes: [Option<ProbeUnderWay>; SERVERS],
    pub(super) questions: [Option<Question>; SOURCES],
    pub(super) watch: Option<Watch>,
    pub(super) session: Option<Session>,
    pub(super) next_dial: Timestamp,
    /// What is on disk.
    pub(super) saved: Arc<Vec<Record>>,
    /// The first law that was broken on the way here.
    pub(super) breach: Option<String>,
    pub(super) steps: u32,
    /// What happens, line by line, where somebody wants to read it.
    pub(super) told: Option<Vec<String>>,
}

impl<S: Clone> Clone for World<'_, S> {
    fn clone(&self) -> Self {
        Self {
            setting: self.setting,
            node: self.node.clone(),
            questions: self.questions.clone(),
            saved: Arc::clone(&self.saved),
            breach: self.breach.clone(),
            told: self.told.clone(),
            ..*self
        }
    }
}

impl<'a, S: Subject> World<'a, S> {
    /// All servers up and listed, and a node that has been attached for a while.
    pub(super) fn calm(setting: &'a Setting<S>) -> Self {
        let server = |index: usize| {
            let listed = setting.cast.serves_api(index);
            Server {
                life: Life::Up,
                lease: listed,
                listed,
                listed_then: [listed; SOURCES],
            }
        };
        let now = Timestamp::from_millis(1_000);
        let mut world = Self {
            setting,
            node: (setting.start)(now),
            now,
            servers: [server(0), server(1), server(2)],
            probes: [None; SERVERS],
            questions: [const { None }; SOURCES],
            watch: None,
            session: None,
            next_dial: now,
            saved: Arc::default(),
            breach: None,
            steps: 0,
            told: None,
        };
        world.node.choose_jitter(jackline_core::Jitter::Late);
        world.tell(Event::DeadlineReached);
        // Long enough for a start, every source's second question, and a rebalance.
        let calm = world.now + Duration::from_secs(200);
        world.advance(calm);
        world
    }

    /// Something happened: the node is told, and its actions are carried out.
    pub(super) fn tell(&mut self, event: Event) {
        self.steps += 1;
        self.note(|| format!("{event:?}"));
        let mut actions = Vec::new();
        self.node.step(self.now, event, &mut actions);
        if self.breach.is_none() {
            self.breach = self.node.breach(&actions);
        }
        for action in actions {
            self.note(|| format!("  {action:?}"));
            self.carry_out(action);
        }
    }

    /// A line of the timeline, if there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(format!("{} {}", self.now, line()));
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::StartProbe(start) => self.start_probe(&start),
            Action::RefreshSource(asked) => self.ask(asked),
            Action::CloseSessions(close) => self.close(&close),
            Action::PersistMembership { records } => self.saved = Arc::new(records),
            Action::ReloadTrust => self.tell(Event::TrustReloaded { changed: false }),
            Action::KeepSessions { .. } | Action::Announce(_) => {}
        }
    }

    fn start_probe(&mut self, start: &StartProbe) {
        if let Some(server) = server_at(start.endpoint) {
            self.probes[server] = Some(ProbeUnderWay {
                probe: start.probe,
                started: self.now,
                limits: start.limits,
            });
        }
    }

    fn ask(&mut self, asked: RefreshSource) {
        let index = usize::from(asked.source.0);
        let Some(question) = self.questions.get_mut(index) else {
            return;
        };
        *question = Some(Question {
            refresh: asked.refresh,
            started: self.now,
            targets: asked.targets,
            timeout: asked.timeout,
        });
        for server in &mut self.servers {
            server.listed_then[index] = server.listed;
        }
        if asked.source == super::cast::STATIC {
            // Configuration answers at once.
            self.end_question(asked.source, super::answers::Word::Current);
        }
    }

    /// Every move finds its quiet moment at once.
    fn close(&mut self, close: &CloseSessions) {
        let Some(session) = self
            .session
            .filter(|session| address(session.with) == close.endpoint)
        else {
            return;
        };
        let silent = self.servers[session.with].life == Life::Off;
        let meant = match close.which {
            Which::All => true,
            Which::SilentFor(_) => silent && session.stalled > 0,
        };
        if meant {
            self.end_session(Ending::Ours);
        }
    }

    pub(super) fn end_session(&mut self, ending: Ending) {
        if let Some(session) = self.session.take() {
            let endpoint = address(session.with);
            self.next_dial = self.now + super::client::REDIAL;
            self.tell(Event::SessionClosed { endpoint, ending });
        }
    }

    /// A new process: what it had under way is gone, what is on disk is read.
    pub(super) fn restart(&mut self) {
        self.session = None;
        self.watch = None;
        self.probes = [None; SERVERS];
        self.questions = [const { None }; SOURCES];
        self.next_dial = self.now;
        self.node = (self.setting.start)(self.now);
        let records = self.saved.as_ref().clone();
        self.tell(Event::MembershipRestored {
            records,
            trusted: true,
        });
    }

    /// Time passes as it usually does: answers come promptly, deadlines are met, the client dials.
    pub(super) fn advance(&mut self, until: Timestamp) {
        self.run_until(until, |_| false);
    }

    /// The same, until `done` holds; whether it came to that.
    pub(super) fn run_until(&mut self, until: Timestamp, done: impl Fn(&Self) -> bool) -> bool {
        self.steps = 0;
        loop {
            self.dial();
            if done(self) {
                return true;
            }
            let (at, next) = self.next_happening();
            if at > until {
                self.now = self.now.max(until);
                return false;
            }
            if self.steps > STEPS_MAX {
                self.breach
                    .get_or_insert_with(|| format!("more than {STEPS_MAX} events in one move"));
                return false;
            }
            self.now = self.now.max(at);
            self.let_happen(next);
        }
    }

    fn next_happening(&self) -> (Timestamp, Happening) {
        let never = Timestamp::from_millis(u64::MAX);
        let mut first = (self.node.next_deadline().unwrap_or(never), Happening::Deadline);
        let mut offer = |at: Timestamp, happening: Happening| {
            // What has come goes before what is due.
            if at <= first.0 && (at < first.0 || first.1 == Happening::Deadline) {
                first = (at, happening);
            }
        };
        for (server, probe) in self.probes.iter().enumerate() {
            if let Some(probe) = probe {
                offer(self.probe_end(server, probe), Happening::ProbeEnds(server));
            }
        }
        for (index, question) in self.questions.iter().enumerate() {
            if let (Some(question), Ok(index)) = (question, u16::try_from(index)) {
                let source = SourceId(index);
                offer(
                    self.question_end(source, question),
                    Happening::QuestionEnds(source),
                );
            }
        }
        if self.watch_has_news() {
            offer(self.now, Happening::WatchTells);
        }
        if let Some(at) = self.session.and_then(|session| session.next_stall) {
            offer(at, Happening::Stall);
        }
        if self.session.is_none() {
            offer(self.next_dial.max(self.now), Happening::Dial);
        }
        first
    }

    fn let_happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deadline => self.tell(Event::DeadlineReached),
            Happening::ProbeEnds(server) => self.end_probe(server),
            Happening::QuestionEnds(source) => self.end_question(source, super::answers::Word::Current),
            Happening::WatchTells => self.watch_tells(),
            Happening::Stall => self.stall(),
            // The loop's next turn dials.
            Happening::Dial => {}
        }
    }

    /// Whether the Kubernetes source would hear something now.
    pub(super) fn watch_has_news(&self) -> bool {
        let Some(watch) = self.watch else { return false };
        match self.servers[watch.through].life {
            Life::Up | Life::Starting => watch.told != self.listed(),
            Life::Stopped => true,
            // A dead peer ends no watch.
            Life::Off => false,
        }
    }

    /// Who is in the Endpoints object.
    pub(super) fn listed(&self) -> [bool; SERVERS] {
        self.servers.map(|server| server.listed)
    }

    /// An apiserver writes the Endpoints object from the leases.
    pub(super) fn reconcile(&mut self) {
        for server in &mut self.servers {
            server.listed = server.lease;
        }
    }

    /// Whether somebody is there to write it.
    pub(super) fn somebody_serves(&self) -> bool {
        let mut planes = self.setting.cast.control_planes();
        planes.any(|server| self.servers[server].life == Life::Up)
    }

    /// Whether the client has a server that serves.
    pub(super) fn is_served(&self) -> bool {
        self.session.is_some_and(|session| {
            self.servers[session.with].life == Life::Up && self.setting.cast.serves_api(session.with)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Deadline,
    ProbeEnds(usize),
    QuestionEnds(SourceId),
    WatchTells,
    Stall,
    Dial,
}
