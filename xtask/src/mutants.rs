//! `cargo xtask mutants`: the core with one thing changed, thousands of times over, and whether its own tests notice.
//!
//! cargo-mutants does the work; it is installed into the target folder. Here are shards, so that a run of hours may be
//! cut into pieces and gone on with later; and the list of survivors, which must be whole: one that is not on it fails,
//! and so does one on it that no longer survives. What a shard found is kept under `target/mutants`, in a folder named
//! after the core's sources: whatever is changed there begins anew.

mod survivors;

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::command;
use crate::outcome::time;
use crate::workspace::Workspace;
use survivors::Survivors;

/// What is installed.
const VERSION: &str = "27.1.0";
/// Pieces that a whole run is cut into.
pub(crate) const SHARDS: u32 = 32;
/// The core's own suite takes seconds; a mutant that makes it take this long has made a loop, and is noticed by that.
const TIMEOUT_SECONDS: &str = "90";
/// Of a hundred mutants, so many may survive.
const SURVIVORS_PERCENT_MAX: usize = 3;
/// What cargo-mutants exits with where it could do its work: all caught, some missed, some timed out.
const WORKED: [i32; 3] = [0, 2, 3];

/// Runs the named shards, or all; those that are done are not run again. After `limit` no new one begins.
pub(crate) fn run(workspace: &Workspace, shards: &[u32], limit: Option<Duration>) -> anyhow::Result<bool> {
    let start = Instant::now();
    let program = installed(workspace)?;
    let folder = folder(workspace)?;
    fs::create_dir_all(&folder).with_context(|| format!("{} could not be made", folder.display()))?;
    for shard in 0..SHARDS {
        let wanted = shards.is_empty() || shards.contains(&shard);
        let in_time = limit.is_none_or(|limit| start.elapsed() < limit);
        if wanted && in_time && !is_done(&folder, shard) {
            play(workspace, &program, &folder, shard)?;
        }
    }
    let tally = Tally::read(&folder)?;
    let survivors = Survivors::read(workspace)?;
    let faults = tally.faults(&survivors);
    println!("\n{}", tally.words());
    for fault in &faults {
        println!("failed: {fault}");
    }
    println!("{}", time(start.elapsed()));
    Ok(faults.is_empty())
}

/// What is known of the core as it is, in words for a page; nothing is run.
pub(crate) fn known(workspace: &Workspace) -> anyhow::Result<(String, bool)> {
    let tally = Tally::read(&folder(workspace)?)?;
    let faults = tally.faults(&Survivors::read(workspace)?);
    let told: String = faults.iter().map(|fault| format!("failed: {fault}\n")).collect();
    Ok((format!("{}\n{told}", tally.words()), faults.is_empty()))
}

/// cargo-mutants, installed where it is not.
fn installed(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = workspace.target.join("tools");
    let program = root.join("bin/cargo-mutants");
    let mut ask = workspace.program(&program.to_string_lossy());
    ask.args(["mutants", "--version"]);
    if command::ask(ask).is_some_and(|said| said.contains(VERSION)) {
        return Ok(program);
    }
    let mut install = workspace.cargo(["install", "cargo-mutants", "--locked", "--version", VERSION]);
    install.arg("--root").arg(&root);
    ensure!(
        command::run(install)?.success,
        "cargo-mutants could not be installed (above): this needs crates.io, or a mirror of it"
    );
    Ok(program)
}

/// Where the results for the core as it is are kept.
fn folder(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let mut files = Vec::new();
    for part in ["src", "tests"] {
        list(&workspace.root.join("crates/core").join(part), &mut files)?;
    }
    ensure!(!files.is_empty(), "crates/core has no sources");
    files.sort();
    let mut hasher = DefaultHasher::new();
    (VERSION, SHARDS).hash(&mut hasher);
    for file in files {
        let text = fs::read(&file).with_context(|| format!("{} is not readable", file.display()))?;
        text.hash(&mut hasher);
    }
    let name = format!("{:016x}", hasher.finish());
    Ok(workspace.target.join("mutants").join(name))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} is not readable", folder.display()))? {
        let path = entry?.path();
        match path.is_dir() {
            true => list(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn results(folder: &Path, shard: u32) -> PathBuf {
    folder.join(format!("shard-{shard:02}"))
}

fn is_done(folder: &Path, shard: u32) -> bool {
    results(folder, shard).join("done").exists()
}

fn play(workspace: &Workspace, program: &Path, folder: &Path, shard: u32) -> anyhow::Result<()> {
    println!("\n== shard {shard} of {SHARDS}");
    let output = results(folder, shard);
    // What an interrupted run left: it begins anew.
    let _ = fs::remove_dir_all(&output);
    fs::create_dir_all(&output)?;
    let mut mutants = workspace.program(&program.to_string_lossy());
    mutants
        .args(["mutants", "--package", "jackline-core", "--colors", "never"])
        .args(["--no-times", "--timeout", TIMEOUT_SECONDS])
        .args(["--shard", &format!("{shard}/{SHARDS}")])
        .arg("--output")
        .arg(&output)
        // One place for all shards, so that dependencies are built once.
        .env("CARGO_TARGET_DIR", workspace.target.join("mutants/build"));
    let status = mutants.status().context("cargo-mutants could not be started")?;
    match status.code() {
        Some(code) if WORKED.contains(&code) => fs::write(output.join("done"), "")?,
        Some(4) => bail!("the core's own tests fail without any change"),
        code => bail!("cargo-mutants could not do its work: exit {code:?}"),
    }
    Ok(())
}

/// What the shards that are done found.
#[derive(Default)]
struct Tally {
    done: Vec<u32>,
    caught: usize,
    timed_out: usize,
    unviable: usize,
    missed: Vec<String>,
}

impl Tally {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut tally = Self::default();
        for shard in (0..SHARDS).filter(|&shard| is_done(folder, shard)) {
            let lines = |name: &str| -> Vec<String> {
                let file = results(folder, shard).join("mutants.out").join(name);
                let text = fs::read_to_string(file).unwrap_or_default();
                text.lines().map(str::to_owned).collect()
            };
            tally.done.push(shard);
            tally.caught += lines("caught.txt").len();
            tally.timed_out += lines("timeout.txt").len();
            tally.unviable += lines("unviable.txt").len();
            tally
                .missed
                .extend(lines("missed.txt").iter().map(|line| survivors::name_of(line)));
        }
        Ok(tally)
    }

    fn viable(&self) -> usize {
        self.caught + self.timed_out + self.missed.len()
    }

    fn is_whole(&self) -> bool {
        self.done.len() == SHARDS as usize
    }

    fn words(&self) -> String {
        let shards = match self.is_whole() {
            true => format!("all {SHARDS} shards"),
            false => format!("{} of {SHARDS} shards ({:?})", self.done.len(), self.done),
        };
        let viable = self.viable();
        let permille = self.missed.len() * 1000 / viable.max(1);
        format!(
            "{shards}: {viable} mutants that compile, {} caught, {} made a loop and were caught by that, {} survived ({}.{} %); {} did not compile",
            self.caught,
            self.timed_out,
            self.missed.len(),
            permille / 10,
            permille % 10,
            self.unviable
        )
    }

    fn faults(&self, survivors: &Survivors) -> Vec<String> {
        let mut faults: Vec<String> = self
            .missed
            .iter()
            .filter(|name| !survivors.lists(name))
            .map(|name| format!("survives, and {} has no reason for it: {name}", survivors::LIST))
            .collect();
        if self.is_whole() {
            let stale = survivors
                .names()
                .filter(|name| !self.missed.iter().any(|missed| missed == name));
            faults
                .extend(stale.map(|name| format!("{} lists what does not survive: {name}", survivors::LIST)));
        }
        if self.missed.len() * 100 > self.viable() * SURVIVORS_PERCENT_MAX {
            faults.push(format!("more than {SURVIVORS_PERCENT_MAX} % survive"));
        }
        if self.done.is_empty() {
            faults.push("no shard was run for the core as it is".to_owned());
        }
        faults
    }
}
