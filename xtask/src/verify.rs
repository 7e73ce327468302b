//! `cargo xtask verify`: the same checks at full length, within an hour; the dated result is a page for people.
//!
//! After the stages of `cargo xtask test` the whole lab is played with the release build, several times over, and all
//! faults between hosts once; the figures of recovery are measured and have a page of their own. What the page looks like is left to [`page`], what a played scenario says to [`play`].

mod page;
mod play;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::command;
use crate::multihost::Multihost;
use crate::outcome::time;
use crate::recovery;
use crate::stage;
use crate::workspace::Workspace;
use page::Page;
use play::{Play, Tally};

/// Where the result is kept.
const PAGE: &str = "docs/verify.md";

/// How many times the whole lab is played.
const ROUNDS: u32 = 3;

/// After this long no new round of the lab begins, so that an hour is enough for all of it.
const LAST_START: Duration = Duration::from_secs(35 * 60);

/// Runs it and writes the page; `true` when nothing failed.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let start = Instant::now();
    let commit = commit(workspace);
    let results = stage::run(workspace, &[]);
    let (tallies, rounds) = lab(workspace, start)?;
    let hosts = hosts(workspace)?;
    let recovered = recovery::run(workspace, true)?;
    let good = results.conclude() && recovered && tallies.iter().chain(&hosts).all(Tally::good);
    let page = Page {
        date: jiff::Timestamp::now().strftime("%F %R UTC").to_string(),
        commit,
        machine: machine(workspace),
        took: start.elapsed(),
        results: &results,
        rounds,
        tallies: &tallies,
        hosts: &hosts,
    };
    fs::write(workspace.root.join(PAGE), page.render())
        .with_context(|| format!("{PAGE} could not be written"))?;
    println!(
        "{} in {}: {PAGE}",
        if good { "verified" } else { "NOT verified" },
        time(start.elapsed())
    );
    Ok(good)
}

/// Plays every scenario, round after round; the tally of each, and how many rounds there was time for.
fn lab(workspace: &Workspace, start: Instant) -> anyhow::Result<(Vec<Tally>, u32)> {
    println!("\n== lab");
    ensure!(
        command::run(workspace.cargo(["build", "--release"]))?.success,
        "the release build failed (above)"
    );
    let scenarios = scenarios(workspace)?;
    let mut tallies: Vec<Tally> = scenarios.iter().map(|name| Tally::new(name)).collect();
    let mut rounds = 0;
    while rounds < ROUNDS && (rounds == 0 || start.elapsed() < LAST_START) {
        rounds += 1;
        let printed = command::capture(release(workspace, &["lab", "all", "--output", "json"]))?;
        for tally in &mut tallies {
            let play = Play::read(&printed, &tally.scenario)
                .unwrap_or_else(|error| Play::broken(format!("{error:#}")));
            println!("round {rounds}: {}: {}", tally.scenario, play.verdict());
            tally.add(play);
        }
    }
    Ok((tallies, rounds))
}

/// Plays all faults between hosts that this machine can play; the others stand among what was not run.
fn hosts(workspace: &Workspace) -> anyhow::Result<Vec<Tally>> {
    println!("\n== hosts");
    let multihost = Multihost::build(workspace, true)?;
    let mut tallies: Vec<Tally> = multihost.names()?.iter().map(|name| Tally::new(name)).collect();
    if tallies.is_empty() {
        return Ok(tallies);
    }
    let printed = command::capture(multihost.command(&["--json"]))?;
    for tally in &mut tallies {
        let play =
            Play::read(&printed, &tally.scenario).unwrap_or_else(|error| Play::broken(format!("{error:#}")));
        println!("{}: {}", tally.scenario, play.verdict());
        tally.add(play);
    }
    Ok(tallies)
}

fn scenarios(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let listed = command::capture(release(workspace, &["lab", "--list"]))?;
    let names: Vec<String> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    ensure!(!names.is_empty(), "`jackline lab --list` lists no scenario");
    Ok(names)
}

fn release(workspace: &Workspace, arguments: &[&str]) -> std::process::Command {
    let mut command = workspace.program(&workspace.target.join("release/jackline").to_string_lossy());
    command.args(arguments);
    command
}

pub(crate) fn commit(workspace: &Workspace) -> String {
    let ask = |arguments: &[&str]| {
        let mut git = workspace.program("git");
        git.args(arguments);
        command::ask(git).unwrap_or_default().trim().to_owned()
    };
    let changed = if ask(&["status", "--porcelain"]).is_empty() {
        ""
    } else {
        ", with uncommitted changes"
    };
    format!("{}{changed}", ask(&["rev-parse", "--short=12", "HEAD"]))
}

pub(crate) fn machine(workspace: &Workspace) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut rustc = workspace.program("rustc");
    rustc.arg("--version");
    let rustc = command::ask(rustc).unwrap_or_default();
    format!("{cores} cores, kernel {}, {}", kernel.trim(), rustc.trim())
}
