//! Formatting: rustfmt with the project's `rustfmt.toml`.

use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

/// `cargo fmt --check` over all packages; the files are listed, the differences are what `cargo xtask fmt` would mend.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let finished = command::run(workspace.cargo(["fmt", "--all", "--check", "--", "-l"]))?;
    Ok(Outcome::of(
        finished.success,
        "formatting: mend it with `cargo xtask fmt`",
    ))
}
