//! Licences, bans, sources and known vulnerabilities of all dependencies, by cargo-deny and the project's `deny.toml`, where it is
//! installed; and that cargo-deny does refuse what `deny.toml` would not allow.

use std::fs;

use anyhow::ensure;

use crate::command;
use crate::outcome::{Outcome, Skip};
use crate::workspace::Workspace;

/// What brings the tool.
const BRING_TOOL: &str = "cargo install --locked cargo-deny";
/// What brings the database of advisories: a clone of RustSec's, which is on no registry.
const BRING_DATABASE: &str = "cargo deny fetch db";
/// A configuration under which this project must be refused: some dependency of it is under the MIT licence alone.
const CANARY: &str = "[licenses]\nallow = [\"Apache-2.0\"]\n";

/// `cargo deny check`, and its canary.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    if command::ask(workspace.cargo(["deny", "--version"])).is_none() {
        let what = "licences, bans, sources and advisories of dependencies";
        return Ok(skip(what, "cargo-deny is not installed", BRING_TOOL));
    }
    let finished = command::run(workspace.cargo(["deny", "check", "licenses", "bans", "sources"]))?;
    let outcome = Outcome::of(finished.success, "cargo-deny found something (above)");
    Ok(outcome.and(canary(workspace)?).and(advisories(workspace)?))
}

/// A check that lets everything pass would look just as good.
fn canary(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let file = workspace.target.join("deny-canary.toml");
    fs::write(&file, CANARY)?;
    let mut deny = workspace.cargo(["deny", "--config"]);
    deny.arg(&file).args(["check", "licenses"]);
    // Hundreds of lines, as it should be: only the verdict is of interest, and that there is one.
    let finished = command::run_showing(deny, |line| line.starts_with("licenses "))?;
    let refused = !finished.success && finished.lines.iter().any(|line| line == "licenses FAILED");
    fs::remove_file(&file)?;
    Ok(Outcome::of(
        refused,
        "cargo-deny allows licences that its configuration does not",
    ))
}

/// Against the database that is here; nothing is fetched.
fn advisories(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let finished = command::run(workspace.cargo(["deny", "--offline", "check", "advisories"]))?;
    // Only a whole check ends in this line; without a database there is none.
    let verdict = finished
        .lines
        .iter()
        .find(|line| line.trim_start().starts_with("advisories "));
    let Some(verdict) = verdict else {
        ensure!(
            !finished.success,
            "cargo-deny says nothing of advisories and succeeds"
        );
        let why = "the database of advisories is not on this machine";
        return Ok(skip("advisories of dependencies", why, BRING_DATABASE));
    };
    Ok(Outcome::of(
        finished.success,
        &format!("cargo-deny: {verdict} (above)"),
    ))
}

fn skip(what: &str, why: &str, bring: &str) -> Outcome {
    Outcome {
        skips: vec![Skip {
            what: what.to_owned(),
            why: why.to_owned(),
            bring: bring.to_owned(),
        }],
        ..Outcome::default()
    }
}
