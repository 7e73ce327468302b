//! What becomes of an upstream that may be a client's: it connects, it answers, or it comes to nothing.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{DialFailure, Ending, Event, Phase, ProbeFailure};

use crate::node::Node;
use crate::node::dialling::Contender;
use crate::node::flow::{Ended, Flow, distrust};
use crate::node::session::Session;
use crate::scene::Scene;

/// The proxy's pace of telling one endpoint's failed dials.
const FAILED_GAP: Duration = Duration::from_millis(100);

impl Node {
    /// A contender's connect succeeded: dials that still wait are given up.
    pub(crate) fn contender_connected(&mut self, scene: &mut Scene, number: u32, flow: u32) {
        let Some(connect) = self.flow(flow).and_then(|flow| flow.connect) else {
            return;
        };
        let now = scene.now;
        let Some(dial) = self.dials.get_mut(&number) else {
            return;
        };
        let Some(index) = dial
            .contenders
            .iter()
            .position(|contender| contender.flow == flow)
        else {
            return;
        };
        dial.contenders[index].connected = Some(now);
        let endpoint = dial.contenders[index].candidate.endpoint;
        let (waiting, stay): (Vec<Contender>, Vec<Contender>) = dial
            .contenders
            .drain(..)
            .partition(|contender| contender.connected.is_none());
        dial.contenders = stay;
        for loser in &waiting {
            self.drop_flow(scene, loser.flow);
        }
        for loser in waiting.iter().filter(|loser| now >= loser.silent_from()) {
            let silent = loser.candidate.endpoint;
            self.tell(
                scene,
                Event::HedgeWon {
                    silent,
                    winner: endpoint,
                },
            );
        }
        self.tally.connects += 1;
        self.tell(scene, Event::SessionOpened { endpoint, connect });
        self.plan_dial(scene, number);
    }

    /// A contender gave the first byte: the client is its.
    pub(crate) fn contender_answers(&mut self, scene: &mut Scene, number: u32, flow: u32) {
        let Some(dial) = self.dials.remove(&number) else {
            return;
        };
        let Some(won) = self.drop_flow(scene, flow) else {
            return;
        };
        let mut winner = None;
        for contender in dial.contenders {
            if contender.flow == flow {
                winner = Some(contender);
                continue;
            }
            self.drop_flow(scene, contender.flow);
            let silent = contender.candidate.endpoint;
            if scene.now >= contender.silent_from() && silent != won.target {
                self.tell(
                    scene,
                    Event::HedgeWon {
                        silent,
                        winner: won.target,
                    },
                );
            }
            if contender.connected.is_some() {
                let ending = Ending::Ours;
                self.tell(
                    scene,
                    Event::SessionClosed {
                        endpoint: silent,
                        ending,
                    },
                );
            }
        }
        let (Some(winner), Some(peer)) = (winner, won.peer) else {
            return self.client_gets_none(scene, dial.client);
        };
        let after = winner
            .connected
            .map_or(Duration::ZERO, |connected| scene.now.since(connected));
        let endpoint = won.target;
        self.tell(scene, Event::SessionAnswered { endpoint, after });
        let now = scene.now;
        scene.plane[peer.server].meter.clients.count(now);
        let authority = scene.plane[peer.server].authority;
        let trusted = [self.ca_file, scene.plane.authority];
        let verifies = trusted
            .iter()
            .any(|ca| distrust(*ca, authority, self.clock_off).is_none());
        if !verifies {
            let ending = Ending::Downstream;
            self.tell(scene, Event::SessionClosed { endpoint, ending });
            return self.client_gets_none(scene, dial.client);
        }
        let session = Session::new(dial.client, endpoint, peer, scene.now, winner.plan);
        self.settle_session(scene, flow, session);
    }

    /// A contender came to nothing: the next candidate takes its place at once.
    pub(crate) fn contender_fails(
        &mut self,
        scene: &mut Scene,
        number: u32,
        flow: u32,
        failed: &Flow,
        ended: &Ended,
    ) {
        let Some(dial) = self.dials.get_mut(&number) else {
            return;
        };
        dial.contenders.retain(|contender| contender.flow != flow);
        dial.vacant = true;
        let endpoint = failed.target;
        match (failed.phase, ended) {
            (Phase::Connect, Ended::Failed(failure)) => self.tell_failed_dial(scene, endpoint, failure),
            (_, Ended::Failed(ProbeFailure::Refused { .. })) => {
                let ending = Ending::UpstreamSilent;
                self.tell(scene, Event::SessionClosed { endpoint, ending });
            }
            _ => {
                let ending = Ending::Downstream;
                self.tell(scene, Event::SessionClosed { endpoint, ending });
            }
        }
        match self.manner.tries_next {
            true => self.advance_dial(scene, number),
            false => self.fail_dial(scene, number),
        }
    }

    pub(crate) fn tell_failed_dial(
        &mut self,
        scene: &mut Scene,
        endpoint: SocketAddr,
        failure: &ProbeFailure,
    ) {
        if self.told.get(&endpoint).is_some_and(|next| scene.now < *next) {
            return;
        }
        self.told.insert(endpoint, scene.now + FAILED_GAP);
        let failure = match failure {
            ProbeFailure::TimedOut { .. } => DialFailure::TimedOut,
            ProbeFailure::Local { fault } => DialFailure::Local(*fault),
            _ => DialFailure::Refused,
        };
        self.tell(scene, Event::DialFailed { endpoint, failure });
    }
}
