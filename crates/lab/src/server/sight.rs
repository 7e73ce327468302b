//! What can be seen of a server.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::locked::lock;
use crate::server::Server;
use crate::server::asked::Tally;

impl Server {
    /// Whether a process is there, be it frozen, cut off, still starting or another cluster's.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// Whether it answers requests: past its start, not frozen, not cut off.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.process().is_some_and(|process| process.is_answering())
    }

    /// Whether a client of our cluster that asks it now is served the Kubernetes API and told that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.own().is_some_and(|process| process.is_ready())
    }

    /// Since when [`Server::is_ready`] has held without a break.
    #[must_use]
    pub fn ready_since(&self) -> Option<Instant> {
        self.inner.cluster.board.ready_since(self.name())
    }

    /// How many connections it has open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.process().map_or(0, |process| process.links.open())
    }

    /// How many connections it has accepted since the control plane was made.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.inner.machine.accepted.load(Ordering::Relaxed)
    }

    /// How many requests it has received since the control plane was made.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.inner.machine.requests.load(Ordering::Relaxed)
    }

    /// The same, by what they were for.
    pub(crate) fn asked(&self) -> Tally {
        lock(&self.inner.machine.asked).clone()
    }

    /// The list of apiservers that it tells: that of the store, or of its start. `None`: it does not answer.
    #[must_use]
    pub fn list(&self) -> Option<Vec<SocketAddr>> {
        self.process()
            .filter(|process| process.is_answering())
            .map(|process| process.list())
    }
}
