//! One world from one seed: servers that fare badly, sources that lie by omission, clients, an operator; then a heal.
//!
//! Small on purpose: what a rule says of one node must show here. The swarm plays whole clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

use super::dice::Dice;
use super::oracle::{Broken, Oracle};
use super::shell::{Answers, Fares, Lives};

pub(super) const REGISTRATION: SourceId = SourceId(0);
pub(super) const KUBERNETES: SourceId = SourceId(1);
pub(super) const NODES: SourceId = SourceId(2);
pub(super) const SUPERVISOR: SourceId = SourceId(3);
pub(super) const ETCD: SourceId = SourceId(4);
pub(super) const HEARTBEAT: SourceId = SourceId(5);

/// Servers of a world.
pub(super) const SERVERS: u8 = 5;
/// Things that happen before the heal.
const HAPPENINGS: usize = 70;
/// Events that one world may see; more is a loop.
const EVENTS_MAX: usize = 200_000;
/// R1's caps, with what a test that is under way may take.
const HEALED_WITHIN: Duration = Duration::from_secs(24);
/// … where only the caps count.
const MISSED_WITHIN: Duration = Duration::from_secs(14);
/// S5: while a shared cause is suspected, tests keep their usual pace, and its jitter.
const RECOVERED_WITHIN: Duration = Duration::from_secs(34);

/// What a world needs of a subject besides events.
pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
    pub(super) dice: Dice,
    pub(super) servers: BTreeMap<SocketAddr, Fares>,
    pub(super) sources: BTreeMap<SourceId, Answers>,
    /// Who is in the Endpoints object, and which Nodes there are.
    pub(super) listed: BTreeSet<SocketAddr>,
    pub(super) nodes: BTreeSet<SocketAddr>,
    pub(super) drained: BTreeSet<SocketAddr>,
    /// When the kubelet's Lease was renewed last; `None`: it is renewed all the time.
    pub(super) lease_stands_since: Option<Timestamp>,
    pub(super) sessions: BTreeMap<SocketAddr, u32>,
    pub(super) pending: Vec<(Timestamp, Event)>,
    pub(super) oracle: Oracle,
    broken: Option<Broken>,
    events: usize,
}

/// The address of a server. Not at the usual port: a port that is invented would be right by chance.
pub(super) fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 7443))
}

/// What one world showed.
pub(super) struct Played {
    /// The law that was broken first.
    pub(super) broken: Option<Broken>,
    /// Who was first once all was well, for the balance of the fleet.
    pub(super) first: Option<SocketAddr>,
    /// Pauses between the tests of a calm server, for the jitter of the fleet.
    pub(super) pauses: BTreeSet<Duration>,
}

pub(super) fn settings(seed: u64) -> Settings {
    let spec = |name: &str, kind| SourceSpec {
        name: name.to_owned(),
        kind,
    };
    Settings {
        node: format!("node-{seed}"),
        sources: vec![
            spec("registration", SourceKind::Registration),
            spec("kubernetes", SourceKind::Kubernetes),
            spec("nodes", SourceKind::Nodes),
            spec("supervisor", SourceKind::Supervisor),
            spec("etcd", SourceKind::Etcd),
            spec("heartbeat", SourceKind::Heartbeat),
        ],
        grace: Duration::from_secs(60),
        unwitnessed_grace: Duration::from_secs(240),
        ..Settings::default()
    }
}

/// Plays the world of a seed.
pub(super) fn play(seed: u64, bend: Option<Bend>) -> Played {
    let settings = settings(seed);
    let now = Timestamp::from_millis(1_000);
    let policy = match bend {
        None => Policy::new(settings.clone(), seed, now),
        Some(bend) => Policy::bent(settings.clone(), seed, now, bend),
    };
    let mut world = World {
        oracle: Oracle::new(settings, now),
        policy,
        now,
        dice: Dice::new(seed),
        servers: (1..=SERVERS).map(|n| (at(n), Fares::Ready)).collect(),
        sources: BTreeMap::new(),
        listed: (1..=3).map(at).collect(),
        nodes: (1..=4).map(at).collect(),
        drained: BTreeSet::new(),
        lease_stands_since: None,
        sessions: BTreeMap::new(),
        pending: Vec::new(),
        broken: None,
        events: 0,
    };
    world.begin();
    for _ in 0..HAPPENINGS {
        if world.broken.is_some() {
            break;
        }
        world.something_happens();
    }
    world.heal_the_missed();
    world.heal_and_rest()
}

impl World {
    /// A start with a state file, or with nothing but what the sources tell.
    fn begin(&mut self) {
        if self.dice.once_in(3) {
            let trusted = !self.dice.once_in(2);
            let records = (1..=3).map(|n| super::shell::record(at(n))).collect();
            self.tell(Event::MembershipRestored { records, trusted });
        }
        if self.dice.once_in(4) {
            // The first word is etcd's, which tells no ports (M7).
            self.sources.insert(REGISTRATION, Answers::Fails);
        }
        let wait = self.dice.millis(20_000);
        self.run(wait);
    }

    /// R1: those that answer are not ready, and never will be; one of the others comes back.
    fn heal_the_missed(&mut self) {
        let snapshot = self.policy.snapshot();
        let missed = snapshot.endpoints.iter().find(|view| {
            view.health == Health::Unreachable
                && view.standing != Standing::Archived
                && view.api != Capability::No
        });
        // Without a credential alive is as good as it gets.
        let alive = snapshot.endpoints.iter().any(|view| view.health == Health::Alive);
        let Some(missed) = missed.filter(|_| snapshot.state == NodeState::Degraded && !alive) else {
            return;
        };
        let address = missed.address;
        for fares in self.servers.values_mut() {
            if matches!(fares, Fares::Ready | Fares::Foreign) {
                *fares = Fares::NotReady("poststarthook/x");
            }
        }
        self.servers.insert(address, Fares::Ready);
        self.attach_within(MISSED_WITHIN);
    }

    fn attach_within(&mut self, within: Duration) {
        let limit = self.now + within;
        while self.broken.is_none() && self.policy.snapshot().state != NodeState::Attached {
            if !self.next(limit) {
                self.broken = Some(Broken::new("R1", format!("not attached {within:?} after a heal")));
            }
        }
    }

    /// All is well again, and the node must be, in time. Then it is watched at rest.
    fn heal_and_rest(mut self) -> Played {
        self.sources.clear();
        self.lease_stands_since = None;
        self.drained.clear();
        self.listed = (1..=3).map(at).collect();
        self.nodes = (1..=4).map(at).collect();
        for server in self.servers.values_mut() {
            *server = Fares::Ready;
        }
        let drained: Vec<SocketAddr> = self.servers.keys().copied().collect();
        for endpoint in drained {
            self.tell(Event::UndrainRequested { endpoint });
        }
        let within = match self.policy.snapshot().state {
            NodeState::Isolated => HEALED_WITHIN,
            _ => RECOVERED_WITHIN,
        };
        self.attach_within(within);
        let mut played = Played {
            broken: None,
            first: None,
            pauses: BTreeSet::new(),
        };
        if self.broken.is_none() {
            self.run(Duration::from_secs(700));
            self.oracle.begin_rest(self.now);
            self.run(Duration::from_secs(200));
            if self.broken.is_none() {
                self.broken = self.oracle.at_rest(self.now, &self.policy.snapshot());
            }
            let snapshot = self.policy.snapshot();
            played.first = snapshot.endpoints.first().map(|endpoint| endpoint.address);
            played.pauses = self.oracle.pauses();
        }
        played.broken = self.broken;
        played
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.broken.is_some() {
            return;
        }
        self.events += 1;
        if self.events > EVENTS_MAX {
            self.broken = Some(Broken::new("R1", format!("more than {EVENTS_MAX} events")));
            return;
        }
        let before = self.policy.snapshot();
        let mut actions = Vec::new();
        self.policy.step(self.now, event.clone(), &mut actions);
        let breach = invariants::check(&self.policy, &actions).into_iter().next();
        let breach =
            breach.map(|breach| Broken::new("invariant", format!("{}: {}", breach.number, breach.found)));
        let seen = super::oracle::Seen {
            now: self.now,
            event: &event,
            before: &before,
            after: &self.policy.snapshot(),
            known: &self.policy.records(),
            actions: &actions,
            sessions: &self.sessions,
        };
        self.broken = breach.or_else(|| self.oracle.observe(&seen));
        for action in actions {
            self.carry_out(&action);
        }
    }

    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.tell(Event::DeadlineReached);
        while self.broken.is_none() && self.next(end) {}
        self.now = self.now.max(end);
    }

    /// The next thing that is due, if it is by `end`.
    fn next(&mut self, end: Timestamp) -> bool {
        let first = (0..self.pending.len()).min_by_key(|&index| self.pending[index].0);
        let pending = first.map(|index| self.pending[index].0);
        let deadline = self.policy.next_deadline().map(|(at, _)| at);
        let next = match (pending, deadline) {
            (Some(pending), Some(deadline)) => pending.min(deadline),
            (Some(next), None) | (None, Some(next)) => next,
            (None, None) => return false,
        };
        if next > end {
            return false;
        }
        self.now = self.now.max(next);
        let event = match first.filter(|_| pending == Some(next)) {
            Some(index) => self.pending.remove(index).1,
            None => Event::DeadlineReached,
        };
        self.tell(event);
        true
    }

    /// One thing, drawn at random.
    fn something_happens(&mut self) {
        let any = at(1 + u8::try_from(self.dice.below(u64::from(SERVERS))).unwrap_or_default());
        match self.dice.below(24) {
            0..=3 => {
                let fares = Fares::drawn(&mut self.dice);
                self.servers.insert(any, fares);
            }
            4 => {
                // A whole outage of one kind.
                let fares = Fares::drawn(&mut self.dice);
                for server in self.servers.values_mut() {
                    *server = fares.clone();
                }
            }
            5 => self
                .servers
                .values_mut()
                .for_each(|server| *server = Fares::Ready),
            6 | 7 => {
                if !self.listed.remove(&any) {
                    self.listed.insert(any);
                }
            }
            8 => {
                if !self.nodes.remove(&any) {
                    self.nodes.insert(any);
                }
            }
            9 | 10 => {
                let which = [REGISTRATION, KUBERNETES, NODES, SUPERVISOR, ETCD, HEARTBEAT];
                if let Some(source) = self.dice.one_of(&which) {
                    let answers = Answers::drawn(&mut self.dice);
                    self.sources.insert(source, answers);
                }
            }
            11 => self.sources.clear(),
            12 => {
                self.lease_stands_since = match self.lease_stands_since {
                    Some(_) => None,
                    None => Some(self.now),
                }
            }
            13 => {
                if !self.drained.remove(&any) {
                    self.drained.insert(any);
                }
            }
            14 => {
                // Long enough for an absence to be proven.
                let wait = self.dice.millis(400_000);
                self.run(wait);
            }
            15 => self.tell(Event::DrainRequested {
                endpoint: any,
                duration: Some(Duration::from_secs(20)),
            }),
            _ => self.a_client_does_something(any),
        }
        let wait = match self.dice.below(3) {
            0 => self.dice.millis(300),
            1 => self.dice.millis(4_000),
            _ => self.dice.millis(40_000),
        };
        self.run(wait);
    }
}
