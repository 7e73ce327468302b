//! What ails a server: it answers slowly, is not ready, loses what is written through it. Its machine's, across restarts.

use crate::server::{Server, SlowSpec};

/// What ails it.
#[derive(Clone, Default)]
pub(crate) struct Condition {
    pub(crate) slow: Option<SlowSpec>,
    /// Names of failing checks of `/readyz`.
    pub(crate) failing: Vec<String>,
    /// What is written through it is answered well, and stored nowhere.
    pub(crate) loses_writes: bool,
    /// It serves as ever, and keeps off the list.
    pub(crate) unlisted: bool,
}

impl Server {
    /// Makes its answers slow, also across restarts, until [`Server::normal`].
    pub fn slow(&self, spec: SlowSpec) {
        self.ail(|condition| condition.slow = Some(spec));
    }

    /// Ends [`Server::slow`].
    pub fn normal(&self) {
        self.ail(|condition| condition.slow = None);
    }

    /// Makes `/readyz` fail with these checks, also across restarts, until [`Server::heal_readyz`]. All else is served.
    pub fn fail_readyz(&self, checks: &[&str]) {
        self.ail(|condition| condition.failing = checks.iter().map(|&check| check.to_owned()).collect());
    }

    /// Ends [`Server::fail_readyz`].
    pub fn heal_readyz(&self) {
        self.ail(|condition| condition.failing.clear());
    }

    /// Makes it lose writes, also across restarts, or ends that: it is ready, answers reads truly and writes well, and
    /// stores nothing that is written through it. Its own lease lives.
    pub fn lose_writes(&self, lost: bool) {
        self.ail(|condition| condition.loses_writes = lost);
    }

    /// `true`: it goes on serving, also across restarts, and keeps off the list, as a server that somebody removed.
    pub fn keep_off_list(&self, off: bool) {
        self.ail(|condition| condition.unlisted = off);
    }

    fn ail(&self, change: impl FnOnce(&mut Condition)) {
        self.inner.machine.condition.send_modify(change);
        if let Some(process) = self.process() {
            process.announce();
        }
    }
}
