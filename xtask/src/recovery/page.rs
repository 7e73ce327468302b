//! The page with the figures of recovery.

use std::time::Duration;

use serde_json::Value;

use crate::outcome::time;

/// What the page tells.
pub(super) struct Page {
    /// When.
    pub(super) date: String,
    /// Of what.
    pub(super) commit: String,
    /// Where.
    pub(super) machine: String,
    /// Of which build.
    pub(super) build: &'static str,
    /// How long all of it took.
    pub(super) took: Duration,
    pub(super) parts: Vec<Part>,
    /// What could not be played, and why.
    pub(super) missing: Vec<String>,
}

/// What one call of a program of the lab's told.
pub(super) struct Part {
    pub(super) command: String,
    /// The outcomes as the lab prints them.
    pub(super) outcomes: Vec<Value>,
}

impl Page {
    fn outcomes(&self) -> impl Iterator<Item = &Value> {
        self.parts.iter().flat_map(|part| &part.outcomes)
    }

    /// Whether every figure has reached its target and everything else held. A page without figures says nothing.
    pub(super) fn good(&self) -> bool {
        let figures = self.outcomes().flat_map(|outcome| array(outcome, "figures"));
        figures.count() > 0 && self.outcomes().all(|outcome| outcome["passed"] == true)
    }

    /// As Markdown.
    pub(super) fn render(&self) -> String {
        let mut text = format!(
            "# Recovery\n\nWritten by `cargo xtask recovery`, not by hand: the real binary on real sockets, real etcd (its members are \
             processes with TLS and client certificates), and the lab's apiservers and name server, which stand in for \
             real ones. A person's waits (leases, grace period, periods of asking) are compressed as each row says or by ten; \
             dialling, probing and backing off never are, and nothing is in the rows of idle nodes.\n\n\
             | | |\n|---|---|\n| date | {} |\n| commit | {} |\n| machine | {}, shared with other work |\n| build | {} |\n| took | {} |\n\n\
             ## Figures\n\n| figure | target | got | | played as |\n|---|---|---|---|---|\n",
            self.date,
            self.commit,
            self.machine,
            self.build,
            time(self.took)
        );
        for outcome in self.outcomes() {
            for figure in array(outcome, "figures") {
                let met = if figure["met"] == true {
                    "met"
                } else {
                    "**missed**"
                };
                text += &format!(
                    "| {} | {} | {} | {met} | `{}` |\n",
                    word(&figure["what"]),
                    word(&figure["target"]),
                    word(&figure["got"]),
                    word(&outcome["scenario"])
                );
            }
        }
        text += "\n## Commands\n\n";
        for part in &self.parts {
            text += &format!("    {}\n", part.command);
        }
        text += "\n## What else had to hold\n\n";
        for outcome in self.outcomes() {
            let figures: Vec<&Value> = array(outcome, "figures").collect();
            for check in array(outcome, "checks") {
                let is_figure = figures.iter().any(|figure| {
                    word(&check["what"]) == format!("{}: {}", word(&figure["what"]), word(&figure["target"]))
                });
                if is_figure {
                    continue;
                }
                let held = if check["passed"] == true {
                    ""
                } else {
                    "**did not hold:** "
                };
                text += &format!(
                    "- {held}{}: {} (got {})\n",
                    word(&outcome["scenario"]),
                    word(&check["what"]),
                    word(&check["got"])
                );
            }
        }
        if !self.missing.is_empty() {
            text += "\n## Not run\n\n";
            for missing in &self.missing {
                text += &format!("- {missing}\n");
            }
        }
        text
    }
}

fn array<'a>(outcome: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    outcome[key].as_array().into_iter().flatten()
}

/// A cell of a table is one line without bars.
fn word(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_default()
        .replace('|', "/")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(met: bool) -> Page {
        let outcome = json!({
            "scenario": "only-dns-tells", "passed": met,
            "checks": [
                { "what": "to attached: worst ≤ 2.50 s", "passed": met, "got": "1.70 s" },
                { "what": "nobody knows it before", "passed": true, "got": "nobody" },
            ],
            "figures": [{ "what": "to attached", "target": "worst ≤ 2.50 s", "got": "1.70 s", "met": met }],
        });
        Page {
            date: "2026-11-24 10:00 UTC".to_owned(),
            commit: "abc".to_owned(),
            machine: "2 cores".to_owned(),
            build: "release",
            took: Duration::from_secs(90),
            parts: vec![Part {
                command: "recovery --program jackline only-dns-tells".to_owned(),
                outcomes: vec![outcome],
            }],
            missing: Vec::new(),
        }
    }

    #[test]
    fn figures_stand_in_the_table_and_other_checks_below() {
        let page = page(true);
        assert!(page.good());
        let text = page.render();
        assert!(text.contains("| to attached | worst ≤ 2.50 s | 1.70 s | met | `only-dns-tells` |\n"));
        assert!(text.contains("- only-dns-tells: nobody knows it before (got nobody)\n"));
        assert!(!text.contains("- only-dns-tells: to attached"));
    }

    #[test]
    fn a_figure_that_misses_its_target_says_so() {
        let page = page(false);
        assert!(!page.good());
        assert!(page.render().contains("| **missed** |"));
    }

    #[test]
    fn a_page_without_figures_is_not_good() {
        let mut page = page(true);
        page.parts.clear();
        assert!(!page.good());
    }
}
