//! Dates of certificates: in files, and as servers present them.

use jackline_trust::inspect::Description;

use crate::doctor::facts::Facts;
use crate::doctor::finding::{Finding, Severity};

const DAY: i64 = 24 * 60 * 60;
/// A certificate that somebody has to renew is told of so long before its end.
const SOON: i64 = 30 * DAY;
/// One that renews itself should have done so by then. A kubelet's of a year does in its last tenth to third.
const SOON_RENEWING: i64 = 14 * DAY;
/// A certificate that lives no longer than this is renewed all the time: the end is near by design.
const SHORT_LIVED: i64 = 60 * DAY;

/// Expired, not valid yet, or soon over.
pub(super) fn dates(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &facts.certificates {
        match &file.certificates {
            Ok(certificates) => {
                let renews = file.purpose != "the cluster's CA";
                // Of a chain or a bundle the first is the node's own, and a CA's bundle is good while one is.
                let telling: Vec<&Description> = match renews {
                    true => certificates.iter().take(1).collect(),
                    false => certificates
                        .iter()
                        .max_by_key(|certificate| certificate.not_after)
                        .into_iter()
                        .collect(),
                };
                let what = format!("{} ({})", file.purpose, file.path);
                findings.extend(
                    telling
                        .into_iter()
                        .filter_map(|certificate| judge(facts.now, &what, certificate, renews)),
                );
            }
            Err(words) => findings.push(
                Finding::new(
                    "certificates",
                    Severity::Warning,
                    format!("{} cannot be read: {}", file.purpose, file.path),
                )
                .seen(words.clone()),
            ),
        }
    }
    for (address, server) in &facts.servers {
        let what = format!("the certificate of {address}");
        let presented = server.certificate.as_ref();
        findings.extend(presented.and_then(|certificate| judge(facts.now, &what, certificate, false)));
    }
    findings
}

fn judge(now: i64, what: &str, certificate: &Description, renews: bool) -> Option<Finding> {
    let lifetime = certificate.not_after - certificate.not_before;
    let soon = match (renews, lifetime <= SHORT_LIVED) {
        (_, true) => lifetime / 10,
        (true, false) => SOON_RENEWING,
        (false, false) => SOON,
    };
    let left = certificate.not_after - now;
    let (severity, words) = if left < 0 {
        (Severity::Critical, format!("{what} expired {} ago", span(-left)))
    } else if now < certificate.not_before {
        let ahead = span(certificate.not_before - now);
        (
            Severity::Critical,
            format!("{what} is not valid for another {ahead}"),
        )
    } else if left < soon {
        (Severity::Warning, format!("{what} ends in {}", span(left)))
    } else {
        return None;
    };
    Some(
        Finding::new("certificates", severity, words)
            .seen(format!("subject {}", certificate.subject))
            .seen(format!(
                "valid from {} to {}; this machine's clock says {}",
                instant(certificate.not_before),
                instant(certificate.not_after),
                instant(now)
            )),
    )
}

/// A moment for people, in UTC.
pub(super) fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}

/// A time for people, in its largest unit.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / DAY),
    }
}
