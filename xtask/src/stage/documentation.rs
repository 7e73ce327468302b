//! Documentation: rustdoc without a warning, and the examples in it.

use super::testing;
use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

/// `cargo doc` with warnings denied, then the doc tests.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--keep-going"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    let pages = Outcome::of(
        command::run(command)?.success,
        "documentation: there are warnings (above)",
    );
    Ok(pages.and(testing::cargo_test(workspace, &["--doc"])?))
}
