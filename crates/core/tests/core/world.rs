//! A world of a few servers in virtual time, that answers the core's actions as the shell would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

/// How a server behaves towards probes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Server {
    Ready,
    /// Ready, but each answer takes this long.
    Slow(Duration),
    NotReady(&'static str),
    Alive,
    NoApi,
    Refuses,
    Silent,
    Foreign,
    /// The fault is ours, or that of the way.
    Ours(LocalFault),
}

/// How a source answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answers {
    List(Vec<SocketAddr>),
    /// A list with a watch behind it, on which nothing happens.
    Watched(Vec<SocketAddr>),
    /// A list that says how long it holds.
    Holding(Vec<SocketAddr>, Duration),
    /// As etcd answers while a majority of its members is away.
    WithoutQuorum(Vec<SocketAddr>),
    Nodes(Vec<NodeListing>),
    /// The node's Lease, renewed then.
    Lease(Timestamp),
    Fails,
    Never,
}

pub(crate) const STATIC: SourceId = SourceId(0);
pub(crate) const KUBERNETES: SourceId = SourceId(1);
pub(crate) const NODES: SourceId = SourceId(2);
pub(crate) const SUPERVISOR: SourceId = SourceId(3);
pub(crate) const REGISTRATION: SourceId = SourceId(4);
pub(crate) const IMPORT: SourceId = SourceId(5);
/// Only where [`settings_with_etcd`] are in force.
pub(crate) const ETCD: SourceId = SourceId(6);

pub(crate) fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 6443))
}

/// What a CONNECT proxy did.
pub(crate) fn by_proxy(how: ProxyFailure) -> LocalFault {
    let at = Some(SocketAddr::from(([10, 9, 0, 1], 3128)));
    LocalFault::Proxy(ProxyFault { at, how })
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Settings with one source of each kind, in the order of the constants above.
pub(crate) fn settings() -> Settings {
    let spec = |name: &str, kind| SourceSpec {
        name: name.into(),
        kind,
    };
    Settings {
        node: "node-1".into(),
        sources: vec![
            spec("static", SourceKind::Static),
            spec("kubernetes", SourceKind::Kubernetes),
            spec("nodes", SourceKind::Nodes),
            spec("supervisor", SourceKind::Supervisor),
            spec("registration", SourceKind::Registration),
            spec("import", SourceKind::Import),
        ],
        ..Settings::default()
    }
}

/// The same on an etcd member.
pub(crate) fn settings_with_etcd() -> Settings {
    let mut settings = settings();
    settings.sources.push(SourceSpec {
        name: "etcd".into(),
        kind: SourceKind::Etcd,
    });
    settings
}

pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    pub(crate) servers: BTreeMap<SocketAddr, Server>,
    pub(crate) sources: BTreeMap<SourceId, Answers>,
    pub(crate) log: Vec<(Timestamp, Action)>,
    pending: Vec<(Timestamp, Event)>,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let now = Timestamp::from_millis(1000);
        Self {
            policy: Policy::new(settings, 7, now),
            now,
            servers: BTreeMap::new(),
            sources: BTreeMap::new(),
            log: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// The usual world: servers 1..=n ready, listed by Kubernetes, attached.
    pub(crate) fn attached(n: u8) -> Self {
        Self::attached_with(n, settings())
    }

    pub(crate) fn attached_with(n: u8, settings: Settings) -> Self {
        let mut world = Self::new(settings);
        let list: Vec<_> = (1..=n).map(at).collect();
        for &server in &list {
            world.servers.insert(server, Server::Ready);
        }
        // Somebody has to be known before anybody can be asked.
        world.tell(reported(KUBERNETES, RefreshId(0), &list));
        world.sources.insert(KUBERNETES, Answers::List(list));
        world.run(seconds(5));
        assert_eq!(world.state(), NodeState::Attached);
        world.log.clear();
        world
    }

    pub(crate) fn state(&self) -> NodeState {
        self.policy.snapshot().state
    }

    pub(crate) fn endpoint(&self, address: SocketAddr) -> EndpointView {
        let snapshot = self.policy.snapshot();
        let found = snapshot
            .endpoints
            .iter()
            .find(|endpoint| endpoint.address == address);
        found.unwrap_or_else(|| panic!("{address} is not known")).clone()
    }

    pub(crate) fn knows(&self, address: SocketAddr) -> bool {
        self.policy
            .snapshot()
            .endpoints
            .iter()
            .any(|endpoint| endpoint.address == address)
    }

    pub(crate) fn first(&self) -> SocketAddr {
        self.policy.snapshot().endpoints[0].address
    }

    pub(crate) fn set(&mut self, address: SocketAddr, server: Server) {
        self.servers.insert(address, server);
    }

    pub(crate) fn tell(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.policy.step(self.now, event, &mut actions);
        for action in actions {
            self.carry_out(&action);
            self.log.push((self.now, action));
        }
    }

    /// Lets time pass: pending ends arrive, deadlines are met.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        // What the policy is due already.
        self.tell(Event::DeadlineReached);
        while self.advance_to_next(end) {}
        self.now = end;
    }

    /// Runs until `condition` holds; panics when it does not within `limit`. Gives the time that it took.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Duration {
        let start = self.now;
        self.tell(Event::DeadlineReached);
        while !condition(self) {
            assert!(self.advance_to_next(start + limit), "not within {limit:?}");
        }
        self.now.since(start)
    }

    fn advance_to_next(&mut self, end: Timestamp) -> bool {
        self.pending.sort_by_key(|(at, _)| *at);
        let pending = self.pending.first().map(|(at, _)| *at);
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
        let event = match pending == Some(next) {
            true => self.pending.remove(0).1,
            false => Event::DeadlineReached,
        };
        self.tell(event);
        true
    }

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::StartProbe(start) => {
                let (after, event) = self.probe(start);
                self.pending.push((self.now + after, event));
            }
            Action::RefreshSource(refresh) => {
                let (after, event) = self.refresh(refresh);
                self.pending.push((self.now + after, event));
            }
            Action::ReloadTrust => self
                .pending
                .push((self.now + ms(1), Event::TrustReloaded { changed: false })),
            _ => {}
        }
    }

    fn probe(&self, start: &StartProbe) -> (Duration, Event) {
        let (endpoint, probe) = (start.endpoint, start.probe);
        let found = |answer, total| Event::ProbeSucceeded {
            endpoint,
            probe,
            finding: Finding {
                depth: Depth::Readyz,
                answer,
                connect: Some(ms(1)),
                total,
                authenticated: false,
            },
        };
        let failed = |failure| Event::ProbeFailed {
            endpoint,
            probe,
            failure,
        };
        match self.servers.get(&endpoint).unwrap_or(&Server::Silent) {
            Server::Ready => (ms(3), found(Answer::Ready, ms(3))),
            Server::Slow(by) if *by > start.limits.http => (
                start.limits.http,
                failed(ProbeFailure::TimedOut { phase: Phase::Http }),
            ),
            Server::Slow(by) => (*by, found(Answer::Ready, *by)),
            Server::NotReady(check) => (
                ms(3),
                found(
                    Answer::NotReady {
                        status: 500,
                        failed: vec![(*check).into()],
                    },
                    ms(3),
                ),
            ),
            Server::Alive => (ms(3), found(Answer::Alive, ms(3))),
            Server::NoApi => (ms(3), found(Answer::NoApi, ms(3))),
            Server::Refuses => (
                ms(1),
                failed(ProbeFailure::Refused {
                    detail: "connection refused".into(),
                }),
            ),
            Server::Silent => (
                start.limits.connect,
                failed(ProbeFailure::TimedOut {
                    phase: Phase::Connect,
                }),
            ),
            Server::Foreign => {
                let (cause, detail) = (Untrusted::UnknownIssuer, "certificate of another CA".into());
                (ms(2), failed(ProbeFailure::Untrusted { cause, detail }))
            }
            Server::Ours(fault) => {
                let silent = matches!(fault, LocalFault::Proxy(fault) if fault.how == ProxyFailure::Silent);
                let after = if silent { start.limits.connect } else { ms(1) };
                (after, failed(ProbeFailure::Local { fault: *fault }))
            }
        }
    }

    fn refresh(&self, asked: &RefreshSource) -> (Duration, Event) {
        let (source, refresh) = (asked.source, asked.refresh);
        let failed = |reason: &str| Event::SourceFailed {
            source,
            refresh,
            failure: SourceFailure {
                reason: reason.into(),
                ..SourceFailure::default()
            },
        };
        match self.sources.get(&source).unwrap_or(&Answers::Fails) {
            Answers::List(list) => (ms(4), reported(source, refresh, list)),
            Answers::Watched(list) => {
                let mut event = reported(source, refresh, list);
                if let Event::SourceReported { report, .. } = &mut event {
                    report.mode = Mode::Watch;
                    report.answered_by = asked.targets.first().copied();
                }
                (ms(4), event)
            }
            Answers::Holding(list, valid) => {
                let mut event = reported(source, refresh, list);
                if let Event::SourceReported { report, .. } = &mut event {
                    report.valid_for = Some(*valid);
                }
                (ms(4), event)
            }
            Answers::WithoutQuorum(list) => (ms(4), told(source, refresh, list, false)),
            Answers::Nodes(nodes) => {
                let all = nodes.clone();
                let event = match &asked.ask {
                    Ask::Everything => Event::SourceReported {
                        source,
                        refresh,
                        position: 0,
                        report: Report {
                            nodes: all,
                            verified: true,
                            ..Report::default()
                        },
                    },
                    Ask::Node(name) => Event::NodeReported {
                        source,
                        refresh,
                        name: name.clone(),
                        node: all.into_iter().find(|node| node.name == *name),
                        answered_by: None,
                    },
                };
                (ms(4), event)
            }
            Answers::Lease(renewed) => {
                let heartbeat = Heartbeat {
                    renewed: renewed.as_millis(),
                    age: self.now.since(*renewed),
                };
                let report = Report {
                    heartbeat: Some(heartbeat),
                    verified: true,
                    ..Report::default()
                };
                let event = Event::SourceReported {
                    source,
                    refresh,
                    position: 0,
                    report,
                };
                (ms(4), event)
            }
            Answers::Fails => (ms(2), failed("it fails in this test")),
            Answers::Never => (asked.timeout, failed("timed out")),
        }
    }

    pub(crate) fn open_sessions(&mut self, address: SocketAddr, count: u32) {
        for _ in 0..count {
            self.tell(Event::SessionOpened {
                endpoint: address,
                connect: ms(1),
            });
        }
        self.tell(Event::SessionsProgressed { endpoint: address });
    }

    pub(crate) fn closes(&self) -> Vec<CloseSessions> {
        let close = |(_, action): &(Timestamp, Action)| match action {
            Action::CloseSessions(close) => Some(close.clone()),
            _ => None,
        };
        self.log.iter().filter_map(close).collect()
    }

    pub(crate) fn probes_of(&self, address: SocketAddr) -> Vec<Timestamp> {
        let probe = |(at, action): &(Timestamp, Action)| match action {
            Action::StartProbe(start) if start.endpoint == address => Some(*at),
            _ => None,
        };
        self.log.iter().filter_map(probe).collect()
    }

    pub(crate) fn refreshes_of(&self, source: SourceId) -> Vec<(Timestamp, RefreshSource)> {
        let refresh = |(at, action): &(Timestamp, Action)| match action {
            Action::RefreshSource(refresh) if refresh.source == source => Some((*at, refresh.clone())),
            _ => None,
        };
        self.log.iter().filter_map(refresh).collect()
    }
}

/// A verified report of a polled source.
pub(crate) fn reported(source: SourceId, refresh: RefreshId, list: &[SocketAddr]) -> Event {
    told(source, refresh, list, true)
}

fn told(source: SourceId, refresh: RefreshId, list: &[SocketAddr], verified: bool) -> Event {
    let endpoints = list.iter().map(|&address| Listing::from(address)).collect();
    Event::SourceReported {
        source,
        refresh,
        position: 0,
        report: Report {
            endpoints,
            verified,
            ..Report::default()
        },
    }
}

/// Control-plane Nodes of which nothing is told but name and address.
pub(crate) fn nodes(all: &[(&str, SocketAddr)]) -> Answers {
    let listing = |(name, address): &(&str, SocketAddr)| NodeListing {
        name: (*name).into(),
        addresses: vec![address.ip()],
        control_plane: true,
        zone: None,
        ready: None,
        leaving: false,
    };
    Answers::Nodes(all.iter().map(listing).collect())
}
