//! What is under test: the mind of a node. The world asks it as the real shell asks the core, and nothing else.
//!
//! A rival is written against the same trait: it is told the same facts, may give the same commands, and says in its
//! [`Manner`] how its data plane dials and how deep its tests reach.

mod jackline;

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Action, Depth, Event, NodeState, Settings, Timestamp};

pub use jackline::Jackline;

/// The mind of one node: facts in, commands out.
pub trait Policy {
    /// A fact. Commands are pushed to `actions`; those that start work are answered by exactly one event each.
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>);

    /// When it wants an [`Event::DeadlineReached`] next.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Whom a new connection is dialled to, best first. Asked at each connection.
    fn candidates(&self) -> Vec<Candidate>;

    /// How its data plane and its tests work. Constant.
    fn manner(&self) -> Manner;

    /// What it takes the node's state to be.
    fn state(&self) -> NodeState;

    /// Every endpoint that it knows, and whether it has given it up (archived it).
    fn known(&self) -> Vec<(SocketAddr, bool)>;

    /// A rule of its own that the step just made breaks, with the commands that it gave. `None`: none, or it has none.
    fn breach(&self, actions: &[Action]) -> Option<String>;

    /// Changes whenever something that it publishes changes.
    fn generation(&self) -> u64;
}

/// Makes minds of one kind.
pub trait Kind {
    /// Its name, as in tables.
    fn name(&self) -> &str;

    /// A mind for a node that starts now. What it remembered comes as [`Event::MembershipRestored`] afterwards.
    fn start(&self, settings: Settings, seed: u64, now: Timestamp) -> Box<dyn Policy>;

    /// Whether the rules of jackline's design bind it: a rival's breach of them is no finding.
    fn keeps_our_rules(&self) -> bool {
        true
    }
}

/// An endpoint that a connection may be dialled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub endpoint: SocketAddr,
    /// After this silence of its connect the next one is dialled too; [`Duration::MAX`]: never.
    pub silence: Duration,
    /// After this silence of its first answer a whole first flight goes to the next one too; [`Duration::MAX`]: never.
    pub patience: Duration,
}

/// How a data plane dials and how deep its tests reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How deep a probe reaches.
    pub depth: Depth,
    /// A dial that nothing came of for so long is over.
    pub dial_limit: Duration,
    /// A client is kept for so long while nobody takes it; zero: each candidate is tried once.
    pub hold: Duration,
    /// A dial that fails is followed by the next candidate's; `false`: the client is reset.
    pub tries_next: bool,
    /// The keep-alive or the like finds a dead peer of an idle session after this long.
    pub dead_peer_after: Duration,
    /// Data that nobody acknowledges ends a session after this long.
    pub unacknowledged_after: Duration,
    /// A source's watch ends after so long on a machine that is silent …
    pub watch_silent_after: Duration,
    /// … and on a frozen server.
    pub watch_mute_after: Duration,
}
