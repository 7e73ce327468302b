//! All of the world but the nodes: time, control plane, network, names; and what is yet to happen.

use std::net::SocketAddr;

use jackline_core::{Action, RefreshId, Timestamp};

use crate::chance::Chance;
use crate::fault::Fault;
use crate::names::Names;
use crate::network::{Network, NodeId, Place};
use crate::page::record::Record;
use crate::page::{Group, Tone};
use crate::plane::{Host, Plane, Process, ServerId};
use crate::queue::Queue;
use crate::spec::NodeSpec;
use crate::timeline::Timeline;

/// What is yet to happen. Numbers that nobody has any more mean that it is out of date.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// The policy's deadline.
    Deadline(NodeId),
    /// A phase of an exchange ends.
    Flow(NodeId, u32),
    /// A dial has waited long enough for something.
    Dial(NodeId, u32),
    /// A session: an answer, a stall, or its end.
    Session(NodeId, u32),
    /// A session's plan to close is looked at.
    Plan(NodeId, u32),
    /// A client acts.
    Client(NodeId, usize),
    /// A refresh goes on: the next server is asked, or its time is over.
    Refresh(NodeId, usize, RefreshId),
    /// A watch's change arrives.
    WatchTells(NodeId, usize, RefreshId),
    /// A watch that hears nothing ends.
    WatchDies(NodeId, usize, RefreshId),
    /// The file of CA and credentials has been read.
    TrustRead(NodeId),
    /// The state file's next step.
    Disk(NodeId),
    /// Jackline is started again.
    NodeStarts(NodeId),
    /// A server's process takes its next step.
    ServerGrows { id: ServerId, incarnation: u32 },
    /// A lease may have run out.
    LeaseRunsOut { id: ServerId },
    /// An election may be over.
    EtcdSettles,
    /// Something that was planned for the world.
    Fault(Box<Fault>),
}

/// All of the world but the nodes.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) now: Timestamp,
    pub(crate) queue: Queue<Happening>,
    pub(crate) plane: Plane,
    pub(crate) network: Network,
    pub(crate) names: Names,
    pub(crate) chance: Chance,
    pub(crate) log: Timeline,
    /// Lanes for a page, if somebody wants one.
    pub(crate) record: Option<Record>,
    /// Something changed that bears on connections.
    pub(crate) shaken: bool,
    /// Servers whose list of endpoints changed.
    pub(crate) spoken: Vec<ServerId>,
    /// The first breach of a rule.
    pub(crate) breach: Option<Breach>,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// When.
    pub at: Timestamp,
    /// On which node.
    pub node: String,
    /// Which rule, and how.
    pub what: String,
}

/// Who took a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) server: ServerId,
    pub(crate) incarnation: u32,
}

/// What becomes of a packet that is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is taken, and answered.
    Open(Peer),
    /// A kernel takes it, nobody answers.
    Mute(Peer),
    /// Nothing comes back.
    Silent,
    /// A reset comes back.
    Reset,
}

impl Scene {
    /// A rule was broken; the first one counts.
    pub(crate) fn break_rule(&mut self, node: &str, what: String) {
        if self.breach.is_none() {
            self.log.tell(self.now, node, &format!("BREAKS A RULE: {what}"));
            if let Some(record) = &mut self.record {
                record.mark(
                    self.now,
                    Group::Node,
                    node,
                    Tone::Bad,
                    format!("breaks a rule: {what}"),
                );
            }
            self.breach = Some(Breach {
                at: self.now,
                node: node.to_owned(),
                what,
            });
        }
    }

    /// What a node decides, for a page.
    pub(crate) fn record_decisions(&mut self, node: &NodeSpec, actions: &[Action]) {
        if let Some(mut record) = self.record.take() {
            record.decide((&|endpoint| self.name_of(endpoint), self.now), node, actions);
            self.record = Some(record);
        }
    }

    /// What becomes of a new connection to `address`.
    pub(crate) fn reach_new(&self, node: NodeId, address: SocketAddr) -> Reach {
        let Some(id) = self.plane.at(address.ip()) else {
            return Reach::Silent;
        };
        let server = &self.plane[id];
        if server.host == Host::Silent || !self.network.connects(Place::Node(node), Place::Server(id)) {
            return Reach::Silent;
        }
        let listens = match address.port() {
            crate::plane::ETCD_PORT => server.is_member() && server.process != Process::Dead,
            _ => server.listens(),
        };
        let peer = Peer {
            server: id,
            incarnation: server.incarnation,
        };
        match (listens, server.frozen) {
            (false, _) => Reach::Reset,
            (true, false) => Reach::Open(peer),
            (true, true) => Reach::Mute(peer),
        }
    }

    /// What becomes of a connection to `address` that `peer` once took.
    pub(crate) fn reach(&self, node: NodeId, address: SocketAddr, peer: Peer) -> Reach {
        let Some(owner) = self.plane.at(address.ip()) else {
            return Reach::Silent;
        };
        let server = &self.plane[owner];
        if server.host == Host::Silent || !self.network.connects(Place::Node(node), Place::Server(owner)) {
            return Reach::Silent;
        }
        let same = owner == peer.server && server.incarnation == peer.incarnation;
        if !same || server.process == Process::Dead {
            return Reach::Reset;
        }
        match server.frozen {
            true => Reach::Mute(peer),
            false => Reach::Open(peer),
        }
    }

    /// Whether some server of ours is ready and reached by this node.
    pub(crate) fn is_served(&self, node: NodeId) -> bool {
        self.plane.ids().any(|id| {
            !self.plane[id].foreign
                && self.plane.is_ready(id, self.now)
                && self.network.connects(Place::Node(node), Place::Server(id))
        })
    }
}
