//! Tests by plain `cargo test`, counted by reading what it prints.
//!
//! `unit` is what stands beside the code; `integration` is every file of a `tests/` folder: property tests, scenarios
//! and the end-to-end rung with the real binary. A test that lacks something on this machine says so in the file that
//! [`SKIPS_VARIABLE`] names, one line `test<TAB>why<TAB>the line that would bring it`, and returns: it is counted as
//! not run.

use std::fs;

use anyhow::Context;

use crate::command;
use crate::outcome::{Outcome, Skip};
use crate::workspace::Workspace;

/// Names the file in which a test says that it was not run.
const SKIPS_VARIABLE: &str = "JACKLINE_TEST_SKIPS";

/// The tests beside the code.
pub(crate) fn unit(workspace: &Workspace) -> anyhow::Result<Outcome> {
    Ok(cargo_test(workspace, &["--lib", "--bins"])?.must_have_run("unit tests"))
}

/// The tests in `tests/` folders.
pub(crate) fn integration(workspace: &Workspace) -> anyhow::Result<Outcome> {
    Ok(cargo_test(workspace, &["--test", "*"])?.must_have_run("integration tests"))
}

/// `cargo test --workspace` over some kinds of target.
pub(crate) fn cargo_test(workspace: &Workspace, kinds: &[&str]) -> anyhow::Result<Outcome> {
    let skips = workspace.target.join("xtask-skipped-tests");
    fs::write(&skips, "").with_context(|| format!("{} could not be written", skips.display()))?;
    let mut command = workspace.cargo(["test", "--workspace", "--no-fail-fast"]);
    command.args(kinds).env(SKIPS_VARIABLE, &skips);
    let finished = command::run(command)?;
    let outcome = count(&finished.lines, finished.success);
    Ok(set_apart(outcome, &fs::read_to_string(&skips)?))
}

/// Reads the results out of what `cargo test` printed.
fn count(lines: &[String], success: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut failed = 0;
    let mut binary = "";
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
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some(name) = test.strip_suffix(" ... FAILED") {
                outcome.failures.push(format!("{name} ({binary})"));
            } else if let Some((name, why)) = test.split_once(" ... ignored") {
                let why = why.trim_start_matches([',', ' ']);
                outcome.skips.push(Skip {
                    what: name.to_owned(),
                    why: if why.is_empty() {
                        "ignored".to_owned()
                    } else {
                        why.to_owned()
                    },
                    bring: String::new(),
                });
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
        outcome
            .failures
            .push("cargo test failed without a failed test: it did not build, or died (above)".into());
    }
    outcome
}

fn number_before(text: &str, word: &str) -> u32 {
    let before = text.split(word).next().unwrap_or_default();
    let digits = before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

/// Takes the tests that said they were not run out of those that passed.
fn set_apart(mut outcome: Outcome, skips: &str) -> Outcome {
    for line in skips.lines() {
        let mut fields = line.split('\t').map(str::to_owned);
        outcome.passed = outcome.passed.saturating_sub(1);
        outcome.skips.push(Skip {
            what: fields.next().unwrap_or_default(),
            why: fields.next().unwrap_or_default(),
            bring: fields.next().unwrap_or_default(),
        });
    }
    outcome
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
        let outcome = Outcome {
            passed: 3,
            ..Outcome::default()
        };
        let outcome = set_apart(
            outcome,
            "lab_by_kubectl\tno kubectl here\tapt-get install kubectl\n",
        );
        assert_eq!(outcome.passed, 2);
        assert_eq!(outcome.skips[0].bring, "apt-get install kubectl");
    }
}
