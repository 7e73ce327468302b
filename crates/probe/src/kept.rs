//! What outlives a probe: connections kept to the endpoint in use (H7), and who refuses the anonymous (H1).

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::link::Link;

/// Connections kept at the most. One endpoint is in use, another may just have been.
const LINKS_MAX: usize = 2;
/// Endpoints remembered for refusing the anonymous, at the most; beyond it one is forgotten and asked anonymously once more.
const REFUSERS_MAX: usize = 1024;

#[derive(Default)]
pub(crate) struct Kept {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Oldest first, at most one for an endpoint.
    links: VecDeque<(SocketAddr, Link)>,
    refusers: BTreeSet<SocketAddr>,
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection kept to an endpoint: whoever probes an endpoint takes it, so that one not kept again is closed.
    pub(crate) fn take(&self, endpoint: SocketAddr) -> Option<Link> {
        let mut state = self.state();
        let place = state.links.iter().position(|(kept, _)| *kept == endpoint)?;
        state.links.remove(place).map(|(_, link)| link)
    }

    /// Keeps a connection; the one that has been kept longest makes room.
    pub(crate) fn keep(&self, endpoint: SocketAddr, link: Link) {
        let mut state = self.state();
        state.links.retain(|(kept, _)| *kept != endpoint);
        state.links.push_back((endpoint, link));
        if state.links.len() > LINKS_MAX {
            state.links.pop_front();
        }
    }

    pub(crate) fn close_all(&self) {
        self.state().links.clear();
    }

    pub(crate) fn refuses_anonymous(&self, endpoint: SocketAddr) -> bool {
        self.state().refusers.contains(&endpoint)
    }

    pub(crate) fn remember_refusal(&self, endpoint: SocketAddr) {
        let mut state = self.state();
        state.refusers.insert(endpoint);
        if state.refusers.len() > REFUSERS_MAX {
            state.refusers.pop_first();
        }
    }

    pub(crate) fn forget_refusal(&self, endpoint: SocketAddr) {
        self.state().refusers.remove(&endpoint);
    }
}
