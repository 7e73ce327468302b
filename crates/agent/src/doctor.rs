//! `jackline doctor`, `preflight` and `support`: a look at a node as an experienced person would take it, and what to do about what is found.
//! Works without a running jackline, and where there has never been one.
//!
//! | file | what |
//! |---|---|
//! | [`facts`] | what was seen, as plain data |
//! | [`checks`] | facts in, findings out; the table of all checks |
//! | `finding` | what a finding is; the JSON of it |
//! | `gather` | looks at files, the kernel's tables and servers |
//! | `fix` | carries out what is safe |
//! | [`preflight`] | best practices, and what would happen if servers went away now |
//! | [`bundle`] | what a support bundle holds |
//! | `redact` | takes secrets out of it |

pub mod bundle;
pub mod checks;
pub mod facts;
mod finding;
mod fix;
mod gather;
pub mod preflight;
mod redact;

pub use facts::Facts;
pub use finding::{Finding, Fix, Report, Severity, Unseen};
pub use fix::Fixed;
pub use gather::Request;
pub use redact::redact;

use crate::config::ConfigError;
use crate::profile::host::Host;
use checks::CHECKS;

/// A node that was looked at.
pub struct Examination {
    /// What was seen.
    pub facts: Facts,
    /// What is found.
    pub report: Report,
    host: Host,
}

/// Looks at the node and judges it. Changes nothing.
///
/// # Errors
/// Nobody can tell whose node this is, or the command line's own words are refused.
pub fn examine(request: &Request) -> Result<Examination, ConfigError> {
    let gather::Seen { facts, host } = gather::gather(request)?;
    let report = report(&facts);
    Ok(Examination { facts, report, host })
}

fn report(facts: &Facts) -> Report {
    let unseen = facts.unseen.iter().map(|(check, why)| Unseen {
        check: (*check).to_owned(),
        why: why.clone(),
    });
    Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: facts.node.name.clone(),
        profile: facts.node.profile.name().to_owned(),
        role: facts.node.role.map(|role| role.to_string()),
        checked: CHECKS.iter().map(|check| check.name.to_owned()).collect(),
        findings: checks::find(facts),
        unseen: unseen.collect(),
        fixed: Vec::new(),
    }
}

impl Examination {
    /// Does what is safe about each finding that has a fix, and tells in the report what was done.
    pub fn fix(&mut self) -> Fixed {
        let fixed = fix::carry_out(&self.host, &self.report.findings);
        self.report.fixed.clone_from(&fixed.done);
        fixed
    }
}
