//! What the data plane is told at start: plain data, with the design's defaults. Reading it from a file is the agent's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::copy::CopyMode;
use jackline_way::Ways;

/// The port that clients connect to, unless configured.
const PORT: u16 = 6440;

/// Settings of the data plane.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Where clients connect to. Default `127.0.0.1:6440` and `[::1]:6440`. A loopback that this machine does not have (one
    /// without IPv6, or without IPv4) only warns, as long as another listener remains.
    pub listen: Vec<SocketAddr>,
    /// Threads that carry sessions, 1 to [`Self::THREADS_MAX`]; others are clamped. Default 2.
    pub threads: usize,
    /// How long a client is held while nobody connects, before it is closed with a reset (S6). Default 1 s.
    pub hold: Duration,
    /// How many clients are served at once; `None`: as many as the descriptor limit allows.
    pub sessions_max: Option<usize>,
    /// How many sessions one endpoint has at once; `None`: as many as come. Dials under way come on top. Above it clients
    /// go to the next candidate.
    pub endpoint_sessions_max: Option<usize>,
    /// Dial loopback upstreams whoever lists them. `false`: only those that a configured source (static list, registration
    /// address) lists; others may be another balancer that forwards to us. Our own listeners are refused always.
    pub allow_loopback: bool,
    /// How upstreams are reached. Default: directly.
    pub ways: Arc<Ways>,
    /// Where jitter is drawn from: the node's seed (R5).
    pub seed: u64,
    /// How bytes are moved. Anything but the default is for tests and measurements.
    pub copy: CopyMode,
}

impl ProxyConfig {
    /// The most threads that are started.
    pub const THREADS_MAX: usize = 64;
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), PORT),
            ],
            threads: 2,
            hold: Duration::from_secs(1),
            sessions_max: None,
            endpoint_sessions_max: None,
            allow_loopback: false,
            ways: Arc::default(),
            seed: 0,
            copy: CopyMode::Adaptive,
        }
    }
}
