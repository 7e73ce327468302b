//! The page with the result of a verification.

use std::time::Duration;

use super::play::Tally;
use crate::outcome::{Results, time};

/// What the page tells.
pub(crate) struct Page<'a> {
    /// When.
    pub(crate) date: String,
    /// Of what.
    pub(crate) commit: String,
    /// Where.
    pub(crate) machine: String,
    /// How long all of it took.
    pub(crate) took: Duration,
    /// The stages.
    pub(crate) results: &'a Results,
    /// How many times the lab was played.
    pub(crate) rounds: u32,
    /// The lab's scenarios.
    pub(crate) tallies: &'a [Tally],
    /// The faults between hosts.
    pub(crate) hosts: &'a [Tally],
}

impl Page<'_> {
    /// As Markdown.
    pub(crate) fn render(&self) -> String {
        let verdict = if self.results.good() && self.tallies.iter().chain(self.hosts).all(Tally::good) {
            "passed"
        } else {
            "FAILED"
        };
        format!(
            "# Verification\n\nWritten by `cargo xtask verify`, not by hand.\n\n| | |\n|---|---|\n\
             | verdict | {verdict} |\n| date | {} |\n| commit | {} |\n| machine | {} |\n| took | {} |\n\n{}\n{}{}",
            self.date,
            self.commit,
            self.machine,
            time(self.took),
            self.checks(),
            self.lab(),
            self.between_hosts(),
        )
    }

    fn checks(&self) -> String {
        let mut text = "## Checks\n\n`cargo xtask test`\n\n| stage | time | passed | failed | skipped |\n|---|---|---|---|---|\n".to_owned();
        for (stage, took, outcome) in self.results.stages() {
            text += &format!(
                "| {stage} | {} | {} | {} | {} |\n",
                time(*took),
                outcome.passed,
                outcome.failures.len(),
                outcome.skips.len()
            );
        }
        let outcomes = || self.results.stages().iter().map(|(_, _, outcome)| outcome);
        let skips = outcomes().flat_map(|outcome| &outcome.skips);
        text += &list(
            "Not run:",
            skips.map(|skip| format!("{}: {}", skip.what, skip.why)),
        );
        text += &list(
            "Failed:",
            outcomes().flat_map(|outcome| &outcome.failures).cloned(),
        );
        text
    }

    fn lab(&self) -> String {
        let mut text = format!(
            "## Lab\n\n`cargo build --release`, then `target/release/jackline lab all --output json`, {} times. \
             Figures are sums over all plays; recovery is the median of the plays' medians, and the worst of all.\n\n\
             | scenario | passed | nodes stuck | requests failed | recovery, median | worst |\n|---|---|---|---|---|---|\n",
            self.rounds
        );
        text += &rows(self.tallies);
        text
    }

    fn between_hosts(&self) -> String {
        if self.hosts.is_empty() {
            return String::new();
        }
        let met = self
            .hosts
            .iter()
            .flat_map(|tally| tally.met().map(move |met| format!("{}: {met}", tally.scenario)));
        let met = list("Met:", met);
        format!(
            "\n## Between hosts\n\n`cargo xtask multihost`, with the release build, once.\n\n\
             | fault | passed | nodes stuck | requests failed | recovery, median | worst |\n|---|---|---|---|---|---|\n{}{met}",
            rows(self.hosts)
        )
    }
}

fn rows(tallies: &[Tally]) -> String {
    let rows = tallies
        .iter()
        .map(|tally| format!("| {} | {} |\n", tally.scenario, tally.cells().join(" | ")));
    let unmet = tallies.iter().flat_map(|tally| {
        tally
            .unmet()
            .map(move |unmet| format!("{}: {unmet}", tally.scenario))
    });
    rows.collect::<String>() + &list("Not met:", unmet)
}

fn list(head: &str, items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("- {item}\n")).collect();
    if items.is_empty() {
        items
    } else {
        format!("\n{head}\n\n{items}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::verify::play::Play;

    fn page(outcome: Outcome) -> String {
        let mut results = Results::default();
        results.push("unit", Duration::from_secs(90), outcome);
        let mut tally = Tally::new("frozen");
        let json = r#"[{"scenario":"frozen","passed":true,"nodes":4,"nodes_stuck":0,"requests":{"sent":900,"failed":0},
            "recovery_ms":{"median":300,"worst":420},"checks":[]}]"#;
        tally.add(Play::read(json, "frozen").unwrap());
        let page = Page {
            date: "2026-11-24 10:00 UTC".to_owned(),
            commit: "abc".to_owned(),
            machine: "2 cores".to_owned(),
            took: Duration::from_secs(600),
            results: &results,
            rounds: 1,
            tallies: &[tally],
            hosts: &[],
        };
        page.render()
    }

    #[test]
    fn the_page_tells_what_was_run_and_what_came_of_it() {
        let page = page(Outcome {
            passed: 12,
            ..Outcome::default()
        });
        assert!(page.contains("| verdict | passed |\n| date | 2026-11-24 10:00 UTC |"));
        assert!(page.contains("| unit | 1 min 30 s | 12 | 0 | 0 |\n"));
        assert!(page.contains("| frozen | 1 of 1 | 0 of 4 | 0 of 900 | 300 ms | 420 ms |\n"));
        assert!(!page.contains("Failed:") && !page.contains("Not met:"));
    }

    #[test]
    fn a_failed_stage_makes_the_verdict() {
        let page = page(Outcome::fail("a broke"));
        assert!(page.contains("| verdict | FAILED |"));
        assert!(page.contains("\nFailed:\n\n- a broke\n"));
    }
}
