//! Probes against real sockets: every answer, every failure, and exactly one event for each.

mod answers;
mod bad_input;
mod bench;
mod certificates;
mod credentials;
mod endings;
mod failures;
mod keeping;
mod server;
mod services;
mod way;
