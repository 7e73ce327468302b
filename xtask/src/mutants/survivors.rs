//! The list of mutants that may survive, each with its reason.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, ensure};

use crate::workspace::Workspace;

/// Where it is.
pub(crate) const LIST: &str = "crates/core/mutants.txt";
/// What stands between a mutant and its reason.
const BETWEEN: &str = " — ";

/// Mutants by name, and why each may survive.
#[derive(Debug, Default)]
pub(crate) struct Survivors {
    reasons: BTreeMap<String, String>,
}

impl Survivors {
    pub(crate) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let text = fs::read_to_string(workspace.root.join(LIST))
            .with_context(|| format!("{LIST} is not readable"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut reasons = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, reason) = line
                .split_once(BETWEEN)
                .with_context(|| format!("{LIST}:{number}: no{BETWEEN}between a mutant and its reason"))?;
            ensure!(!reason.trim().is_empty(), "{LIST}:{number}: no reason");
            reasons.insert(name.trim().to_owned(), reason.trim().to_owned());
        }
        Ok(Self { reasons })
    }

    pub(crate) fn lists(&self, name: &str) -> bool {
        self.reasons.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }
}

/// A mutant's name: its file and what was changed. Line and column are left out, for they move with each change above.
pub(crate) fn name_of(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(change)) => format!("{file}: {}", change.trim()),
        _ => line.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_keeps_its_name_when_it_moves() {
        let one =
            name_of("crates/core/src/pace.rs:12:5: replace Policy::pace -> Duration with Default::default()");
        let two =
            name_of("crates/core/src/pace.rs:40:9: replace Policy::pace -> Duration with Default::default()");
        assert_eq!(one, two);
        assert_eq!(
            one,
            "crates/core/src/pace.rs: replace Policy::pace -> Duration with Default::default()"
        );
    }

    #[test]
    fn a_survivor_without_a_reason_is_refused() {
        assert!(Survivors::parse("crates/core/src/a.rs: replace b with ()").is_err());
        assert!(Survivors::parse("crates/core/src/a.rs: replace b with () — ").is_err());
        let list =
            Survivors::parse("# why\n\ncrates/core/src/a.rs: replace b with () — it only logs\n").unwrap();
        assert!(list.lists("crates/core/src/a.rs: replace b with ()"));
        assert_eq!(list.names().count(), 1);
    }
}
