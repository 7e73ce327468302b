//! Clippy and the compiler's own lints over all targets, warnings denied.

use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

/// `cargo clippy --workspace --all-targets -- -D warnings`.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let finished = command::run(workspace.cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(Outcome::of(
        finished.success,
        "clippy: there are warnings (above)",
    ))
}
