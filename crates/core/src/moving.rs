//! D: which sessions are moved, when, and how gently. Everything else stays where it is.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::action::{Action, CloseSessions, Pace, Which};
use crate::bend::Bend;
use crate::endpoint::{Cause, Endpoint, Weight};
use crate::event::{DialFailure, Ending};
use crate::health::{BURST_EVERY, SHARED_CAUSE_PATIENCE};
use crate::local_fault::LocalFault;
use crate::policy::Policy;
use crate::snapshot::{Capability, Health, NodeState, Standing};
use crate::{Notice, Timestamp};

/// D4: sessions on a dead peer are closed within this time, so that a fleet does not come back as one.
pub const DEAD_PEER_SPREAD: Duration = Duration::from_millis(750);
/// Sessions leave a server that loses writes within this time: the node has 40 s from its last heartbeat.
pub const WRITES_LOST_SPREAD: Duration = Duration::from_secs(10);
/// A server that the first session for a while opens on is tested again after this, jittered by a tenth.
const VISITED_WITHIN: Duration = Duration::from_millis(2250);
/// … where none has been on it for this long: clients that come and go have nobody tested to death.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// A session that has heard nothing for this long after sending is stalled (D4).
pub const STALL: Duration = Duration::from_secs(1);

impl Policy {
    // --- what the data plane tells (H3) ---

    pub(crate) fn take_dial_failure(
        &mut self,
        address: SocketAddr,
        failure: DialFailure,
        actions: &mut Vec<Action>,
    ) {
        match failure {
            // What a proxy says of a server is a question: the probe that follows compares.
            DialFailure::Local(LocalFault::Proxy(fault)) if fault.how.may_be_the_servers() => {
                self.suspect(address, Weight::Strong);
            }
            DialFailure::Local(fault) => self.take_endpoint_fault(address, fault, actions),
            DialFailure::Refused | DialFailure::TimedOut | DialFailure::Unreachable => {
                if let Some(endpoint) = self.endpoints.get_mut(&address) {
                    // H3: the dial counts as one bad end; the probe that follows at once decides. D1: it closes nothing.
                    if failure == DialFailure::Refused {
                        endpoint.judgement.bad = endpoint.judgement.bad.max(1);
                    }
                    endpoint.judgement.good = 0;
                    endpoint.judgement.good_since = None;
                }
                self.suspect(address, Weight::Strong);
                if self.is_bent(Bend::D1) {
                    self.start_move(address, Cause::NoApi, actions);
                }
            }
        }
    }

    /// H3: a fault of ours, met on the way to `address`. Where no way is left, all others are tried at once: is it this
    /// way, or every way?
    pub(crate) fn take_endpoint_fault(
        &mut self,
        address: SocketAddr,
        fault: LocalFault,
        actions: &mut Vec<Action>,
    ) {
        let blocked = fault.is_of_the_way().then_some(fault);
        let was = self
            .endpoints
            .get_mut(&address)
            .and_then(|endpoint| core::mem::replace(&mut endpoint.judgement.blocked, blocked));
        let hearsay = matches!(fault, LocalFault::Proxy(fault) if fault.how.may_be_the_servers());
        if was.is_some() && blocked.is_some() || hearsay {
            // Told before, or not yet proven to be ours; what the endpoint shows says it.
            self.note_local_fault(fault);
        } else {
            self.take_local_fault(fault, actions);
        }
        if blocked.is_some() && was.is_none() {
            self.call_all_witnesses(address);
        }
    }

    /// H3: what fails on our side judges the node, never an endpoint.
    pub(crate) fn take_local_fault(&mut self, fault: LocalFault, actions: &mut Vec<Action>) {
        let news = self.node.local_fault.is_none_or(|(before, _)| before != fault);
        self.note_local_fault(fault);
        if news {
            let text = format!("this machine fails: {fault}; no endpoint is judged by it (H3)");
            self.announce_node(Notice::LocalFault, text, actions);
        }
    }

    fn note_local_fault(&mut self, fault: LocalFault) {
        self.node.local_fault = Some((fault, self.now));
        self.changed = true;
    }

    pub(crate) fn take_session(&mut self, address: SocketAddr, connect: Duration) {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        endpoint.traffic.sessions = endpoint.traffic.sessions.saturating_add(1);
        if endpoint.traffic.moving == Some(Cause::NoApi) {
            // R4: its dial was under way when the others were closed. It must not stay where nobody serves the API.
            endpoint.traffic.moving = None;
        }
        let judgement = &mut endpoint.judgement;
        self.changed |= judgement.blocked.take().is_some();
        self.changed |= judgement.connect_usual.take(connect);
        let first = endpoint.traffic.sessions == 1;
        let rested = |left| now.since(left) >= FORGOTTEN_AFTER;
        let visited = first && endpoint.traffic.left.is_none_or(rested);
        // H3: it takes connections, so one that no test has reached is worth a test: the session may be where nobody serves
        // the API (R4). M5: so is an archived one, which nobody tests.
        let not_reached = matches!(judgement.health, Health::Unknown | Health::Unreachable);
        let under_way = endpoint.probing.outstanding.is_some();
        if not_reached && under_way {
            // It may have begun before it did.
            endpoint.probing.fresh_wanted = true;
        } else if !under_way && (not_reached || endpoint.probing.next.is_none()) {
            let soon = now + BURST_EVERY;
            let next = endpoint.probing.next.map_or(soon, |next| next.min(soon));
            endpoint.probing.next = Some(next);
        } else if visited {
            // H7: clients have come here on the word of an old test, for another one may have failed; a connect proves a kernel
            // only. Not at once: an etcd election that came with the failure would be mistaken for this server's own.
            let soon = now + self.chance.about(VISITED_WITHIN);
            endpoint.probing.next = endpoint.probing.next.map(|next| next.min(soon));
        }
    }

    pub(crate) fn take_answer(&mut self, address: SocketAddr, after: Duration) {
        self.take_progress(address);
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        self.changed |= endpoint.judgement.answer_usual.take(after);
    }

    pub(crate) fn take_progress(&mut self, address: SocketAddr) {
        let (now, pause) = (self.now, self.settings.probe_used);
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let was_in_use = endpoint.is_in_use(now, pause);
        endpoint.traffic.last_progress = Some(now);
        if !was_in_use && endpoint.probing.next.is_some_and(|next| next > now + pause) {
            // H7: in use now, so looked at more often.
            endpoint.probing.next = Some(now + self.chance.about(pause));
        }
    }

    /// D4: a session sent something and heard nothing.
    pub(crate) fn take_stall(&mut self, address: SocketAddr, again: bool, actions: &mut Vec<Action>) {
        let Some(endpoint) = self.endpoints.get(&address) else {
            return;
        };
        let judgement = &endpoint.judgement;
        if self.is_bent(Bend::D4) {
            return;
        }
        match judgement.health == Health::Unreachable && judgement.dead_silent {
            true => self.free_silent_sessions(address, actions),
            false if again => self.suspect(address, Weight::Strong),
            false => self.suspect(address, Weight::Stall),
        }
    }

    pub(crate) fn take_session_end(&mut self, address: SocketAddr, ending: Ending) {
        let (attached, now) = (self.node.state == NodeState::Attached, self.now);
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        endpoint.traffic.sessions = endpoint.traffic.sessions.saturating_sub(1);
        if endpoint.traffic.sessions == 0 {
            endpoint.traffic.left = Some(now);
            endpoint.traffic.moving = None;
            if endpoint.membership.archived.is_some() && attached {
                // M5: it was tested for the sake of its sessions only.
                endpoint.probing.next = None;
            }
        }
        match ending {
            Ending::Upstream | Ending::UpstreamSilent if self.is_bent(Bend::H3Slander) => {
                self.suspect(address, Weight::Strong);
            }
            Ending::PeerDead if self.is_bent(Bend::D3) => {}
            // H3: the server's end of a session is a question. A client's, or ours, is none: nobody can slander a server.
            Ending::Upstream | Ending::UpstreamSilent => self.suspect(address, Weight::Question),
            Ending::PeerDead => self.suspect(address, Weight::Strong),
            Ending::Downstream | Ending::Ours => {}
        }
    }

    // --- what is closed ---

    /// D4, H5: sessions that hear nothing from a dead silent peer are closed, while another endpoint has proven itself.
    pub(crate) fn free_silent_sessions(&mut self, address: SocketAddr, actions: &mut Vec<Action>) {
        let Some(endpoint) = self.endpoints.get(&address) else {
            return;
        };
        let judgement = &endpoint.judgement;
        if self.is_bent(Bend::H5) && endpoint.traffic.sessions > 0 {
            self.start_move(address, Cause::NoApi, actions);
            return;
        }
        // One that has answered since, and is only held back (H4), is slow and not dead.
        if !judgement.dead_silent
            || judgement.good > 0
            || endpoint.traffic.sessions == 0
            || !self.has_witness(address)
            || !self.another_is_ready(address)
        {
            return;
        }
        let silent = judgement
            .silent_since
            .map_or(STALL, |since| self.now.since(since));
        actions.push(Action::CloseSessions(CloseSessions {
            endpoint: address,
            which: Which::SilentFor(silent.min(STALL)),
            pace: Pace::Reset(DEAD_PEER_SPREAD),
            reason: format!("{address} stays silent while another endpoint answers (D4)"),
        }));
    }

    /// D2, R4: moves what must move, and lets stay what may stay again.
    pub(crate) fn move_sessions(&mut self, actions: &mut Vec<Action>) {
        let first = self.settled_first();
        let busy: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.traffic.sessions > 0 || endpoint.traffic.moving.is_some())
            .map(|(&address, _)| address)
            .collect();
        for address in busy {
            let cause = self.cause_to_move(address, first);
            let Some(endpoint) = self.endpoints.get_mut(&address) else {
                continue;
            };
            if endpoint.traffic.moving == cause {
                continue;
            }
            let was = core::mem::replace(&mut endpoint.traffic.moving, cause);
            self.changed = true;
            match cause {
                Some(cause) => self.start_move(address, cause, actions),
                None if was != Some(Cause::NoApi) => actions.push(Action::KeepSessions { endpoint: address }),
                None => {}
            }
        }
    }

    fn start_move(&mut self, address: SocketAddr, cause: Cause, actions: &mut Vec<Action>) {
        let wider = 1 + self.settings.fleet_size / 1000;
        let gently = match self.is_bent(Bend::D2) {
            true => Pace::Reset(Duration::ZERO),
            false => Pace::Quiet(self.settings.drain_time * wider),
        };
        let (pace, reason): (Pace, String) = match cause {
            Cause::NoApi => (
                Pace::Reset(Duration::ZERO),
                "it serves no API and another endpoint does (R4)".to_string(),
            ),
            Cause::NotReady => (gently, "it is not ready and another endpoint is (D2)".to_string()),
            Cause::Drain => (gently, "it is being drained by an operator (D2)".to_string()),
            Cause::LosesWrites => (
                Pace::Quiet(self.settings.drain_time.min(WRITES_LOST_SPREAD) * wider),
                "the node's Lease is not renewed through it (D2)".to_string(),
            ),
            Cause::Rebalance => (
                gently,
                "this node's first choice has been ready for the settling time (D2)".to_string(),
            ),
        };
        self.announce_endpoint(
            address,
            Notice::SessionsMove,
            format!("its sessions move: {reason}"),
            actions,
        );
        actions.push(Action::CloseSessions(CloseSessions {
            endpoint: address,
            which: Which::All,
            pace,
            reason,
        }));
    }

    /// Why the sessions of `address` should move, if they should. Never away from the only server.
    fn cause_to_move(&self, address: SocketAddr, first: Option<SocketAddr>) -> Option<Cause> {
        let endpoint = self.endpoints.get(&address)?;
        let judgement = &endpoint.judgement;
        if self.settings.service.keeps_sessions() {
            // D2: a tunnel to this very server is worth nothing elsewhere. What is dead ends by D3 and D4.
            return None;
        }
        if self.is_bent(Bend::S5) && judgement.health == Health::NotReady {
            return Some(Cause::NotReady);
        }
        if !self.another_is_ready(address) {
            // S5: nobody is better, so the cause is shared; nothing moves.
            return None;
        }
        if judgement.api == Capability::No {
            // Not for one that is in doubt itself: its dials fail, and the sessions would come back at once.
            let sound = |endpoint: &Endpoint| endpoint.is_ready() && !endpoint.is_suspected();
            let others = self.endpoints.iter().filter(|(other, _)| **other != address);
            let found = others.map(|(_, endpoint)| endpoint).any(sound);
            return (found && !self.is_bent(Bend::R4NoApi)).then_some(Cause::NoApi);
        }
        if endpoint.is_draining() {
            return Some(Cause::Drain);
        }
        match judgement.health {
            Health::NotReady => {
                let on_its_way_back = judgement.good > 0;
                let moves =
                    !on_its_way_back && self.has_witness(address) && self.own_cause_at(endpoint) <= self.now;
                moves.then_some(Cause::NotReady)
            }
            Health::Ready if endpoint.avoided.is_some() && self.another_keeps_writes(address) => {
                Some(Cause::LosesWrites)
            }
            Health::Ready => self.rebalances(address, first?).then_some(Cause::Rebalance),
            // D1, D4: a dead peer's sessions end by the kernel's word or by their own silence.
            Health::Unknown | Health::Alive | Health::Unreachable | Health::Impostor => None,
        }
    }

    /// Whether some other endpoint is ready and not avoided: from one that loses writes to another that does is no move.
    fn another_keeps_writes(&self, address: SocketAddr) -> bool {
        self.endpoints.iter().any(|(&other, endpoint)| {
            other != address && endpoint.is_ready() && !endpoint.is_draining() && endpoint.avoided.is_none()
        })
    }

    /// S5: from when on a not-ready has a cause of its own. One that may be shared (H2) must have been the exception
    /// among ready ones for a while: servers heal one by one.
    pub(crate) fn own_cause_at(&self, endpoint: &Endpoint) -> Timestamp {
        match endpoint.judgement.shared_since {
            Some(since) => since.max(self.node.since) + SHARED_CAUSE_PATIENCE,
            None => endpoint.judgement.since,
        }
    }

    /// D2: whether sessions of `address` belong to `first`. R4: not for standing alone.
    fn rebalances(&self, address: SocketAddr, first: SocketAddr) -> bool {
        let rank = |address: SocketAddr| {
            self.endpoints
                .get(&address)
                .map(|endpoint| self.rank_as(address, endpoint, Standing::Listed))
        };
        address != first && rank(first) < rank(address)
    }

    /// The first choice, once it has been that, and ready, for the settling time.
    fn settled_first(&self) -> Option<SocketAddr> {
        let (first, since) = self.settling?;
        (self.now >= since + self.settings.settling_time).then_some(first)
    }

    /// Who comes first, and since when.
    pub(crate) fn settle_first(&mut self) {
        let first = self.ordered().first().copied().filter(|first| {
            self.endpoints
                .get(first)
                .is_some_and(|e| e.is_ready() && !e.is_second_choice() && !e.is_draining())
        });
        let same = self.settling.map(|(address, _)| address) == first;
        if !same {
            self.settling = first.map(|first| (first, self.now));
        }
    }
}
