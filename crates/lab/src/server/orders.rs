//! How a server is started, stopped and slowed: plain data.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// What a just-started server tells as the list of apiservers until it is ready and has written itself into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StartAs {
    /// What the store holds, as real ones do: a dead address after a kill of the last server, nothing after its clean stop.
    #[default]
    Fresh,
    /// An empty list.
    EmptyList,
    /// This list.
    ShortList(Vec<SocketAddr>),
    /// The servers that do not run right now, and an address that never was where there is none.
    DeadList,
}

/// How a server is stopped cleanly. Either way it takes itself off the list first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// The listener closes at once, idle connections are closed, requests in flight finished (`--shutdown-delay-duration=0`).
    AtOnce,
    /// `/readyz` fails with `shutdown` first while everything is served for this long; then as [`Shutdown::AtOnce`]. Not compressed.
    Delayed(Duration),
}

/// How slow a server is: each answer waits for a time drawn evenly from a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowSpec {
    /// Answers to `/readyz`, `/livez` and `/healthz`.
    pub readyz: Range<Duration>,
    /// All others; of a watch its first byte.
    pub request: Range<Duration>,
}
