//! The world: a control plane, a network, nodes; one loop that takes what happens next. Nothing else moves.

mod apply;

use std::rc::Rc;
use std::time::Duration;

use jackline_core::{NodeState, Timestamp};

use crate::chance::Chance;
use crate::fault::Fault;
use crate::names::Names;
use crate::network::{Network, NodeId};
use crate::node::Node;
use crate::page::Lane;
use crate::page::record::{self, Record};
use crate::plane::{Lease, Plane, Process, Server, ServerId};
use crate::policy::Kind;
use crate::queue::Queue;
use crate::scene::{Breach, Happening, Scene};
use crate::spec::{WorldSpec, address_of};
use crate::timeline::{Telling, Timeline};

/// Nodes start within this time.
const NODES_START: (u64, u64) = (100, 2000);

/// A simulated world.
pub struct World {
    pub(crate) scene: Scene,
    pub(crate) nodes: Vec<Node>,
    /// How much has happened.
    steps: u64,
}

impl World {
    /// A world in which all servers are ready and all nodes are about to start. `telling`: how much of it is
    /// written down.
    pub fn new(spec: &WorldSpec, kind: &Rc<dyn Kind>, telling: Telling) -> Self {
        let mut plane = Plane::new(spec.anonymous);
        for (number, server) in spec.servers.iter().enumerate() {
            let mut made = Server::new(&server.name, server.role, address_of(number).into());
            made.process = Process::Ready;
            made.incarnation = 1;
            made.lease = if made.has_api() { Lease::Held } else { Lease::None };
            made.zone.clone_from(&server.zone);
            if server.without_node {
                made.node = None;
            }
            plane.add(made);
        }
        let listed: Vec<_> = plane
            .servers
            .iter()
            .filter(|server| server.has_api())
            .map(Server::address)
            .collect();
        for server in &mut plane.servers {
            server.seen.clone_from(&listed);
        }
        plane.addresses.clone_from(&listed);
        plane.listed = listed;
        plane.renewals = vec![Timestamp::ZERO; spec.nodes.len()];
        let records = spec.name_tells.iter().map(|id| plane[*id].ip).collect();
        let mut scene = Scene {
            now: Timestamp::ZERO,
            queue: Queue::new(),
            plane,
            network: Network::of(spec.delay),
            names: Names {
                records,
                ..Names::default()
            },
            chance: Chance::of(spec.seed, 0),
            log: Timeline::new(telling),
            record: None,
            shaken: false,
            spoken: Vec::new(),
            breach: None,
        };
        scene.plane.settle_etcd(Timestamp::ZERO, &mut scene.chance);
        let nodes = spec.nodes.iter().enumerate().map(|(index, node)| {
            let mut chance = Chance::of(spec.seed, 100 + u64::from(node.number));
            Node::new(NodeId(index), node.clone(), Rc::clone(kind), chance.word())
        });
        let mut nodes: Vec<Node> = nodes.collect();
        for node in &mut nodes {
            let mut chance = Chance::of(spec.seed, 500_000 + u64::from(node.spec.number));
            let after = chance.millis(NODES_START.0, NODES_START.1);
            scene.later(after, Happening::NodeStarts(node.id));
            node.start_clients(&mut scene);
        }
        Self {
            scene,
            nodes,
            steps: 0,
        }
    }

    /// Lets time pass until `end`, or until a rule is broken.
    pub fn run_until(&mut self, end: Timestamp) {
        self.settle();
        while self.scene.breach.is_none() {
            let Some((at, what)) = self.scene.queue.pop(end) else {
                break;
            };
            self.scene.now = at;
            self.steps += 1;
            self.happen(what);
            self.settle();
            record::look(self);
        }
        if self.scene.breach.is_none() {
            self.scene.now = self.scene.now.max(end);
        }
    }

    /// Lets time pass until `condition` holds; `None`: it does not by `end`. Looked at after each thing that happens.
    pub fn run_while(
        &mut self,
        end: Timestamp,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Option<Timestamp> {
        self.settle();
        loop {
            if condition(self) {
                return Some(self.scene.now);
            }
            if self.scene.breach.is_some() {
                return None;
            }
            let (at, what) = self.scene.queue.pop(end)?;
            self.scene.now = at;
            self.steps += 1;
            self.happen(what);
            self.settle();
            record::look(self);
        }
    }

    /// From now on what happens is kept as lanes, for a page.
    pub(crate) fn record(&mut self) {
        self.scene.record = Some(Record::default());
        record::look(self);
    }

    /// The lanes so far; nothing is kept any more.
    pub(crate) fn take_record(&mut self) -> Vec<Lane> {
        let record = self.scene.record.take().unwrap_or_default();
        record.finish(self.scene.now)
    }

    /// Plans something that will be done to the world.
    pub fn plan(&mut self, at: Timestamp, fault: Fault) {
        self.scene.queue.push(at, Happening::Fault(Box::new(fault)));
    }

    /// After something changed, everybody's connections are looked at; those who watch are told.
    fn settle(&mut self) {
        if std::mem::take(&mut self.scene.shaken) {
            for node in &mut self.nodes {
                node.reconsider(&mut self.scene);
                let state = node.state();
                let served = self.scene.is_served(node.id);
                if let Some(state) = state {
                    node.tally.turn(self.scene.now, state, served);
                }
            }
        }
        if !self.scene.spoken.is_empty() {
            let spoken = std::mem::take(&mut self.scene.spoken);
            for node in &self.nodes {
                node.hear_of_change(&mut self.scene, &spoken);
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        let scene = &mut self.scene;
        let nodes = &mut self.nodes;
        match what {
            Happening::Deadline(id) => nodes[id.0].meet_deadline(scene),
            Happening::Flow(id, flow) => nodes[id.0].flow_due(scene, flow),
            Happening::Dial(id, dial) => nodes[id.0].advance_dial(scene, dial),
            Happening::Session(id, session) => nodes[id.0].session_due(scene, session),
            Happening::Plan(id, session) => nodes[id.0].plan_due(scene, session),
            Happening::Client(id, client) => nodes[id.0].client_acts(scene, client),
            Happening::Refresh(id, source, refresh) => nodes[id.0].refresh_due(scene, source, refresh),
            Happening::WatchTells(id, source, refresh) => nodes[id.0].watch_tells(scene, source, refresh),
            Happening::WatchDies(id, source, refresh) => nodes[id.0].watch_dies(scene, source, refresh),
            Happening::TrustRead(id) => nodes[id.0].trust_read(scene),
            Happening::Disk(id) => nodes[id.0].disk_due(scene),
            Happening::NodeStarts(id) => nodes[id.0].start_jackline(scene),
            Happening::ServerGrows { id, incarnation } => scene.grow(id, incarnation),
            Happening::LeaseRunsOut { id } => scene.lease_runs_out(id),
            Happening::EtcdSettles => scene.etcd_settles(),
            Happening::Fault(fault) => self.apply(&fault),
        }
    }

    /// The world's time.
    pub fn now(&self) -> Timestamp {
        self.scene.now
    }

    /// The first rule that was broken.
    pub fn breach(&self) -> Option<&Breach> {
        self.scene.breach.as_ref()
    }

    /// How much has happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A fingerprint of all that happened: the same for the same seed.
    pub fn fingerprint(&self) -> u64 {
        self.scene.log.fingerprint()
    }

    /// What happened, for people, if it was kept.
    pub fn timeline(&self) -> &[(Timestamp, String)] {
        self.scene.log.lines()
    }

    /// Each node's name, and its state as its policy sees it; `None`: its jackline does not run.
    pub fn states(&self) -> impl Iterator<Item = (&str, Option<NodeState>)> {
        self.nodes
            .iter()
            .map(|node| (node.spec.name.as_str(), node.state()))
    }

    /// Whether some server is ready, as good as a server can be.
    pub fn somebody_is_ready(&self) -> bool {
        let ours =
            |id: ServerId| !self.scene.plane[id].foreign && self.scene.plane.is_ready(id, self.scene.now);
        self.scene.plane.ids().any(ours)
    }

    /// Lasting sessions on the busiest server, to the mean over all servers with an API.
    pub(crate) fn busiest_per_mean(&self) -> f64 {
        let mut counts = vec![0_u32; self.scene.plane.servers.len()];
        for node in &self.nodes {
            let lasting = node
                .sessions
                .values()
                .filter(|session| node.is_lasting(session.client));
            lasting.for_each(|session| counts[session.peer.server.0] += 1);
        }
        let serving = self.scene.plane.servers.iter().filter(|server| server.has_api());
        let servers = u32::try_from(serving.count()).unwrap_or(1).max(1);
        let all: u32 = counts.iter().sum();
        let most = counts.into_iter().max().unwrap_or(0);
        f64::from(most) * f64::from(servers) / f64::from(all.max(1))
    }

    /// So much later than now.
    pub fn after(&self, span: Duration) -> Timestamp {
        self.scene.now + span
    }
}
