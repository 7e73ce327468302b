//! R: the node's own state, and what a change of it sets going at once. Nothing gives up, ever.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Notice;
use crate::action::Action;
use crate::endpoint::Endpoint;
use crate::evidence::{Evidence, good_words};
use crate::policy::Policy;
use crate::probing::ISOLATED_PROBE_CAP;
use crate::settings::SourceKind;
use crate::snapshot::{Health, NodeState, Standing};
use crate::source::Asking;

/// The first backoff while isolated (R1).
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Supervisors are asked within this time once one of them may have come back, jittered: they serve 20 at a time.
const SUPERVISOR_CALLED_WITHIN: Duration = Duration::from_secs(1);
/// A refresh or a probe whose end is this late has been lost by the shell, and is done anew.
pub const LOST_AFTER: Duration = Duration::from_secs(5);

impl Policy {
    /// The node's own state, from what is known now. An endpoint that no way leads to from here is none to it, whatever its
    /// health (H3).
    pub(crate) fn node_state(&self) -> NodeState {
        let mut state = NodeState::Isolated;
        for endpoint in self
            .endpoints
            .values()
            .filter(|e| e.serves_api() && e.judgement.blocked.is_none())
        {
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
        self.node.was_attached |= state == NodeState::Attached;
        self.node.since = self.now;
        self.changed = true;
        let word = match state {
            NodeState::Attached => "attached",
            NodeState::Degraded => "degraded",
            NodeState::Isolated => "isolated",
        };
        let text = format!("{word}: {}", self.node.reason);
        self.announce_node(Notice::of_state(state), text, actions);
        match (was, state) {
            (_, NodeState::Isolated) => self.hurry(),
            (NodeState::Isolated, _) => self.end_storm(),
            (_, NodeState::Attached) => self.look_again(),
            (_, NodeState::Degraded) => {}
        }
        if state == NodeState::Attached {
            self.rest_archived();
            self.free_all_silent_sessions(actions);
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
            NodeState::Isolated if of(Health::Ready) > 0 => {
                format!("no way to any of {known} endpoints")
            }
            NodeState::Isolated => {
                format!(
                    "none of {known} endpoints answers as {}",
                    self.settings.service.server()
                )
            }
        };
        if let Some((fault, _)) = self.node.local_fault {
            reason = format!("{reason}; this machine fails: {fault}");
        }
        reason
    }

    /// R1: everything is tried again, now.
    fn hurry(&mut self) {
        for index in 0..self.sources.len() {
            let within = self.soon_for(self.sources[index].kind);
            let source = &mut self.sources[index];
            source.failures = 0;
            let stuck = source
                .asking
                .is_some_and(|asking| self.now.since(asking.started) > Duration::from_secs(1));
            if source.asking.is_none() || stuck {
                source.asking = None;
                let soon = self.now + self.chance.up_to(within);
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

    /// R1: those that answer are not ready. One that does not may have come back, and one that starts is watched.
    pub(crate) fn seek(&mut self) {
        if !self.nobody_serves() {
            return;
        }
        let missed = |endpoint: &Endpoint| {
            let cap = self.sought_within(endpoint)?;
            let due = endpoint.probing.next.is_some_and(|next| next <= self.now + cap);
            (endpoint.probing.outstanding.is_none() && !due).then_some(())
        };
        let missed: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| missed(endpoint).is_some())
            .map(|(&address, _)| address)
            .collect();
        for address in missed {
            let soon = self.now + self.chance.up_to(FIRST_BACKOFF);
            if let Some(endpoint) = self.endpoints.get_mut(&address) {
                endpoint.probing.attempts = 0;
                endpoint.probing.next = Some(soon);
            }
        }
    }

    /// R1: the first success ends the storm. R2: what was learnt in it is asked again, soon.
    fn end_storm(&mut self) {
        for index in 0..self.sources.len() {
            let within = self.soon_for(self.sources[index].kind);
            let source = &mut self.sources[index];
            source.failures = 0;
            if source.kind.asks_the_cluster() && source.asking.is_none() && source.watch.is_none() {
                let soon = self.now + self.chance.up_to(within);
                source.next = Some(soon.max(source.not_before.unwrap_or(soon)));
            }
        }
    }

    /// M5: somebody is ready, so archived endpoints are left alone again.
    fn rest_archived(&mut self) {
        let archived: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.membership.standing == Standing::Archived)
            // M5: sessions that it took in the storm must not be left to it unobserved.
            .filter(|(_, endpoint)| endpoint.traffic.sessions == 0)
            .map(|(&address, _)| address)
            .collect();
        for address in archived {
            if let Some(endpoint) = self.endpoints.get_mut(&address) {
                endpoint.probing.next = None;
            }
        }
    }

    /// H6, R1: a server without an API has come back while the node is isolated. Useless as upstream, its supervisor may be the
    /// only one who knows where the others are now: it is asked soon, not only when the backoff ends.
    pub(crate) fn call_supervisors(&mut self) {
        if !self.is_isolated() {
            return;
        }
        let within = SUPERVISOR_CALLED_WITHIN.max(self.supervisor_spread());
        let soon = self.now + self.chance.up_to(within);
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

    /// R4, H4: nobody is ready, so whoever answered well last is usable at once.
    pub(crate) fn promote_held(&mut self, actions: &mut Vec<Action>) {
        let waiting: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.judgement.good > 0 && endpoint.judgement.health != Health::Ready)
            .map(|(&address, _)| address)
            .collect();
        for address in waiting {
            if self.may_rise(address) {
                let first = !self.another_is_ready(address);
                let reason =
                    good_words(self.endpoints.get(&address).and_then(|e| e.judgement.depth)).to_string();
                self.judge(address, Evidence::Ready, true, reason, actions);
                if first && self.node.state == NodeState::Attached {
                    // The last one that counted as ready has just been judged, and the node's state does not change.
                    self.free_all_silent_sessions(actions);
                }
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
}
