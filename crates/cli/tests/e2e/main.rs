//! End to end: the real binary, real sockets, real signals.
//!
//! `program` and `node` run it, `apiserver` is what it balances over, `caller` is a client behind it; the other files
//! are the tests. Waiting takes real time here, but only ever for something, with a deadline.

mod apiserver;
mod caller;
mod configuration;
#[path = "../../../admin/tests/admin/described.rs"]
mod described;
mod examples;
mod life;
mod node;
mod not_running;
mod program;
mod rbac;
mod restart;
mod shutdown;
mod simulate;
mod start;
mod usage;
