//! The key by which states are merged: the subject's canonical state, and that of the world around it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::cast::{ASKED, ETCD, SERVERS, address};
use super::subject::Subject;
use super::world::World;

impl<S: Subject> World<'_, S> {
    /// The key of this state, 64 bits of SipHash. Two of a million states share one with a probability of 3 in 10⁸.
    ///
    /// All that refers to a server is hashed with that server, so that servers which are alike can be permuted by sorting.
    pub(super) fn key(&self, symmetric: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.node.hash_node(&mut hasher);
        for source in ASKED {
            self.questions[usize::from(source.0)].is_some().hash(&mut hasher);
        }
        (self.watch.is_some(), self.session.is_some()).hash(&mut hasher);
        (self.next_dial > self.now).hash(&mut hasher);
        self.breach.is_some().hash(&mut hasher);
        let mut servers: [u64; SERVERS] = [0, 1, 2].map(|server| self.server_key(server));
        if symmetric {
            servers[self.setting.cast.alike_from..].sort_unstable();
        }
        servers.hash(&mut hasher);
        hasher.finish()
    }

    fn server_key(&self, server: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        let state = &self.servers[server];
        (state.life, state.lease, state.listed).hash(&mut hasher);
        for source in ASKED {
            let Some(question) = &self.questions[usize::from(source.0)] else {
                continue;
            };
            question.targets.contains(&address(server)).hash(&mut hasher);
            if source != ETCD {
                state.listed_then[usize::from(source.0)].hash(&mut hasher);
            }
        }
        if let Some(watch) = self.watch {
            (watch.through == server, watch.told[server]).hash(&mut hasher);
        }
        let session = self.session.filter(|session| session.with == server);
        session
            .map(|session| (session.stalled, session.next_stall.is_some()))
            .hash(&mut hasher);
        let saved = self.saved.iter().find(|record| record.address == address(server));
        saved.map(|record| record.archived).hash(&mut hasher);
        self.probes[server].is_some().hash(&mut hasher);
        self.node.hash_server(address(server), &mut hasher);
        hasher.finish()
    }
}
