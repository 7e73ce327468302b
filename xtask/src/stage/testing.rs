//! Tests by plain `cargo test`, counted by reading what it prints.
//!
//! `unit` is what stands beside the code; `integration` is every file of a `tests/` folder: property tests, scenarios
//! and the end-to-end rung with the real binary. A test that lacks something on this machine prints one line,
//! `not run: WHY (THE LINE THAT WOULD BRING IT)`, and returns: it is counted as not run.

use crate::command;
use crate::outcome::{Outcome, Skip};
use crate::workspace::Workspace;

/// What a test prints that could not be run.
const NOT_RUN: &str = "not run: ";

/// The tests beside the code.
pub(crate) fn unit(workspace: &Workspace) -> anyhow::Result<Outcome> {
    Ok(cargo_test(workspace, &["--lib", "--bins"])?.must_have_run("unit tests"))
}

/// The tests in `tests/` folders.
pub(crate) fn integration(workspace: &Workspace) -> anyhow::Result<Outcome> {
    Ok(cargo_test(workspace, &["--test", "*"])?.must_have_run("integration tests"))
}

/// The exhaustive checker once more, a level deeper than a debug build can go in the time.
pub(crate) fn exhaustive(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut command = workspace.cargo(["test", "--release", "--package", "jackline-sim"]);
    command.args(["--test", "exhaustive"]);
    let finished = command::run(command)?;
    Ok(count(&finished.lines, finished.success).must_have_run("exhaustive tests"))
}

/// `cargo test --workspace` over some kinds of target.
pub(crate) fn cargo_test(workspace: &Workspace, kinds: &[&str]) -> anyhow::Result<Outcome> {
    let mut command = workspace.cargo(["test", "--workspace", "--no-fail-fast"]);
    // What passed tests print is asked for, to be read; people are spared it.
    command.args(kinds).args(["--", "--show-output"]);
    let mut said_by_passed = false;
    let finished = command::run_showing(command, |line| {
        said_by_passed = (said_by_passed || line == "successes:") && !ends_successes(line);
        !said_by_passed
    })?;
    Ok(count(&finished.lines, finished.success))
}

fn ends_successes(line: &str) -> bool {
    line == "failures:" || line.starts_with("test result: ")
}

/// Reads the results out of what `cargo test` printed.
fn count(lines: &[String], success: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut failed = 0;
    let mut binary = "";
    let mut speaker = "";
    for line in lines {
        let line = line.trim();
        if let Some(rest) = line
            .strip_prefix("Running ")
            .or_else(|| line.strip_prefix("Doc-tests "))
        {
            binary = rest;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            outcome.passed += number_before(result, " passed");
            failed += number_before(result, " failed");
        } else if let Some(test) = line.strip_prefix("---- ") {
            speaker = test.split(' ').next().unwrap_or_default();
        } else if let Some(said) = line.strip_prefix(NOT_RUN) {
            outcome.skips.push(not_run(speaker, said));
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some(name) = test.strip_suffix(" ... FAILED") {
                outcome.failures.push(format!("{name} ({binary})"));
            } else if let Some((name, why)) = test.split_once(" ... ignored") {
                outcome.skips.push(ignored(name, why));
            }
        }
    }
    // What the results count is the truth; the names are read from lines that a test's own output can tear apart.
    while outcome.failures.len() < failed as usize {
        outcome
            .failures
            .push("a test whose name was not to be read (above)".into());
    }
    if !success && outcome.failures.is_empty() {
        let what = "cargo test failed without a failed test: it did not build, or died (above)";
        outcome.failures.push(what.into());
    }
    // They returned without a failure, and were counted as passed.
    let not_run = lines
        .iter()
        .filter(|line| line.trim().starts_with(NOT_RUN))
        .count();
    outcome.passed = outcome
        .passed
        .saturating_sub(u32::try_from(not_run).unwrap_or(u32::MAX));
    outcome
}

fn not_run(test: &str, said: &str) -> Skip {
    let (why, bring) = said.rsplit_once(" (").unwrap_or((said, ""));
    Skip {
        what: test.to_owned(),
        why: why.to_owned(),
        bring: bring.trim_end_matches(')').to_owned(),
    }
}

fn ignored(test: &str, why: &str) -> Skip {
    let why = why.trim_start_matches([',', ' ']);
    let why = if why.is_empty() { "ignored" } else { why };
    Skip {
        what: test.to_owned(),
        why: why.to_owned(),
        bring: String::new(),
    }
}

fn number_before(text: &str, word: &str) -> u32 {
    let before = text.split(word).next().unwrap_or_default();
    let digits = before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const PRINTED: &str = "\
     Running unittests src/lib.rs (target/debug/deps/core-1f)

running 3 tests
test selection::tests::order ... ok
test selection::tests::hash ... FAILED
test selection::tests::slow ... ignored, needs an hour

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/laws.rs (target/debug/deps/laws-2e)

running 2 tests
test one ... ok
test two ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn results_of_all_binaries_are_counted_and_failures_named() {
        let outcome = count(&lines(PRINTED), false);
        assert_eq!(outcome.passed, 3);
        assert_eq!(
            outcome.failures,
            ["selection::tests::hash (unittests src/lib.rs (target/debug/deps/core-1f))"]
        );
        assert_eq!(outcome.skips.len(), 1);
        assert_eq!(outcome.skips[0].why, "needs an hour");
    }

    #[test]
    fn a_failure_whose_line_was_torn_apart_still_counts() {
        let printed =
            lines("test a ... some output\nFAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored");
        assert_eq!(count(&printed, false).failures.len(), 1);
    }

    #[test]
    fn a_run_that_died_has_failed_though_no_test_says_so() {
        assert_eq!(
            count(&lines("error: could not compile `x`"), false)
                .failures
                .len(),
            1
        );
        assert_eq!(count(&[], true), Outcome::default());
    }

    #[test]
    fn a_test_that_could_not_run_is_not_counted_as_passed() {
        let printed = "\
test kubectl::lists ... ok
test a ... ok

successes:

---- kubectl::lists stdout ----
not run: there is no kubectl on this machine (apt-get install kubernetes-client)

successes:
    a
    kubectl::lists

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let outcome = count(&lines(printed), true);
        assert_eq!(outcome.passed, 1);
        assert_eq!(outcome.skips[0].what, "kubectl::lists");
        assert_eq!(outcome.skips[0].why, "there is no kubectl on this machine");
        assert_eq!(outcome.skips[0].bring, "apt-get install kubernetes-client");
    }
}
