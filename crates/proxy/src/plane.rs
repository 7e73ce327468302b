//! The running data plane as others hold it: orders go in, counts come out. The work is the threads'.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::CloseSessions;

/// The running data plane. Dropped, it ends as by [`DataPlane::abort`].
#[derive(Debug)]
pub struct DataPlane {}

/// Counts of sessions at one moment. Totals count from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Sessions that are open: downstream–upstream pairs.
    pub open: u64,
    /// Sessions that were opened.
    pub opened_total: u64,
    /// Sessions that ended.
    pub closed_total: u64,
    /// Clients that were closed with a reset without ever having an upstream: nobody connected, or the limit was reached.
    pub refused_total: u64,
    /// Of these, those that came above the limit of sessions.
    pub over_limit_total: u64,
    /// Second dials that were started on silence (S3).
    pub hedges_total: u64,
    /// First flights that were sent to one more endpoint (S4).
    pub repeats_total: u64,
    /// Bytes received from clients.
    pub bytes_from_clients_total: u64,
    /// Bytes received from upstreams.
    pub bytes_from_upstreams_total: u64,
    /// Open sessions by endpoint; endpoints without one are left out.
    pub by_endpoint: BTreeMap<SocketAddr, u64>,
}

impl DataPlane {
    pub(crate) fn start() -> Self {
        Self {}
    }

    /// Closes sessions as [`jackline_core::Action::CloseSessions`] says. Returns at once.
    pub fn close_sessions(&self, order: &CloseSessions) {
        let _ = order;
    }

    /// Forgets every unfinished [`Self::close_sessions`] of this endpoint: its sessions stay.
    pub fn keep_sessions(&self, endpoint: SocketAddr) {
        let _ = endpoint;
    }

    /// Closes the listeners. Open sessions go on.
    pub fn stop_accepting(&self) {}

    /// Counts of sessions now.
    pub fn sessions(&self) -> Sessions {
        Sessions::default()
    }

    /// Ends the data plane gently: stops accepting, closes each session at a quiet moment of its own, and resets what
    /// is left after `within`. Returns when all have ended.
    pub async fn finish(&self, within: Duration) {
        let _ = within;
    }

    /// Ends the data plane at once: every session is reset.
    pub fn abort(&self) {}
}
