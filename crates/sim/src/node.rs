//! A node: its jackline, or a rival, with the shell around it; its files, its clients. The shell answers each action of
//! the policy with the event that the real shell would tell, and decides nothing.
//!
//! | module | stands for |
//! |---|---|
//! | `flow` | one exchange: connect, TLS, question and answer |
//! | `probing` | `crates/probe` |
//! | `asking`, `answered`, `watching` | `crates/discovery` |
//! | `dialling`, `contending`, `session`, `closing` | `crates/proxy` |
//! | `disk`, `life` | `crates/agent`: state file, trust, start and stop |
//! | `clients` | kubelet, watchers, callers |

mod answered;
mod asking;
mod clients;
mod closing;
mod contending;
mod dialling;
mod disk;
mod flow;
mod life;
mod probing;
mod session;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use jackline_core::{Action, Event, LocalFault, NodeState, Timestamp};

use crate::chance::Chance;
use crate::network::NodeId;
use crate::policy::{Kind, Manner, Policy};
use crate::safety::Oracle;
use crate::scene::{Happening, Peer, Scene};
use crate::spec::NodeSpec;
use crate::tally::Tally;

pub(crate) use clients::Client;
use dialling::Dial;
use disk::Disk;
use flow::Flow;
pub(crate) use session::Session;
use watching::{Refresh, Watch};

/// The data plane's bucket for hedges and repeats, in tenths (S4: 20, and a tenth for each dial).
const BUCKET: u32 = 200;

/// A node.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) spec: NodeSpec,
    kind: Rc<dyn Kind>,
    seed: u64,
    pub(crate) mind: Option<Box<dyn Policy>>,
    pub(crate) manner: Manner,
    /// How often jackline was started.
    starts: u32,
    /// For which moment a deadline is planned.
    deadline: Option<Timestamp>,
    /// The last number given to a flow, dial or session.
    last: u32,
    flows: BTreeMap<u32, Flow>,
    dials: BTreeMap<u32, Dial>,
    pub(crate) sessions: BTreeMap<u32, Session>,
    refreshes: Vec<Option<Refresh>>,
    watches: Vec<Option<Watch>>,
    /// Connections that probes keep.
    kept: BTreeMap<SocketAddr, Peer>,
    pub(crate) clients: Vec<Client>,
    pub(crate) disk: Disk,
    /// The CA in the node's file, and the one that was read from it.
    pub(crate) ca_file: u32,
    ca_read: u32,
    /// What fails on this machine now.
    pub(crate) fault: Option<LocalFault>,
    /// How far the machine's clock is off, in seconds.
    pub(crate) clock_off: i64,
    bucket: u32,
    /// Before then no dial's failure is told of an endpoint again (the proxy's pace).
    told: BTreeMap<SocketAddr, Timestamp>,
    /// The same for progress.
    progressed: BTreeMap<SocketAddr, Timestamp>,
    chance: Chance,
    actions: Vec<Action>,
    pub(crate) oracle: Oracle,
    pub(crate) tally: Tally,
    state: NodeState,
    generation: u64,
}

impl Node {
    pub(crate) fn new(id: NodeId, spec: NodeSpec, kind: Rc<dyn Kind>, seed: u64) -> Self {
        let clients = spec.clients.iter().map(|kind| Client::new(*kind)).collect();
        let sources = spec.sources.len();
        Self {
            id,
            kind,
            seed,
            mind: None,
            manner: NOTHING,
            starts: 0,
            deadline: None,
            last: 0,
            flows: BTreeMap::new(),
            dials: BTreeMap::new(),
            sessions: BTreeMap::new(),
            refreshes: (0..sources).map(|_| None).collect(),
            watches: (0..sources).map(|_| None).collect(),
            kept: BTreeMap::new(),
            clients,
            disk: Disk::default(),
            ca_file: 1,
            ca_read: 1,
            fault: None,
            clock_off: 0,
            bucket: BUCKET,
            told: BTreeMap::new(),
            progressed: BTreeMap::new(),
            chance: Chance::of(seed, 1),
            actions: Vec::new(),
            oracle: Oracle::default(),
            tally: Tally::default(),
            state: NodeState::Isolated,
            generation: 0,
            spec,
        }
    }

    fn next_number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// The one way into the policy.
    pub(crate) fn tell(&mut self, scene: &mut Scene, event: Event) {
        let Some(mind) = &mut self.mind else { return };
        if self.kind.keeps_our_rules() {
            self.oracle.hear(scene.now, &event);
        }
        if scene.log.has_everything() {
            scene.log.tell_event(scene.now, &self.spec.name, &event);
        }
        if let Some(record) = &mut scene.record {
            record.hear(scene.now, &self.spec, &event);
        }
        let mut actions = std::mem::take(&mut self.actions);
        mind.step(scene.now, event, &mut actions);
        let given = u64::try_from(actions.len()).unwrap_or(u64::MAX);
        let generation = mind.generation();
        scene.log.mark([
            scene.now.as_millis(),
            (u64::from(self.spec.number) << 32) | given,
            generation,
        ]);
        if self.kind.keeps_our_rules() {
            let breach = mind
                .breach(&actions)
                .or_else(|| self.oracle.judge(scene.now, &actions, &self.spec));
            if let Some(breach) = breach {
                scene.break_rule(&self.spec.name, breach);
            }
        }
        scene.record_decisions(&self.spec, &actions);
        for action in actions.drain(..) {
            self.carry_out(scene, action);
        }
        self.actions = actions;
        if generation != self.generation {
            self.generation = generation;
            self.note_state(scene);
        }
        self.plan_deadline(scene);
    }

    fn plan_deadline(&mut self, scene: &mut Scene) {
        let Some(mind) = &self.mind else { return };
        // What is due already comes right after what is happening now.
        let due = mind
            .next_deadline()
            .map(|due| due.max(scene.now + Duration::from_millis(1)));
        if let Some(due) = due.filter(|due| self.deadline != Some(*due)) {
            self.deadline = Some(due);
            scene.queue.push(due, Happening::Deadline(self.id));
        }
    }

    /// A planned deadline has come, unless it was planned anew.
    pub(crate) fn meet_deadline(&mut self, scene: &mut Scene) {
        if self.deadline == Some(scene.now) {
            self.deadline = None;
            self.tell(scene, Event::DeadlineReached);
        }
    }

    fn note_state(&mut self, scene: &mut Scene) {
        let Some(mind) = &self.mind else { return };
        let state = mind.state();
        if state != self.state {
            self.state = state;
            self.tally.attached = (state == NodeState::Attached).then_some(scene.now);
            self.tally.turn(scene.now, state, scene.is_served(self.id));
            if scene.log.is_on() {
                let word = match state {
                    NodeState::Attached => "is attached",
                    NodeState::Degraded => "is degraded",
                    NodeState::Isolated => "is isolated",
                };
                scene.log.tell(scene.now, &self.spec.name, word);
            }
        }
    }

    /// The node's state as its policy sees it; `None`: jackline does not run.
    pub(crate) fn state(&self) -> Option<NodeState> {
        self.mind.as_ref().map(|mind| mind.state())
    }

    fn carry_out(&mut self, scene: &mut Scene, action: Action) {
        match action {
            Action::StartProbe(start) => {
                self.tally.probes += 1;
                self.start_probe(scene, start);
            }
            Action::RefreshSource(order) => {
                self.tally.refreshes += 1;
                self.start_refresh(scene, order);
            }
            Action::CloseSessions(order) => self.close_sessions(scene, &order),
            Action::KeepSessions { endpoint } => self.keep_sessions(endpoint),
            Action::PersistMembership { records } => self.persist(scene, records),
            Action::ReloadTrust => scene.later(Duration::from_millis(2), Happening::TrustRead(self.id)),
            Action::Announce(announcement) => {
                if scene.log.is_on() {
                    self.note_announcement(scene, &announcement);
                }
            }
        }
    }

    fn note_announcement(&self, scene: &mut Scene, announcement: &jackline_core::Announcement) {
        let subject = &announcement.subject;
        if scene.log.has_everything() {
            let text = format!("says of {subject:?}: {}", announcement.text);
            return scene.log.tell(scene.now, &self.spec.name, &text);
        }
        let jackline_core::Subject::Endpoint(endpoint) = *subject else {
            return;
        };
        let name = scene.name_of(endpoint);
        if let Some(text) = crate::words::of_announcement(&announcement.text, &name) {
            scene.log.tell(scene.now, &self.spec.name, &text);
        }
    }

    /// The network or a server changed: everything under way is looked at.
    pub(crate) fn reconsider(&mut self, scene: &mut Scene) {
        self.reconsider_flows(scene);
        self.reconsider_sessions(scene);
        self.reconsider_watches(scene);
    }

    /// Nothing is under way that has no end planned.
    pub(crate) fn under_way(&self) -> usize {
        self.flows.len() + self.dials.len() + self.refreshes.iter().flatten().count()
    }
}

/// The manner of a node without a mind.
const NOTHING: Manner = Manner {
    depth: jackline_core::Depth::Tcp,
    dial_limit: Duration::ZERO,
    hold: Duration::ZERO,
    tries_next: false,
    dead_peer_after: Duration::MAX,
    unacknowledged_after: Duration::MAX,
    watch_silent_after: Duration::MAX,
    watch_mute_after: Duration::MAX,
};
