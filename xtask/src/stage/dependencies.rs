//! Licences, bans and sources of all dependencies, by cargo-deny and the project's `deny.toml`, where it is installed.

use crate::command;
use crate::outcome::{Outcome, Skip};
use crate::workspace::Workspace;

/// `cargo deny check`, without the advisories: their database is not on every machine.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    if command::ask(workspace.cargo(["deny", "--version"])).is_none() {
        return Ok(Outcome {
            skips: vec![Skip {
                what: "licences, bans and sources of dependencies".to_owned(),
                why: "cargo-deny is not installed".to_owned(),
                bring: "cargo install --locked cargo-deny".to_owned(),
            }],
            ..Outcome::default()
        });
    }
    let finished = command::run(workspace.cargo(["deny", "check", "licenses", "bans", "sources"]))?;
    Ok(Outcome::of(
        finished.success,
        "cargo-deny found something (above)",
    ))
}
