//! The node's one client, a kubelet: it wants to be connected, and dials whom it is offered.

use std::time::Duration;

use jackline_core::{DialFailure, Event};

use super::cast::{address, server_at};
use super::subject::Subject;
use super::world::{Life, Session, World};

/// Pause between two rounds of dials that all failed.
const BETWEEN_DIALS: Duration = Duration::from_secs(1);
/// Pause before a session that ended is replaced.
pub(super) const REDIAL: Duration = Duration::from_millis(5);
/// How long a session that hears nothing waits before it is told to be stalled.
const STALL: Duration = Duration::from_secs(1);
/// Connect and first answer of a server that lives.
const PROMPT: Duration = Duration::from_millis(1);

impl<S: Subject> World<'_, S> {
    /// Where there is no session, one round through the candidates, in their order (S3, S6).
    pub(super) fn dial(&mut self) {
        if self.session.is_some() || self.now < self.next_dial {
            return;
        }
        self.next_dial = self.now + BETWEEN_DIALS;
        let mut silent = Vec::new();
        for candidate in self.node.candidates() {
            let Some(server) = server_at(candidate) else {
                continue;
            };
            match self.servers[server].life {
                Life::Off => silent.push(candidate),
                Life::Stopped => self.tell(Event::DialFailed {
                    endpoint: candidate,
                    failure: DialFailure::Refused,
                }),
                Life::Up | Life::Starting => {
                    for silent in silent {
                        self.tell(Event::HedgeWon {
                            silent,
                            winner: candidate,
                        });
                    }
                    self.open(server);
                    return;
                }
            }
        }
        for endpoint in silent {
            self.tell(Event::DialFailed {
                endpoint,
                failure: DialFailure::TimedOut,
            });
        }
    }

    fn open(&mut self, server: usize) {
        let endpoint = address(server);
        self.session = Some(Session {
            with: server,
            stalled: 0,
            next_stall: None,
        });
        let connect = PROMPT;
        self.tell(Event::SessionOpened { endpoint, connect });
        if self.session.is_some() {
            let after = PROMPT;
            self.tell(Event::SessionAnswered { endpoint, after });
        }
    }

    /// What the session sent was not answered for a second.
    pub(super) fn stall(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let again = session.stalled > 0;
        session.stalled = session.stalled.saturating_add(1).min(2);
        session.next_stall = Some(self.now + STALL);
        let endpoint = address(session.with);
        self.tell(Event::SessionStalled { endpoint, again });
    }

    /// The server of the session is off from now on: the client will notice.
    pub(super) fn lose_answers(&mut self, server: usize) {
        let at = self.now + STALL;
        if let Some(session) = self.session.as_mut().filter(|session| session.with == server) {
            session.next_stall = Some(at);
        }
    }
}
