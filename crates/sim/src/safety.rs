//! What must never happen, judged from outside: from what a node was told and what it did, not from what its policy
//! thinks. The core's own invariants are checked beside.
//!
//! Each check asks for a necessary condition of its rule, so that whatever breaks it is a breach:
//!
//! | rule | breach |
//! |---|---|
//! | M3, M4 | archived although the reports that left it out do not span the grace, or nobody else was ready |
//! | M5 | forgotten without having been archived |
//! | H5, D1, R4 | sessions closed while nobody else may be taken to be ready |
//! | S5 | sessions moved off a server whose failed checks may have a shared cause, sooner than 10 s after somebody was ready |
//! | H8 | a client's dial to an endpoint that does not verify, while another one verifies |

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jackline_core::{
    Action, Answer, Event, NodeListing, ProbeFailure, ProbeId, Record, Report, SourceId, SourceKind,
    Timestamp, Untrusted,
};

use crate::spec::NodeSpec;

/// S5: a not-ready whose cause may be shared keeps its sessions for so long.
const SHARED_CAUSE_PATIENCE: Duration = Duration::from_secs(10);

/// P1: what is archived is saved within this time.
const SAVED_WITHIN: Duration = Duration::from_secs(2);
/// H4: so many looks in a row that speak plainly, or merely time out, end what was ready.
const PLAIN_MAX: u8 = 2;
const LATE_MAX: u8 = 4;

/// What one node was told and did.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    now: Timestamp,
    seen: BTreeMap<SocketAddr, Seen>,
    /// What was remembered last, and whether it was archived.
    remembered: BTreeMap<SocketAddr, bool>,
    /// Nodes by name, as they were told last.
    nodes: BTreeMap<String, IpAddr>,
    gone: BTreeMap<IpAddr, Timestamp>,
    /// Since when some endpoint has been found ready at its last look, without a gap.
    ready_since: Option<Timestamp>,
    /// When some endpoint was last taken to be ready.
    ready_last: Timestamp,
    /// Reports that came since the last judgement; kinds of sources are known only there.
    reports: Vec<(SourceId, Report)>,
}

/// What is known of one endpoint.
#[derive(Debug, Default)]
struct Seen {
    /// The probe that was started last, and when.
    started: Option<(ProbeId, Timestamp)>,
    last: Last,
    /// Looks in a row that found it worse than ready: what spoke plainly, and what merely did not come.
    plain: u8,
    late: u8,
    /// It was found ready, and has not been found worse often enough since.
    was_ready: bool,
    /// When the probe began that first found that it does not verify.
    untrusted_since: Option<Timestamp>,
    /// When the latest probe began that verified it.
    verified_at: Option<Timestamp>,
    /// Since when its failed checks may have a shared cause.
    shared_since: Option<Timestamp>,
    /// Since when the Endpoints source has left it out.
    absent_since: Option<Timestamp>,
    /// Since when its name has left it out.
    unresolved_since: Option<Timestamp>,
}

impl Seen {
    fn may_be_ready(&self) -> bool {
        self.was_ready && self.plain < PLAIN_MAX && self.late < LATE_MAX
    }
}

/// The end of its last probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    None,
    Ready,
    Answered,
    Untrusted,
    Failed,
}

impl Oracle {
    /// A fact, before the policy has it.
    pub(crate) fn hear(&mut self, now: Timestamp, event: &Event) {
        self.now = now;
        match event {
            Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            } => {
                let seen = self.seen.entry(*endpoint).or_default();
                let Some((_, began)) = seen.started.filter(|(id, _)| id == probe) else {
                    return;
                };
                seen.verified_at = Some(began);
                seen.untrusted_since = None;
                let shared =
                    matches!(&finding.answer, Answer::NotReady { failed, .. } if may_be_shared(failed));
                seen.shared_since = shared.then(|| seen.shared_since.unwrap_or(now));
                seen.last = match finding.answer {
                    Answer::Ready => Last::Ready,
                    _ => Last::Answered,
                };
                match finding.answer {
                    Answer::Ready => (seen.plain, seen.late, seen.was_ready) = (0, 0, true),
                    _ => seen.plain = seen.plain.saturating_add(1),
                }
                self.note_ready();
            }
            Event::ProbeFailed {
                endpoint,
                probe,
                failure,
            } => self.hear_failure(*endpoint, *probe, failure),
            Event::SourceReported { source, report, .. } => self.reports.push((*source, report.clone())),
            Event::NodeReported { name, node, .. } => match node {
                Some(node) => self.see_node(node),
                None => self.miss_node(name),
            },
            _ => {}
        }
    }

    fn hear_failure(&mut self, endpoint: SocketAddr, probe: ProbeId, failure: &ProbeFailure) {
        let seen = self.seen.entry(endpoint).or_default();
        let Some((_, began)) = seen.started.filter(|(id, _)| *id == probe) else {
            return;
        };
        match failure {
            ProbeFailure::Untrusted { cause, .. } => {
                // A matter of clock or renewal makes no impostor.
                let dated = matches!(cause, Untrusted::Expired | Untrusted::NotYetValid);
                seen.untrusted_since = (!dated).then(|| seen.untrusted_since.unwrap_or(began));
                seen.verified_at = None;
                seen.last = Last::Untrusted;
            }
            ProbeFailure::Local { .. } | ProbeFailure::Aborted => return,
            _ => seen.last = Last::Failed,
        }
        match failure {
            ProbeFailure::TimedOut { .. } => seen.late = seen.late.saturating_add(1),
            _ => seen.plain = seen.plain.saturating_add(1),
        }
        self.note_ready();
    }

    fn note_ready(&mut self) {
        let ready = self.seen.values().any(Seen::may_be_ready);
        if ready || self.ready_since.is_some() {
            self.ready_last = self.now;
        }
        self.ready_since = ready.then(|| self.ready_since.unwrap_or(self.now));
    }

    fn see_node(&mut self, node: &NodeListing) {
        for ip in &node.addresses {
            if node.control_plane {
                self.gone.remove(ip);
                if let Some(before) = self.nodes.insert(node.name.clone(), *ip)
                    && before != *ip
                {
                    self.gone.entry(before).or_insert(self.now);
                }
            }
        }
        if !node.control_plane {
            self.miss_node(&node.name.clone());
        }
    }

    fn miss_node(&mut self, name: &str) {
        if let Some(ip) = self.nodes.get(name) {
            self.gone.entry(*ip).or_insert(self.now);
        }
    }

    fn see_report(&mut self, kind: SourceKind, report: &Report) {
        let now = self.now;
        let told: Vec<SocketAddr> = report
            .endpoints
            .iter()
            .filter_map(|listing| Some(SocketAddr::new(listing.ip, listing.port?)))
            .collect();
        for address in &told {
            let seen = self.seen.entry(*address).or_default();
            match kind {
                SourceKind::Kubernetes | SourceKind::Etcd => seen.absent_since = None,
                SourceKind::Registration => seen.unresolved_since = None,
                _ => {}
            }
        }
        if kind == SourceKind::Nodes && report.verified && !report.nodes.is_empty() {
            report.nodes.iter().for_each(|node| self.see_node(node));
            let gone: Vec<String> = self
                .nodes
                .keys()
                .filter(|name| report.nodes.iter().all(|node| node.name != **name))
                .cloned()
                .collect();
            gone.iter().for_each(|name| self.miss_node(name));
        }
        if told.is_empty() {
            return;
        }
        for (_, seen) in self
            .seen
            .iter_mut()
            .filter(|(address, _)| !told.contains(address))
        {
            match kind {
                SourceKind::Kubernetes | SourceKind::Etcd if report.verified => {
                    seen.absent_since.get_or_insert(now);
                }
                SourceKind::Registration => {
                    seen.unresolved_since.get_or_insert(now);
                }
                _ => {}
            }
        }
    }

    /// What the policy wants done: the first breach.
    pub(crate) fn judge(&mut self, now: Timestamp, actions: &[Action], spec: &NodeSpec) -> Option<String> {
        for (source, report) in std::mem::take(&mut self.reports) {
            if let Some(kind) = spec.sources.get(usize::from(source.0)) {
                self.see_report(*kind, &report);
            }
        }
        let mut breach = None;
        for action in actions {
            let found = match action {
                Action::StartProbe(start) => {
                    self.seen.entry(start.endpoint).or_default().started = Some((start.probe, now));
                    None
                }
                Action::CloseSessions(order) => self.judge_close(order.endpoint, &order.reason),
                Action::PersistMembership { records } => self.judge_memory(records, spec),
                _ => None,
            };
            breach = breach.or(found);
        }
        breach
    }

    /// Whether somebody else may be taken to be ready: it was found so, and not found worse as often as the thresholds
    /// ask for (H4; time-outs count only against a witness, or under both kinds of limits).
    fn another_ready(&self, address: SocketAddr) -> bool {
        self.seen
            .iter()
            .any(|(other, seen)| *other != address && seen.may_be_ready())
    }

    fn judge_close(&self, address: SocketAddr, reason: &str) -> Option<String> {
        if !self.another_ready(address) {
            return Some(format!(
                "H5: sessions of {address} are closed ({reason}), and nobody else may be taken to be ready"
            ));
        }
        let shared = self.seen.get(&address)?.shared_since?;
        let since = shared.max(self.ready_since.unwrap_or(self.now));
        let early = self.now.since(since) < SHARED_CAUSE_PATIENCE;
        (early && reason.contains("not ready"))
            .then(|| format!("S5: sessions of {address} move for a cause that may be shared"))
    }

    fn judge_memory(&mut self, records: &[Record], spec: &NodeSpec) -> Option<String> {
        let now: BTreeMap<SocketAddr, bool> = records
            .iter()
            .map(|record| (record.address, record.archived))
            .collect();
        let before = std::mem::replace(&mut self.remembered, now);
        for (address, was_archived) in &before {
            match self.remembered.get(address) {
                None if !was_archived => {
                    return Some(format!("M5: {address} is forgotten, and was not archived"));
                }
                Some(true) if !was_archived => {
                    if let Some(breach) = self.judge_archived(*address, spec) {
                        return Some(breach);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn judge_archived(&self, address: SocketAddr, spec: &NodeSpec) -> Option<String> {
        let seen = self.seen.get(&address);
        let lasted = |since: Option<Timestamp>| since.map(|since| self.now.since(since));
        let absent = lasted(seen.and_then(|seen| seen.absent_since));
        let gone = lasted(self.gone.get(&address.ip()).copied());
        let unresolved = lasted(seen.and_then(|seen| seen.unresolved_since));
        let least = |span: Option<Duration>, least: Duration| span.is_some_and(|span| span >= least);
        let settings = &spec.settings;
        let proven = least(absent, settings.grace) && least(gone, settings.grace)
            || least(absent, settings.unwitnessed_grace)
            || least(unresolved, settings.grace);
        if !proven {
            return Some(format!(
                "M3: {address} is archived; absent for {absent:?}, its Node gone for {gone:?}, unresolved for {unresolved:?}"
            ));
        }
        let lately = self.now.since(self.ready_last) <= SAVED_WITHIN;
        (!self.another_ready(address) && !lately)
            .then(|| format!("M3: {address} is archived while nobody else is ready"))
    }

    /// H8: whether a client may be dialled to it.
    pub(crate) fn judge_dial(&self, address: SocketAddr) -> Option<String> {
        let since = self.seen.get(&address)?.untrusted_since?;
        let witness = self.seen.iter().find(|(other, seen)| {
            **other != address
                && matches!(seen.last, Last::Ready | Last::Answered)
                && seen.verified_at.is_some_and(|at| at >= since)
        });
        witness.map(|(witness, _)| {
            format!("H8: a client is dialled to {address}, which does not verify, while {witness} does")
        })
    }

    /// Jackline starts: what it does not remember it may forget, and what it knew of others it knows no more.
    pub(crate) fn restart(&mut self, records: Option<&[Record]>) {
        let remembered = records.unwrap_or_default().iter();
        self.remembered = remembered
            .map(|record| (record.address, record.archived))
            .collect();
        self.ready_since = None;
        for seen in self.seen.values_mut() {
            seen.started = None;
            seen.last = Last::None;
            seen.was_ready = false;
            seen.untrusted_since = None;
            seen.verified_at = None;
            seen.shared_since = None;
        }
    }

    /// Another CA was read: what did not verify is open again.
    pub(crate) fn trust_anew(&mut self) {
        for seen in self.seen.values_mut() {
            seen.untrusted_since = None;
        }
    }
}

fn may_be_shared(failed: &[String]) -> bool {
    !failed.is_empty()
        && failed
            .iter()
            .all(|name| name.starts_with("etcd") || name.starts_with("kms"))
}
