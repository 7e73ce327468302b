//! The rules of the house that no compiler holds.
//!
//! A check is a pure function from the [`Tree`] to findings; reading the checkout is left to [`tree`], and what is
//! allowed to be otherwise stands, with its reason, in one place: [`exceptions`]. For each check a test shows that it
//! fails on a bad sample.

mod code;
mod decisions;
mod direction;
mod exceptions;
mod heads;
mod layout;
mod links;
mod lints;
mod machine_paths;
mod purity;
mod reasons;
mod sleeps;
mod translation;
mod tree;
mod unsafe_code;
mod words;

#[cfg(test)]
mod samples;

use crate::outcome::Outcome;
use crate::workspace::Workspace;
use tree::{Finding, Tree};

/// One check.
struct Check {
    name: &'static str,
    find: fn(&Tree) -> Vec<Finding>,
}

const CHECKS: [Check; 16] = [
    Check {
        name: "head",
        find: heads::find,
    },
    Check {
        name: "length",
        find: layout::long_files,
    },
    Check {
        name: "mod.rs",
        find: layout::mod_files,
    },
    Check {
        name: "direction",
        find: direction::find,
    },
    Check {
        name: "purity",
        find: purity::find,
    },
    Check {
        name: "unfinished",
        find: words::unfinished,
    },
    Check {
        name: "ignored",
        find: words::ignored,
    },
    Check {
        name: "name",
        find: words::names,
    },
    Check {
        name: "sleep",
        find: sleeps::find,
    },
    Check {
        name: "unsafe",
        find: unsafe_code::find,
    },
    Check {
        name: "link",
        find: links::find,
    },
    Check {
        name: "decision",
        find: decisions::find,
    },
    Check {
        name: "reason",
        find: reasons::find,
    },
    Check {
        name: "lints",
        find: lints::find,
    },
    Check {
        name: "translation",
        find: translation::find,
    },
    Check {
        name: "machine path",
        find: machine_paths::find,
    },
];

/// The stage: every check over the whole checkout; each counts as one.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let tree = Tree::read(workspace)?;
    let mut outcome = Outcome::default();
    for check in &CHECKS {
        let findings = exceptions::apply(check.name, (check.find)(&tree), exceptions::EXCEPTIONS);
        for finding in &findings {
            println!("{}: {finding}", check.name);
        }
        outcome = outcome.and(Outcome::of(
            findings.is_empty(),
            &format!("tidy: {}: {} found", check.name, findings.len()),
        ));
    }
    println!("{} files looked at", tree.files.len());
    Ok(outcome.must_have_run("checks"))
}
