//! K3s's measure of health: its websocket tunnel to a server's supervisor is up.
//!
//! The tunnel is a stand-in: a connection that is kept, on which something is asked each second. It breaks as the real one
//! does: at once where the kernel resets it or the process starts anew, after 60 s (its read deadline) where nothing comes
//! back. A server that starts has none before its API is ready ("apiserver not ready").

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Action, Answer, Event, Timestamp};

use super::rounds::Rounds;

const EVERY: Duration = Duration::from_secs(1);
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// The tunnels of a node.
#[derive(Clone, Debug)]
pub(super) struct Tunnels {
    rounds: Rounds,
    up: Vec<(SocketAddr, bool)>,
}

impl Tunnels {
    pub(super) fn new() -> Self {
        Self {
            rounds: Rounds::every(EVERY, READ_DEADLINE).keeping(),
            up: Vec::new(),
        }
    }

    /// From now on there are tunnels to these.
    pub(super) fn set(&mut self, servers: &[SocketAddr], now: Timestamp) {
        self.up.retain(|(server, _)| servers.contains(server));
        self.rounds.set(servers, now);
    }

    /// Whether the tunnel is up; `None`: not tried yet.
    pub(super) fn is_up(&self, server: SocketAddr) -> Option<bool> {
        self.up
            .iter()
            .find(|(known, _)| *known == server)
            .map(|(_, up)| *up)
    }

    /// Whose tunnel's state was learnt, if the event says so.
    pub(super) fn hear(&mut self, event: &Event) -> Option<(SocketAddr, bool)> {
        let (server, came) = self.rounds.ended(event)?;
        let up = match came {
            Ok(finding) => match &finding.answer {
                Answer::Ready | Answer::Alive | Answer::NoApi => true,
                Answer::NotReady { failed, .. } => {
                    failed.iter().all(|check| !check.starts_with("poststarthook"))
                }
            },
            Err(_) => false,
        };
        self.up.retain(|(known, _)| *known != server);
        self.up.push((server, up));
        Some((server, up))
    }

    pub(super) fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.rounds.advance(now, actions);
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.rounds.next()
    }
}
