//! The decision core of jackline: which apiservers are known, which are good, which comes first, what to do next.
//!
//! A pure library. No clock, no IO, no chance but a seed: facts go in as [`Event`]s, commands come out as
//! [`Action`]s, and [`Policy::step`] is the only mutation. The same core runs in the agent, in tests and in the
//! simulator, and a journal of events is a replay.
//!
//! # The laws, and where they live
//!
//! | family | says | module |
//! |---|---|---|
//! | M | what is known, and what it takes to forget it | `standing` (the table), [`membership`], `archive` |
//! | H | what a test or a session's fate says of an endpoint | [`health`], `evidence` (the table), [`witness`], `hearsay`, `local_fault`, [`heartbeat`], `suspicion`, [`probing`] |
//! | S | which endpoint comes first | [`selection`], `zone` |
//! | R | the node's own state; when what is asked | [`recovery`], [`refreshing`] |
//! | D | which sessions are moved, when, how gently | [`moving`], [`administration`] |
//! | P | what is remembered, and how ages are counted | [`persistence`] |
//!
//! Standing (what sources say), health (what tests say) and administration (what the operator says) are three
//! types and never one list of states. What must always hold is numbered in [`invariants`].
//!
//! # The map
//!
//! `event` → `policy` (writes the fact down, then decides in a fixed order) → the families → `action`, and
//! `view` makes the one published [`Snapshot`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod action;
pub mod administration;
mod archive;
mod bend;
mod canonical;
mod chance;
mod endpoint;
mod event;
mod evidence;
mod finding;
pub mod health;
mod hearsay;
pub mod heartbeat;
pub mod invariants;
mod local_fault;
pub mod membership;
pub mod moving;
mod notice;
pub mod pace;
pub mod persistence;
mod policy;
pub mod probing;
pub mod recovery;
pub mod refreshing;
mod report;
mod reset;
pub mod selection;
mod settings;
mod snapshot;
mod source;
mod standing;
mod suspicion;
mod time;
mod usual;
mod view;
pub mod witness;
mod zone;

pub use action::*;
pub use bend::Bend;
pub use canonical::{Canonical, CanonicalEndpoint, CanonicalNode};
pub use chance::Jitter;
pub use event::*;
pub use finding::*;
pub use local_fault::*;
pub use notice::Notice;
pub use policy::{Policy, Timer};
pub use report::*;
pub use settings::*;
pub use snapshot::*;
pub use time::{Duration, Timestamp};
