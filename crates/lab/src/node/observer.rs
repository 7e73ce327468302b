//! Watches one node: asks for its status every 25 ms, across its restarts, and keeps each change with its time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use super::status::{Status, StatusReader};
use crate::locked::lock;
use crate::timeline::Timeline;

const POLL: Duration = Duration::from_millis(25);

/// A node that changes more often than this in one scenario is not recorded further.
const CHANGES_MAX: usize = 20_000;

/// The state of a node whose status cannot be read: it is off, or hangs.
pub(crate) const SILENT: &str = "silent";

/// A change of the node's own state.
#[derive(Clone, Debug)]
pub(crate) struct StateChange {
    pub(crate) at: Instant,
    pub(crate) state: String,
    pub(crate) reason: String,
}

/// A change of an endpoint's health.
#[derive(Clone, Debug)]
pub(crate) struct EndpointChange {
    pub(crate) at: Instant,
    pub(crate) address: SocketAddr,
    pub(crate) health: String,
    pub(crate) reason: String,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) states: Vec<StateChange>,
    pub(crate) endpoints: Vec<EndpointChange>,
    /// An endpoint's standing, whenever that changed.
    pub(crate) standings: Vec<(Instant, SocketAddr, String)>,
    /// How many sessions the node said to have with an endpoint, whenever that changed.
    pub(crate) sessions: Vec<(Instant, SocketAddr, u64)>,
    /// What its trust was lost for, each time.
    pub(crate) trust_lost: Vec<(Instant, String)>,
}

/// The last reading; `None`: the node is silent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) at: Option<Instant>,
    pub(crate) status: Option<Arc<Status>>,
}

/// Watches until it is dropped.
pub(crate) struct Observer {
    readings: watch::Receiver<Reading>,
    seen: Arc<Mutex<Seen>>,
    task: AbortHandle,
}

impl Seen {
    /// The most sessions with an endpoint at a time, from `since` on.
    pub(crate) fn most_sessions(&self, address: SocketAddr, since: Instant) -> u64 {
        let changes = self.sessions.iter().filter(|(_, changed, _)| *changed == address);
        let before = changes.clone().take_while(|(at, ..)| *at < since).last();
        let after = changes.filter(|(at, ..)| *at >= since);
        before
            .into_iter()
            .chain(after)
            .map(|(.., sessions)| *sessions)
            .max()
            .unwrap_or_default()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observer {
    /// Called within a tokio runtime.
    pub(crate) fn start(name: &str, socket: &Path, timeline: Timeline) -> Self {
        let (sender, readings) = watch::channel(Reading::default());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let book = Book {
            name: name.to_owned(),
            seen: Arc::clone(&seen),
            timeline,
            health: BTreeMap::new(),
            standings: BTreeMap::new(),
            sessions: BTreeMap::new(),
            trust_lost: false,
        };
        let task = tokio::spawn(poll(StatusReader::new(socket), book, sender)).abort_handle();
        Self { readings, seen, task }
    }

    /// The readings as they come.
    pub(crate) fn readings(&self) -> watch::Receiver<Reading> {
        self.readings.clone()
    }

    pub(crate) fn latest(&self) -> Option<Arc<Status>> {
        self.readings.borrow().status.clone()
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Waits until a reading made at or after `since` satisfies this, and says when it was made. `None`: none did
    /// until the deadline.
    pub(crate) async fn wait(
        &self,
        since: Instant,
        deadline: Instant,
        mut holds: impl FnMut(&Status) -> bool,
    ) -> Option<Instant> {
        let mut readings = self.readings.clone();
        let waiting = async {
            loop {
                let found = {
                    let reading = readings.borrow_and_update();
                    let fresh = reading.at.filter(|at| *at >= since);
                    fresh.filter(|_| reading.status.as_deref().is_some_and(&mut holds))
                };
                if found.is_some() || readings.changed().await.is_err() {
                    return found;
                }
            }
        };
        timeout_at(deadline.into(), waiting).await.ok().flatten()
    }
}

async fn poll(mut reader: StatusReader, mut book: Book, sender: watch::Sender<Reading>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let status = reader.read().await.ok().map(Arc::new);
        // The status was true at some moment before now: a time never flatters the node.
        let at = Instant::now();
        book.enter(at, status.as_deref());
        let _ = sender.send(Reading { at: Some(at), status });
    }
}

struct Book {
    name: String,
    seen: Arc<Mutex<Seen>>,
    timeline: Timeline,
    health: BTreeMap<SocketAddr, String>,
    standings: BTreeMap<SocketAddr, String>,
    sessions: BTreeMap<SocketAddr, u64>,
    trust_lost: bool,
}

impl Book {
    fn enter(&mut self, at: Instant, status: Option<&Status>) {
        let seen = Arc::clone(&self.seen);
        let mut seen = lock(&seen);
        let state = status.map_or(SILENT, |status| status.state.as_str());
        if seen.states.last().is_none_or(|last| last.state != state) && seen.states.len() < CHANGES_MAX {
            let reason = status
                .map(|status| status.state_reason.clone())
                .unwrap_or_default();
            // A node that has not started yet is no news.
            if !(seen.states.is_empty() && status.is_none()) {
                let colon = if reason.is_empty() { "" } else { ": " };
                self.timeline
                    .say(format!("{} is {state}{colon}{reason}", self.name));
            }
            seen.states.push(StateChange {
                at,
                state: state.to_owned(),
                reason,
            });
        }
        let Some(status) = status else { return };
        for endpoint in &status.endpoints {
            let sessions = self
                .sessions
                .insert(endpoint.address, endpoint.sessions)
                .unwrap_or_default();
            if sessions != endpoint.sessions && seen.sessions.len() < CHANGES_MAX {
                seen.sessions.push((at, endpoint.address, endpoint.sessions));
            }
            if self.standings.get(&endpoint.address) != Some(&endpoint.standing)
                && seen.standings.len() < CHANGES_MAX
            {
                seen.standings
                    .push((at, endpoint.address, endpoint.standing.clone()));
                self.standings.insert(endpoint.address, endpoint.standing.clone());
            }
            if self.health.get(&endpoint.address) != Some(&endpoint.health)
                && seen.endpoints.len() < CHANGES_MAX
            {
                seen.endpoints.push(EndpointChange {
                    at,
                    address: endpoint.address,
                    health: endpoint.health.clone(),
                    reason: endpoint.reason.clone(),
                });
                self.health.insert(endpoint.address, endpoint.health.clone());
            }
        }
        let lost = status.trust.state == "lost";
        if lost && !self.trust_lost {
            let reason = status.trust.reason.clone().unwrap_or_default();
            self.timeline
                .say(format!("{} has lost its trust: {reason}", self.name));
            seen.trust_lost.push((at, reason));
        }
        self.trust_lost = lost;
    }
}
