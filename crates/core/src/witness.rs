//! H8, D4: some judgements need a witness, another endpoint that did better at the same time.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::action::Action;
use crate::bend::Bend;
use crate::endpoint::Endpoint;
use crate::evidence::{Evidence, health_after};
use crate::finding::Untrusted;
use crate::health::BURST_EVERY;
use crate::policy::Policy;
use crate::snapshot::{Health, Trust};
use crate::{Notice, Timestamp};

/// Ready endpoints that are asked to be a witness at a time.
const WITNESSES: usize = 2;
/// While the trust is lost, the CA's file is read again within this time, jittered.
pub const TRUST_RELOAD_EVERY: Duration = Duration::from_secs(2);

impl Policy {
    /// Since when something speaks against `endpoint`.
    fn doubted_since(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        let judgement = &endpoint.judgement;
        // One that was held back and fails again with all others needs a witness of today.
        let last_good = judgement.shared_since.unwrap_or(judgement.since);
        let not_ready = (judgement.health == Health::NotReady).then_some(judgement.since.max(last_good));
        let suspected = judgement.suspicion.map(|suspicion| suspicion.since);
        judgement.silent_since.or(not_ready).or(suspected)
    }

    /// Whether another endpoint has proven since, on a new connection and quickly, that it is ready. One that is held back for
    /// its flapping (H4), and so is tested all the time, may say so too: it proves that the silence is not everywhere, and it
    /// is taken at once when the other goes.
    pub(crate) fn has_witness(&self, address: SocketAddr) -> bool {
        let since = self
            .endpoints
            .get(&address)
            .and_then(|endpoint| self.doubted_since(endpoint));
        match since {
            Some(since) => self.has_witness_since(address, since),
            None => self.another_is_ready(address),
        }
    }

    /// The same, of a moment.
    pub(crate) fn has_witness_since(&self, address: SocketAddr, since: Timestamp) -> bool {
        self.endpoints.iter().any(|(&other, endpoint)| {
            other != address
                && (endpoint.is_ready() || endpoint.is_held_back())
                && !endpoint.is_draining()
                && endpoint.judgement.proven_at.is_some_and(|proven| proven >= since)
        })
    }

    /// Asks ready endpoints for a fresh proof, unless there is one.
    pub(crate) fn call_witnesses(&mut self, address: SocketAddr) {
        if !self.has_witness(address) {
            self.ask_witnesses(address);
        }
    }

    /// Asks ready endpoints for a fresh proof.
    pub(crate) fn ask_witnesses(&mut self, address: SocketAddr) {
        let ready: Vec<SocketAddr> = self
            .ordered()
            .into_iter()
            .filter(|other| {
                let trusted =
                    |endpoint: &Endpoint| endpoint.is_ready() && endpoint.judgement.suspicion.is_none();
                *other != address && self.endpoints.get(other).is_some_and(trusted)
            })
            .take(WITNESSES)
            .collect();
        for other in ready {
            self.probe_afresh(other);
        }
    }

    /// D2: sessions that are to leave a server wait for a witness, and whoever was asked for it before may have been in
    /// doubt itself: ready endpoints are asked again and again.
    pub(crate) fn call_missing_witnesses(&mut self) {
        let now = self.now;
        let waiting = |address: SocketAddr, endpoint: &Endpoint| {
            endpoint.traffic.sessions > 0
                && endpoint.judgement.health == Health::NotReady
                && endpoint.judgement.good == 0
                && self.own_cause_at(endpoint) <= now
                && self.another_is_ready(address)
                && !self.has_witness(address)
        };
        let waits = self
            .endpoints
            .iter()
            .any(|(&address, endpoint)| waiting(address, endpoint));
        let ready = self.endpoints.values_mut().filter(|endpoint| {
            endpoint.is_ready()
                && endpoint.judgement.suspicion.is_none()
                && endpoint.probing.outstanding.is_none()
        });
        for endpoint in ready.take(if waits { WITNESSES } else { 0 }) {
            let rested = endpoint
                .judgement
                .last_probe
                .map_or(now, |last| last + BURST_EVERY);
            let soon = rested.max(now);
            endpoint.probing.fresh_wanted = true;
            endpoint.probing.next = Some(endpoint.probing.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// R1: `address` fails and nobody has proven to be better: those that are not ready are tried now, too. To be sure of a
    /// silent server takes seconds (D4), and of two of them twice as long; one that has come back need not wait for that.
    pub(crate) fn call_the_rest(&mut self, address: SocketAddr) {
        let rest: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(other, endpoint)| **other != address && endpoint.judgement.health != Health::Ready)
            .filter(|(_, endpoint)| endpoint.judgement.doubt.is_none() && endpoint.serves_api())
            .filter(|(_, endpoint)| endpoint.membership.archived.is_none())
            .map(|(&address, _)| address)
            .collect();
        for other in rest {
            self.probe_afresh(other);
        }
    }

    /// H8: all other endpoints are probed afresh at once.
    pub(crate) fn call_all_witnesses(&mut self, address: SocketAddr) {
        let others: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(other, endpoint)| **other != address && endpoint.judgement.doubt.is_none())
            .filter(|(_, endpoint)| endpoint.membership.archived.is_none())
            .map(|(&other, _)| other)
            .collect();
        for other in others {
            self.probe_afresh(other);
        }
    }

    fn probe_afresh(&mut self, address: SocketAddr) {
        let now = self.now;
        if let Some(endpoint) = self.endpoints.get_mut(&address) {
            endpoint.probing.fresh_wanted = true;
            endpoint.probing.next = Some(now);
        }
    }

    /// D4: an endpoint whose probes stayed silent is unreachable once a witness speaks.
    pub(crate) fn judge_silent(&mut self, actions: &mut Vec<Action>) {
        let silent: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| {
                endpoint.judgement.short_timeouts >= crate::health::FALL
                    && matches!(
                        endpoint.judgement.health,
                        Health::Ready | Health::Alive | Health::NotReady
                    )
            })
            .map(|(&address, _)| address)
            .collect();
        for address in silent {
            if self.has_witness(address) {
                let reason = "probes stay silent while another endpoint answers (D4)".to_string();
                self.judge(address, Evidence::TimedOut, true, reason, actions);
            }
        }
    }

    /// H8: with a witness it is an impostor (or out of its dates); without one, the node's trust is lost.
    pub(crate) fn judge_trust(&mut self, actions: &mut Vec<Action>) {
        let doubted: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.judgement.doubt.is_some())
            .map(|(&address, _)| address)
            .collect();
        for &address in &doubted {
            self.judge_doubt(address, actions);
        }
        let verified = self.endpoints.values().any(|endpoint| {
            endpoint.judgement.verified_at.is_some()
                && matches!(
                    endpoint.judgement.health,
                    Health::Ready | Health::Alive | Health::NotReady
                )
        });
        let pending = self
            .endpoints
            .values()
            .any(|endpoint| endpoint.probing.fresh_wanted);
        match (&self.trust, doubted.first()) {
            (Trust::Held, Some(&first)) if !verified && !pending => self.lose_trust(first, actions),
            (Trust::Lost { .. }, _) if verified || doubted.is_empty() => {
                self.trust = Trust::Held;
                self.trust_reload_due = None;
                self.changed = true;
                self.announce_node(
                    Notice::TrustRegained,
                    "trust regained: a server verifies again".to_string(),
                    actions,
                );
            }
            _ => {}
        }
    }

    fn judge_doubt(&mut self, address: SocketAddr, actions: &mut Vec<Action>) {
        let Some(endpoint) = self.endpoints.get(&address) else {
            return;
        };
        let Some(doubt) = &endpoint.judgement.doubt else {
            return;
        };
        let witness = self.endpoints.iter().find(|(other, endpoint)| {
            **other != address && endpoint.judgement.verified_at.is_some_and(|at| at >= doubt.since)
        });
        let dated = matches!(doubt.cause, Untrusted::Expired | Untrusted::NotYetValid);
        let (evidence, reason) = match witness {
            Some((witness, _)) if dated => (
                Evidence::Dated,
                format!(
                    "{}; {witness} verifies: its certificate wants renewal, or a clock is wrong",
                    doubt.detail
                ),
            ),
            Some((witness, _)) => (
                Evidence::Impostor,
                format!(
                    "{}; {witness} verifies: another's server at this address",
                    doubt.detail
                ),
            ),
            None if self.is_bent(Bend::H8) => (Evidence::Impostor, doubt.detail.clone()),
            None => (
                Evidence::Unverified,
                format!("{}; no other server verifies either", doubt.detail),
            ),
        };
        if health_after(endpoint.judgement.health, evidence, true) != endpoint.judgement.health {
            self.judge(address, evidence, true, reason, actions);
        }
    }

    fn lose_trust(&mut self, first: SocketAddr, actions: &mut Vec<Action>) {
        let detail = self
            .endpoints
            .get(&first)
            .and_then(|endpoint| endpoint.judgement.doubt.as_ref());
        let detail = detail.map(|doubt| doubt.detail.clone()).unwrap_or_default();
        self.trust = Trust::Lost {
            since: self.now,
            reason: format!("{first}: {detail}"),
        };
        self.trust_reload_due = Some(self.now);
        self.changed = true;
        let text = format!(
            "trust lost: no server verifies against the CA file ({first}: {detail}); the file is read again and again, \
             clients are forwarded and verify for themselves (H8)"
        );
        self.announce_node(Notice::TrustLost, text, actions);
    }

    /// While the trust is lost, the CA is read again and again.
    pub(crate) fn reload_trust(&mut self, actions: &mut Vec<Action>) {
        if self.trust_reload_due.is_some_and(|due| due <= self.now) {
            let pause = TRUST_RELOAD_EVERY / 2 + self.chance.up_to(TRUST_RELOAD_EVERY / 2);
            self.trust_reload_due = Some(self.now + pause);
            actions.push(Action::ReloadTrust);
        }
    }

    /// New files: what was doubted by the old ones is open again, and everything is looked at afresh.
    pub(crate) fn take_trust(&mut self, changed: bool) {
        if !changed {
            return;
        }
        self.changed = true;
        let now = self.now;
        for endpoint in self.endpoints.values_mut() {
            endpoint.judgement.doubt = None;
            if endpoint.membership.archived.is_none() {
                endpoint.probing.fresh_wanted = true;
                endpoint.probing.next = Some(now);
            }
        }
        for source in &mut self.sources {
            if source.error.is_some() {
                source.next = Some(now);
            }
        }
    }
}
