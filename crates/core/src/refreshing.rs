//! R1, R2, R3: when which source is asked, what, and through which servers.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::action::{Action, Ask, Breadth, RefreshSource};
use crate::bend::Bend;
use crate::endpoint::Endpoint;
use crate::event::{RefreshId, SourceId};
use crate::policy::Policy;
use crate::recovery::{FIRST_BACKOFF, LOST_AFTER};
use crate::report::{NodeListing, SourceFailure};
use crate::settings::SourceKind;
use crate::snapshot::{Capability, Class, NodeState, SourceState, Standing};
use crate::source::Asking;
use crate::{Level, Mode};

/// An answer is asked for again no sooner than this, however short it holds.
pub const VALID_MIN: Duration = Duration::from_secs(5);
/// … and no later than this, however long: five minutes, less the tenth that jitter may add.
pub const VALID_MAX: Duration = Duration::from_secs(270);
/// Supervisors are asked within this time once one of them may have come back, jittered: they serve 20 at a time.
const SUPERVISOR_CALLED_WITHIN: Duration = Duration::from_secs(1);
/// The longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Servers that one refresh may ask.
pub const TARGETS_MAX: usize = 64;

impl Policy {
    /// A refresh ended with an answer, which may say how long it holds.
    pub(crate) fn plan_after_report(
        &mut self,
        id: SourceId,
        refresh: RefreshId,
        valid_for: Option<Duration>,
    ) {
        let isolated = self.node_state() == NodeState::Isolated;
        let (now, polled, watched) = (
            self.now,
            self.settings.refresh_polled,
            self.settings.refresh_watched,
        );
        let bent = self.is_bent(Bend::R2);
        let Some(index) = self.index(id) else { return };
        let heartbeat_pause = self.heartbeat_pause(self.sources[index].state == SourceState::Empty);
        let source = &mut self.sources[index];
        if source.asking.is_some_and(|asking| asking.refresh == refresh) {
            source.asking = None;
        } else {
            return;
        }
        source.failures = if isolated {
            source.failures.saturating_add(1)
        } else {
            0
        };
        source.not_before = None;
        self.changed = true;
        if source.kind == SourceKind::Heartbeat {
            let pause = heartbeat_pause.unwrap_or(polled);
            source.next = Some(
                now + self
                    .chance
                    .about(pause)
                    .min(source.kind.isolated_cap_if(isolated)),
            );
            return;
        }
        source.next = match (isolated, source.mode, source.kind) {
            (true, _, kind) => Some(now + backoff(&mut self.chance, source.failures, kind.isolated_cap())),
            (_, Mode::Fixed, _) => None,
            (_, Mode::Watch, _) if bent => None,
            (_, Mode::Watch, _) if source.watch.is_some() => Some(now + self.chance.about(watched)),
            _ if source.state == SourceState::Empty => Some(now + self.chance.about(polled / 6)),
            _ => Some(now + next_answer(&mut self.chance, valid_for, polled)),
        };
    }

    /// An operator wants everything asked now.
    pub(crate) fn refresh_all(&mut self) {
        for source in &mut self.sources {
            if source.asking.is_none() {
                source.next = Some(self.now);
            }
        }
        self.changed = true;
    }

    /// H6: a supervisor that answered can be asked again; *discovery* is a capability of its own.
    pub(crate) fn take_discovery(
        &mut self,
        id: SourceId,
        server: Option<SocketAddr>,
        capability: Capability,
    ) {
        let is_supervisor = self
            .source(id)
            .is_some_and(|source| source.kind == SourceKind::Supervisor);
        let endpoint = server.and_then(|server| self.endpoints.get_mut(&server));
        if let (true, Some(endpoint)) = (is_supervisor, endpoint) {
            self.changed |= endpoint.judgement.discovery != capability;
            endpoint.judgement.discovery = capability;
        }
    }

    /// M3a: an answer about one Node.
    pub(crate) fn take_node_answer(
        &mut self,
        id: SourceId,
        refresh: RefreshId,
        name: &str,
        node: Option<&NodeListing>,
        actions: &mut Vec<Action>,
    ) {
        let now = self.now;
        let Some(source) = self.source_mut(id) else { return };
        let newer = (refresh, 0) >= source.order;
        let recovered = source.state == SourceState::Failed;
        source.state = SourceState::Good;
        source.error = None;
        source.last_report = Some(now);
        if newer {
            self.take_node(name, node);
            if let Some(node) = node.filter(|node| node.name == name) {
                self.learn_zone(node, actions);
            }
        }
        self.changed = true;
        if recovered {
            self.announce_source(id, Level::Info, "answers again".to_string(), actions);
        }
        self.plan_after_report(id, refresh, None);
    }

    /// A refresh ended without an answer.
    pub(crate) fn take_source_failure(
        &mut self,
        id: SourceId,
        refresh: RefreshId,
        failure: SourceFailure,
        actions: &mut Vec<Action>,
    ) {
        let isolated = self.is_isolated();
        let (now, polled) = (self.now, self.settings.refresh_polled);
        let Some(index) = self.index(id) else { return };
        let source = &mut self.sources[index];
        if source.asking.is_none_or(|asking| asking.refresh != refresh) {
            return;
        }
        source.asking = None;
        source.failures = source.failures.saturating_add(1);
        let cap = if isolated {
            source.kind.isolated_cap()
        } else {
            polled
        };
        let pause = backoff(&mut self.chance, source.failures, cap);
        source.not_before = failure.retry_after.map(|after| now + after.min(RETRY_AFTER_MAX));
        source.next = Some((now + pause).max(source.not_before.unwrap_or(now)));
        let news = source.state != SourceState::Failed;
        source.state = SourceState::Failed;
        source.error = Some(failure.reason.clone());
        self.changed = true;
        for (server, _) in &failure.tried {
            self.take_discovery(id, Some(*server), Capability::No);
        }
        if let Some(fault) = failure.local {
            self.take_local_fault(fault, actions);
        }
        if news {
            self.announce_source(
                id,
                Level::Warn,
                format!("fails: {}; nothing is forgotten (M2)", failure.reason),
                actions,
            );
        }
    }

    /// A watch is over: the next refresh opens a new one.
    pub(crate) fn take_watch_end(&mut self, id: SourceId, refresh: RefreshId, reason: String) {
        let now = self.now;
        let isolated = self.is_isolated();
        let Some(index) = self.index(id) else { return };
        let source = &mut self.sources[index];
        if source.watch != Some(refresh) {
            return;
        }
        source.watch = None;
        source.note = format!("watch ended: {reason}");
        source.failures = source.failures.saturating_add(1);
        let cap = if isolated {
            source.kind.isolated_cap()
        } else {
            Duration::from_secs(10)
        };
        let soon = now + backoff(&mut self.chance, source.failures, cap);
        if source.asking.is_none() {
            source.next = Some(source.next.map_or(soon, |next| next.min(soon)));
        }
        self.changed = true;
    }

    /// Starts the refreshes that are due.
    pub(crate) fn start_refreshes(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        let isolated = self.is_isolated();
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            if source
                .asking
                .is_some_and(|asking| now >= asking.started + asking.timeout + LOST_AFTER)
            {
                source.asking = None;
                source.next = Some(now);
            }
            if source.asking.is_some() || source.next.is_none_or(|next| next > now) {
                continue;
            }
            let (kind, turn) = (source.kind, source.turn);
            let targets = self.targets(kind, turn as usize);
            if kind.needs_server() && targets.is_empty() {
                // Nobody to ask: no question, and no failure either. A new endpoint calls it at once.
                self.sources[index].next = Some(now + kind.isolated_cap());
                self.changed = true;
                continue;
            }
            let ask = if kind == SourceKind::Nodes {
                self.node_question(turn as usize)
            } else {
                Ask::Everything
            };
            self.last_refresh = RefreshId(self.last_refresh.0 + 1);
            let (refresh, timeout) = (self.last_refresh, kind.timeout(isolated));
            let source = &mut self.sources[index];
            source.turn = source.turn.wrapping_add(1);
            source.next = None;
            source.asking = Some(Asking {
                refresh,
                started: now,
                timeout,
            });
            self.changed = true;
            let breadth = if isolated { Breadth::Every } else { Breadth::First };
            let source = SourceId(u16::try_from(index).unwrap_or(u16::MAX));
            actions.push(Action::RefreshSource(RefreshSource {
                source,
                refresh,
                ask,
                targets,
                breadth,
                timeout,
            }));
        }
    }

    /// Sources that nobody could be asked for until now are asked, for there is somebody.
    pub(crate) fn call_waiting_sources(&mut self) {
        let now = self.now;
        for source in &mut self.sources {
            if source.kind.needs_server() && source.turn == 0 {
                source.next = Some(now);
            }
        }
    }

    /// H6, R1: a server without an API has come back while the node is isolated. Useless as upstream, its supervisor may be the
    /// only one who knows where the others are now: it is asked soon, not only when the backoff ends.
    pub(crate) fn call_supervisors(&mut self) {
        if !self.is_isolated() {
            return;
        }
        let soon = self.now + self.chance.up_to(SUPERVISOR_CALLED_WITHIN);
        for source in &mut self.sources {
            if source.kind != SourceKind::Supervisor {
                continue;
            }
            let began_before = |asking: Asking| self.now.since(asking.started) >= SUPERVISOR_CALLED_WITHIN;
            if source.asking.is_some_and(began_before) {
                source.asking = None;
                source.next = None;
            }
            if source.asking.is_none() {
                let soon = soon.max(source.not_before.unwrap_or(soon));
                source.next = Some(source.next.map_or(soon, |next| next.min(soon)));
            }
        }
    }

    /// R2, R3: servers to ask, best first; the good ones take turns.
    fn targets(&self, kind: SourceKind, turn: usize) -> Vec<SocketAddr> {
        if !kind.needs_server() {
            return Vec::new();
        }
        let isolated = self.is_isolated();
        let in_use = self.in_use();
        let useful = |address: &SocketAddr| {
            self.endpoints.get(address).is_some_and(|endpoint| {
                if kind == SourceKind::Heartbeat {
                    // A witness: another than the one in use.
                    return endpoint.is_ready() && Some(*address) != in_use;
                }
                let class = self.class(*address, endpoint, endpoint.membership.standing);
                // H6: an etcd-only server is precious to a supervisor source, useless to an API source.
                class != Class::Impostor
                    && (kind == SourceKind::Supervisor || class != Class::NoApi)
                    && (isolated || class != Class::Archived)
            })
        };
        let mut targets: Vec<SocketAddr> = self.ordered().into_iter().filter(useful).collect();
        let good = targets
            .iter()
            .take_while(|address| {
                self.endpoints
                    .get(address)
                    .is_some_and(|endpoint| endpoint.is_ready() && !endpoint.is_suspected())
            })
            .count();
        if good > 1 {
            targets[..good].rotate_left(turn % good);
        }
        targets.truncate(if self.is_bent(Bend::R3) { 1 } else { TARGETS_MAX });
        targets
    }

    /// M3a: the Node of an endpoint that left the Endpoints first, else one control-plane Node in turn; a list while a listed endpoint has none.
    fn node_question(&self, turn: usize) -> Ask {
        let untied = self.endpoints.values().any(|endpoint| {
            endpoint.membership.node.is_none() && endpoint.membership.standing != Standing::Archived
        });
        let listed_before = self
            .sources
            .iter()
            .any(|source| source.kind == SourceKind::Nodes && source.last_report.is_some());
        if let (true, Some(own)) = (listed_before, self.own_node_question(turn)) {
            return own;
        }
        let name = |endpoint: &Endpoint| endpoint.membership.node.clone();
        let left: Vec<String> = self
            .endpoints
            .values()
            .filter(|e| e.membership.unlisted.is_some() && e.membership.archived.is_none())
            .filter_map(name)
            .collect();
        let all: Vec<String> = self
            .endpoints
            .values()
            .filter(|e| e.membership.archived.is_none())
            .filter_map(name)
            .collect();
        // A server without a Node stays untied for ever: every fourth question is enough for it.
        let list =
            self.is_bent(Bend::M3a) || !listed_before || all.is_empty() || (untied && turn.is_multiple_of(4));
        match (list, left.is_empty()) {
            (true, _) => Ask::Everything,
            (false, false) => Ask::Node(left[turn % left.len()].clone()),
            (false, true) => Ask::Node(all[turn % all.len()].clone()),
        }
    }
}

/// When an answer is due to be asked for again: once it no longer holds, where it says how long it does. Never sooner,
/// for a cache between would only repeat it.
fn next_answer(
    chance: &mut crate::chance::Chance,
    valid_for: Option<Duration>,
    polled: Duration,
) -> Duration {
    let Some(valid) = valid_for else {
        return chance.about(polled);
    };
    let valid = valid.clamp(VALID_MIN, VALID_MAX);
    valid + chance.up_to(valid / 10)
}

/// Full-jitter exponential backoff.
fn backoff(chance: &mut crate::chance::Chance, failures: u8, cap: Duration) -> Duration {
    chance.up_to((FIRST_BACKOFF * (1 << failures.min(12))).min(cap))
}
