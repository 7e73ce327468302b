//! Tests servers as a client would: TCP, then TLS verified to the cluster's CA, then `GET /readyz` (H1); of etcd `GET /health`,
//! of supervisors `GET /ping`.
//!
//! [`Prober::start`] is told whom to test and within what limits, and answers each start by exactly one event, also when the
//! probe panics or is cancelled. Probes run in parallel, a task each. When to test and what a finding means is the core's.
//!
//! Never here: a credential shown before the server was verified and asked for it, a redirect followed, an answer read without a
//! bound, a name told in SNI or Host that is not the configured one.
//!
//! | file | what |
//! |---|---|
//! | `prober.rs` | the handle: starts and stops probes |
//! | `pending.rs` | the one event that each probe owes |
//! | `probe.rs` | the course of one probe: kept connection, anonymous, credential |
//! | `link.rs` | one connection: TCP, TLS, HTTP, each phase under its own limit |
//! | `look.rs` | what a server presents: its certificate and its clock, for reports |
//! | `question.rs` | what is asked of the servers of each service (pure) |
//! | `judge.rs` | what an apiserver's answer says of it (pure) |
//! | `fault.rs` | what an error says of a server, of the network or of this machine (pure) |
//! | `kept.rs` | what outlives a probe: kept connections, and who refuses the anonymous |
#![forbid(unsafe_code)]

mod fault;
mod judge;
mod kept;
mod link;
mod look;
mod pending;
mod probe;
mod prober;
mod question;

pub use look::{Look, look};
pub use prober::{ProbeConfig, Prober};
