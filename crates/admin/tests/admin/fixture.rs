//! A node with something of everything: the reading that the tests project.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackline_admin::operate::{Done, Operate, Order, Pending, Refusal, Replacement, SessionList};
use jackline_admin::status::StateFileStatus;
use jackline_admin::{Clock, Identity, Reading, SessionsView, SignsView, StateFileView, View};
use jackline_core::{
    Administration, Capability, Class, Depth, EndpointView, Health, HeartbeatView, Mode, NodeState, NodeView,
    Notice, Service, Snapshot, SourceId, SourceKind, SourceState, SourceView, Standing, Timestamp, Trust,
};

/// 2026-11-24T08:00:00Z.
pub(crate) const WALL: u64 = 1_795_507_200;

/// A view that always shows the same reading.
pub(crate) struct Fixed(pub(crate) Reading);

impl View for Fixed {
    fn identity(&self) -> Identity {
        self.0.identity.clone()
    }
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot)
    }
    fn sessions(&self) -> SessionsView {
        self.0.sessions.clone()
    }
    fn state_file(&self) -> StateFileView {
        self.0.state_file.clone()
    }
    fn clock(&self) -> Clock {
        self.0.clock
    }
    fn warnings(&self) -> Vec<String> {
        self.0.warnings.clone()
    }
    fn signs(&self) -> SignsView {
        self.0.signs.clone()
    }
    fn services(&self) -> Vec<(Service, Reading)> {
        self.0.services.clone()
    }
}

/// Answers orders as an agent might, and does nothing.
pub(crate) struct Recorder;

impl Operate for Recorder {
    fn order(&self, order: Order) -> Pending<'_, Result<Done, Refusal>> {
        let answer = match order {
            Order::ResetState => Err(Refusal::Harmful("no".into())),
            Order::Undrain { .. } => Err(Refusal::Unknown("no such endpoint".into())),
            order => Ok(Done {
                done: format!("{order:?}"),
                ..Done::default()
            }),
        };
        Box::pin(std::future::ready(answer))
    }

    fn replace(&self, replacement: Replacement) -> Pending<'_, Result<Done, Refusal>> {
        let done = Done {
            done: format!("{replacement:?}"),
            ..Done::default()
        };
        Box::pin(std::future::ready(Ok(done)))
    }

    fn sessions(&self) -> Pending<'_, SessionList> {
        let now = "2026-11-24T08:00:00Z".parse().expect("a time");
        Box::pin(std::future::ready(SessionList {
            now,
            open: 0,
            sessions: Vec::new(),
        }))
    }
}

pub(crate) fn wall(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// An endpoint that is listed, ready and in use since second 20.
pub(crate) fn ready(text: &str) -> EndpointView {
    EndpointView {
        address: address(text),
        standing: Standing::Listed,
        health: Health::Ready,
        administration: Administration::Enabled,
        drained_by: vec![],
        reason: "ready: /readyz answered 200 in 3 ms".into(),
        health_since: at(20),
        suspected: false,
        avoided: false,
        api: Capability::Yes,
        discovery: Capability::Unknown,
        sources: vec![SourceId(1)],
        depth: Some(Depth::Readyz),
        last_probe: Some(at(98)),
        last_ready: Some(at(98)),
        zone: Some("a".into()),
        node: Some(NodeView {
            name: "cp-1".into(),
            ready: Some(true),
            leaving: false,
        }),
        class: Class::ReadyListed,
        connect_usual: Duration::from_millis(1),
        answer_usual: Duration::from_millis(3),
    }
}

fn endpoints() -> Vec<EndpointView> {
    vec![
        ready("10.0.0.2:6443"),
        EndpointView {
            standing: Standing::Retained,
            health: Health::Unreachable,
            reason: "refused the connection; left the Endpoints 40 s ago, its Node is still there".into(),
            health_since: at(60),
            suspected: true,
            sources: vec![],
            last_ready: None,
            zone: None,
            node: None,
            class: Class::Unreachable,
            ..ready("[fd00::3]:6443")
        },
        EndpointView {
            health: Health::NotReady,
            reason: "serves no Kubernetes API (503 \"apiserver disabled\"): an etcd-only server".into(),
            api: Capability::No,
            discovery: Capability::Yes,
            sources: vec![SourceId(0)],
            last_ready: None,
            zone: None,
            node: None,
            class: Class::NoApi,
            ..ready("10.0.0.1:6443")
        },
    ]
}

fn sources() -> Vec<SourceView> {
    vec![
        SourceView {
            name: "registration".into(),
            kind: SourceKind::Registration,
            state: SourceState::Good,
            mode: Mode::Poll,
            endpoints: vec![address("10.0.0.1:6443")],
            last_report: Some(at(90)),
            next_refresh: Some(at(150)),
            error: None,
            note: String::new(),
        },
        SourceView {
            name: "kubernetes".into(),
            kind: SourceKind::Kubernetes,
            state: SourceState::Failed,
            mode: Mode::Watch,
            endpoints: vec![address("10.0.0.2:6443")],
            last_report: Some(at(70)),
            next_refresh: Some(at(100)),
            error: Some("10.0.0.2:6443 answered 429; asked to wait 2 s".into()),
            note: "watched with the kube-proxy credential".into(),
        },
        SourceView {
            name: "import \"old\\balancer\"".into(),
            kind: SourceKind::Import,
            state: SourceState::Waiting,
            mode: Mode::Fixed,
            endpoints: vec![],
            last_report: None,
            next_refresh: None,
            error: None,
            note: String::new(),
        },
    ]
}

/// The reading at second 100 of the process, 08:00:00 on the wall.
pub(crate) fn reading() -> Reading {
    let state_file = StateFileView {
        path: "/var/lib/jackline/state.json".into(),
        saved: Some(wall(WALL - 30)),
        status: StateFileStatus::Saved,
        note: None,
        last_ready: BTreeMap::from([
            // Ready in this run, too: the newer time counts.
            (address("10.0.0.2:6443"), wall(WALL - 86_400)),
            (address("[fd00::3]:6443"), wall(WALL - 3_600)),
        ]),
    };
    Reading {
        identity: Identity {
            node: "node-1".into(),
            version: "0.1.0".into(),
            pid: 4711,
            started: at(0),
            listen: vec![address("127.0.0.1:6440"), address("[::1]:6440")],
        },
        snapshot: Arc::new(Snapshot {
            generation: 7,
            state: NodeState::Attached,
            state_since: at(20),
            state_reason: "10.0.0.2:6443 is ready".into(),
            trust: Trust::Held,
            zone: Some("a".into()),
            heartbeat: Some(HeartbeatView {
                renewed: WALL * 1_000_000 - 30_000_000,
                read: at(95),
                late: true,
            }),
            endpoints: endpoints(),
            sources: sources(),
        }),
        sessions: SessionsView {
            open: 3,
            opened_total: 12,
            closed_total: 9,
            refused_total: 2,
            over_limit_total: 1,
            endpoint_full_total: 5,
            hedges_total: 4,
            repeats_total: 1,
            bytes_upstream_total: 4096,
            bytes_downstream_total: 65_536,
            by_endpoint: BTreeMap::from([(address("10.0.0.2:6443"), 3)]),
        },
        state_file,
        clock: Clock {
            now: at(100),
            wall: wall(WALL),
        },
        warnings: vec!["[::1]:6440 could not be bound: this machine has no IPv6".into()],
        signs: SignsView {
            told: BTreeMap::from([(Notice::EndpointReady, 3), (Notice::NodeAttached, 1)]),
            dropped: 0,
            certificates: BTreeMap::from([("ca", 2_000_000_000), ("client", 1_800_000_000)]),
        },
        services: vec![],
    }
}

/// The same with etcd balanced besides, which has one member, and clients nowhere: its port is taken.
pub(crate) fn with_etcd() -> Reading {
    let mut etcd = reading();
    etcd.identity.listen.clear();
    etcd.warnings = vec!["127.0.0.1:2379 is taken by another process".into()];
    etcd.state_file.path = "/var/lib/jackline/services/etcd/state.json".into();
    etcd.sessions = SessionsView::default();
    let snapshot = Arc::make_mut(&mut etcd.snapshot);
    snapshot.state_reason = "1 of 1 endpoints ready".into();
    snapshot.endpoints = vec![EndpointView {
        reason: "health: 200".into(),
        depth: Some(Depth::Health),
        ..ready("10.0.0.1:2379")
    }];
    snapshot.sources = vec![SourceView {
        name: "members".into(),
        kind: SourceKind::Etcd,
        endpoints: vec![address("10.0.0.1:2379")],
        ..sources().swap_remove(0)
    }];
    snapshot.endpoints[0].sources = vec![SourceId(0)];
    Reading {
        services: vec![(Service::Etcd, etcd)],
        ..reading()
    }
}
