//! R: the node's own state, and when which source and which endpoint is tried. Nothing gives up, ever.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::action::{Action, Ask, Breadth, ProbeLimits, RefreshSource, StartProbe};
use crate::endpoint::{Endpoint, Outstanding, Suspicion};
use crate::event::{NodeListing, ProbeId, RefreshId, SourceFailure, SourceId};
use crate::health::{BURST_EVERY, FALL, ISOLATED_LIMITS, USUAL_LIMITS, short_limits};
use crate::policy::Policy;
use crate::settings::SourceKind;
use crate::snapshot::{Capability, Class, Health, NodeState, SourceState, Standing};
use crate::source::Asking;
use crate::{Level, Mode, Timestamp};

/// The first backoff while isolated (R1).
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest pause between two tries of an endpoint while isolated (R1); wider with `fleet-size`.
pub const ISOLATED_PROBE_CAP: Duration = Duration::from_millis(800);
/// The same for one that serves no API, or whose certificate does not verify.
pub const USELESS_PROBE_CAP: Duration = Duration::from_secs(2);
/// The same for an archived one.
pub const ARCHIVED_PROBE_CAP: Duration = Duration::from_secs(10);
/// A not-ready endpoint is looked at this often while nobody is ready, once it has taken long to come up.
const SLOW_START_EVERY: Duration = Duration::from_secs(2);
/// How long probes follow each other closely after a suspicion (H7).
const BURST_FOR: Duration = Duration::from_secs(3);
/// Suspicions are heard in full again after this long without one.
const SUSPICION_MEMORY: Duration = Duration::from_secs(60);
/// A test that failed on this very machine is done anew after this long.
const LOCAL_FAULT_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Servers that one refresh may ask.
pub const TARGETS_MAX: usize = 64;
/// A refresh or a probe whose end is this late has been lost by the shell, and is done anew.
pub const LOST_AFTER: Duration = Duration::from_secs(5);

impl Policy {
    /// The node's own state, from what is known now.
    pub(crate) fn node_state(&self) -> NodeState {
        let mut state = NodeState::Isolated;
        for endpoint in self.endpoints.values().filter(|endpoint| endpoint.serves_api()) {
            match endpoint.judgement.health {
                Health::Ready => return NodeState::Attached,
                Health::Alive | Health::NotReady => state = NodeState::Degraded,
                Health::Unknown | Health::Unreachable | Health::Impostor => {}
            }
        }
        state
    }

    pub(crate) fn is_isolated(&self) -> bool {
        self.node.state == NodeState::Isolated
    }

    /// R1, S5: attached, degraded or isolated, and what follows at once from a change.
    pub(crate) fn judge_node(&mut self, actions: &mut Vec<Action>) {
        let state = self.node_state();
        let reason = self.state_reason(state);
        if reason != self.node.reason {
            self.node.reason = reason;
            self.changed = true;
        }
        if state == self.node.state {
            return;
        }
        let was = self.node.state;
        self.node.state = state;
        self.node.since = self.now;
        self.changed = true;
        let (level, word) = match state {
            NodeState::Attached => (Level::Info, "attached"),
            NodeState::Degraded => (Level::Warn, "degraded"),
            NodeState::Isolated => (Level::Error, "isolated"),
        };
        let text = format!("{word}: {}", self.node.reason);
        self.announce_node(level, text, actions);
        match (was, state) {
            (_, NodeState::Isolated) => self.hurry(),
            (NodeState::Isolated, _) => self.end_storm(),
            (_, NodeState::Attached) => self.look_again(),
            _ => {}
        }
    }

    fn state_reason(&self, state: NodeState) -> String {
        let of = |health: Health| {
            self.endpoints
                .values()
                .filter(|endpoint| endpoint.judgement.health == health && endpoint.serves_api())
                .count()
        };
        let known = self.endpoints.len();
        let mut reason = match state {
            NodeState::Attached => format!("{} of {known} endpoints ready", of(Health::Ready)),
            NodeState::Degraded => format!(
                "none of {known} endpoints is ready; {} alive, {} not-ready",
                of(Health::Alive),
                of(Health::NotReady)
            ),
            NodeState::Isolated if known == 0 => "no endpoint is known yet".to_string(),
            NodeState::Isolated => format!("none of {known} endpoints answers as an apiserver"),
        };
        if let Some((fault, _)) = self.node.local_fault {
            reason = format!("{reason}; this machine fails: {}", fault_words(fault));
        }
        reason
    }

    /// R1: everything is tried again, now.
    fn hurry(&mut self) {
        for source in &mut self.sources {
            source.failures = 0;
            let stuck = source
                .asking
                .is_some_and(|asking| self.now.since(asking.started) > Duration::from_secs(1));
            if source.asking.is_none() || stuck {
                source.asking = None;
                let soon = self.now + self.chance.up_to(FIRST_BACKOFF);
                source.next = Some(soon.max(source.not_before.unwrap_or(soon)));
            }
        }
        for endpoint in self.endpoints.values_mut() {
            endpoint.probing.attempts = 0;
            let stuck = endpoint
                .probing
                .outstanding
                .is_some_and(|outstanding| self.now.since(outstanding.started) > ISOLATED_PROBE_CAP);
            if endpoint.probing.outstanding.is_none() || stuck {
                endpoint.probing.outstanding = None;
                endpoint.probing.next = Some(self.now + self.chance.up_to(FIRST_BACKOFF));
            }
        }
    }

    /// R1: the first success ends the storm. R2: what was learnt in it is asked again, soon.
    fn end_storm(&mut self) {
        for source in &mut self.sources {
            source.failures = 0;
            if source.kind.needs_server() && source.asking.is_none() && source.watch.is_none() {
                source.next = Some(self.now + self.chance.up_to(FIRST_BACKOFF));
            }
        }
        let archived: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.membership.standing == Standing::Archived)
            .map(|(&address, _)| address)
            .collect();
        for address in archived {
            if let Some(endpoint) = self.endpoints.get_mut(&address) {
                endpoint.probing.next = None;
            }
        }
    }

    /// S5: one server has healed, so the others of a shared cause may have too.
    fn look_again(&mut self) {
        let now = self.now;
        for endpoint in self.endpoints.values_mut() {
            if endpoint.judgement.health == Health::NotReady && endpoint.probing.next.is_some() {
                endpoint.probing.next = Some(now);
            }
        }
    }

    // --- suspicion (H7) ---

    /// H7: a suspicion from outside has the endpoint probed afresh at once; suspicions that prove empty are heard less
    /// and less. `demotes`: it puts the endpoint after its equals (S1) until it is answered.
    pub(crate) fn suspect(&mut self, address: SocketAddr, demotes: bool) {
        let now = self.now;
        let longest = self.settings.probe_used;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        if matches!(judgement.health, Health::Unreachable | Health::Impostor) {
            return;
        }
        if judgement.suspicion.is_none() {
            let heard = &mut judgement.heard[usize::from(demotes)];
            let pause = (BURST_EVERY * (1 << heard.empty.min(8))).min(longest);
            if heard.last.is_some_and(|last| now.since(last) >= SUSPICION_MEMORY) {
                heard.empty = 0;
            } else if heard.empty > 0 && heard.last.is_some_and(|last| now.since(last) < pause) {
                return;
            }
            heard.last = Some(now);
        } else if judgement
            .suspicion
            .is_some_and(|suspicion| suspicion.demotes || !demotes)
        {
            return;
        }
        self.raise_suspicion(address, demotes);
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        endpoint.probing.fresh_wanted = true;
        endpoint.probing.next = Some(now);
        // A lazy test under way would keep the urgent one waiting for its long limits.
        let lazy =
            |outstanding: &Outstanding| !outstanding.short && now.since(outstanding.started) >= BURST_EVERY;
        if endpoint.probing.outstanding.as_ref().is_some_and(lazy) {
            endpoint.probing.outstanding = None;
        }
    }

    /// Something speaks against an endpoint: probes follow each other closely for a while (H7).
    pub(crate) fn raise_suspicion(&mut self, address: SocketAddr, demotes: bool) {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let suspicion = endpoint
            .judgement
            .suspicion
            .get_or_insert(Suspicion { since: now, demotes });
        suspicion.demotes |= demotes;
        endpoint.probing.burst_until.get_or_insert(now + BURST_FOR);
        self.changed = true;
    }

    /// A probe that began after the suspicion has answered it.
    pub(crate) fn clear_suspicion(&mut self, address: SocketAddr, outstanding: Outstanding, empty: bool) {
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        let answered = judgement
            .suspicion
            .filter(|suspicion| outstanding.fresh && outstanding.started >= suspicion.since);
        if let Some(suspicion) = answered {
            judgement.suspicion = None;
            endpoint.probing.burst_until = None;
            let heard = &mut judgement.heard[usize::from(suspicion.demotes)];
            heard.empty = if empty {
                heard.empty.saturating_add(1).min(8)
            } else {
                0
            };
            self.changed = true;
        }
    }

    // --- probes (H7, R1) ---

    /// R1: the longest pause between two tries of `endpoint` while isolated.
    pub(crate) fn isolated_probe_cap(&self, endpoint: &Endpoint) -> Duration {
        let wider = 1 + self.settings.fleet_size / 1000;
        match class_of_pause(endpoint, endpoint.membership.standing) {
            Class::Archived => ARCHIVED_PROBE_CAP,
            Class::NoApi => USELESS_PROBE_CAP * wider,
            _ => ISOLATED_PROBE_CAP * wider,
        }
    }

    /// When an endpoint is tested again, now that a test has ended.
    pub(crate) fn plan_after_probe(&mut self, address: SocketAddr) {
        let Some(endpoint) = self.endpoints.get(&address) else {
            return;
        };
        let pause = match self.pause_after_probe(endpoint) {
            Some(Pause::Exactly(pause)) => Some(pause),
            Some(Pause::About(period)) => Some(self.chance.about(period)),
            Some(Pause::UpTo(most)) => Some(self.chance.up_to(most)),
            None => None,
        };
        let now = self.now;
        if let Some(endpoint) = self.endpoints.get_mut(&address) {
            endpoint.probing.next = pause.map(|pause| now + pause);
            endpoint.probing.attempts = endpoint.probing.attempts.saturating_add(1);
        }
    }

    fn pause_after_probe(&self, endpoint: &Endpoint) -> Option<Pause> {
        let (judgement, probing) = (&endpoint.judgement, &endpoint.probing);
        let isolated = self.node_state() == NodeState::Isolated;
        if self.node.local_fault.is_some_and(|(_, seen)| seen == self.now) {
            // H3: this machine failed, not the endpoint; it is asked again soon.
            return Some(Pause::About(LOCAL_FAULT_PAUSE));
        }
        if probing.fresh_wanted {
            return Some(Pause::Exactly(Duration::ZERO));
        }
        if isolated {
            let cap = self.isolated_probe_cap(endpoint);
            let backoff = FIRST_BACKOFF * (1 << probing.attempts.min(10));
            return Some(Pause::UpTo(backoff.min(cap)));
        }
        if endpoint.membership.standing == Standing::Archived {
            return None;
        }
        if judgement.suspicion.is_some() && probing.burst_until.is_some_and(|until| self.now < until) {
            let at_once = judgement.short_timeouts > 0 && judgement.short_timeouts < FALL;
            return Some(Pause::Exactly(if at_once { Duration::ZERO } else { BURST_EVERY }));
        }
        if judgement.health != Health::Ready && judgement.good > 0 {
            return Some(Pause::Exactly(BURST_EVERY));
        }
        let nobody_ready = self.node_state() != NodeState::Attached;
        if nobody_ready && judgement.health == Health::NotReady && endpoint.serves_api() {
            let coming_up = judgement.coming_up_until.is_some_and(|until| self.now < until);
            match (coming_up, judgement.shared_cause) {
                (true, _) => return Some(Pause::About(BURST_EVERY)),
                (false, false) => return Some(Pause::About(SLOW_START_EVERY)),
                // S5: a shared cause among servers that served before: the usual pace.
                (false, true) => {}
            }
        }
        if judgement.health == Health::NotReady
            && judgement.shared_cause
            && endpoint.traffic.sessions > 0
            && !nobody_ready
        {
            // S5: whether it heals decides whether its sessions move.
            return Some(Pause::About(SLOW_START_EVERY));
        }
        let fleet = if self.settings.fleet_size >= 1000 { 2 } else { 1 };
        match endpoint.is_in_use(self.now, self.settings.probe_used) {
            true => Some(Pause::About(self.settings.probe_used * fleet)),
            false => Some(Pause::About(self.settings.probe_idle * fleet)),
        }
    }

    /// Starts the tests that are due.
    pub(crate) fn start_probes(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        let isolated = self.is_isolated();
        for (&address, endpoint) in &mut self.endpoints {
            let probing = &mut endpoint.probing;
            let lost = |outstanding: Outstanding| now >= outstanding.lost_at();
            if probing.outstanding.is_some_and(lost) {
                probing.outstanding = None;
                probing.next = Some(now);
            }
            if probing.outstanding.is_some() || probing.next.is_none_or(|next| next > now) {
                continue;
            }
            self.last_probe = ProbeId(self.last_probe.0 + 1);
            let judgement = &endpoint.judgement;
            let short = judgement.suspicion.is_some() && judgement.short_timeouts < FALL && !isolated;
            let limits = match (isolated, short) {
                (true, _) => ISOLATED_LIMITS,
                (_, true) => short_limits(judgement.connect_usual),
                _ => USUAL_LIMITS,
            };
            let keep = endpoint.traffic.sessions > 0;
            let calm = judgement.health == Health::Ready && judgement.suspicion.is_none();
            let fresh = probing.fresh_wanted || isolated || !keep || !calm;
            probing.outstanding = Some(Outstanding {
                probe: self.last_probe,
                started: now,
                fresh,
                short,
                limits,
            });
            probing.next = None;
            probing.fresh_wanted = false;
            let probe = self.last_probe;
            actions.push(Action::StartProbe(StartProbe {
                endpoint: address,
                probe,
                fresh,
                keep,
                limits,
            }));
        }
    }

    // --- sources (R1, R2, R3) ---

    /// A refresh ended with an answer.
    pub(crate) fn plan_after_report(&mut self, id: SourceId, refresh: RefreshId) {
        let isolated = self.node_state() == NodeState::Isolated;
        let (now, polled, watched) = (
            self.now,
            self.settings.refresh_polled,
            self.settings.refresh_watched,
        );
        let Some(index) = self.index(id) else { return };
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
        source.next = match (isolated, source.mode, source.kind) {
            (true, _, kind) => Some(now + backoff(&mut self.chance, source.failures, kind.isolated_cap())),
            (_, Mode::Fixed, _) => None,
            (_, Mode::Watch, _) if source.watch.is_some() => Some(now + self.chance.about(watched)),
            _ if source.state == SourceState::Empty => Some(now + self.chance.about(polled / 6)),
            _ => Some(now + self.chance.about(polled)),
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
        }
        self.changed = true;
        if recovered {
            self.announce_source(id, Level::Info, "answers again".to_string(), actions);
        }
        self.plan_after_report(id, refresh);
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

    /// R2, R3: servers to ask, best first; the good ones take turns.
    fn targets(&self, kind: SourceKind, turn: usize) -> Vec<SocketAddr> {
        if !kind.needs_server() {
            return Vec::new();
        }
        let isolated = self.is_isolated();
        let useful = |address: &SocketAddr| {
            self.endpoints.get(address).is_some_and(|endpoint| {
                let class = crate::selection::class_of(endpoint, endpoint.membership.standing);
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
        targets.truncate(TARGETS_MAX);
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
        let list = !listed_before || all.is_empty() || (untied && turn.is_multiple_of(4));
        match (list, left.is_empty()) {
            (true, _) => Ask::Everything,
            (false, false) => Ask::Node(left[turn % left.len()].clone()),
            (false, true) => Ask::Node(all[turn % all.len()].clone()),
        }
    }
}

impl Outstanding {
    /// When its end is so late that the shell must have lost it.
    pub(crate) fn lost_at(self) -> Timestamp {
        let ProbeLimits { connect, tls, http } = self.limits;
        // Anonymous first, with the credential on a second connection then.
        self.started + (connect + tls + http) * 2 + LOST_AFTER
    }
}

/// How long until the next test.
enum Pause {
    Exactly(Duration),
    /// Jittered by a tenth.
    About(Duration),
    /// Full jitter.
    UpTo(Duration),
}

/// Which cap holds for an endpoint while isolated.
fn class_of_pause(endpoint: &Endpoint, standing: Standing) -> Class {
    let useless = !endpoint.serves_api() || endpoint.judgement.doubt.is_some();
    match standing {
        Standing::Archived => Class::Archived,
        _ if useless => Class::NoApi,
        _ => Class::Unknown,
    }
}

/// Full-jitter exponential backoff.
fn backoff(chance: &mut crate::chance::Chance, failures: u8, cap: Duration) -> Duration {
    chance.up_to((FIRST_BACKOFF * (1 << failures.min(12))).min(cap))
}

/// A local fault in words, with what to do.
pub(crate) fn fault_words(fault: crate::LocalFault) -> &'static str {
    match fault {
        crate::LocalFault::Descriptors => "no file descriptor left; raise LimitNOFILE",
        crate::LocalFault::Ports => "no local port left; see net.ipv4.ip_local_port_range",
        crate::LocalFault::NoRoute => "no route; is the link up?",
        crate::LocalFault::Memory => "no memory for sockets",
    }
}
