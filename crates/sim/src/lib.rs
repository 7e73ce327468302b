//! Doubt: the core that ships, in worlds that try to get it stuck.
//!
//! | module | what it does |
//! |---|---|
//! | [`canary`] | the core without one of its rules, and what notices |
//! | [`exhaustive`] | all that can happen to three servers and a node, up to a number of moves |
//! | [`policy`] | what is under test: the mind of a node, behind one trait; the core that ships is one |
//! | [`world`] | a simulated world: servers, network, names, nodes, clients, in discrete time |
//! | [`fault`] | all that can be done to a world, and how it sounds as a sentence |
//! | [`fleet`] | many nodes: how fast they come back, and what one server has to bear |
//! | [`spec`] | worlds and nodes as plain data |
//! | `plane`, `network`, `names` | what the nodes live on: docs/simulation.md maps each behaviour to its fact |
//! | `node` | a node's shell, which answers each action as the real one does |
//! | `safety` | what must never happen, judged from outside |
//! | [`rivals`] | other balancers behind the same trait, and all of them compared on the same seeds |
//! | [`scenario`] | prose that runs: what happens, what must hold, the expected timeline |
//! | [`page`] | one page to look at: what happened in a world, and figures |
//! | [`swarm`] | worlds drawn from seeds: safe at each step, and at rest soon after they are healed |
#![forbid(unsafe_code)]

pub mod canary;
mod chance;
pub mod exhaustive;
pub mod fault;
pub mod fleet;
mod meter;
mod names;
pub mod network;
mod node;
pub mod page;
pub mod plane;
pub mod policy;
mod queue;
pub mod rivals;
mod safety;
pub mod scenario;
mod scene;
pub mod spec;
pub mod swarm;
mod tally;
mod timeline;
mod words;
pub mod world;

pub use scene::Breach;
pub use timeline::Telling;
