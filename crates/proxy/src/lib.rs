//! MOVE: the data plane. Listeners, dialling, copying, and the table of sessions.
//!
//! A session is two sockets and what lies between them: bytes are carried, never decoded (TLS stays end to end). The
//! data plane asks nobody for each connection. It reads the published [`Snapshot`], walks the candidates in the core's
//! order ([`jackline_core::selection`]), and tells back as [`Event`]s what it saw. What is known of endpoints, and what
//! follows from it, is the core's; testing them actively is the probe's.
//!
//! The path of a connection through the modules:
//!
//! ```text
//! listen ─► accept ─► session ─► dial    S3, S6: who takes it
//!                        │  └───► flight  S4: the first flight until the first answer
//!                        ▼
//!                     carrier ─► copy    the bytes, from then on
//!                        ▼
//!                      table ◄── closing  D2, D4, R4: who is closed, and when
//! ```
//!
//! At any moment all of this can be laid to [`rest`](DataPlane::rest): nothing moves until it goes on, here or in another process.
//!
//! Plain data ([`ProxyConfig`]) → [`bind`] (all that can fail does so here) → [`Bound::run`] → [`DataPlane`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (snapshots, sink) = unimplemented!();
//! let bound = jackline_proxy::bind(&jackline_proxy::ProxyConfig::default())?;
//! let plane = bound.run(snapshots, sink);
//! println!("{} sessions", plane.sessions().open);
//! # Ok(())
//! # }
//! ```
//!
//! [`Snapshot`]: jackline_core::Snapshot
//! [`Event`]: jackline_core::Event

mod accept;
mod baton;
mod bucket;
mod carrier;
mod client_hello;
mod closing;
mod config;
mod copy;
mod dial;
mod early;
mod fault;
mod flight;
mod jitter;
mod ledger;
mod listen;
mod loops;
mod parting;
mod peer;
mod plane;
mod rest;
mod session;
mod shared;
mod socket;
mod table;
mod tcp_info;
#[cfg(test)]
mod testing;
mod thread;
mod worker;

pub use config::ProxyConfig;
pub use copy::CopyMode;
pub use listen::{BindError, Bound, bind, bind_beside};
pub use plane::{DataPlane, OpenSession, Sessions};
pub use rest::{AtRest, EstablishedState, FirstEnd, HELD_MAX, LaneState, Moved, SessionState, Stage, Tell};
