//! Tests apiservers as a client would: TCP, then TLS verified to the cluster's CA, then `GET /readyz` (H1).
//!
//! [`Prober::start`] is told whom to test and within what limits, and answers each start by exactly one event, also when the
//! test panics or is cancelled. Tests run in parallel, a task each. When to test and what a finding means is the core's.
//!
//! Never here: a credential shown before the server was verified and asked for it, a redirect followed, an answer read without a
//! bound, a name told in SNI or Host that is not the configured one.
//!
//! | file | what |
//! |---|---|
//! | `prober.rs` | the handle: starts and stops tests |
//! | `pending.rs` | the one event that each test owes |
//! | `test.rs` | the course of one test: kept connection, anonymous, credential |
//! | `link.rs` | one connection: TCP, TLS, HTTP, each phase under its own limit |
//! | `judge.rs` | what an HTTP answer says of a server (pure) |
//! | `fault.rs` | what an error says of a server, of the network or of this machine (pure) |
//! | `kept.rs` | what outlives a test: kept connections, and who refuses the anonymous |
#![forbid(unsafe_code)]

mod fault;
mod judge;
mod kept;
mod link;
mod pending;
mod prober;
mod test;

pub use prober::{ProbeConfig, Prober};
