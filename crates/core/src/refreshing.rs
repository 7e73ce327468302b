//! R1, R2, R3: when which source is asked, what, and through which servers.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::action::{Action, Ask, Breadth, RefreshSource};
use crate::bend::Bend;
use crate::endpoint::{Endpoint, Weight};
use crate::event::{RefreshId, SourceId};
use crate::pace::{after_empty, backoff, next_answer};
use crate::policy::Policy;
use crate::recovery::{FIRST_BACKOFF, LOST_AFTER};
use crate::report::{NodeListing, SourceFailure};
use crate::settings::SourceKind;
use crate::snapshot::{Capability, Class, NodeState, SourceState, Standing};
use crate::source::Asking;
use crate::{Mode, Notice};

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
        let state = self.node_state();
        let isolated = state == NodeState::Isolated;
        let (now, polled) = (self.now, self.settings.refresh_polled);
        let bent = self.is_bent(Bend::R2);
        let Some(index) = self.index(id) else { return };
        let asked_for = |asking: Asking| asking.refresh == refresh;
        if !self.sources[index].asking.is_some_and(asked_for) {
            return;
        }
        let pace = self.pace(self.sources[index].kind);
        let isolated_cap = self.isolated_source_cap(self.sources[index].kind);
        let first = self.soon_for(self.sources[index].kind);
        let heartbeat_pause =
            self.heartbeat_pause(self.sources[index].state == SourceState::Empty, valid_for);
        let source = &mut self.sources[index];
        source.asking = None;
        source.not_before = None;
        // An empty answer is one more that brought nothing: it is asked for again soon, and then less and less often.
        source.failures = if isolated || source.state == SourceState::Empty {
            source.failures.saturating_add(1)
        } else {
            0
        };
        self.changed = true;
        let chance = &mut self.chance;
        if source.kind == SourceKind::Heartbeat {
            let pause = heartbeat_pause.unwrap_or(pace);
            source.next = Some(now + chance.about(pause).min(source.kind.isolated_cap_if(isolated)));
            return;
        }
        source.next = match (state, source.mode) {
            (NodeState::Isolated, _) => Some(now + backoff(chance, first, source.failures, isolated_cap)),
            (_, Mode::Fixed) => None,
            (_, Mode::Watch) if bent => None,
            _ if source.watch.is_none() && source.state == SourceState::Empty => {
                Some(now + chance.about(after_empty(source.failures, polled, pace)))
            }
            (state, _) => Some(now + next_answer(chance, valid_for, pace, state)),
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
            self.announce_source(id, Notice::SourceAnswers, "answers again".to_string(), actions);
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
        let now = self.now;
        let Some(index) = self.index(id) else { return };
        let pace = self.pace(self.sources[index].kind);
        let isolated_cap = self.isolated_source_cap(self.sources[index].kind);
        let first = self.soon_for(self.sources[index].kind);
        let source = &mut self.sources[index];
        if source.asking.is_none_or(|asking| asking.refresh != refresh) {
            return;
        }
        source.asking = None;
        source.failures = source.failures.saturating_add(1);
        let cap = if isolated { isolated_cap } else { pace };
        let pause = backoff(&mut self.chance, first, source.failures, cap);
        source.not_before = failure.retry_after.map(|after| now + after.min(RETRY_AFTER_MAX));
        source.next = Some((now + pause).max(source.not_before.unwrap_or(now)));
        let news = source.state != SourceState::Failed;
        let asks_apiservers = source.kind.asks_apiservers();
        source.state = SourceState::Failed;
        source.error = Some(failure.reason.clone());
        self.changed = true;
        // H3: our own fault says nothing about whom we could not ask.
        let asked = failure.tried.iter().filter(|_| failure.local.is_none());
        for (server, _) in asked {
            self.take_discovery(id, Some(*server), Capability::No);
        }
        // H3: a source dials as a client does.
        let unreached = failure.unreached.iter().take(TARGETS_MAX);
        for &server in unreached.filter(|_| asks_apiservers && failure.local.is_none()) {
            self.suspect(server, Weight::Question);
        }
        if let Some(fault) = failure.local {
            self.take_local_fault(fault, actions);
        }
        if news {
            self.announce_source(
                id,
                Notice::SourceFails,
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
        let through = source.watched_through.take();
        let asks_apiservers = source.kind.asks_apiservers();
        source.note = format!("watch ended: {reason}");
        source.failures = source.failures.saturating_add(1);
        let cap = if isolated {
            source.kind.isolated_cap()
        } else {
            Duration::from_secs(10)
        };
        let soon = now + backoff(&mut self.chance, FIRST_BACKOFF, source.failures, cap);
        if source.asking.is_none() {
            source.next = Some(source.next.map_or(soon, |next| next.min(soon)));
        }
        self.changed = true;
        // H3, H7: a watch ends as a session does. Where all sessions are elsewhere, it is the first to know that a server has gone.
        if let Some(server) = through.filter(|_| asks_apiservers) {
            self.suspect(server, Weight::Question);
        }
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
        let (now, spread) = (self.now, self.supervisor_spread());
        for source in &mut self.sources {
            if !source.kind.needs_server() || source.turn != 0 {
                continue;
            }
            source.next = Some(match source.kind {
                // R1: a fleet that starts as one is not to take all places.
                SourceKind::Supervisor if !spread.is_zero() => now + self.chance.up_to(spread),
                _ => now,
            });
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
        let mut targets: Vec<SocketAddr> = self.ordered_for(kind).into_iter().filter(useful).collect();
        let good = targets
            .iter()
            .take_while(|address| {
                self.endpoints
                    .get(address)
                    .is_some_and(|endpoint| endpoint.is_ready() && !endpoint.is_second_choice())
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
