//! K3s's embedded balancer since December 2024, from its documented behaviour.
//!
//! Servers have states; new connections go down the list of them, best first. A good check or dial lifts, one bad one drops
//! to the bottom and closes the connections. The list is watched through the balancer itself and taken as the truth; when
//! the watch has to be opened anew, the supervisor is asked first, through the balancer too.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{
    Action, CloseSessions, DialFailure, Event, NodeState, Pace, Settings, SourceKind, Timestamp, Which,
};

use super::lister::{Heard, Lister};
use super::tunnels::Tunnels;
use super::{K3S_MANNER, candidate, record};
use crate::policy::{Candidate, Manner, Policy};

/// Changes of the list are applied this much later.
const DEBOUNCE: Duration = Duration::from_secs(3);
/// A watch that could not be opened is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// Worst first: the order is that of dialling, from behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Failed,
    /// The default that no list tells.
    Standby,
    Unchecked,
    Recovering,
    Preferred,
    Active,
}

#[derive(Clone, Debug)]
struct Server {
    address: SocketAddr,
    state: State,
    sessions: u32,
}

/// Why a server is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Because {
    Dial,
    Check,
}

pub(super) struct K3s {
    default: Option<SocketAddr>,
    list: Vec<SocketAddr>,
    servers: Vec<Server>,
    tunnels: Tunnels,
    registration: Lister,
    supervisor: Lister,
    watch: Lister,
    /// The supervisor is asked before the watch is opened.
    relists: bool,
    /// A list that is not applied yet.
    pending: Option<(Timestamp, Vec<SocketAddr>)>,
    /// Whom a question has not reached since somebody was: it goes on with the next.
    unreached: Vec<SocketAddr>,
    generation: u64,
}

impl K3s {
    pub(super) fn start(settings: &Settings) -> Self {
        Self {
            default: None,
            list: Vec::new(),
            servers: Vec::new(),
            tunnels: Tunnels::new(),
            registration: Lister::of(settings, SourceKind::Registration, None, RETRY),
            supervisor: Lister::of(settings, SourceKind::Supervisor, Some(Duration::ZERO), RETRY),
            watch: Lister::of(settings, SourceKind::Kubernetes, Some(RETRY), RETRY),
            relists: true,
            pending: None,
            unreached: Vec::new(),
            generation: 1,
        }
    }

    /// The list, and the default behind it.
    fn set_servers(&mut self, now: Timestamp, list: Vec<SocketAddr>, actions: &mut Vec<Action>) {
        let known = |address: &SocketAddr| list.contains(address) || self.default == Some(*address);
        let gone: Vec<SocketAddr> = self
            .servers
            .iter()
            .map(|server| server.address)
            .filter(|address| !known(address))
            .collect();
        self.servers.retain(|server| !gone.contains(&server.address));
        for address in list.iter().copied().chain(self.default) {
            let listed = list.contains(&address);
            match self.servers.iter_mut().find(|server| server.address == address) {
                Some(server) if !listed => server.state = State::Standby,
                Some(server) if server.state == State::Standby => server.state = State::Unchecked,
                Some(_) => {}
                None => self.servers.push(Server {
                    address,
                    state: if listed { State::Unchecked } else { State::Standby },
                    sessions: 0,
                }),
            }
        }
        self.list = list;
        self.generation += 1;
        let addresses: Vec<SocketAddr> = self.servers.iter().map(|server| server.address).collect();
        self.tunnels.set(&addresses, now);
        let records = self.list.iter().copied().map(record).collect();
        actions.push(Action::PersistMembership { records });
        for address in gone {
            self.close(address, now, "not in the list", actions);
        }
    }

    fn close(&mut self, address: SocketAddr, now: Timestamp, reason: &str, actions: &mut Vec<Action>) {
        actions.push(Action::CloseSessions(CloseSessions {
            endpoint: address,
            which: Which::All,
            pace: Pace::Reset(Duration::ZERO),
            reason: reason.to_owned(),
        }));
        self.supervisor.cut(address, now);
        if self.watch.cut(address, now) {
            self.relists = true;
        }
    }

    fn succeed(&mut self, address: SocketAddr, because: Because, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(server) = self.servers.iter_mut().find(|server| server.address == address) else {
            return;
        };
        let state = match (server.state, because) {
            (State::Failed | State::Unchecked, _) => State::Recovering,
            (State::Recovering, Because::Check) if server.sessions > 0 => State::Active,
            (State::Recovering, Because::Check) => State::Preferred,
            (State::Preferred, Because::Dial) => State::Active,
            (same, _) => same,
        };
        if state == server.state {
            return;
        }
        server.state = state;
        self.generation += 1;
        if state == State::Active {
            let lesser = self.servers.iter().filter(|other| other.state < State::Active);
            let lesser: Vec<SocketAddr> = lesser.map(|other| other.address).collect();
            for other in lesser {
                self.close(other, now, "another one is active", actions);
            }
        }
    }

    fn fail(&mut self, address: SocketAddr, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(server) = self.servers.iter_mut().find(|server| server.address == address) else {
            return;
        };
        if matches!(server.state, State::Standby | State::Failed) {
            return;
        }
        let was_good = server.state >= State::Preferred;
        server.state = State::Failed;
        self.generation += 1;
        if was_good {
            self.close(address, now, "failed", actions);
        }
    }

    /// Whom a question through the balancer goes to.
    fn best(&self) -> Option<SocketAddr> {
        let order = self.candidates().into_iter().map(|one| one.endpoint);
        order
            .into_iter()
            .find(|address| !self.unreached.contains(address))
    }

    fn hear_of_lists(&mut self, now: Timestamp, event: &Event, actions: &mut Vec<Action>) {
        if let Heard::List(told) = self.registration.hear(now, event) {
            // The first record only.
            self.default = told.first().copied();
            let list = std::mem::take(&mut self.list);
            self.set_servers(now, list, actions);
        }
        let heard = self.supervisor.hear(now, event);
        if heard != Heard::Nothing {
            self.relists = matches!(&heard, Heard::Failed(unreached) if !unreached.is_empty());
        }
        self.take(now, heard, actions);
        let heard = self.watch.hear(now, event);
        if matches!(heard, Heard::Failed(_) | Heard::Ended) {
            self.relists = true;
            self.supervisor.put_off(now + RETRY);
        }
        self.take(now, heard, actions);
    }

    fn take(&mut self, now: Timestamp, heard: Heard, actions: &mut Vec<Action>) {
        match heard {
            Heard::List(told) if !told.is_empty() && told != self.list => {
                self.unreached.clear();
                if self.list.is_empty() {
                    self.set_servers(now, told, actions);
                } else {
                    self.pending = Some((now + DEBOUNCE, told));
                }
            }
            Heard::List(_) => {
                self.unreached.clear();
                self.pending = None;
            }
            Heard::Failed(unreached) => {
                // The balancer's own dial: the next server is tried at once.
                for &address in &unreached {
                    self.fail(address, now, actions);
                }
                match unreached.is_empty() {
                    true => self.unreached.clear(),
                    false => self.unreached.extend(unreached),
                }
                if self.unreached.is_empty() {
                    return;
                }
                if self.best().is_some() {
                    self.supervisor.put_off(now);
                    self.watch.put_off(now);
                } else {
                    self.unreached.clear();
                }
            }
            Heard::Ended | Heard::Nothing => {}
        }
    }

    fn ask(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(best) = self.best() else { return };
        if self.supervisor.next().is_none() || self.watch.next().is_none() {
            return;
        }
        match self.relists {
            true => self.supervisor.advance(now, vec![best], actions),
            false => self.watch.advance(now, vec![best], actions),
        }
    }
}

impl Policy for K3s {
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        if let Event::MembershipRestored { records, .. } = &event {
            let list = records.iter().map(|record| record.address).collect();
            self.set_servers(now, list, actions);
        }
        self.hear_of_lists(now, &event, actions);
        if let Some((server, up)) = self.tunnels.hear(&event) {
            match up {
                true => self.succeed(server, Because::Check, now, actions),
                false => self.fail(server, now, actions),
            }
        }
        match &event {
            Event::DialFailed { endpoint, failure } if !matches!(failure, DialFailure::Local(_)) => {
                self.fail(*endpoint, now, actions);
            }
            Event::SessionOpened { endpoint, .. } => {
                self.count(*endpoint, |sessions| sessions + 1);
                self.succeed(*endpoint, Because::Dial, now, actions);
            }
            Event::SessionClosed { endpoint, .. } => {
                self.count(*endpoint, |sessions| sessions.saturating_sub(1))
            }
            _ => {}
        }
        if let Some((_, list)) = self.pending.take_if(|(at, _)| *at <= now) {
            self.set_servers(now, list, actions);
        }
        self.registration.advance(now, Vec::new(), actions);
        self.ask(now, actions);
        self.tunnels.advance(now, actions);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let asks = match self.relists {
            true => self.supervisor.next(),
            false => self.watch.next(),
        };
        let busy = self.supervisor.next().is_none() || self.watch.next().is_none();
        let asks = asks.filter(|_| !busy && self.best().is_some());
        let pending = self.pending.as_ref().map(|(at, _)| *at);
        [asks, pending, self.registration.next(), self.tunnels.next()]
            .into_iter()
            .flatten()
            .min()
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut order: Vec<&Server> = self.servers.iter().collect();
        order.sort_by_key(|server| std::cmp::Reverse((server.state, server.sessions)));
        order
            .into_iter()
            .map(|server| candidate(server.address))
            .collect()
    }

    fn manner(&self) -> Manner {
        K3S_MANNER
    }

    fn state(&self) -> NodeState {
        match self.servers.iter().any(|server| server.state > State::Unchecked) {
            true => NodeState::Attached,
            false => NodeState::Isolated,
        }
    }

    fn known(&self) -> Vec<(SocketAddr, bool)> {
        self.servers
            .iter()
            .map(|server| (server.address, false))
            .collect()
    }

    fn breach(&self, _: &[Action]) -> Option<String> {
        None
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}

impl K3s {
    fn count(&mut self, address: SocketAddr, change: fn(u32) -> u32) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.address == address) {
            server.sessions = change(server.sessions);
        }
    }
}
