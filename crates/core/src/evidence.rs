//! H1, H2, H4: what the end of a test says, and the whole table of health.

use alloc::format;
use alloc::string::{String, ToString};

use crate::finding::{Answer, Depth, Finding};
use crate::snapshot::Health;

/// What a probe's end says, without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    Ready,
    Alive,
    NotReady,
    /// Refused, reset, or nonsense.
    Refused,
    TimedOut,
    /// A certificate that does not verify; nobody else's has been seen to verify since.
    Unverified,
    /// The same, and a witness verifies (H8).
    Impostor,
    /// The same, but the certificate is only out of its dates.
    Dated,
}

/// H4: the whole table of health. `enough`: as much of this evidence as the thresholds ask for.
pub(crate) fn health_after(health: Health, evidence: Evidence, enough: bool) -> Health {
    match (health, evidence) {
        (Health::Unknown | Health::Ready, Evidence::Ready) => Health::Ready,
        (_, Evidence::Ready) if enough => Health::Ready,
        (Health::Ready, Evidence::Alive | Evidence::NotReady) if !enough => Health::Ready,
        (_, Evidence::Alive) => Health::Alive,
        (_, Evidence::NotReady) => Health::NotReady,
        (Health::Ready | Health::Alive | Health::NotReady, Evidence::Refused | Evidence::TimedOut)
            if !enough =>
        {
            health
        }
        (_, Evidence::Refused | Evidence::TimedOut | Evidence::Dated) => Health::Unreachable,
        (_, Evidence::Unverified) => Health::Unknown,
        (_, Evidence::Impostor) => Health::Impostor,
        (health, Evidence::Ready) => health,
    }
}

/// What a good answer at this depth says, in words; `None`: at the depth of the API's.
pub(crate) fn good_words(depth: Option<Depth>) -> &'static str {
    match depth {
        Some(Depth::Tcp) => "TCP connect accepted; no deeper test possible",
        Some(Depth::Tls) => "TLS handshake done; no CA known, so neither identity nor readiness is tested",
        Some(Depth::Verified) => "TLS verified; health is not asked for want of a client certificate",
        Some(Depth::Readyz) | None => "readyz: 200",
        Some(Depth::Health) => "health: 200",
        Some(Depth::Ping) => "ping: 200",
    }
}

/// What a finding says, and in words.
pub(crate) fn describe(finding: &Finding) -> (Evidence, String) {
    let asked = match finding.depth {
        Depth::Tcp | Depth::Tls | Depth::Verified => "the server",
        Depth::Readyz => "readyz",
        Depth::Health => "health",
        Depth::Ping => "ping",
    };
    match &finding.answer {
        Answer::Ready => (Evidence::Ready, good_words(Some(finding.depth)).to_string()),
        Answer::Alive if finding.depth == Depth::Verified => (
            Evidence::Alive,
            "TLS verified, but it refuses our client certificate, so health cannot be asked".to_string(),
        ),
        Answer::Alive if finding.authenticated => (
            Evidence::Alive,
            format!("{asked} refused even with the node's credential (401/403)"),
        ),
        Answer::Alive => (
            Evidence::Alive,
            format!("{asked} refuses the anonymous (401/403) and no credential is at hand"),
        ),
        Answer::NotReady { status, failed } if failed.is_empty() => {
            (Evidence::NotReady, format!("{asked}: {status}"))
        }
        Answer::NotReady { status, failed } => (
            Evidence::NotReady,
            format!("{asked}: {status}, failed: {}", failed.join(", ")),
        ),
        Answer::NoApi => (
            Evidence::NotReady,
            "serves no API (\"apiserver disabled\"): an etcd-only server".to_string(),
        ),
    }
}

/// H2: names of failed checks whose cause may lie outside the server.
pub(crate) fn may_be_shared(failed: &[String]) -> bool {
    !failed.is_empty()
        && failed
            .iter()
            .all(|name| name.starts_with("etcd") || name.starts_with("kms"))
}

/// The word for a health, as everywhere.
pub(crate) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Unknown => "unknown",
        Health::Ready => "ready",
        Health::Alive => "alive",
        Health::NotReady => "not-ready",
        Health::Unreachable => "unreachable",
        Health::Impostor => "impostor",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    const HEALTHS: [Health; 6] = [
        Health::Unknown,
        Health::Ready,
        Health::Alive,
        Health::NotReady,
        Health::Unreachable,
        Health::Impostor,
    ];
    const EVIDENCE: [Evidence; 8] = [
        Evidence::Ready,
        Evidence::Alive,
        Evidence::NotReady,
        Evidence::Refused,
        Evidence::TimedOut,
        Evidence::Unverified,
        Evidence::Impostor,
        Evidence::Dated,
    ];

    #[test]
    fn the_whole_table_of_health() {
        let mut table = String::new();
        for enough in [false, true] {
            let threshold = if enough {
                "thresholds reached"
            } else {
                "thresholds not reached"
            };
            writeln!(table, "{threshold}").expect("a string takes all");
            for health in HEALTHS {
                for evidence in EVIDENCE {
                    let after = health_after(health, evidence, enough);
                    let mark = if after == health { "  " } else { "->" };
                    writeln!(
                        table,
                        "  {:<11} + {:<10} {mark} {}",
                        health_word(health),
                        alloc::format!("{evidence:?}"),
                        health_word(after)
                    )
                    .expect("a string takes all");
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn only_etcd_and_kms_may_be_a_shared_cause() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_string())
                .collect::<alloc::vec::Vec<_>>()
        };
        assert!(may_be_shared(&names(&[
            "etcd",
            "etcd-readiness",
            "kms-provider-0"
        ])));
        assert!(!may_be_shared(&names(&["etcd", "poststarthook/rbac"])));
        assert!(!may_be_shared(&names(&[])));
    }
}
