//! H7, R1: when which endpoint is tested, and under which limits.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Timestamp;
use crate::action::{Action, ProbeLimits, StartProbe};
use crate::bend::Bend;
use crate::endpoint::{Endpoint, Judgement, Outstanding};
use crate::event::ProbeId;
use crate::health::{BURST_EVERY, FALL, RISE};
use crate::policy::Policy;
use crate::recovery::{FIRST_BACKOFF, LOST_AFTER};
use crate::snapshot::{Class, Health, NodeState, Standing};

/// The longest pause between two tries of an endpoint while isolated (R1); wider with `fleet-size`.
pub const ISOLATED_PROBE_CAP: Duration = Duration::from_millis(800);
/// The same for one that serves no API, or whose certificate does not verify.
pub const USELESS_PROBE_CAP: Duration = Duration::from_secs(2);
/// The same for an archived one.
pub const ARCHIVED_PROBE_CAP: Duration = Duration::from_secs(10);
/// A not-ready endpoint is looked at this often while nobody is ready, once it has taken long to come up.
const SLOW_START_EVERY: Duration = Duration::from_secs(2);
/// So often an endpoint that is held back for flapping is looked at until it may rise (H4).
const LOOKS_WHILE_HELD: u32 = 8;
/// A test that failed on this very machine is done anew after this long.
const LOCAL_FAULT_PAUSE: Duration = Duration::from_millis(500);

/// For so long after the first success ways that are still closed are looked at closely: most open together.
const STORM_TAIL: Duration = Duration::from_secs(3);

/// The usual limits of a probe.
pub const USUAL_LIMITS: ProbeLimits = ProbeLimits {
    connect: Duration::from_secs(2),
    tls: Duration::from_secs(3),
    http: Duration::from_secs(6),
};
/// The limits of a probe while isolated: a connect is given up within R1's cap and tried anew.
pub const ISOLATED_LIMITS: ProbeLimits = ProbeLimits {
    connect: Duration::from_millis(800),
    tls: Duration::from_secs(2),
    http: Duration::from_secs(6),
};
/// The least limits of a probe under suspicion (D4): two of them pass within a second.
pub const SHORT_LIMITS: ProbeLimits = ProbeLimits {
    connect: Duration::from_millis(400),
    tls: Duration::from_millis(400),
    http: Duration::from_millis(1000),
};

/// The limits under suspicion for an endpoint whose answers usually take `usual`.
pub(crate) fn short_limits(usual: Duration) -> ProbeLimits {
    let stretched = (usual * 4).min(Duration::from_secs(1));
    ProbeLimits {
        connect: SHORT_LIMITS.connect.max(stretched),
        tls: SHORT_LIMITS.tls.max(stretched),
        http: SHORT_LIMITS.http,
    }
}

impl Policy {
    /// R1: the longest pause between two tries of `endpoint` while isolated.
    pub(crate) fn isolated_probe_cap(&self, endpoint: &Endpoint) -> Duration {
        let wider = 1 + self.settings.fleet_size / 1000;
        match class_of_pause(endpoint, endpoint.membership.standing) {
            Class::Archived => ARCHIVED_PROBE_CAP,
            Class::NoApi => USELESS_PROBE_CAP * wider,
            _ => ISOLATED_PROBE_CAP * wider,
        }
    }

    /// R1: nobody is ready, and this one may be that is not reached: it is tried as if the node were isolated. Those that
    /// answer and are not ready keep the pace of S5.
    pub(crate) fn is_missed(&self, endpoint: &Endpoint) -> bool {
        let not_reached = matches!(endpoint.judgement.health, Health::Unreachable | Health::Unknown);
        not_reached && !self.is_bent(Bend::R1Missed) && endpoint.serves_api() && self.nobody_serves()
    }

    /// D4: whoever counts as ready has been silent twice, and is not judged only for want of a witness.
    fn only_silence_is_ready(&self) -> bool {
        let mut ready = self
            .endpoints
            .values()
            .filter(|endpoint| endpoint.is_ready())
            .peekable();
        ready.peek().is_some() && ready.all(|endpoint| endpoint.judgement.short_timeouts >= FALL)
    }

    /// Degraded, and not only for want of a credential: where somebody is alive, that may be as good as it gets (H1). It is not
    /// where this credential has seen a ready one: an apiserver that is starting, or has lost etcd before it knew any rights,
    /// refuses everybody. What is ready by name only, and silent, is nobody: who has come back is the witness that is waited for.
    pub(crate) fn nobody_serves(&self) -> bool {
        let alive = |endpoint: &Endpoint| endpoint.judgement.health == Health::Alive && endpoint.serves_api();
        let nobody = self.node_state() == NodeState::Degraded || self.only_silence_is_ready();
        nobody && (self.node.was_attached || !self.endpoints.values().any(alive))
    }

    /// R1, S5: while nobody is ready, the longest pause between two tests of an endpoint that may become so by itself.
    pub(crate) fn sought_within(&self, endpoint: &Endpoint) -> Option<Duration> {
        let not_ready = endpoint.judgement.health == Health::NotReady;
        let own_cause = not_ready && endpoint.serves_api() && endpoint.judgement.shared_since.is_none();
        let refuses_yet = endpoint.judgement.health == Health::Alive
            && endpoint.serves_api()
            && self.is_coming_up(&endpoint.judgement);
        // M5: while somebody is ready by name, archived ones are left alone.
        let at_rest = endpoint.membership.archived.is_some() && self.node_state() == NodeState::Attached;
        match self.nobody_serves() && !at_rest {
            true if self.is_missed(endpoint) => Some(self.isolated_probe_cap(endpoint)),
            true if own_cause => Some(SLOW_START_EVERY + SLOW_START_EVERY / 10),
            true if refuses_yet => Some(BURST_EVERY + BURST_EVERY / 10),
            _ => None,
        }
    }

    /// It was down, and answers: soon it may be ready.
    fn is_coming_up(&self, judgement: &Judgement) -> bool {
        judgement.coming_up_until.is_some_and(|until| self.now < until)
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
        let idle = endpoint.membership.standing == Standing::Archived && endpoint.traffic.sessions == 0;
        if idle && self.node_state() == NodeState::Attached {
            return None;
        }
        let ours = self.node.local_fault.is_some_and(|(_, seen)| seen == self.now);
        let calm = self.node.state == NodeState::Attached && self.now >= self.node.since + STORM_TAIL;
        if ours && !(calm && judgement.blocked.is_some()) {
            // H3: this machine failed, not the endpoint; it is asked again soon. A way that stays closed while others are
            // open (no IPv6 here, say) is looked at at the usual pace.
            return Some(Pause::About(LOCAL_FAULT_PAUSE));
        }
        if probing.fresh_wanted {
            return Some(Pause::Exactly(Duration::ZERO));
        }
        if isolated || self.is_missed(endpoint) {
            let cap = match self.is_bent(Bend::R1) {
                true => Duration::from_secs(30),
                false => self.isolated_probe_cap(endpoint),
            };
            let backoff = FIRST_BACKOFF * (1 << probing.attempts.min(10));
            return Some(Pause::UpTo(backoff.min(cap)));
        }
        if judgement.suspicion.is_some() && judgement.short_timeouts >= FALL && judgement.long_timeouts < FALL
        {
            // D4: silent, and no witness has spoken. The usual limits decide, without delay: it may be all of them (R1).
            return Some(Pause::Exactly(BURST_EVERY));
        }
        if judgement.suspicion.is_some() && probing.burst_until.is_some_and(|until| self.now < until) {
            let at_once = judgement.short_timeouts > 0 && judgement.short_timeouts < FALL;
            return Some(Pause::Exactly(if at_once { Duration::ZERO } else { BURST_EVERY }));
        }
        if judgement.health != Health::Ready && judgement.good > 0 {
            return Some(Pause::Exactly(self.pause_while_held(judgement)));
        }
        let nobody_ready = self.node_state() != NodeState::Attached || self.nobody_serves();
        if nobody_ready && endpoint.serves_api() {
            let coming_up = self.is_coming_up(judgement);
            let slow_start = judgement.health == Health::NotReady && judgement.shared_since.is_none();
            match (coming_up, slow_start) {
                (true, _) => return Some(Pause::About(BURST_EVERY)),
                (false, true) => return Some(Pause::About(SLOW_START_EVERY)),
                // S5: a shared cause among servers that served before: the usual pace.
                (false, false) => {}
            }
        }
        if judgement.health == Health::NotReady
            && judgement.shared_since.is_some()
            && endpoint.traffic.sessions > 0
            && !nobody_ready
        {
            // S5: whether it heals decides whether its sessions move.
            return Some(Pause::About(SLOW_START_EVERY));
        }
        if self.is_bent(Bend::H7Price) {
            return Some(Pause::Exactly(BURST_EVERY));
        }
        let fleet = if self.settings.fleet_size >= 1000 { 2 } else { 1 };
        match endpoint.is_in_use(self.now, self.settings.probe_used) {
            true => Some(Pause::About(self.settings.probe_used * fleet)),
            false => Some(Pause::About(self.settings.probe_idle * fleet)),
        }
    }

    /// H4: an endpoint that rises is looked at closely; one that flapped is looked at now and then while it is held back, and when
    /// that ends. A whole fleet may be holding it back, with another to go to (H7).
    fn pause_while_held(&self, judgement: &Judgement) -> Duration {
        let end = self.damping_end(judgement);
        let left = end.since(self.now);
        let span = end.since(judgement.good_since.unwrap_or(self.now));
        match judgement.good < RISE || left.is_zero() {
            true => BURST_EVERY,
            false => (span / LOOKS_WHILE_HELD).clamp(BURST_EVERY, left.max(BURST_EVERY)),
        }
    }

    /// Starts the tests that are due.
    pub(crate) fn start_probes(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        let isolated = self.is_isolated();
        for (&address, endpoint) in &mut self.endpoints {
            let overtaken = !isolated && endpoint.gives_way_at().is_some_and(|at| now >= at);
            let probing = &mut endpoint.probing;
            let lost = |outstanding: Outstanding| now >= outstanding.lost_at();
            if overtaken || probing.outstanding.is_some_and(lost) {
                probing.outstanding = None;
                probing.next = Some(now);
            }
            if probing.outstanding.is_some() || probing.next.is_none_or(|next| next > now) {
                continue;
            }
            self.last_probe = ProbeId(self.last_probe.0 + 1);
            let judgement = &endpoint.judgement;
            let short = judgement.is_urgent() && !isolated;
            let limits = match (isolated, short) {
                (true, _) => ISOLATED_LIMITS,
                (_, true) => short_limits(judgement.connect_usual.mean()),
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
}

impl Judgement {
    /// H7, D4: the next test is one under the short limits, unless the node is isolated.
    fn is_urgent(&self) -> bool {
        self.suspicion.is_some() && self.short_timeouts < FALL
    }
}

impl Endpoint {
    /// H7: when the lazy test under way gives way to an urgent one that is wanted. It has its first 250 ms, in which it would have
    /// answered; its limits are seconds longer. Only a short test takes its place, which never gives way: a slow server is
    /// heard in the end.
    pub(crate) fn gives_way_at(&self) -> Option<Timestamp> {
        let lazy = self
            .probing
            .outstanding
            .filter(|outstanding| !outstanding.short)?;
        let wanted = self.probing.fresh_wanted && self.judgement.is_urgent();
        wanted.then_some(lazy.started + BURST_EVERY)
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
