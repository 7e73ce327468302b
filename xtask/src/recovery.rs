//! `cargo xtask recovery`: how soon nodes are back, what they forget and what they cost, measured with the real binary and real
//! etcd; the dated result is a page for people.
//!
//! The lab plays it, between hosts and on loopback. Here it is built and called, and its figures are put on the page; what the page
//! looks like is left to [`page`].

mod page;

use std::fs;
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow};
use serde_json::Value;

use crate::command;
use crate::multihost::Multihost;
use crate::outcome::time;
use crate::verify;
use crate::workspace::Workspace;
use page::{Page, Part};

/// Where the result is kept.
const PAGE: &str = "docs/recovery.md";

/// What is played between hosts.
const BETWEEN_HOSTS: [&str; 1] = ["every-order"];

/// Plays in which nothing happens for ten minutes: they are played beside the others.
const IDLE: &str = "idle-";

/// Runs it and writes the page; `true` when every figure has reached its target.
pub(crate) fn run(workspace: &Workspace, release: bool) -> anyhow::Result<bool> {
    let start = Instant::now();
    println!("\n== recovery");
    let programs = Multihost::build(workspace, release)?;
    let hosts: Vec<String> = programs.names()?;
    let hosts: Vec<&str> = BETWEEN_HOSTS
        .into_iter()
        .filter(|name| hosts.iter().any(|known| known == name))
        .collect();
    let listed = command::capture(programs.recovery(&["--list"]))?;
    let mut missing: Vec<String> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("not run: "))
        .map(str::to_owned)
        .collect();
    if hosts.len() < BETWEEN_HOSTS.len() {
        missing.push("the orders of failing, between hosts: see `cargo xtask multihost --list`".to_owned());
    }
    let names = listed.lines().filter(|line| !line.starts_with("not run: "));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    let (idle, busy): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.starts_with(IDLE));
    let parts = thread::scope(|scope| {
        let beside = scope.spawn(|| play("recovery", &programs, &["--parallel", "3"], &idle));
        let between = play("multihost", &programs, &[], &hosts)?;
        let busy = play("recovery", &programs, &[], &busy)?;
        let beside = beside.join().map_err(|_| anyhow!("a thread died"))??;
        anyhow::Ok(vec![between, busy, beside])
    })?;
    let page = Page {
        date: jiff::Timestamp::now().strftime("%F %R UTC").to_string(),
        commit: verify::commit(workspace),
        machine: verify::machine(workspace),
        build: if release { "release" } else { "debug" },
        took: start.elapsed(),
        parts: parts.into_iter().flatten().collect(),
        missing,
    };
    fs::write(workspace.root.join(PAGE), page.render())
        .with_context(|| format!("{PAGE} could not be written"))?;
    let good = page.good();
    let word = match good {
        true => "all targets reached",
        false => "NOT all targets reached",
    };
    println!("{word} in {}: {PAGE}", time(start.elapsed()));
    Ok(good)
}

/// Plays these with one of the lab's programs.
fn play(
    program: &str,
    programs: &Multihost,
    options: &[&str],
    names: &[&str],
) -> anyhow::Result<Option<Part>> {
    if names.is_empty() {
        return Ok(None);
    }
    let arguments: Vec<&str> = ["--json"].iter().chain(options).chain(names).copied().collect();
    let command = match program {
        "multihost" => programs.command(&arguments),
        _ => programs.recovery(&arguments),
    };
    let printed = command::capture(command)?;
    let outcomes: Vec<Value> =
        serde_json::from_str(&printed).with_context(|| format!("{program} printed no outcomes"))?;
    let words: Vec<&str> = options.iter().chain(names).copied().collect();
    Ok(Some(Part {
        command: format!("{program} --program jackline {}", words.join(" ")),
        outcomes,
    }))
}
