//! SHOW: what jackline knows, for people and for machines, over a Unix socket that only its owner may use.
//!
//! | file | what it is for |
//! |---|---|
//! | [`view`](View) | what the agent hands in: the published snapshot, the data plane's counts, the state file, the clock |
//! | [`status`] | the answer to `GET /status`: a stable schema, serde both ways |
//! | [`project`] | the pure function from a [`Reading`] to a [`status::Status`] |
//! | [`metrics`] | every metric, declared in one place, and the answer to `GET /metrics` |
//! | [`operate`] | what an operator may have done, and what is answered |
//! | `server` | HTTP/1.1 on the socket: who may ask, how much, for how long |
//! | `page` | the same for a browser, on a TCP listener, where one is configured: a page that follows what changes |
//! | `orders` | the paths that order something |
//! | `network` | the metrics on TCP, where that is configured |
//!
//! Projections and messages only: what an operator orders is handed to the agent as it is ([`operate::Operate`]), and nothing here is remembered from one request to the next but the page's newest lines.
//! The socket itself (its path, its mode, what to do with a stale one) is the agent's.
#![forbid(unsafe_code)]

pub mod metrics;
mod network;
pub mod operate;
mod orders;
mod page;
pub mod project;
mod server;
pub mod status;
mod view;

pub use network::serve_metrics;
pub use page::serve_page;
pub use server::serve;
pub use view::{Clock, Identity, Reading, SessionsView, SignsView, StateFileView, View};
