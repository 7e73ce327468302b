//! What a stage came to, and how the results of all stages add up to the last line.

use std::time::Duration;

/// What one stage came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Checks that held.
    pub(crate) passed: u32,
    /// What failed, one line each.
    pub(crate) failures: Vec<String>,
    /// What was not run.
    pub(crate) skips: Vec<Skip>,
}

/// Something that was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// What.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: String,
    /// The line that would bring what it needs; empty where there is none.
    pub(crate) bring: String,
}

impl Outcome {
    /// One check that held.
    pub(crate) fn pass() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One check that did not.
    pub(crate) fn fail(why: impl Into<String>) -> Self {
        Self {
            failures: vec![why.into()],
            ..Self::default()
        }
    }

    /// One check, by whether a command succeeded.
    pub(crate) fn of(success: bool, otherwise: &str) -> Self {
        if success {
            Self::pass()
        } else {
            Self::fail(otherwise)
        }
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.skips.extend(other.skips);
        self
    }

    /// A stage that ran nothing at all has failed: silence is no proof.
    pub(crate) fn must_have_run(self, what: &str) -> Self {
        if self.passed == 0 && self.failures.is_empty() {
            return self.and(Self::fail(format!("{what}: not one was run")));
        }
        self
    }
}

/// The stages that were run, in their order.
#[derive(Default)]
pub(crate) struct Results {
    stages: Vec<(String, Duration, Outcome)>,
}

impl Results {
    /// Adds a stage.
    pub(crate) fn push(&mut self, stage: &str, took: Duration, outcome: Outcome) {
        self.stages.push((stage.to_owned(), took, outcome));
    }

    /// Each stage's name, time and outcome.
    pub(crate) fn stages(&self) -> &[(String, Duration, Outcome)] {
        &self.stages
    }

    /// Whether nothing failed.
    pub(crate) fn good(&self) -> bool {
        self.stages
            .iter()
            .all(|(_, _, outcome)| outcome.failures.is_empty())
    }

    /// Prints the table, what was not run, what failed and the last line; `true` when nothing failed.
    pub(crate) fn conclude(&self) -> bool {
        print!("{}", self.summary());
        self.good()
    }

    /// What [`Results::conclude`] prints.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!(
            "\n{:<16}{:>9}  {:>6}  {:>6}  {:>7}\n",
            "stage", "time", "passed", "failed", "skipped"
        );
        for (stage, took, outcome) in &self.stages {
            text += &row(stage, *took, outcome);
        }
        let all = self
            .stages
            .iter()
            .fold(Outcome::default(), |sum, (_, _, outcome)| {
                sum.and(outcome.clone())
            });
        let took = self.stages.iter().map(|(_, took, _)| *took).sum();
        text += &row("all", took, &all);
        for skip in &all.skips {
            text += &format!("\nskipped: {}: {}", skip.what, skip.why);
            if !skip.bring.is_empty() {
                text += &format!("\n  bring it with: {}", skip.bring);
            }
        }
        for failure in &all.failures {
            text += &format!("\nfailed: {failure}");
        }
        // Others read this line: its form is fixed.
        text += &format!(
            "\n\n{} passed, {} failed, {} skipped\n",
            all.passed,
            all.failures.len(),
            all.skips.len()
        );
        text
    }
}

fn row(stage: &str, took: Duration, outcome: &Outcome) -> String {
    format!(
        "{stage:<16}{:>9}  {:>6}  {:>6}  {:>7}\n",
        time(took),
        outcome.passed,
        outcome.failures.len(),
        outcome.skips.len()
    )
}

/// A duration for people: `0.8 s`, `4 min 05 s`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(outcomes: Vec<Outcome>) -> Results {
        let mut results = Results::default();
        for outcome in outcomes {
            results.push("stage", Duration::from_millis(1500), outcome);
        }
        results
    }

    #[test]
    fn the_last_line_adds_up_all_stages_in_its_fixed_form() {
        let skip = Skip {
            what: "x".into(),
            why: "no y".into(),
            bring: "install y".into(),
        };
        let results = results(vec![
            Outcome {
                passed: 40,
                ..Outcome::default()
            },
            Outcome {
                passed: 2,
                failures: vec!["a broke".into()],
                skips: vec![skip],
            },
        ]);
        let summary = results.summary();
        assert_eq!(summary.lines().last(), Some("42 passed, 1 failed, 1 skipped"));
        assert!(summary.contains("skipped: x: no y\n  bring it with: install y"));
        assert!(summary.contains("failed: a broke"));
        assert!(!results.good());
    }

    #[test]
    fn nothing_failed_is_good() {
        assert!(results(vec![Outcome::pass(), Outcome::pass()]).good());
    }

    #[test]
    fn a_stage_that_ran_nothing_has_failed() {
        assert_eq!(
            Outcome::default().must_have_run("unit tests").failures,
            ["unit tests: not one was run"]
        );
        assert_eq!(Outcome::pass().must_have_run("unit tests"), Outcome::pass());
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        assert_eq!(time(Duration::from_millis(840)), "0.8 s");
        assert_eq!(time(Duration::from_secs(245)), "4 min 05 s");
    }
}
