//! What `crates/proxy` does until a client has its upstream: hedged dials (S3), first flights (S4), the hold (S6).
//!
//! Nearer to the rules than to the sockets: one walk serves dials and repeats alike, and an endpoint is dialled once at
//! a time.

use std::collections::VecDeque;
use std::time::Duration;

use jackline_core::{Ending, Event, Phase, ProbeFailure, ProbeLimits, Timestamp};

use crate::node::closing::Plan;
use crate::node::flow::Purpose;
use crate::node::{BUCKET, Node};
use crate::policy::Candidate;
use crate::scene::{Happening, Scene};

/// Pauses between two walks (S6).
const ROUND_PAUSE: (u64, u64) = (25, 75);
/// What a hedge or a repeat takes from the bucket, in tenths.
const HEDGE: u32 = 10;
/// Upstreams of one client under way at a time.
const CONTENDERS_MAX: usize = 8;

/// A client's search for an upstream.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) client: usize,
    walk: VecDeque<Candidate>,
    pub(crate) contenders: Vec<Contender>,
    /// Nobody new is taken after this.
    until: Timestamp,
    /// The client goes away.
    patience_ends: Timestamp,
    paused_until: Option<Timestamp>,
    /// The last dial failed: the next one takes its place and is no hedge.
    pub(crate) vacant: bool,
}

/// An upstream that may become the client's.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) flow: u32,
    pub(crate) candidate: Candidate,
    began: Timestamp,
    pub(crate) connected: Option<Timestamp>,
    pub(crate) plan: Option<Plan>,
}

impl Contender {
    /// From when on it counts as silent.
    pub(crate) fn silent_from(&self) -> Timestamp {
        match self.connected {
            None => self.began + self.candidate.silence,
            Some(connected) => connected + self.candidate.patience,
        }
    }
}

impl Node {
    /// A client connects. `patience`: for how long it waits for the first answer.
    pub(crate) fn start_dial(&mut self, scene: &mut Scene, client: usize, patience: Duration) -> Option<u32> {
        let walk = self.read_candidates(scene)?;
        let number = self.next_number();
        self.dials.insert(
            number,
            Dial {
                client,
                walk,
                contenders: Vec::new(),
                until: scene.now + self.manner.hold,
                patience_ends: scene.now + patience,
                paused_until: None,
                vacant: true,
            },
        );
        self.bucket = (self.bucket + 1).min(BUCKET);
        self.advance_dial(scene, number);
        Some(number)
    }

    /// Whom the policy names now: none of them may be an impostor (H8).
    fn read_candidates(&self, scene: &mut Scene) -> Option<VecDeque<Candidate>> {
        let candidates = self.mind.as_ref()?.candidates();
        let breach = candidates
            .iter()
            .find_map(|candidate| self.oracle.judge_dial(candidate.endpoint));
        if let Some(breach) = breach {
            scene.break_rule(&self.spec.name, breach);
        }
        Some(candidates.into())
    }

    /// Starts the next dial if its time has come; ends the search when there is nobody left.
    pub(crate) fn advance_dial(&mut self, scene: &mut Scene, number: u32) {
        let now = scene.now;
        loop {
            let Some(dial) = self.dials.get_mut(&number) else {
                return;
            };
            if now >= dial.patience_ends {
                return self.abandon_dial(scene, number);
            }
            if dial
                .contenders
                .iter()
                .any(|contender| now < contender.silent_from())
                || dial.contenders.len() >= CONTENDERS_MAX
                || dial.paused_until.is_some_and(|until| now < until)
            {
                break;
            }
            let connected = dial
                .contenders
                .iter()
                .any(|contender| contender.connected.is_some());
            let once = self.manner.hold.is_zero();
            if now > dial.until && !connected && (dial.walk.is_empty() || !once) {
                return self.fail_dial(scene, number);
            }
            let Some(candidate) = dial.walk.front().copied() else {
                if !self.walk_again(scene, number) {
                    break;
                }
                continue;
            };
            let busy = |contender: &Contender| contender.candidate.endpoint == candidate.endpoint;
            if dial.contenders.iter().any(busy) {
                dial.walk.pop_front();
                continue;
            }
            let hedge = !dial.contenders.is_empty() && !dial.vacant;
            if hedge && self.bucket < HEDGE {
                if self.abandon(scene, number) {
                    continue;
                }
                break;
            }
            if hedge {
                self.bucket -= HEDGE;
                self.tally.hedges += 1;
            }
            dial.walk.pop_front();
            dial.vacant = false;
            self.dial_one(scene, number, candidate);
        }
        self.plan_dial(scene, number);
    }

    /// Where a hedge cannot be afforded, the next dial takes the place of one that was given twice its time.
    fn abandon(&mut self, scene: &mut Scene, number: u32) -> bool {
        let Some(dial) = self.dials.get_mut(&number) else {
            return false;
        };
        let given = |contender: &Contender| {
            contender.connected.is_none()
                && scene.now >= contender.began + contender.candidate.silence.saturating_mul(2)
        };
        let Some(index) = dial.contenders.iter().position(given) else {
            return false;
        };
        let abandoned = dial.contenders.remove(index);
        dial.vacant = true;
        self.drop_flow(scene, abandoned.flow);
        let phase = Phase::Connect;
        self.tell_failed_dial(
            scene,
            abandoned.candidate.endpoint,
            &ProbeFailure::TimedOut { phase },
        );
        true
    }

    /// All candidates once more, after a pause (S6); `false`: not now.
    fn walk_again(&mut self, scene: &mut Scene, number: u32) -> bool {
        let fresh = self.read_candidates(scene).unwrap_or_default();
        let Some(dial) = self.dials.get_mut(&number) else {
            return false;
        };
        let connected = dial
            .contenders
            .iter()
            .any(|contender| contender.connected.is_some());
        if scene.now > dial.until || connected {
            return false;
        }
        if dial.paused_until.take().is_some() {
            dial.walk = fresh;
            if !dial.walk.is_empty() {
                return true;
            }
        }
        dial.paused_until = Some(scene.now + self.chance.millis(ROUND_PAUSE.0, ROUND_PAUSE.1));
        false
    }

    fn dial_one(&mut self, scene: &mut Scene, number: u32, candidate: Candidate) {
        let endpoint = candidate.endpoint;
        let Some(dial) = self.dials.get(&number) else {
            return;
        };
        let limits = ProbeLimits {
            connect: self.manner.dial_limit,
            tls: dial.patience_ends.since(scene.now),
            http: Duration::ZERO,
        };
        let purpose = Purpose::Contender { dial: number };
        let flow = self.open_flow(scene, purpose, endpoint, limits, None);
        if let Some(dial) = self.dials.get_mut(&number) {
            dial.contenders.push(Contender {
                flow,
                candidate,
                began: scene.now,
                connected: None,
                plan: None,
            });
        }
    }

    pub(crate) fn plan_dial(&mut self, scene: &mut Scene, number: u32) {
        let Some(dial) = self.dials.get(&number) else {
            return;
        };
        let silences = dial.contenders.iter().map(Contender::silent_from);
        let abandons = dial
            .contenders
            .iter()
            .filter(|contender| {
                contender.connected.is_none() && contender.candidate.silence < Duration::MAX / 2
            })
            .map(|contender| contender.began + contender.candidate.silence * 2);
        let hold_ends = dial.until + Duration::from_millis(1);
        let next = silences
            .chain(abandons)
            .chain(dial.paused_until)
            .chain([hold_ends, dial.patience_ends])
            .filter(|moment| *moment > scene.now)
            .min();
        if let Some(next) = next {
            scene.queue.push(next, Happening::Dial(self.id, number));
        }
    }

    /// Nobody took the client within the hold: it is reset.
    pub(crate) fn fail_dial(&mut self, scene: &mut Scene, number: u32) {
        let Some(dial) = self.dials.remove(&number) else {
            return;
        };
        for contender in dial.contenders {
            self.drop_flow(scene, contender.flow);
            let endpoint = contender.candidate.endpoint;
            if contender.connected.is_some() {
                let ending = Ending::Ours;
                self.tell(scene, Event::SessionClosed { endpoint, ending });
            } else {
                let phase = Phase::Connect;
                self.tell_failed_dial(scene, endpoint, &ProbeFailure::TimedOut { phase });
            }
        }
        self.client_gets_none(scene, dial.client);
    }

    /// The client went away.
    fn abandon_dial(&mut self, scene: &mut Scene, number: u32) {
        let Some(dial) = self.dials.remove(&number) else {
            return;
        };
        for contender in dial.contenders {
            self.drop_flow(scene, contender.flow);
            if contender.connected.is_some() {
                let (endpoint, ending) = (contender.candidate.endpoint, Ending::Downstream);
                self.tell(scene, Event::SessionClosed { endpoint, ending });
            }
        }
        self.client_gets_none(scene, dial.client);
    }
}
