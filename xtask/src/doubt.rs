//! `cargo xtask doubt`: the long form of all that doubts the core, and `docs/proof.md` with what came of it.
//!
//! Each part is a command that anybody can run; the page has the command, and what it printed, word for word. What a
//! part costs is said beside it, in time of the clock and in time of processors, for machines are shared.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::command;
use crate::mutants;
use crate::outcome::time;
use crate::verify::{commit, machine};
use crate::workspace::Workspace;

/// Where the result is kept.
const PAGE: &str = "docs/proof.md";
/// Lines of a part's output that the page takes. A failing swarm tells its stories at length; the first are enough.
const LINES_MAX: usize = 200;

/// A part: what it shows, and the command that shows it.
struct Part {
    name: &'static str,
    shows: &'static str,
    /// `jackline` stands for the release build.
    command: &'static [&'static str],
}

/// All of them, in the order of the page.
const PARTS: [Part; 6] = [
    Part {
        name: "Swarm",
        shows: "Worlds drawn from seeds, safe at each step, and at rest soon after they are healed.",
        command: &["jackline", "simulate", "--seeds", "0..10000"],
    },
    Part {
        name: "Exhaustive",
        shows: "All that can happen to three servers and a node, up to a number of moves, and every heal of every state.",
        command: &["jackline", "simulate", "--exhaustive", "--depth", "7"],
    },
    Part {
        name: "Canaries",
        shows: "The core without one of its rules is noticed within 200 worlds, for each rule; the core that ships breaks no law in them.",
        command: &["cargo", "test", "--package", "jackline-sim", "--test", "canary"],
    },
    Part {
        name: "Scenarios and the swarm's own canaries",
        shows: "Prose that runs, the same seeds twice, and broken minds that are found.",
        command: &["cargo", "test", "--package", "jackline-sim", "--test", "sim"],
    },
    Part {
        name: "Rivals",
        shows: "Other balancers in the same world, on the same seeds ([who](rivals.md)).",
        command: &["jackline", "simulate", "--compare", "--seeds", "0..200"],
    },
    Part {
        name: "Fleets",
        shows: "Many nodes, and what one server has to bear.",
        command: &["jackline", "simulate", "--fleet", "1000"],
    },
];

/// What a part came to.
struct Told {
    good: bool,
    took: Duration,
    output: String,
}

/// Runs all parts and writes the page; `true` when nothing failed.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let start = Instant::now();
    let commit = commit(workspace);
    ensure!(
        command::run(workspace.cargo(["build", "--release", "--package", "jackline"]))?.success,
        "the release build failed (above)"
    );
    let mut told = Vec::new();
    for part in &PARTS {
        println!("\n== {}", part.name);
        let result = part.run(workspace)?;
        println!("{}", result.output);
        println!("== {}: {} in {}", part.name, result.word(), time(result.took));
        told.push(result);
    }
    let (mutants, mutants_good) = mutants::known(workspace)?;
    let good = told.iter().all(|told| told.good);
    let mut page = format!(
        "# Proof\n\nWritten by `cargo xtask doubt`, not by hand. What is simulated, on which facts, and what a check does not show: \
         [simulation](simulation.md).\n\n| | |\n|---|---|\n\
         | verdict | {} |\n| date | {} |\n| commit | {commit} |\n| machine | {} |\n| took | {} |\n",
        if good { "passed" } else { "FAILED" },
        jiff::Timestamp::now().strftime("%F %R UTC"),
        machine(workspace),
        time(start.elapsed()),
    );
    for (part, told) in PARTS.iter().zip(&told) {
        page += &part.section(told);
    }
    page += &format!(
        "\n## Mutants\n\nThe core with one thing changed, and whether its own tests notice. A whole run takes hours, so this \
         is what `cargo xtask mutants` has found so far for the core as it is{}.\n\n```text\n{}\n```\n",
        if mutants_good {
            ""
        } else {
            "; it is not yet enough"
        },
        mutants.trim_end()
    );
    fs::write(workspace.root.join(PAGE), page).with_context(|| format!("{PAGE} could not be written"))?;
    let word = if good { "nothing broke" } else { "something BROKE" };
    println!("\n{word} in {}: {PAGE}", time(start.elapsed()));
    Ok(good)
}

impl Part {
    fn run(&self, workspace: &Workspace) -> anyhow::Result<Told> {
        let start = Instant::now();
        let (first, rest) = self.command.split_first().context("a part without a command")?;
        let mut command = match *first {
            "cargo" => workspace.cargo([]),
            _ => workspace.program(&workspace.target.join("release/jackline").to_string_lossy()),
        };
        // Progress is for people who wait, and goes to standard error.
        command.args(rest).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command
            .output()
            .with_context(|| format!("{first} could not be started"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Told {
            good: output.status.success(),
            took: start.elapsed(),
            output: text
                .lines()
                .take(LINES_MAX)
                .fold(String::new(), |text, line| text + line + "\n"),
        })
    }

    fn section(&self, told: &Told) -> String {
        format!(
            "\n## {}\n\n{}\n\n`{}`: {} in {}.\n\n```text\n{}\n```\n",
            self.name,
            self.shows,
            self.command.join(" "),
            told.word(),
            time(told.took),
            told.output.trim()
        )
    }
}

impl Told {
    fn word(&self) -> &'static str {
        if self.good { "passed" } else { "FAILED" }
    }
}
