//! What an exchange costs its server: handshakes, requests, and a supervisor's place, which is left when the exchange ends,
//! however it does.

use jackline_core::Phase;

use super::{Flow, Purpose};
use crate::node::Node;
use crate::plane::ServerId;
use crate::plane::answers::Question;
use crate::scene::Scene;

/// A question's place at a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It needs none.
    None,
    Taken(ServerId),
    /// There was none left.
    Refused,
}

impl Node {
    /// Gives up an exchange; nobody is told.
    pub(crate) fn drop_flow(&mut self, scene: &mut Scene, number: u32) -> Option<Flow> {
        let flow = self.flows.remove(&number)?;
        if let Place::Taken(server) = flow.place {
            scene.plane[server].meter.leave_place();
        }
        Some(flow)
    }

    /// Gives up all of them.
    pub(crate) fn drop_flows(&mut self, scene: &mut Scene) {
        while let Some(number) = self.flows.keys().next().copied() {
            self.drop_flow(scene, number);
        }
    }
}

impl Flow {
    /// What the phase that begins costs its server.
    pub(super) fn measure(&mut self, scene: &mut Scene) {
        let Some(peer) = self.peer else { return };
        let now = scene.now;
        let server = &mut scene.plane[peer.server];
        match (self.phase, &self.purpose) {
            (Phase::Tls, Purpose::Contender { .. }) => server.meter.connects.count(now),
            (Phase::Tls, _) => {
                server.meter.connects.count(now);
                server.meter.ours.count(now);
            }
            (Phase::Http, Purpose::Contender { .. }) | (Phase::Connect, _) => {}
            (Phase::Http, _) => {
                server.meter.requests.count(now);
                if self.question() == Question::Supervisor && self.place == Place::None {
                    self.place = match server.meter.take_place() {
                        true => Place::Taken(peer.server),
                        false => Place::Refused,
                    };
                }
            }
        }
    }
}
