//! What a check finds: what, by which evidence, at what risk, and what to do. The JSON of `jackline doctor` and `jackline preflight`.

use serde::{Deserialize, Serialize};

/// How bad it is. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Note,
    /// It will hurt, or does already a little.
    Warning,
    /// It hurts now.
    Critical,
}

impl Severity {
    /// The word of tables and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The check's name: the heading in docs/doctor.md.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is found, in a sentence.
    pub what: String,
    /// By what, a line each.
    pub evidence: Vec<String>,
    /// What may come of it.
    pub risk: String,
    /// What to do.
    pub remedy: String,
    /// What `--fix` does about it; `null`: nothing, it is yours.
    pub fix: Option<Fix>,
}

impl Finding {
    pub(crate) fn new(check: &'static str, severity: Severity, what: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            severity,
            what: what.into(),
            evidence: Vec::new(),
            risk: String::new(),
            remedy: String::new(),
            fix: None,
        }
    }

    pub(crate) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    pub(crate) fn risking(mut self, risk: impl Into<String>) -> Self {
        self.risk = risk.into();
        self
    }

    pub(crate) fn cured_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    pub(crate) fn fixed_by(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}

/// What `--fix` does: nothing that cannot be taken back, and nothing that stops a program, but for the restart that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Fix {
    /// A file is renamed, so that its owner makes a new one.
    SetAside {
        /// Which.
        path: String,
        /// The unit whose restart makes it count; `null`: none needs one.
        restart: Option<String>,
    },
    /// A file is made its owner's alone.
    Close {
        /// Which.
        path: String,
    },
}

/// All that was found on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of jackline that looked.
    pub version: String,
    /// The node's name.
    pub node: String,
    /// The distribution, by its profile's name.
    pub profile: String,
    /// The node's role; `null`: not known.
    pub role: Option<String>,
    /// Checks that were made.
    pub checked: Vec<String>,
    /// What is found, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unseen: Vec<Unseen>,
    /// What `--fix` did, a line each.
    pub fixed: Vec<String>,
}

/// What could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// The check.
    pub check: String,
    /// Why.
    pub why: String,
}

impl Report {
    /// The worst that is found; `None`: nothing is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
