//! What a scenario claims must hold.
//!
//! | sentence | holds if |
//! |---|---|
//! | every node is attached from A s to B s | so at A, and no node's state turns until B |
//! | every node is degraded from A s to B s | the same |
//! | no node is isolated from A s to B s | not so at A, and no node turns so until B |
//! | every lasting session is with X at A s | of all nodes, and there is one on each |
//! | no session is with X at A s | of all nodes |
//! | every node knows X at A s | and has not archived it |
//! | every node is served at A s; no node is served at A s | a request of each was, or was not, answered within 3 s before |
//! | no request fails; at most N requests fail | counted as in `tally`: a server was ready and reachable |
//! | nothing is moved | no session was closed by a policy's order |

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{NodeState, Timestamp};

use crate::scenario::moment;
use crate::spec::WorldSpec;
use crate::world::World;

/// Something that must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    sentence: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    State(NodeState, Timestamp, Timestamp),
    NotIsolated(Timestamp, Timestamp),
    LastingWith(SocketAddr, Timestamp),
    NoneWith(SocketAddr, Timestamp),
    Knows(SocketAddr, Timestamp),
    Served(bool, Timestamp),
    FailsAtMost(u64),
    NothingMoves,
}

/// A node of which a request was answered within this time is served.
const LATELY: Duration = Duration::from_secs(3);

impl Claim {
    pub(crate) fn read(text: &str, world: &WorldSpec) -> Result<Self, String> {
        let sentence = text.trim().trim_end_matches('.').to_owned();
        let words: Vec<&str> = sentence.split_whitespace().collect();
        let server = |name: &str| {
            let found = world.servers.iter().position(|server| server.name == name);
            found
                .map(|found| WorldSpec::address(crate::plane::ServerId(found)))
                .ok_or_else(|| format!("there is no server called {name}"))
        };
        let at = |text: &str| moment(&format!("{text} s"));
        let what = match words.as_slice() {
            ["every", "node", "is", state, "from", a, "s", "to", b, "s"] => {
                let state = match *state {
                    "attached" => NodeState::Attached,
                    "degraded" => NodeState::Degraded,
                    "isolated" => NodeState::Isolated,
                    other => return Err(format!("{other} is no state of a node")),
                };
                What::State(state, at(a)?, at(b)?)
            }
            ["no", "node", "is", "isolated", "from", a, "s", "to", b, "s"] => {
                What::NotIsolated(at(a)?, at(b)?)
            }
            ["every", "lasting", "session", "is", "with", x, "at", a, "s"] => {
                What::LastingWith(server(x)?, at(a)?)
            }
            ["no", "session", "is", "with", x, "at", a, "s"] => What::NoneWith(server(x)?, at(a)?),
            ["every", "node", "knows", x, "at", a, "s"] => What::Knows(server(x)?, at(a)?),
            ["every", "node", "is", "served", "at", a, "s"] => What::Served(true, at(a)?),
            ["no", "node", "is", "served", "at", a, "s"] => What::Served(false, at(a)?),
            ["no", "request", "fails"] => What::FailsAtMost(0),
            ["at", "most", n, "requests", "fail"] => {
                What::FailsAtMost(n.parse().map_err(|_| format!("{n} is no number"))?)
            }
            ["nothing", "is", "moved"] => What::NothingMoves,
            _ => return Err(format!("nothing can be claimed that sounds like {sentence:?}")),
        };
        Ok(Self { sentence, what })
    }

    /// When the world is to be looked at.
    pub(crate) fn moments(&self) -> Vec<Timestamp> {
        match self.what {
            What::State(_, from, to) | What::NotIsolated(from, to) => vec![from, to],
            What::LastingWith(_, at) | What::NoneWith(_, at) | What::Knows(_, at) | What::Served(_, at) => {
                vec![at]
            }
            What::FailsAtMost(_) | What::NothingMoves => Vec::new(),
        }
    }

    /// What is wrong at this moment.
    pub(crate) fn look(&self, world: &World, moment: Timestamp) -> Option<String> {
        let wrong = match &self.what {
            What::State(state, from, _) if moment == *from => {
                let odd = world.states().find(|(_, now)| *now != Some(*state));
                odd.map(|(name, now)| format!("at {moment} {name} is {now:?}"))
            }
            What::NotIsolated(from, _) if moment == *from => {
                let odd = world.states().find(|(_, now)| *now == Some(NodeState::Isolated));
                odd.map(|(name, _)| format!("at {moment} {name} is isolated"))
            }
            What::LastingWith(address, at) if moment == *at => world.nodes.iter().find_map(|node| {
                let lasting = |session: &&crate::node::Session| node.is_lasting(session.client);
                let mut sessions = node.sessions.values().filter(lasting).peekable();
                if sessions.peek().is_none() {
                    return Some(format!("{} has none", node.spec.name));
                }
                let odd = sessions.find(|session| session.endpoint != *address)?;
                Some(format!("{} has one with {}", node.spec.name, odd.endpoint))
            }),
            What::NoneWith(address, at) if moment == *at => world.nodes.iter().find_map(|node| {
                let odd = node
                    .sessions
                    .values()
                    .find(|session| session.endpoint == *address)?;
                Some(format!("{} has one, opened at {}", node.spec.name, odd.opened))
            }),
            What::Knows(address, at) if moment == *at => world.nodes.iter().find_map(|node| {
                let known = node.mind.as_ref().map(|mind| mind.known()).unwrap_or_default();
                let knows = known.contains(&(*address, false));
                (!knows).then(|| format!("{} does not", node.spec.name))
            }),
            What::Served(served, at) if moment == *at => world.nodes.iter().find_map(|node| {
                let answered = node.tally.answered;
                let lately = moment.since(answered) <= LATELY;
                (lately != *served).then(|| format!("{} had its last answer at {answered}", node.spec.name))
            }),
            _ => None,
        }?;
        Some(format!("{}: {wrong}", self.sentence))
    }

    /// What was wrong, looking back.
    pub(crate) fn judge(&self, world: &World) -> Option<String> {
        let turned = |from: Timestamp, to: Timestamp, bad: &dyn Fn(&str) -> bool| {
            let lines = world.timeline().iter();
            let mut within = lines.filter(|(at, _)| *at > from && *at <= to);
            let found = within.find(|(_, line)| bad(line))?;
            Some(format!("{} {}", found.0, found.1))
        };
        let wrong = match &self.what {
            What::State(_, from, to) => turned(*from, *to, &|line| {
                [" is attached", " is degraded", " is isolated"]
                    .iter()
                    .any(|word| line.ends_with(word))
            }),
            What::NotIsolated(from, to) => turned(*from, *to, &|line| line.ends_with(" is isolated")),
            What::FailsAtMost(most) => {
                let failed: u64 = world.nodes.iter().map(|node| node.tally.failed).sum();
                let sent: u64 = world.nodes.iter().map(|node| node.tally.requests).sum();
                (failed > *most || sent == 0).then(|| format!("{failed} of {sent} failed"))
            }
            What::NothingMoves => {
                let closed: u64 = world.nodes.iter().map(|node| node.tally.closed_by_us).sum();
                (closed > 0).then(|| format!("{closed} sessions were closed"))
            }
            What::LastingWith(..) | What::NoneWith(..) | What::Knows(..) | What::Served(..) => None,
        }?;
        Some(format!("{}: {wrong}", self.sentence))
    }
}
