//! K3s's embedded balancer as it was before December 2024, from its documented behaviour: the policy of k3s#11349.
//!
//! The list is what the watch told last, and that is written to disk. The watch goes through the balancer itself. One
//! default address, the registration address, stands behind the list. A dial that fails turns to the next in the list;
//! nothing is tested, nothing turns back, and nobody else is asked.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Action, Ask, Breadth, Event, Jitter, RefreshId, RefreshSource, SourceId, Timestamp};

use super::cast::{KUBERNETES, SUPERVISOR, address};
use super::subject::Subject;
use crate::rivals::record;

/// A watch that could not be opened is tried again after this.
const WATCH_RETRY: Duration = Duration::from_secs(5);
/// How long a try may take: client-go's dial.
const WATCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The policy.
#[derive(Clone, Debug)]
pub struct K3sBefore2024 {
    /// What the watch told last; the default stands behind it if it is not in it.
    list: Vec<SocketAddr>,
    default: SocketAddr,
    kubernetes: SourceId,
    supervisor: SourceId,
    /// Whom new connections go to first.
    current: SocketAddr,
    asking: bool,
    watching: Option<RefreshId>,
    next_watch: Timestamp,
    last_refresh: RefreshId,
}

impl K3sBefore2024 {
    /// A process that knows only the address that the checker's node was joined with.
    pub fn started(now: Timestamp) -> Self {
        Self::joined_to(address(0), KUBERNETES, SUPERVISOR, now)
    }

    /// A process that knows only the address that its node was joined with, and its two sources.
    pub(crate) fn joined_to(
        default: SocketAddr,
        kubernetes: SourceId,
        supervisor: SourceId,
        now: Timestamp,
    ) -> Self {
        Self {
            list: Vec::new(),
            default,
            kubernetes,
            supervisor,
            current: default,
            asking: false,
            watching: None,
            next_watch: now,
            last_refresh: RefreshId(0),
        }
    }

    /// Whether the watch told it last.
    pub(crate) fn lists(&self, server: SocketAddr) -> bool {
        self.list.contains(&server)
    }

    /// The list, and the default behind it.
    fn servers(&self) -> Vec<SocketAddr> {
        let mut servers = self.list.clone();
        if !servers.contains(&self.default) {
            servers.push(self.default);
        }
        servers
    }

    fn turn_from(&mut self, failed: SocketAddr) {
        if self.current != failed {
            return;
        }
        let servers = self.servers();
        let at = servers.iter().position(|server| *server == failed);
        self.current = match at {
            Some(at) => servers[(at + 1) % servers.len()],
            None => servers[0],
        };
    }

    /// What the watch tells is the list. An empty one is not taken.
    fn take_list(&mut self, told: Vec<SocketAddr>, actions: &mut Vec<Action>) {
        if told.is_empty() || told == self.list {
            return;
        }
        let knew_only_the_default = self.list.is_empty();
        self.list = told;
        if knew_only_the_default || !self.servers().contains(&self.current) {
            // Connections to a server that is not in the list are closed, and the next go to the first in it.
            actions.push(Action::CloseSessions(jackline_core::CloseSessions {
                endpoint: self.current,
                which: jackline_core::Which::All,
                pace: jackline_core::Pace::Reset(Duration::ZERO),
                reason: "not in the list".to_owned(),
            }));
            self.current = self.list[0];
        }
        let records = self.list.iter().copied().map(record).collect();
        actions.push(Action::PersistMembership { records });
    }

    fn watch_again(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.asking || self.watching.is_some() || now < self.next_watch {
            return;
        }
        self.asking = true;
        self.last_refresh = RefreshId(self.last_refresh.0 + 1);
        let (source, target) = match self.list.is_empty() {
            // Without a file on disk, the supervisor that it was joined with is asked once.
            true => (self.supervisor, self.default),
            // Through the balancer itself: whoever is current.
            false => (self.kubernetes, self.current),
        };
        actions.push(Action::RefreshSource(RefreshSource {
            source,
            refresh: self.last_refresh,
            ask: Ask::Everything,
            targets: vec![target],
            breadth: Breadth::First,
            timeout: WATCH_TIMEOUT,
        }));
    }
}

impl Subject for K3sBefore2024 {
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::SourceReported {
                source,
                refresh,
                report,
                ..
            } => {
                self.asking = false;
                if source == self.kubernetes {
                    self.watching = Some(refresh);
                } else {
                    self.next_watch = now;
                }
                let told = report.endpoints.iter();
                let told = told
                    .map(|listing| SocketAddr::new(listing.ip, listing.port.unwrap_or(6443)))
                    .collect();
                self.take_list(told, actions);
            }
            Event::SourceFailed { .. } => {
                self.asking = false;
                self.next_watch = now + WATCH_RETRY;
            }
            Event::WatchEnded { .. } => {
                self.watching = None;
                self.next_watch = now + WATCH_RETRY;
            }
            Event::DialFailed { endpoint, .. } => self.turn_from(endpoint),
            Event::HedgeWon { silent, .. } => self.turn_from(silent),
            Event::SessionOpened { endpoint, .. } => self.current = endpoint,
            Event::MembershipRestored { records, .. } if !records.is_empty() => {
                self.list = records.iter().map(|record| record.address).collect();
                self.current = self.list[0];
            }
            _ => {}
        }
        self.watch_again(now, actions);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let idle = !self.asking && self.watching.is_none();
        idle.then_some(self.next_watch)
    }

    fn choose_jitter(&mut self, _: Jitter) {}

    fn chance_mark(&self) -> u64 {
        0
    }

    fn candidates(&self) -> Vec<SocketAddr> {
        let servers = self.servers();
        let at = servers.iter().position(|server| *server == self.current);
        let turn = at.unwrap_or_default();
        let mut candidates = servers;
        candidates.rotate_left(turn);
        candidates
    }

    fn tests(&self, _: SocketAddr) -> bool {
        false
    }

    fn believes_attached(&self) -> bool {
        true
    }

    fn hash_node(&self, hasher: &mut DefaultHasher) {
        (self.asking, self.watching.is_some()).hash(hasher);
    }

    fn hash_server(&self, server: SocketAddr, hasher: &mut DefaultHasher) {
        let place = self.candidates().iter().position(|known| *known == server);
        (place, self.list.contains(&server)).hash(hasher);
    }

    fn breach(&self, _: &[Action]) -> Option<String> {
        None
    }

    /// It promises nothing: only what never ends is held against it.
    fn cap(&self, _: SocketAddr) -> Duration {
        Duration::MAX
    }
}
