//! The stages of `cargo xtask test`, in their order: the quick ones first.
//!
//! All of them run, whatever fails: a person wants to see every fault of a change at once. A stage counts what it ran,
//! and one that ran nothing has failed.

mod clippy;
mod dependencies;
mod documentation;
mod examples;
mod formatting;
mod packaging;
mod testing;

use std::time::Instant;

use clap::builder::PossibleValuesParser;

use crate::multihost;
use crate::outcome::{Outcome, Results, time};
use crate::tidy;
use crate::workspace::Workspace;

/// One stage.
struct Stage {
    name: &'static str,
    run: fn(&Workspace) -> anyhow::Result<Outcome>,
}

const STAGES: [Stage; 11] = [
    Stage {
        name: "formatting",
        run: formatting::run,
    },
    Stage {
        name: "tidy",
        run: tidy::run,
    },
    Stage {
        name: "clippy",
        run: clippy::run,
    },
    Stage {
        name: "unit",
        run: testing::unit,
    },
    Stage {
        name: "integration",
        run: testing::integration,
    },
    Stage {
        name: "exhaustive",
        run: testing::exhaustive,
    },
    Stage {
        name: "multihost",
        run: multihost::stage,
    },
    Stage {
        name: "documentation",
        run: documentation::run,
    },
    Stage {
        name: "examples",
        run: examples::run,
    },
    Stage {
        name: "packaging",
        run: packaging::run,
    },
    Stage {
        name: "dependencies",
        run: dependencies::run,
    },
];

/// What the command line takes as the name of a stage.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(STAGES.iter().map(|stage| stage.name))
}

/// Runs the named stages, or all where none is named.
pub(crate) fn run(workspace: &Workspace, named: &[String]) -> Results {
    let mut results = Results::default();
    for stage in &STAGES {
        if !named.is_empty() && !named.iter().any(|name| name == stage.name) {
            continue;
        }
        println!("\n== {}", stage.name);
        let start = Instant::now();
        let outcome = (stage.run)(workspace).unwrap_or_else(|error| Outcome::fail(format!("{error:#}")));
        let took = start.elapsed();
        let word = if outcome.failures.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        println!("== {}: {word} in {}", stage.name, time(took));
        results.push(stage.name, took, outcome);
    }
    results
}
