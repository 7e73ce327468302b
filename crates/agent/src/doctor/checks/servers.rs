//! Who answers: every server that is known of, tested as a client would.

use std::net::SocketAddr;

use super::balancer::named;
use crate::doctor::facts::{Facts, Says};
use crate::doctor::finding::{Finding, Severity};

/// None ready, few ready, strangers.
pub(super) fn answers(facts: &Facts) -> Vec<Finding> {
    let said = |wanted: fn(Says) -> bool| -> Vec<SocketAddr> {
        let servers = facts.servers.iter();
        servers
            .filter(|(_, server)| wanted(server.says))
            .map(|(address, _)| *address)
            .collect()
    };
    // Servers of ours that nothing is known of were not asked.
    if facts.servers.is_empty() || facts.servers.values().all(|server| server.says == Says::OurFault) {
        return Vec::new();
    }
    let (ready, serving) = (said(|says| says == Says::Ready), said(Says::serves));
    let mut findings = Vec::new();
    if ready.is_empty() {
        let what = match serving.is_empty() {
            true => "no server answers as an apiserver".to_owned(),
            false => format!("no server is ready; {} answers", named(&serving)),
        };
        let severity = if serving.is_empty() {
            Severity::Critical
        } else {
            Severity::Warning
        };
        findings.push(told(facts, Finding::new("servers", severity, what), |_| true));
    } else {
        let silent = said(|says| matches!(says, Says::Nothing | Says::NotReady));
        let listed = facts.listed();
        let silent: Vec<SocketAddr> = silent
            .into_iter()
            .filter(|address| listed.contains(address))
            .collect();
        if !silent.is_empty() {
            let what = format!(
                "{} of {} servers that the cluster lists do not answer as they should: {}",
                silent.len(),
                listed.len(),
                named(&silent)
            );
            findings.push(told(
                facts,
                Finding::new("servers", Severity::Warning, what),
                |address| silent.contains(&address),
            ));
        }
    }
    let strangers = said(|says| says == Says::Untrusted);
    if !strangers.is_empty() {
        let what = format!(
            "{} present certificates that do not verify by the node's CA",
            named(&strangers)
        );
        let finding = Finding::new("servers", Severity::Critical, what)
            .risking("another cluster's machine has the address, or the CA was rotated and this node has the old one")
            .cured_by("compare the CA of the node with a server's (`openssl x509 -noout -fingerprint`); join the node again if it is old");
        findings.push(told(facts, finding, |address| strangers.contains(&address)));
    }
    findings
}

/// Sources that give no answer.
pub(super) fn sources(facts: &Facts) -> Vec<Finding> {
    // What a credential may not, and names that lead nowhere, are told by checks of their own.
    let mine =
        |(source, why): &&(String, String)| source != "registration" && !super::credentials::forbids(why);
    let silent: Vec<&(String, String)> = facts.silent.iter().filter(mine).collect();
    if silent.is_empty() {
        return Vec::new();
    }
    let others = facts.told.iter().any(|told| told.is_cluster);
    let (severity, what) = match others {
        true => (Severity::Note, "a source gave no answer; others did"),
        false => (Severity::Warning, "no source tells of the cluster's servers"),
    };
    let first = Finding::new("sources", severity, what);
    vec![silent.iter().fold(first, |finding, (source, why)| {
        finding.seen(format!("{source}: {why}"))
    })]
}

/// The same finding with what each of these servers said.
fn told(facts: &Facts, finding: Finding, which: impl Fn(SocketAddr) -> bool) -> Finding {
    facts
        .servers
        .iter()
        .filter(|(address, _)| which(**address))
        .fold(finding, |finding, (address, server)| {
            finding.seen(format!("{address}: {}", server.words))
        })
}
