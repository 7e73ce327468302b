//! A node of the lab's control plane: the real binary with each credential that a node has, and the real kubectl through it.
//!
//! Waiting takes real time here, but only ever for something, with a deadline; where a rule is about a time, that passes.

mod credentials;
mod doctor;
mod fleet;
mod killed;
mod kubectl;
mod long_sessions;
mod monitoring;
mod node;
#[path = "../e2e/program.rs"]
mod program;
