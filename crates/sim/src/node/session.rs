//! Sessions: requests and answers on them, stalls (D4), and how they end (D1, D3).

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Ending, Event, Timestamp};

use crate::network::{Place, sent_again};
use crate::node::Node;
use crate::node::closing::Plan;
use crate::plane::answers::{Question, Said};
use crate::scene::{Happening, Peer, Reach, Scene};

/// A session that sent something and heard nothing for this long is stalled (D4).
const STALL: Duration = Duration::from_secs(1);
/// The proxy tells progress of an endpoint at most so often.
const PROGRESSED_GAP: Duration = Duration::from_secs(1);
/// When a machine that was silent is back, the next packet on an old connection is a keep-alive's.
const NEXT_KEEP_ALIVE: (u64, u64) = (1, 2000);

/// One client's connection to one server, through us.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: usize,
    pub(crate) endpoint: SocketAddr,
    pub(crate) peer: Peer,
    pub(crate) opened: Timestamp,
    /// The last byte from the client, and from the server.
    pub(crate) asked: Option<Timestamp>,
    pub(crate) heard: Option<Timestamp>,
    /// It has not answered what was asked last.
    owed: bool,
    question: Question,
    /// When the answer comes, as things stand.
    answer: Option<Timestamp>,
    stall: Option<Timestamp>,
    overdue: bool,
    dies: Option<(Timestamp, Ending)>,
    pub(crate) plan: Option<Plan>,
}

impl Session {
    pub(crate) fn new(
        client: usize,
        endpoint: SocketAddr,
        peer: Peer,
        now: Timestamp,
        plan: Option<Plan>,
    ) -> Self {
        Self {
            client,
            endpoint,
            peer,
            opened: now,
            asked: None,
            // The server's part of the handshake.
            heard: Some(now),
            owed: false,
            question: Question::Request(None),
            answer: None,
            stall: None,
            overdue: false,
            dies: None,
            plan,
        }
    }

    /// The client waits for an answer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.owed
    }

    /// D4: owing an answer, and silent for at least `least`.
    pub(crate) fn is_silent(&self, least: Duration, now: Timestamp) -> bool {
        self.is_waiting() && now.since(self.heard.unwrap_or(self.opened)) >= least
    }
}

impl Node {
    pub(crate) fn settle_session(&mut self, scene: &mut Scene, number: u32, session: Session) {
        let client = session.client;
        if session.plan.is_some() {
            scene.queue.push(scene.now, Happening::Plan(self.id, number));
        }
        self.sessions.insert(number, session);
        self.tally.sessions += 1;
        self.client_connected(scene, client, number);
    }

    /// The client sends something that wants an answer.
    pub(crate) fn ask_on(&mut self, scene: &mut Scene, number: u32, question: Question) {
        let (id, now) = (self.id, scene.now);
        let backstop = self.manner.unacknowledged_after;
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        // A write arrives also where no answer finds its way back.
        session.asked = Some(now);
        session.owed = true;
        session.question = question;
        session.answer = None;
        let trip = scene.network.round_trip();
        match scene.reach(id, session.endpoint, session.peer) {
            Reach::Open(peer) => {
                let losses = scene.network.losses(&mut scene.chance, false);
                let takes = scene
                    .plane
                    .takes(peer.server, &session.question, &mut scene.chance);
                let at = now + trip + losses + takes;
                session.answer = Some(at);
                scene.queue.push(at, Happening::Session(id, number));
            }
            Reach::Reset => {
                session.dies = Some((now + trip, Ending::Upstream));
                scene.queue.push(now + trip, Happening::Session(id, number));
            }
            Reach::Silent => {
                let at = now + backstop;
                session.dies.get_or_insert((at, Ending::PeerDead));
                scene.queue.push(at, Happening::Session(id, number));
                arrives_one_way(scene, id, session);
            }
            Reach::Mute(_) => {}
        }
        let soon = session.answer.is_some_and(|at| at <= now + STALL);
        if !soon {
            let at = now + STALL;
            session.stall = Some(at);
            scene.queue.push(at, Happening::Session(id, number));
        }
    }

    /// Whatever is due on a session.
    pub(crate) fn session_due(&mut self, scene: &mut Scene, number: u32) {
        let now = scene.now;
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        if let Some((_, ending)) = session.dies.filter(|(at, _)| *at <= now) {
            return self.end_session(scene, number, ending);
        }
        if session.answer.is_some_and(|at| at <= now) {
            session.answer = None;
            return self.session_answered(scene, number);
        }
        if session.stall.is_some_and(|at| at <= now) {
            session.stall = None;
            if session.is_waiting() {
                let endpoint = session.endpoint;
                let again = std::mem::replace(&mut session.overdue, true);
                self.tell(scene, Event::SessionStalled { endpoint, again });
            }
        }
    }

    fn session_answered(&mut self, scene: &mut Scene, number: u32) {
        let now = scene.now;
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let server = session.peer.server;
        let said = scene.plane.answer(server, &session.question, true, now);
        if said == Said::Nothing {
            // It waits for etcd; so does the client.
            let at = now + STALL;
            session.stall = Some(at);
            return scene.queue.push(at, Happening::Session(self.id, number));
        }
        if said == Said::Good
            && let Question::Request(Some(node)) = session.question
            && !scene.plane[server].loses_writes
            && let Some(renewal) = scene.plane.renewals.get_mut(node.0)
        {
            *renewal = now;
        }
        self.hear(scene, number);
        self.client_answered(scene, number, said == Said::Good);
    }

    /// Bytes came from the server.
    pub(crate) fn hear(&mut self, scene: &mut Scene, number: u32) {
        let now = scene.now;
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        session.heard = Some(now);
        session.owed = false;
        session.overdue = false;
        session.stall = None;
        let endpoint = session.endpoint;
        if let Some(plan) = session.plan {
            let quiet = now + Duration::from_millis(100);
            if matches!(plan, Plan::Quiet { .. }) {
                scene.queue.push(quiet, Happening::Plan(self.id, number));
            }
        }
        let pace = self.progressed.entry(endpoint).or_default();
        if now >= *pace {
            *pace = now + PROGRESSED_GAP;
            self.tell(scene, Event::SessionsProgressed { endpoint });
        }
    }

    pub(crate) fn end_session(&mut self, scene: &mut Scene, number: u32, ending: Ending) {
        let Some(session) = self.sessions.remove(&number) else {
            return;
        };
        let endpoint = session.endpoint;
        self.tell(scene, Event::SessionClosed { endpoint, ending });
        self.client_lost(scene, session.client, ending);
    }

    /// The world changed: what becomes of connections that stand?
    pub(crate) fn reconsider_sessions(&mut self, scene: &mut Scene) {
        let (id, now) = (self.id, scene.now);
        let (dead_after, backstop) = (self.manner.dead_peer_after, self.manner.unacknowledged_after);
        for (&number, session) in &mut self.sessions {
            let trip = scene.network.round_trip();
            let due = match scene.reach(id, session.endpoint, session.peer) {
                Reach::Open(peer) => {
                    session.dies = None;
                    if !session.is_waiting() || session.answer.is_some() {
                        continue;
                    }
                    let elapsed = session.asked.map_or(Duration::ZERO, |asked| now.since(asked));
                    let again = sent_again(elapsed, false).saturating_sub(elapsed).min(STALL);
                    let takes = scene
                        .plane
                        .takes(peer.server, &session.question, &mut scene.chance);
                    let at = now + trip + again + takes;
                    session.answer = Some(at);
                    at
                }
                Reach::Reset if session.answer.is_some() && scene.plane[session.peer.server].finished => {
                    // What was in flight is finished before the end.
                    let at = session.answer.map_or(now, |at| at + Duration::from_millis(1));
                    session.dies.get_or_insert((at, Ending::Upstream));
                    at
                }
                Reach::Reset => {
                    let was_silent = session.dies.is_some_and(|(_, how)| how == Ending::PeerDead);
                    let after = match was_silent {
                        true => scene.chance.millis(NEXT_KEEP_ALIVE.0, NEXT_KEEP_ALIVE.1),
                        false => trip,
                    };
                    session.answer = None;
                    if session.dies.is_none_or(|(at, _)| at > now + after) {
                        session.dies = Some((now + after, Ending::Upstream));
                    }
                    now + after
                }
                Reach::Silent => {
                    session.answer = None;
                    if session.dies.is_some() {
                        continue;
                    }
                    let after = match session.is_waiting() {
                        // Keep-alive sleeps while data is unacknowledged.
                        true => backstop,
                        false => dead_after,
                    };
                    if after == Duration::MAX {
                        continue;
                    }
                    session.dies = Some((now + after, Ending::PeerDead));
                    now + after
                }
                Reach::Mute(_) => {
                    session.answer = None;
                    session.dies = None;
                    continue;
                }
            };
            scene.queue.push(due, Happening::Session(id, number));
            if session.is_waiting() && session.stall.is_none() && !session.overdue {
                session.stall = Some(now + STALL);
                scene.queue.push(now + STALL, Happening::Session(id, number));
            }
        }
    }
}

/// Where only the way back is cut, a write is stored all the same.
fn arrives_one_way(scene: &mut Scene, node: crate::network::NodeId, session: &Session) {
    let server = session.peer.server;
    let there = scene.network.is_open(Place::Node(node), Place::Server(server));
    let takes = scene.plane[server].runs() && scene.plane[server].incarnation == session.peer.incarnation;
    if !(there && takes) || scene.plane[server].loses_writes {
        return;
    }
    let said = scene.plane.answer(server, &session.question, true, scene.now);
    if let (Question::Request(Some(node)), Said::Good) = (&session.question, said)
        && let Some(renewal) = scene.plane.renewals.get_mut(node.0)
    {
        *renewal = scene.now;
    }
}
