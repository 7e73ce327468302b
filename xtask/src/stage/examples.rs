//! Examples: every program of an `examples/` folder runs to its end, every sample configuration is accepted.

use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

/// Where sample configurations stand.
const CONFIGURATIONS: &str = "examples";

/// Runs each example target, and `jackline config check` on each sample configuration.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for package in &workspace.packages {
        for example in &package.examples {
            let command = workspace.cargo(["run", "--quiet", "-p", &package.name, "--example", example]);
            let finished = command::run(command)?;
            outcome = outcome.and(Outcome::of(
                finished.success,
                &format!("example {example} of {}", package.name),
            ));
        }
    }
    for path in configurations(workspace)? {
        let command = workspace.cargo(["run", "--quiet", "--", "config", "check", &path]);
        let finished = command::run(command)?;
        outcome = outcome.and(Outcome::of(
            finished.success,
            &format!("sample configuration {path}"),
        ));
    }
    Ok(outcome.must_have_run("examples"))
}

fn configurations(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(workspace.root.join(CONFIGURATIONS))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            paths.push(format!("{CONFIGURATIONS}/{name}"));
        }
    }
    paths.sort();
    Ok(paths)
}
