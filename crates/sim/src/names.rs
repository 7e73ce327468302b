//! DNS: the one name that nodes may have been joined with.

use std::net::Ipv4Addr;
use std::time::Duration;

/// What the resolver says of the registration name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// Its address records.
    pub(crate) records: Vec<Ipv4Addr>,
    /// How long an answer holds.
    pub(crate) ttl: Duration,
    /// The resolver answers nothing.
    pub(crate) silent: bool,
    /// The resolver says SERVFAIL.
    pub(crate) failing: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            ttl: Duration::from_secs(30),
            silent: false,
            failing: false,
        }
    }
}
