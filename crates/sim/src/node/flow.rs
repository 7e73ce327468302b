//! One exchange with a server: connect, TLS, a question and its answer, each phase under its own limit.
//!
//! What a phase comes to is seen when it begins, from the world as it is then, and seen anew whenever the world changes
//! while it lasts: what went into silence is sent again by TCP's own clock, what a frozen server's kernel holds is
//! answered as soon as it goes on, what a dead process held is reset.

mod place;

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{LocalFault, Phase, ProbeFailure, ProbeLimits, StartProbe, Timestamp, Untrusted};

use crate::network::sent_again;
use crate::node::Node;
use crate::plane::ServerId;
use crate::plane::answers::{Question, Said};
use crate::scene::{Happening, Peer, Reach, Scene};

use place::Place;

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) purpose: Purpose,
    pub(crate) target: SocketAddr,
    pub(crate) phase: Phase,
    pub(crate) began: Timestamp,
    phase_began: Timestamp,
    limits: ProbeLimits,
    /// Who took it.
    pub(crate) peer: Option<Peer>,
    outlook: Outlook,
    due: Timestamp,
    /// How long the connect took.
    pub(crate) connect: Option<Duration>,
    /// The credential is shown.
    known: bool,
    /// A supervisor's place that it takes, or that it did not get.
    place: Place,
}

/// What an exchange is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Probe(StartProbe),
    /// One server's turn in a refresh.
    Attempt {
        source: usize,
        question: Question,
    },
    /// One upstream's in a client's dial.
    Contender {
        dial: u32,
    },
}

/// What the present phase comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    Lands,
    Refused,
    /// Nothing comes, for the network says nothing; the limit ends it.
    Silent,
    /// Nothing comes, for nobody behind the kernel answers.
    Mute,
    Local(LocalFault),
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Said(Said, ServerId),
    /// As deep as was wanted.
    Deep,
    Failed(ProbeFailure),
}

impl Node {
    /// Begins an exchange; on a kept connection, `peer`'s, with the question.
    pub(crate) fn open_flow(
        &mut self,
        scene: &mut Scene,
        purpose: Purpose,
        target: SocketAddr,
        limits: ProbeLimits,
        peer: Option<Peer>,
    ) -> u32 {
        let number = self.next_number();
        let known = self.spec.credential;
        let flow = Flow {
            purpose,
            target,
            phase: if peer.is_some() {
                Phase::Http
            } else {
                Phase::Connect
            },
            began: scene.now,
            phase_began: scene.now,
            limits,
            peer,
            outlook: Outlook::Lands,
            due: scene.now,
            connect: None,
            known,
            place: Place::None,
        };
        self.flows.insert(number, flow);
        self.begin_phase(scene, number);
        number
    }

    fn begin_phase(&mut self, scene: &mut Scene, number: u32) {
        let fault = self.fault;
        let id = self.id;
        let Some(flow) = self.flows.get_mut(&number) else {
            return;
        };
        flow.phase_began = scene.now;
        flow.measure(scene);
        let trip = scene.network.round_trip();
        let reach = flow.reach(scene, id);
        let limit = flow.limit_at();
        let (outlook, due) = match (fault.filter(|_| flow.phase == Phase::Connect), reach) {
            (Some(fault), _) => (Outlook::Local(fault), scene.now),
            (None, Reach::Open(peer)) => {
                flow.peer = Some(peer);
                let losses = scene
                    .network
                    .losses(&mut scene.chance, flow.phase == Phase::Connect);
                (
                    Outlook::Lands,
                    scene.now + trip + losses + flow.work(scene, peer.server),
                )
            }
            (None, Reach::Mute(peer)) if flow.phase == Phase::Connect => {
                flow.peer = Some(peer);
                (Outlook::Lands, scene.now + trip)
            }
            (None, Reach::Mute(_)) => (Outlook::Mute, limit),
            (None, Reach::Silent) => (Outlook::Silent, limit),
            (None, Reach::Reset) => (Outlook::Refused, scene.now + trip),
        };
        let late = due > limit && outlook == Outlook::Lands;
        flow.plan(
            scene,
            id,
            number,
            if late { Outlook::Silent } else { outlook },
            due.min(limit),
        );
    }

    /// A phase's end has come, unless it was planned anew.
    pub(crate) fn flow_due(&mut self, scene: &mut Scene, number: u32) {
        let Some(flow) = self.flows.get_mut(&number).filter(|flow| flow.due == scene.now) else {
            return;
        };
        let refused = |detail: &str| {
            Ended::Failed(ProbeFailure::Refused {
                detail: detail.to_owned(),
            })
        };
        match (flow.outlook, flow.phase) {
            (Outlook::Local(fault), _) => {
                self.end_flow(scene, number, Ended::Failed(ProbeFailure::Local { fault }));
            }
            (Outlook::Refused, Phase::Connect) => {
                let now = scene.now;
                if let Some(id) = scene.plane.at(flow.target.ip()) {
                    scene.plane[id].meter.refused.count(now);
                }
                self.end_flow(scene, number, refused("refused the connection"))
            }
            (Outlook::Refused, Phase::Tls) => {
                self.end_flow(scene, number, refused("closed during the handshake"))
            }
            (Outlook::Refused, Phase::Http) => self.flow_dies(scene, number),
            (Outlook::Silent | Outlook::Mute, phase) => {
                self.end_flow(scene, number, Ended::Failed(ProbeFailure::TimedOut { phase }));
            }
            (Outlook::Lands, Phase::Connect) => {
                flow.connect = Some(scene.now.since(flow.phase_began));
                flow.phase = Phase::Tls;
                self.flow_connected(scene, number);
            }
            (Outlook::Lands, Phase::Tls) => self.flow_shaken(scene, number),
            (Outlook::Lands, Phase::Http) => self.flow_answered(scene, number),
        }
    }

    /// A kept connection that turns out dead is replaced by a new one at once.
    fn flow_dies(&mut self, scene: &mut Scene, number: u32) {
        let Some(flow) = self.flows.get_mut(&number) else {
            return;
        };
        if flow.connect.is_none() {
            flow.phase = Phase::Connect;
            flow.peer = None;
            return self.begin_phase(scene, number);
        }
        let detail = "reset the connection".to_owned();
        self.end_flow(scene, number, Ended::Failed(ProbeFailure::Refused { detail }));
    }

    fn flow_connected(&mut self, scene: &mut Scene, number: u32) {
        let shallow = self.manner.depth == jackline_core::Depth::Tcp;
        let Some(flow) = self.flows.get(&number) else {
            return;
        };
        match &flow.purpose {
            Purpose::Probe(_) if shallow => self.end_flow(scene, number, Ended::Deep),
            Purpose::Contender { dial } => {
                let dial = *dial;
                self.begin_phase(scene, number);
                self.contender_connected(scene, dial, number);
            }
            _ => self.begin_phase(scene, number),
        }
    }

    fn flow_shaken(&mut self, scene: &mut Scene, number: u32) {
        let tls_only = self.manner.depth == jackline_core::Depth::Tls;
        let Some(flow) = self.flows.get_mut(&number) else {
            return;
        };
        let Some(peer) = flow.peer else { return };
        if let Purpose::Contender { dial } = flow.purpose {
            return self.contender_answers(scene, dial, number);
        }
        let authority = scene.plane[peer.server].authority;
        if let Some(cause) = distrust(self.ca_read, authority, self.clock_off) {
            let detail = "its certificate does not verify".to_owned();
            return self.end_flow(
                scene,
                number,
                Ended::Failed(ProbeFailure::Untrusted { cause, detail }),
            );
        }
        if tls_only && matches!(flow.purpose, Purpose::Probe(_)) {
            return self.end_flow(scene, number, Ended::Deep);
        }
        flow.phase = Phase::Http;
        self.begin_phase(scene, number);
    }

    fn flow_answered(&mut self, scene: &mut Scene, number: u32) {
        let Some(flow) = self.flows.get_mut(&number) else {
            return;
        };
        let Some(peer) = flow.peer else { return };
        if flow.place == Place::Refused {
            return self.end_flow(scene, number, Ended::Said(Said::Busy, peer.server));
        }
        let question = flow.question();
        let said = scene.plane.answer(peer.server, &question, flow.known, scene.now);
        if said == Said::Nothing {
            // It waits for etcd; so do we.
            let limit = flow.limit_at();
            if scene.now < limit {
                return flow.plan(scene, self.id, number, Outlook::Mute, limit);
            }
            let phase = Phase::Http;
            return self.end_flow(scene, number, Ended::Failed(ProbeFailure::TimedOut { phase }));
        }
        self.end_flow(scene, number, Ended::Said(said, peer.server));
    }

    fn end_flow(&mut self, scene: &mut Scene, number: u32, ended: Ended) {
        let Some(flow) = self.drop_flow(scene, number) else {
            return;
        };
        match flow.purpose.clone() {
            Purpose::Probe(start) => self.end_probe(scene, &start, &flow, ended),
            Purpose::Attempt { source, .. } => {
                self.end_attempt(scene, source, number, (flow.target, flow.phase), ended)
            }
            Purpose::Contender { dial } => self.contender_fails(scene, dial, number, &flow, &ended),
        }
    }

    pub(crate) fn flow(&self, number: u32) -> Option<&Flow> {
        self.flows.get(&number)
    }

    /// The world changed: what becomes of the phases under way?
    pub(crate) fn reconsider_flows(&mut self, scene: &mut Scene) {
        let id = self.id;
        for (&number, flow) in &mut self.flows {
            if matches!(flow.outlook, Outlook::Local(_)) {
                continue;
            }
            let trip = scene.network.round_trip();
            let reach = flow.reach(scene, id);
            let elapsed = scene.now.since(flow.phase_began);
            let limit = flow.limit_at();
            let syn = flow.phase == Phase::Connect;
            match (flow.outlook, reach) {
                (Outlook::Silent, Reach::Open(peer)) => {
                    let at = flow.phase_began + sent_again(elapsed, syn) + trip;
                    flow.peer = Some(peer);
                    let at = at + flow.work(scene, peer.server);
                    if at < limit {
                        flow.plan(scene, id, number, Outlook::Lands, at);
                    }
                }
                (Outlook::Silent, Reach::Reset) => {
                    let at = flow.phase_began + sent_again(elapsed, syn) + trip;
                    if at < limit {
                        flow.plan(scene, id, number, Outlook::Refused, at);
                    }
                }
                (Outlook::Mute, Reach::Open(peer)) => {
                    let at = scene.now + trip + flow.work(scene, peer.server);
                    if at < limit {
                        flow.plan(scene, id, number, Outlook::Lands, at);
                    }
                }
                (Outlook::Mute | Outlook::Lands, Reach::Reset) if flow.phase != Phase::Connect => {
                    flow.plan(scene, id, number, Outlook::Refused, scene.now + trip);
                }
                (Outlook::Lands, Reach::Open(peer)) if flow.phase == Phase::Http => {
                    // What waited in an overloaded server is answered soon once it is not any more.
                    let at = scene.now + trip + flow.work(scene, peer.server);
                    if at < flow.due && scene.plane[peer.server].slow.is_none() {
                        flow.plan(scene, id, number, Outlook::Lands, at);
                    }
                }
                (Outlook::Lands, Reach::Silent) => flow.plan(scene, id, number, Outlook::Silent, limit),
                (Outlook::Lands, Reach::Mute(_)) if flow.phase != Phase::Connect => {
                    flow.plan(scene, id, number, Outlook::Mute, limit);
                }
                _ => {}
            }
        }
    }
}

impl Flow {
    fn reach(&self, scene: &Scene, node: crate::network::NodeId) -> Reach {
        match (self.phase, self.peer) {
            (Phase::Connect, _) | (_, None) => scene.reach_new(node, self.target),
            (_, Some(peer)) => scene.reach(node, self.target, peer),
        }
    }

    fn limit_at(&self) -> Timestamp {
        self.phase_began
            + match self.phase {
                Phase::Connect => self.limits.connect,
                Phase::Tls => self.limits.tls,
                Phase::Http => self.limits.http,
            }
    }

    fn question(&self) -> Question {
        match &self.purpose {
            Purpose::Attempt { question, .. } => question.clone(),
            Purpose::Probe(_) | Purpose::Contender { .. } => Question::Readyz,
        }
    }

    /// What the server's own work adds to the way.
    fn work(&self, scene: &mut Scene, server: ServerId) -> Duration {
        match self.phase {
            Phase::Connect => Duration::ZERO,
            Phase::Tls => scene.chance.millis(1, 4),
            Phase::Http => scene.plane.takes(server, &self.question(), &mut scene.chance),
        }
    }

    fn plan(
        &mut self,
        scene: &mut Scene,
        node: crate::network::NodeId,
        number: u32,
        outlook: Outlook,
        due: Timestamp,
    ) {
        self.outlook = outlook;
        self.due = due;
        scene.queue.push(due, Happening::Flow(node, number));
    }
}

/// Why a certificate of `authority` does not verify against the CA that was read, by a clock that is off by so much.
pub(crate) fn distrust(read: u32, authority: u32, clock_off: i64) -> Option<Untrusted> {
    const YEAR: i64 = 365 * 24 * 3600;
    match clock_off {
        _ if read != authority => Some(Untrusted::UnknownIssuer),
        late if late > YEAR => Some(Untrusted::Expired),
        early if early < -YEAR => Some(Untrusted::NotYetValid),
        _ => None,
    }
}
