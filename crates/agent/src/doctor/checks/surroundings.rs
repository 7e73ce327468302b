//! What surrounds the cluster's programs on this machine: clock, firewalls, jackline's own configuration.

use super::certificates::{instant, span};
use crate::doctor::facts::{Facts, Says};
use crate::doctor::finding::{Finding, Severity};

/// So far, in seconds, two clocks may be apart: `Date` has whole seconds, and answers take time.
const APART_MAX: i64 = 5;
/// From here on certificates and leases are in question.
const APART_BADLY: i64 = 60;

/// A configuration that is refused.
pub(super) fn configuration(facts: &Facts) -> Vec<Finding> {
    let refused = facts.configuration.iter();
    refused
        .map(|words| {
            let first = Finding::new(
                "configuration",
                Severity::Warning,
                "jackline's configuration is refused",
            );
            words
                .lines()
                .take(10)
                .fold(first, |finding, line| finding.seen(line.trim_end()))
        })
        .collect()
}

/// A clock that is wrong, here or there.
pub(super) fn clock(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut apart: Vec<(String, i64)> = facts
        .servers
        .iter()
        .filter_map(|(address, server)| Some((address.to_string(), server.ahead?)))
        .filter(|(_, ahead)| ahead.abs() > APART_MAX)
        .collect();
    if let Some(heartbeat) = facts.heartbeat.filter(|heartbeat| heartbeat.age < -APART_MAX) {
        apart.push(("the node's own Lease".to_owned(), -heartbeat.age));
    }
    if let Some(worst) = apart.iter().map(|(_, ahead)| ahead.abs()).max() {
        let severity = if worst >= APART_BADLY {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let told = facts
            .servers
            .values()
            .filter(|server| server.ahead.is_some())
            .count();
        let whose = if apart.len() >= told.max(1) {
            "this machine's clock is wrong"
        } else {
            "clocks differ"
        };
        let what = format!("{whose}: by {} at most", span(worst));
        let first = Finding::new("clock", severity, what)
            .seen(format!("this machine's clock says {}", instant(facts.now)));
        findings.push(apart.iter().fold(first, |finding, (who, ahead)| {
            let word = if *ahead > 0 { "ahead" } else { "behind" };
            finding.seen(format!("{who}: {} {word}", span(ahead.abs())))
        }));
    }
    if facts.clock_is_kept == Some(false) {
        findings.push(
            Finding::new(
                "clock",
                Severity::Note,
                "no time service keeps this machine's clock",
            )
            .seen("neither systemd-timesyncd nor chrony nor ntpd has a state here"),
        );
    }
    findings
}

/// A firewall that is on, and connections that this machine forbids.
pub(super) fn firewall(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts
        .firewalls
        .iter()
        .map(|(name, file)| {
            Finding::new(
                "firewall",
                Severity::Note,
                format!("{name} is switched on beside the cluster's own rules"),
            )
            .seen(format!("{file} says so; its rules are not read"))
        })
        .collect();
    let forbidden: Vec<String> = facts
        .servers
        .iter()
        .filter(|(_, server)| !matches!(server.says, Says::Ready | Says::Alive))
        .filter(|(_, server)| FORBIDDEN.iter().any(|word| server.words.contains(word)))
        .map(|(address, server)| format!("{address}: {}", server.words))
        .collect();
    if !forbidden.is_empty() {
        let first = Finding::new(
            "firewall",
            Severity::Critical,
            "a firewall forbids connections to servers",
        )
        .risking("those servers are as good as dead to this node")
        .cured_by(
            "look for the rule on the way: `nft list ruleset`, `iptables-save`; then in the network between",
        );
        findings.push(forbidden.into_iter().fold(first, Finding::seen));
    }
    findings
}

/// What the kernel says of a connection that a rule forbids: here, or told by a router.
const FORBIDDEN: [&str; 3] = [
    "Operation not permitted",
    "Permission denied",
    "administratively prohibited",
];
