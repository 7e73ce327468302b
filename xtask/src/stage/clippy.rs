//! Clippy and the compiler's own lints, warnings denied: over all targets, and over the program as packages hold it.

use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

/// Everything, as a checkout builds it.
const ALL: &[&str] = &["--workspace", "--all-targets", "--keep-going"];
/// The program without the lab and the simulator (decision 0021).
const PACKAGED: &[&str] = &["--package", "jackline", "--no-default-features"];

/// `cargo clippy … -- -D warnings`, for each.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for (what, arguments) in [("everything", ALL), ("what packages hold", PACKAGED)] {
        let mut clippy = workspace.cargo(["clippy"]);
        clippy.args(arguments).args(["--", "-D", "warnings"]);
        let clean = command::run(clippy)?.success;
        let otherwise = format!("clippy: there are warnings in {what} (above)");
        outcome = outcome.and(Outcome::of(clean, &otherwise));
    }
    Ok(outcome)
}
