//! The clients of a node: a kubelet, watchers, callers. They react as the real ones do (field-notes §4).

use std::time::Duration;

use jackline_core::{Ending, Timestamp};

use crate::node::Node;
use crate::plane::answers::Question;
use crate::scene::{Happening, Reach, Scene};
use crate::spec::ClientKind;

/// A kubelet renews its Lease so often, and waits so long for the answer; a caller waits so long.
const RENEWS_EVERY: Duration = Duration::from_secs(10);
const KUBELET_WAITS: Duration = Duration::from_secs(10);
const CALLER_WAITS: Duration = Duration::from_secs(5);
/// A watcher hears something so often.
const SPOKEN_TO: Duration = Duration::from_secs(15);
/// client-go pings a connection that was silent for so long, and gives it up so much later.
const PINGS_AFTER: Duration = Duration::from_secs(30);
const GIVES_UP_AFTER: Duration = Duration::from_secs(45);
/// A client whose connection ended, or was refused, dials again after so long.
const REDIALS: (u64, u64) = (50, 1000);

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    kind: ClientKind,
    session: Option<u32>,
    dial: Option<u32>,
    /// When its next act is planned.
    next: Timestamp,
    request: Option<Request>,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Request {
    began: Timestamp,
    /// Some server was ready and reachable when it began.
    served: bool,
}

impl Client {
    pub(crate) fn new(kind: ClientKind) -> Self {
        Self {
            kind,
            session: None,
            dial: None,
            next: Timestamp::ZERO,
            request: None,
        }
    }

    fn waits(&self) -> Duration {
        match self.kind {
            ClientKind::Kubelet | ClientKind::Watcher => KUBELET_WAITS,
            ClientKind::Caller(_) => CALLER_WAITS,
        }
    }

    fn every(&self) -> Duration {
        match self.kind {
            ClientKind::Kubelet => RENEWS_EVERY,
            ClientKind::Watcher => SPOKEN_TO,
            ClientKind::Caller(pause) => pause,
        }
    }
}

impl Node {
    /// Whether a client keeps its connection.
    pub(crate) fn is_lasting(&self, client: usize) -> bool {
        let kind = self.clients.get(client).map(|client| client.kind);
        !matches!(kind, Some(ClientKind::Caller(_)))
    }

    /// All clients start, each at a moment of its own.
    pub(crate) fn start_clients(&mut self, scene: &mut Scene) {
        for index in 0..self.clients.len() {
            let every = u64::try_from(self.clients[index].every().as_millis()).unwrap_or(0);
            let after = self.chance.millis(0, every);
            self.plan_client(scene, index, after);
        }
    }

    fn plan_client(&mut self, scene: &mut Scene, index: usize, after: Duration) {
        let at = scene.now + after;
        self.clients[index].next = at;
        scene.queue.push(at, Happening::Client(self.id, index));
    }

    /// A client's moment.
    pub(crate) fn client_acts(&mut self, scene: &mut Scene, index: usize) {
        if self.clients[index].next != scene.now {
            return;
        }
        let every = self.clients[index].every();
        self.plan_client(scene, index, every);
        let client = &self.clients[index];
        let late = |request: Request| scene.now >= request.began + client.waits();
        if client.request.is_some_and(late) {
            self.end_request(scene, index, false);
        }
        match (self.clients[index].kind, self.clients[index].session) {
            (ClientKind::Watcher, Some(session)) => self.listen(scene, session),
            (ClientKind::Kubelet, Some(session)) => {
                if !self.gives_up(scene, session) {
                    self.begin_request(scene, index);
                    self.ask_on(scene, session, Question::Request(Some(self.id)));
                }
            }
            (ClientKind::Caller(_), Some(session)) => {
                // The last answer is still awaited.
                if self.clients[index].request.is_none() {
                    self.end_session(scene, session, Ending::Downstream);
                }
            }
            (ClientKind::Watcher, None) => self.connect(scene, index),
            (_, None) => {
                self.begin_request(scene, index);
                self.connect(scene, index);
            }
        }
    }

    /// A watcher hears something, or pings, or gives up.
    fn listen(&mut self, scene: &mut Scene, number: u32) {
        let Some(session) = self.sessions.get(&number) else {
            return;
        };
        let silent = scene.now.since(session.heard.unwrap_or(session.opened));
        if matches!(
            scene.reach(self.id, session.endpoint, session.peer),
            Reach::Open(_)
        ) {
            self.hear(scene, number);
        } else if !self.gives_up(scene, number) && silent >= PINGS_AFTER {
            self.ask_on(scene, number, Question::Request(None));
        }
    }

    fn gives_up(&mut self, scene: &mut Scene, number: u32) -> bool {
        let Some(session) = self.sessions.get(&number) else {
            return true;
        };
        let silent = scene.now.since(session.heard.unwrap_or(session.opened));
        let over = silent >= GIVES_UP_AFTER;
        if over {
            self.end_session(scene, number, Ending::Downstream);
        }
        over
    }

    fn connect(&mut self, scene: &mut Scene, index: usize) {
        if self.clients[index].dial.is_some() {
            return;
        }
        let patience = self.clients[index].waits();
        match self.start_dial(scene, index, patience) {
            // The search may be over already.
            Some(dial) if self.dials.contains_key(&dial) => self.clients[index].dial = Some(dial),
            Some(_) => {}
            None => self.client_gets_none(scene, index),
        }
    }

    fn begin_request(&mut self, scene: &Scene, index: usize) {
        if self.clients[index].request.is_none() {
            self.clients[index].request = Some(Request {
                began: scene.now,
                served: scene.is_served(self.id) && self.mind.is_some(),
            });
        }
    }

    fn end_request(&mut self, scene: &mut Scene, index: usize, good: bool) {
        let Some(request) = self.clients[index].request.take() else {
            return;
        };
        self.tally.requests += 1;
        let failed = !good && request.served && self.mind.is_some();
        if good || failed {
            self.tally.end(scene.now, request.began, failed);
        }
        if good {
            self.tally.answered = scene.now;
            let took = scene.now.since(request.began);
            self.tally.slowest = self.tally.slowest.max(took);
        } else if failed {
            self.tally.failed += 1;
            self.tally.failed_began = request.began;
            let text = format!("fails a request that began at {}", request.began);
            scene.log.tell(scene.now, &self.spec.name, &text);
        }
    }

    /// A session is the client's now.
    pub(crate) fn client_connected(&mut self, scene: &mut Scene, index: usize, session: u32) {
        let client = &mut self.clients[index];
        client.dial = None;
        client.session = Some(session);
        match client.kind {
            ClientKind::Kubelet => {
                self.begin_request(scene, index);
                self.ask_on(scene, session, Question::Request(Some(self.id)));
            }
            ClientKind::Caller(_) => {
                self.begin_request(scene, index);
                self.ask_on(scene, session, Question::Request(None));
            }
            ClientKind::Watcher => self.ask_on(scene, session, Question::Request(None)),
        }
    }

    /// Its question was answered.
    pub(crate) fn client_answered(&mut self, scene: &mut Scene, number: u32, good: bool) {
        let Some(session) = self.sessions.get(&number) else {
            return;
        };
        let index = session.client;
        self.end_request(scene, index, good);
        if matches!(self.clients[index].kind, ClientKind::Caller(_)) {
            self.end_session(scene, number, Ending::Downstream);
        }
    }

    /// Its connection ended.
    pub(crate) fn client_lost(&mut self, scene: &mut Scene, index: usize, ending: Ending) {
        let client = &mut self.clients[index];
        client.session = None;
        if client.request.is_some() {
            match (client.kind, ending) {
                // client-go asks again on a new connection.
                (ClientKind::Kubelet | ClientKind::Watcher, _) => {}
                (ClientKind::Caller(_), _) => self.end_request(scene, index, false),
            }
        }
        if !matches!(self.clients[index].kind, ClientKind::Caller(_)) {
            let after = self.chance.millis(REDIALS.0, REDIALS.1);
            self.plan_client(scene, index, after);
        }
    }

    /// Its connection was refused or reset before anything came.
    pub(crate) fn client_gets_none(&mut self, scene: &mut Scene, index: usize) {
        self.clients[index].dial = None;
        self.end_request(scene, index, false);
        if !matches!(self.clients[index].kind, ClientKind::Caller(_)) {
            let after = self.chance.millis(REDIALS.0, REDIALS.1);
            self.plan_client(scene, index, after);
        }
    }

    /// Jackline is gone, and every client's connection with it.
    pub(crate) fn clients_lose_all(&mut self, scene: &mut Scene) {
        for index in 0..self.clients.len() {
            self.clients[index].dial = None;
            if self.clients[index].session.take().is_some() {
                let after = self.chance.millis(REDIALS.0, REDIALS.1);
                self.plan_client(scene, index, after);
            }
            self.clients[index].request = None;
        }
    }
}
