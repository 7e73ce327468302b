//! Balancers that have a list, test each server in it by the clock, and pick among those that pass: HAProxy, Envoy,
//! KubePrism, local-apiserver-lb. What sets them apart is plain data, in [`super::characters`].

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{
    Action, Answer, CloseSessions, DialFailure, Event, Finding, NodeState, Pace, ProbeFailure, Settings,
    SourceKind, Timestamp, Which,
};

use super::lister::{Heard, Lister};
use super::rounds::Rounds;
use super::{candidate, record};
use crate::chance::Chance;
use crate::policy::{Candidate, Manner, Policy};

/// A source that could not be asked is asked again after this (client-go's reflectors: 0.8 s and more).
const RETRY: Duration = Duration::from_secs(2);

/// What makes one such balancer.
#[derive(Clone, Debug)]
pub(super) struct Character {
    pub(super) name: &'static str,
    /// A test each so often, with this limit.
    pub(super) check: (Duration, Duration),
    /// One server after the other.
    pub(super) serial: bool,
    pub(super) verdict: Verdict,
    /// Before its first test a server counts as up.
    pub(super) starts_up: bool,
    /// A certificate that does not verify counts as passed.
    pub(super) believes_anybody: bool,
    pub(super) pick: Pick,
    /// Fewer than half of all up: all are picked from (Envoy's panic threshold).
    pub(super) panics: bool,
    /// None up: all are tried; else the client is refused.
    pub(super) tries_all: bool,
    /// A server that goes down, or leaves the list, loses its sessions.
    pub(super) cuts: bool,
    pub(super) list: List,
    pub(super) manner: Manner,
}

/// How tests add up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// So many in a row.
    InARow { rise: i32, fall: i32 },
    /// A score between these bounds, one up or down for each test and dial; up from zero on.
    Score { low: i32, high: i32 },
}

/// Who is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    Random,
    RoundRobin,
    LeastConnections,
}

/// Where the list comes from. Those that are kept up to date begin with the one that was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Configured.
    Fixed,
    /// From a service outside the cluster, asked so often.
    Outside(Duration),
    /// The Endpoints, read from a server directly, so often; replaces what was known, on disk too.
    Polled(Duration),
    /// The Endpoints, watched through the balancer itself.
    ThroughItself,
}

#[derive(Clone, Debug)]
struct Backend {
    address: SocketAddr,
    up: bool,
    /// Tests in a row: positive good ones, negative bad ones; or the score.
    count: i32,
    sessions: u32,
}

pub(super) struct Checked {
    character: Character,
    seeds: Lister,
    list: Option<Lister>,
    rounds: Rounds,
    backends: Vec<Backend>,
    /// The list is the cluster's, not the configured one.
    told: bool,
    seed: u64,
    /// How often somebody was picked.
    picks: Cell<u64>,
    generation: u64,
}

impl Checked {
    pub(super) fn start(character: &Character, settings: &Settings, seed: u64) -> Self {
        let list = match character.list {
            List::Fixed => None,
            List::Outside(every) => Some((SourceKind::Import, Some(every))),
            List::Polled(every) => Some((SourceKind::Kubernetes, Some(every))),
            List::ThroughItself => Some((SourceKind::Kubernetes, Some(RETRY))),
        };
        let (every, limit) = character.check;
        Self {
            seeds: Lister::of(settings, SourceKind::Static, None, RETRY),
            list: list.map(|(kind, again)| Lister::of(settings, kind, again, RETRY)),
            rounds: Rounds::every(every, limit).serial(character.serial),
            backends: Vec::new(),
            told: false,
            seed,
            picks: Cell::new(0),
            generation: 1,
            character: character.clone(),
        }
    }

    fn take_list(&mut self, now: Timestamp, told: &[SocketAddr], actions: &mut Vec<Action>) {
        if told.is_empty() {
            return;
        }
        let gone: Vec<SocketAddr> = self.addresses().filter(|known| !told.contains(known)).collect();
        let starts_up = self.character.starts_up;
        let fresh: Vec<SocketAddr> = told
            .iter()
            .copied()
            .filter(|address| self.addresses().all(|known| known != *address))
            .collect();
        if gone.is_empty() && fresh.is_empty() {
            return;
        }
        self.generation += 1;
        self.backends.retain(|backend| !gone.contains(&backend.address));
        self.backends.extend(fresh.into_iter().map(|address| Backend {
            address,
            up: starts_up,
            count: match self.character.verdict {
                Verdict::Score { .. } => 1,
                Verdict::InARow { .. } => 0,
            },
            sessions: 0,
        }));
        let addresses: Vec<SocketAddr> = self.addresses().collect();
        self.rounds.set(&addresses, now);
        if matches!(self.character.list, List::Polled(_) | List::ThroughItself) {
            let records = addresses.into_iter().map(record).collect();
            actions.push(Action::PersistMembership { records });
        }
        if self.character.cuts {
            gone.into_iter()
                .for_each(|address| self.cut(address, now, "left the list", actions));
        }
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.backends.iter().map(|backend| backend.address)
    }

    /// All sessions of a server end, at once.
    fn cut(&mut self, server: SocketAddr, now: Timestamp, reason: &str, actions: &mut Vec<Action>) {
        actions.push(Action::CloseSessions(CloseSessions {
            endpoint: server,
            which: Which::All,
            pace: Pace::Reset(Duration::ZERO),
            reason: reason.to_owned(),
        }));
        if self.character.list == List::ThroughItself
            && let Some(list) = &mut self.list
        {
            list.cut(server, now);
        }
    }

    fn passes(&self, came: Result<&Finding, &ProbeFailure>) -> Option<bool> {
        match came {
            Ok(finding) => Some(finding.answer == Answer::Ready),
            Err(ProbeFailure::Untrusted { .. }) => Some(self.character.believes_anybody),
            Err(ProbeFailure::Aborted) => None,
            Err(_) => Some(false),
        }
    }

    fn judge(&mut self, address: SocketAddr, good: bool, now: Timestamp, actions: &mut Vec<Action>) {
        let verdict = self.character.verdict;
        let Some(backend) = self
            .backends
            .iter_mut()
            .find(|backend| backend.address == address)
        else {
            return;
        };
        let was = backend.up;
        match verdict {
            Verdict::InARow { rise, fall } => {
                let same = (backend.count > 0) == good && backend.count != 0;
                let step = if good { 1 } else { -1 };
                backend.count = if same {
                    backend.count.saturating_add(step)
                } else {
                    step
                };
                if backend.count >= rise {
                    backend.up = true;
                } else if backend.count <= -fall {
                    backend.up = false;
                }
            }
            Verdict::Score { low, high } => {
                backend.count = (backend.count + if good { 1 } else { -1 }).clamp(low, high);
                backend.up = backend.count >= 0;
            }
        }
        if backend.up != was {
            let down = was;
            self.generation += 1;
            if down && self.character.cuts {
                self.cut(address, now, "went down", actions);
            }
        }
    }

    fn pool(&self) -> Vec<&Backend> {
        let up: Vec<&Backend> = self.backends.iter().filter(|backend| backend.up).collect();
        let panic = self.character.panics && up.len() * 2 < self.backends.len();
        match panic || (up.is_empty() && self.character.tries_all) {
            true => self.backends.iter().collect(),
            false => up,
        }
    }

    fn hear_of_lists(&mut self, now: Timestamp, event: &Event, actions: &mut Vec<Action>) {
        if let Heard::List(told) = self.seeds.hear(now, event)
            && !self.told
        {
            self.take_list(now, &told, actions);
        }
        let heard = self
            .list
            .as_mut()
            .map_or(Heard::Nothing, |list| list.hear(now, event));
        match heard {
            Heard::List(told) => {
                self.told = true;
                self.take_list(now, &told, actions);
            }
            Heard::Failed(unreached) if self.character.list == List::ThroughItself => {
                for address in unreached {
                    self.dial_failed(address, now, actions);
                }
            }
            _ => {}
        }
    }

    fn dial_failed(&mut self, address: SocketAddr, now: Timestamp, actions: &mut Vec<Action>) {
        if matches!(self.character.verdict, Verdict::Score { .. }) {
            self.judge(address, false, now, actions);
        }
    }

    fn count_sessions(&mut self, event: &Event) {
        let (endpoint, opened) = match event {
            Event::SessionOpened { endpoint, .. } => (endpoint, true),
            Event::SessionClosed { endpoint, .. } => (endpoint, false),
            _ => return,
        };
        if let Some(backend) = self
            .backends
            .iter_mut()
            .find(|backend| backend.address == *endpoint)
        {
            backend.sessions = match opened {
                true => backend.sessions + 1,
                false => backend.sessions.saturating_sub(1),
            };
        }
    }
}

impl Policy for Checked {
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        if let Event::MembershipRestored { records, .. } = &event {
            let told: Vec<SocketAddr> = records.iter().map(|record| record.address).collect();
            self.told = !told.is_empty();
            self.take_list(now, &told, actions);
        }
        self.hear_of_lists(now, &event, actions);
        self.count_sessions(&event);
        if let Some((address, came)) = self.rounds.ended(&event)
            && let Some(good) = self.passes(came)
        {
            self.judge(address, good, now, actions);
        }
        if let Event::DialFailed { endpoint, failure } = &event
            && !matches!(failure, DialFailure::Local(_))
        {
            self.dial_failed(*endpoint, now, actions);
        }
        self.rounds.advance(now, actions);
        self.seeds.advance(now, Vec::new(), actions);
        let targets: Vec<SocketAddr> = self.candidates().iter().map(|one| one.endpoint).collect();
        if let Some(list) = &mut self.list {
            let most = match self.character.list {
                List::ThroughItself => 1,
                _ => targets.len(),
            };
            list.advance(now, targets.into_iter().take(most).collect(), actions);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let list = self.list.as_ref().and_then(Lister::next);
        [self.rounds.next(), self.seeds.next(), list]
            .into_iter()
            .flatten()
            .min()
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut pool = self.pool();
        if pool.is_empty() {
            return Vec::new();
        }
        let pick = self.picks.replace(self.picks.get() + 1);
        let mut chance = Chance::of(self.seed, pick);
        let turn = match self.character.pick {
            Pick::RoundRobin => usize::try_from(pick).unwrap_or(0) % pool.len(),
            Pick::Random | Pick::LeastConnections => chance.below(pool.len()),
        };
        pool.rotate_left(turn);
        if self.character.pick == Pick::LeastConnections {
            pool.sort_by_key(|backend| backend.sessions);
        }
        let most = if self.character.manner.tries_next {
            pool.len()
        } else {
            1
        };
        pool.into_iter()
            .take(most)
            .map(|backend| candidate(backend.address))
            .collect()
    }

    fn manner(&self) -> Manner {
        self.character.manner
    }

    fn state(&self) -> NodeState {
        match self.backends.iter().any(|backend| backend.up) {
            true => NodeState::Attached,
            false => NodeState::Isolated,
        }
    }

    fn known(&self) -> Vec<(SocketAddr, bool)> {
        self.addresses().map(|address| (address, false)).collect()
    }

    fn breach(&self, _: &[Action]) -> Option<String> {
        None
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}
