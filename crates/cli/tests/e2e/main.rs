//! End to end: the real binary, real sockets, real signals.
//!
//! `program` and `node` run it, `apiserver` is what it balances over, `caller` is a client behind it; the other files
//! are the tests. Waiting takes real time here, but only ever for something, with a deadline.

mod apiserver;
mod browser;
mod caller;
mod commands;
mod configuration;
#[path = "../../../admin/tests/admin/described.rs"]
mod described;
mod examples;
mod families;
mod json;
mod lab_ui;
mod life;
mod logs;
mod node;
mod not_running;
mod page;
mod program;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../../../way/tests/way/proxy.rs"]
mod proxy;
mod rbac;
#[path = "../../../way/tests/way/receiver.rs"]
mod receiver;
mod replay;
mod restart;
mod service_manager;
mod shutdown;
mod simulate;
mod start;
mod status_page;
mod upgrade;
mod usage;
mod way;
