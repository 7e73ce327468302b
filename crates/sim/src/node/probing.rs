//! What `crates/probe` does: TCP, TLS verified, `GET /readyz`, and the words for what came of it.

use jackline_core::{Answer, Depth, Event, Finding, ProbeFailure, StartProbe};

use crate::node::Node;
use crate::node::flow::{Ended, Flow, Purpose};
use crate::plane::answers::Said;
use crate::scene::Scene;

impl Node {
    pub(crate) fn start_probe(&mut self, scene: &mut Scene, start: StartProbe) {
        let kept = self.kept.remove(&start.endpoint).filter(|_| !start.fresh);
        let (endpoint, limits) = (start.endpoint, start.limits);
        self.open_flow(scene, Purpose::Probe(start), endpoint, limits, kept);
    }

    pub(crate) fn end_probe(&mut self, scene: &mut Scene, start: &StartProbe, flow: &Flow, ended: Ended) {
        let (endpoint, probe) = (start.endpoint, start.probe);
        let known = self.spec.credential;
        let (answer, depth) = match ended {
            Ended::Deep => (Answer::Ready, self.manner.depth),
            Ended::Said(said, _) => match said_of_readyz(said) {
                Some(answer) => (answer, Depth::Readyz),
                None => {
                    let detail = "answered as no apiserver does".to_owned();
                    let failure = ProbeFailure::Nonsense { detail };
                    return self.tell(
                        scene,
                        Event::ProbeFailed {
                            endpoint,
                            probe,
                            failure,
                        },
                    );
                }
            },
            Ended::Failed(failure) => {
                return self.tell(
                    scene,
                    Event::ProbeFailed {
                        endpoint,
                        probe,
                        failure,
                    },
                );
            }
        };
        if start.keep
            && answer == Answer::Ready
            && let Some(peer) = flow.peer
        {
            self.kept.insert(endpoint, peer);
        }
        let finding = Finding {
            depth,
            answer,
            connect: flow.connect,
            total: scene.now.since(flow.began),
            authenticated: known,
        };
        self.tell(
            scene,
            Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            },
        );
    }
}

fn said_of_readyz(said: Said) -> Option<Answer> {
    match said {
        Said::Good => Some(Answer::Ready),
        Said::NotReady(failed) => Some(Answer::NotReady { status: 500, failed }),
        Said::NoApi => Some(Answer::NoApi),
        Said::Refused => Some(Answer::Alive),
        Said::Unavailable(_) => Some(Answer::NotReady {
            status: 503,
            failed: Vec::new(),
        }),
        Said::Busy | Said::List(..) | Said::Nodes(_) | Said::Lease(_) | Said::Nothing => None,
    }
}
