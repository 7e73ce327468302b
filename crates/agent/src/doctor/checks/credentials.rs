//! Credentials: whether they are there, good, private, and enough.

use crate::doctor::facts::{Facts, Says};
use crate::doctor::finding::{Finding, Fix, Severity};

/// Bits that let others than the owner read or write. The group may read: K3s and k0s give some files to one.
const OTHERS: u32 = 0o027;

/// What is wrong with them.
pub(super) fn credentials(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts
        .trust
        .iter()
        .map(|words| {
            Finding::new(
                "credentials",
                Severity::Warning,
                "the node's CA or credential is not as it should be",
            )
            .seen(words.clone())
        })
        .collect();
    for file in facts.secrets.iter().filter(|file| file.mode & OTHERS != 0) {
        findings.push(
            Finding::new(
                "credentials",
                Severity::Warning,
                format!("{} is open to other users of this machine", file.path),
            )
            .seen(format!("mode {:04o}", file.mode))
            .risking("whoever reads it can act as this node, or join one")
            .cured_by(format!("chmod 600 {}", file.path))
            .fixed_by(Fix::Close {
                path: file.path.clone(),
            }),
        );
    }
    let refusing: Vec<String> = facts
        .servers
        .iter()
        .filter(|(_, server)| server.says == Says::Alive)
        .map(|(address, server)| format!("{address}: {}", server.words))
        .collect();
    if !refusing.is_empty() {
        let first = Finding::new(
            "credentials",
            Severity::Warning,
            "servers refuse what the node presents",
        )
        .risking("a server's readiness is not seen: one that only lives is used like one that is ready")
        .cured_by("renew the node's certificate, or give jackline a ServiceAccount's token: `jackline rbac`");
        findings.push(refusing.into_iter().fold(first, Finding::seen));
    }
    let forbidden: Vec<String> = facts
        .silent
        .iter()
        .filter(|(_, why)| forbids(why))
        .map(|(source, why)| format!("{source}: {why}"))
        .collect();
    if !forbidden.is_empty() {
        let first = Finding::new(
            "credentials",
            Severity::Warning,
            "the credential may not read what tells of servers",
        )
        .risking("the node does not hear from the cluster that a server came or went")
        .cured_by("`jackline rbac | kubectl apply -f -`, and name its token in cluster.token-file");
        findings.push(forbidden.into_iter().fold(first, Finding::seen));
    }
    findings
}

/// Whether a source's failure is that the credential may not ask.
pub(super) fn forbids(why: &str) -> bool {
    ["answered 401", "answered 403", "lacks the right"]
        .iter()
        .any(|word| why.contains(word))
}
