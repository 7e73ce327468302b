//! H: what a test or a session's fate says of an endpoint. The tests themselves are the shell's.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Timestamp;
use crate::action::Action;
use crate::bend::Bend;
use crate::endpoint::{Doubt, Judgement, Outstanding, Weight};
use crate::event::ProbeId;
use crate::evidence::{Evidence, describe, health_after, may_be_shared};
use crate::finding::{Answer, Finding, Phase, ProbeFailure, Untrusted};
use crate::local_fault::LocalFault;
use crate::policy::Policy;
use crate::probing::SHORT_LIMITS;
use crate::snapshot::{Capability, Health};

/// Good answers in a row that lift an endpoint back to ready while another one is (H4).
pub const RISE: u8 = 2;
/// Bad ends in a row that let an endpoint fall (H4).
pub const FALL: u8 = 2;
/// The pace of probes under suspicion, and of an endpoint on its way up (H7).
pub const BURST_EVERY: Duration = Duration::from_millis(250);
/// How long an endpoint on its way up is looked at closely.
pub const COMING_UP_FOR: Duration = Duration::from_secs(60);
/// For so long an endpoint that was down and now refuses even the node's credential may be on its way up; measured: up to 1.3 s.
pub const RIGHTS_KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// An endpoint that has been ready for this long has not flapped (H4).
pub const STEADY_AFTER: Duration = Duration::from_secs(300);
/// A not-ready whose cause may be shared must stay the only one for this long before sessions move (H2, S5).
pub const SHARED_CAUSE_PATIENCE: Duration = Duration::from_secs(10);

impl Policy {
    /// The probe that ended, if it is the one that is waited for. A late or foreign one says nothing.
    fn end_probe(&mut self, address: SocketAddr, probe: ProbeId) -> Option<Outstanding> {
        let now = self.now;
        let endpoint = self.endpoints.get_mut(&address)?;
        let outstanding = endpoint
            .probing
            .outstanding
            .filter(|outstanding| outstanding.probe == probe)?;
        endpoint.probing.outstanding = None;
        endpoint.judgement.last_probe = Some(now);
        self.changed = true;
        Some(outstanding)
    }

    /// A probe got an answer.
    pub(crate) fn take_finding(
        &mut self,
        address: SocketAddr,
        probe: ProbeId,
        finding: Finding,
        actions: &mut Vec<Action>,
    ) {
        let Some(outstanding) = self.end_probe(address, probe) else {
            return;
        };
        self.node.local_fault = None;
        let now = self.now;
        let (no_names, no_capability) = (self.is_bent(Bend::H2), self.is_bent(Bend::H6));
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        judgement.depth = Some(finding.depth);
        if let Some(connect) = finding.connect {
            // A kept connection proves no way for new ones.
            judgement.blocked = None;
            judgement.connect_usual.take(connect);
        }
        if finding.depth.is_verified() {
            judgement.verified_at = Some(outstanding.started);
            endpoint.membership.hint = false;
        }
        judgement.doubt = None;
        judgement.hearsay_since = None;
        judgement.silent_since = None;
        judgement.short_timeouts = 0;
        judgement.long_timeouts = 0;
        let returned = finding.answer == Answer::NoApi && judgement.health != Health::NotReady;
        judgement.api = match finding.answer {
            Answer::NoApi if !no_capability => Capability::No,
            _ => Capability::Yes,
        };
        if finding.answer == Answer::Ready {
            judgement.last_ready = Some(now);
            if outstanding.fresh && finding.total <= SHORT_LIMITS.http {
                judgement.proven_at = Some(outstanding.started);
            }
        }
        let (evidence, reason) = describe(&finding);
        let shutdown = !no_names
            && matches!(&finding.answer, Answer::NotReady { failed, .. } if failed.iter().any(|name| name == "shutdown"));
        let shared =
            !no_names && matches!(&finding.answer, Answer::NotReady { failed, .. } if may_be_shared(failed));
        judgement.shared_since = shared.then(|| judgement.shared_since.unwrap_or(now));
        judgement.note(evidence, now);
        let bad = judgement.bad >= FALL;
        let was_ready = judgement.health == Health::Ready;
        let as_judged = judgement.bad == 0;
        self.clear_suspicion(address, outstanding, as_judged);
        if was_ready && !as_judged {
            self.raise_suspicion(address, Weight::Strong);
        }
        let enough = match evidence {
            Evidence::Ready => self.may_rise(address),
            _ => bad || shutdown,
        };
        self.judge(address, evidence, enough, reason, actions);
        if evidence == Evidence::NotReady {
            self.call_witnesses(address);
        }
        if returned {
            self.call_supervisors();
        }
        self.plan_after_probe(address);
    }

    /// A probe got no answer that counts.
    pub(crate) fn take_failure(
        &mut self,
        address: SocketAddr,
        probe: ProbeId,
        failure: ProbeFailure,
        actions: &mut Vec<Action>,
    ) {
        let Some(outstanding) = self.end_probe(address, probe) else {
            return;
        };
        let failure = match failure {
            ProbeFailure::Local {
                fault: LocalFault::Proxy(fault),
            } if fault.how.may_be_the_servers() => {
                self.take_hearsay(address, outstanding, fault, actions);
                self.plan_after_probe(address);
                return;
            }
            failure => failure,
        };
        let ours = matches!(failure, ProbeFailure::Local { .. } | ProbeFailure::Aborted);
        if let Some(endpoint) = self.endpoints.get_mut(&address).filter(|_| ours) {
            // H3, H7: what could not be asked is still to be asked, as closely as if it were suspected only then.
            endpoint.probing.burst_until = None;
        }
        if let Some(endpoint) = self.endpoints.get_mut(&address).filter(|_| !ours) {
            endpoint.judgement.blocked = None;
            endpoint.judgement.hearsay_since = None;
        }
        match failure {
            // H3: our own failures judge the node, never an endpoint.
            ProbeFailure::Local { .. } if self.is_bent(Bend::H3Local) => {
                self.take_bad_end(address, outstanding, Evidence::Refused, String::new(), actions);
            }
            ProbeFailure::Local { fault } => self.take_endpoint_fault(address, fault, actions),
            ProbeFailure::Aborted => {}
            ProbeFailure::Untrusted { cause, detail } => {
                self.take_doubt(address, outstanding, cause, detail, actions)
            }
            ProbeFailure::Refused { detail } => {
                self.take_bad_end(address, outstanding, Evidence::Refused, detail, actions);
            }
            ProbeFailure::Nonsense { detail } => {
                self.take_bad_end(address, outstanding, Evidence::Refused, detail, actions);
            }
            ProbeFailure::TimedOut { phase } => {
                let words = match phase {
                    Phase::Connect => "connect timed out",
                    Phase::Tls => "TLS handshake timed out",
                    Phase::Http => "HTTP answer timed out",
                };
                self.take_bad_end(
                    address,
                    outstanding,
                    Evidence::TimedOut,
                    words.to_string(),
                    actions,
                );
            }
        }
        self.plan_after_probe(address);
    }

    pub(crate) fn take_bad_end(
        &mut self,
        address: SocketAddr,
        outstanding: Outstanding,
        evidence: Evidence,
        reason: String,
        actions: &mut Vec<Action>,
    ) {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        judgement.note(evidence, now);
        let served = matches!(judgement.health, Health::Ready | Health::Alive | Health::NotReady);
        let fell_silent = judgement.health == Health::Unreachable && evidence == Evidence::TimedOut;
        if evidence == Evidence::TimedOut {
            judgement.silent_since.get_or_insert(outstanding.started);
            match outstanding.short {
                true => judgement.short_timeouts = judgement.short_timeouts.saturating_add(1).min(FALL),
                false => judgement.long_timeouts = judgement.long_timeouts.saturating_add(1).min(FALL),
            }
        } else {
            judgement.silent_since = None;
            judgement.short_timeouts = 0;
            judgement.long_timeouts = 0;
        }
        if let Some(doubt) = &judgement.doubt {
            // H8: only a certificate that verifies ends a doubt. What answers nothing now was another's a moment ago.
            judgement.reason = format!("{reason}; before that: {}", doubt.detail);
            self.changed = true;
            return;
        }
        let (short, long, bad) = (judgement.short_timeouts, judgement.long_timeouts, judgement.bad);
        let enough = match evidence {
            // H5, D4: a time-out is comparative. Short ones count only against a witness; long ones for themselves.
            Evidence::TimedOut => (short >= FALL && self.has_witness(address)) || long >= FALL,
            _ => bad >= FALL,
        };
        let enough = enough || self.is_bent(Bend::H4Fall);
        if served {
            self.raise_suspicion(address, Weight::Strong);
            self.call_witnesses(address);
        }
        if served && !enough && !self.has_witness(address) {
            self.call_the_rest(address);
        }
        self.judge(address, evidence, enough, reason, actions);
        if let Some(endpoint) = self.endpoints.get_mut(&address).filter(|_| fell_silent) {
            // D4: it had refused, came up, took sessions while it was held back (H4, S6), and says nothing now.
            endpoint.judgement.dead_silent = true;
            self.free_silent_sessions(address, actions);
        }
    }

    /// H8: a certificate that does not verify has all others looked at; what it means is judged in `witness.rs`.
    fn take_doubt(
        &mut self,
        address: SocketAddr,
        outstanding: Outstanding,
        cause: Untrusted,
        detail: String,
        actions: &mut Vec<Action>,
    ) {
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        let since = judgement
            .doubt
            .as_ref()
            .map_or(outstanding.started, |doubt| doubt.since);
        let first = judgement.doubt.is_none();
        judgement.doubt = Some(Doubt {
            since,
            cause,
            detail: detail.clone(),
        });
        judgement.good = 0;
        judgement.good_since = None;
        judgement.proven_at = None;
        judgement.verified_at = None;
        judgement.suspicion = None;
        if first {
            self.judge(address, Evidence::Unverified, true, detail, actions);
            self.call_all_witnesses(address);
        }
    }

    /// H4: enough good answers, for long enough where it flaps; never held back when nobody else is ready (R4).
    pub(crate) fn may_rise(&self, address: SocketAddr) -> bool {
        let Some(endpoint) = self.endpoints.get(&address) else {
            return false;
        };
        let judgement = &endpoint.judgement;
        let alone = !self.another_is_ready(address) && !self.is_bent(Bend::R4Rise);
        alone
            || self.is_bent(Bend::H4Rise)
            || (judgement.good >= RISE && self.damping_end(judgement) <= self.now)
    }

    /// H4: until when a flapping endpoint must stay good: longer each time, bounded.
    pub(crate) fn damping_end(&self, judgement: &Judgement) -> Timestamp {
        let good_since = judgement.good_since.unwrap_or(self.now);
        match judgement.flaps {
            0 | 1 => good_since,
            flaps => {
                good_since + (Duration::from_secs(1) * (1 << flaps.min(7))).min(self.settings.damping_max)
            }
        }
    }

    /// Applies the table of health and tells of the change with its reason (H9).
    pub(crate) fn judge(
        &mut self,
        address: SocketAddr,
        evidence: Evidence,
        enough: bool,
        reason: String,
        actions: &mut Vec<Action>,
    ) {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        let was = judgement.health;
        let is = health_after(was, evidence, enough);
        let held = evidence == Evidence::Ready && is != Health::Ready;
        judgement.reason = match held {
            true => format!("{reason}; held back until it has been good for long enough (H4)"),
            false if is == was && is == Health::Ready && evidence != Evidence::Ready => {
                format!("ready until now, but: {reason}")
            }
            false => reason,
        };
        self.changed = true;
        if is == was {
            return;
        }
        if was == Health::Ready {
            judgement.flaps = match now.since(judgement.since) >= STEADY_AFTER {
                true => 1,
                false => judgement.flaps.saturating_add(1).min(8),
            };
        }
        judgement.health = is;
        judgement.since = now;
        judgement.bad = 0;
        // What was suspected is proven now, one way or the other.
        judgement.suspicion = None;
        endpoint.probing.burst_until = None;
        judgement.dead_silent = is == Health::Unreachable && evidence == Evidence::TimedOut;
        judgement.coming_up_until = match (was, is) {
            (Health::Unreachable | Health::Unknown, Health::NotReady) => Some(now + COMING_UP_FOR),
            // So does an apiserver that has just started and knows no rights yet answer everybody.
            (Health::Unreachable, Health::Alive) => Some(now + RIGHTS_KNOWN_WITHIN),
            (Health::Alive, Health::NotReady) => judgement.coming_up_until.map(|_| now + COMING_UP_FOR),
            _ => None,
        };
        self.announce_health(address, is, actions);
        if is == Health::Unreachable {
            self.free_silent_sessions(address, actions);
        }
    }
}

impl Judgement {
    /// Counts what came in a row: good answers, and ends that are worse than the present judgement.
    fn note(&mut self, evidence: Evidence, now: Timestamp) {
        if evidence == Evidence::Ready {
            self.good = self.good.saturating_add(1).min(RISE);
            self.good_since.get_or_insert(now);
            self.bad = 0;
            return;
        }
        self.good = 0;
        self.good_since = None;
        let as_judged = matches!(
            (evidence, self.health),
            (Evidence::Alive, Health::Alive) | (Evidence::NotReady, Health::NotReady)
        );
        self.bad = if as_judged {
            0
        } else {
            self.bad.saturating_add(1).min(FALL)
        };
    }
}
