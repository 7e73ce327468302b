//! The way to a server: a TCP connection, made directly or through a CONNECT proxy, and what is to be said on it before
//! anything else (a PROXY protocol header).
//!
//! Probes, sources and the data plane reach servers through one [`Ways`], so that a test goes the way that a client's
//! session goes. Whose fault a failure is, is told here ([`WayError`]); what follows from it is the core's.
//!
//! | file | what |
//! |---|---|
//! | `ways` | which way leads to a server, and going it |
//! | `gateway` | one CONNECT proxy: its addresses, one after the other |
//! | `connect` | the CONNECT request, and the answer's head, of which not a byte too many is read |
//! | `header` | the PROXY protocol's header, version 2 |
//! | `config` | what can be configured, as plain data |
//! | `proxy_url`, `target`, `no_proxy` | how a proxy, a set of servers and an exception are written |
//! | `fault` | whose fault a failed connect is |
//!
//! Never here: names of servers resolved, TLS, a credential in a log or an error.
#![forbid(unsafe_code)]

mod config;
mod connect;
mod fault;
mod gateway;
mod header;
mod no_proxy;
mod proxy_url;
mod target;
mod ways;

pub use config::{Route, RouteError, Via, WayConfig};
pub use fault::{WayError, local_fault};
pub use no_proxy::{Exception, ExceptionError, NoProxy};
pub use proxy_url::{ProxyUrl, ProxyUrlError};
pub use target::{Target, TargetError};
pub use ways::{Opening, Ways};
