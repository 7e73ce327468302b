//! What a run proves: the outcome of each scenario, as JSON for programs and as sentences for people.
//!
//! How the figures came about is the business of `scenario` and `clients`; here they are only kept and told.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::timeline::Entry;

/// What became of one scenario. Its JSON form is a stable schema.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// Whether every check held.
    pub passed: bool,
    /// How many nodes took part.
    pub nodes: usize,
    /// How many of them were not attached within the patience (30 s) of a server becoming ready, at any time of the run.
    pub nodes_stuck: usize,
    /// What became of the clients' requests.
    pub requests: Requests,
    /// How long nodes took to be attached again, in milliseconds.
    pub recovery_ms: Recovery,
    /// The expectations and what was found.
    pub checks: Vec<Check>,
    /// The measured figures that have a target, for the page of figures.
    pub figures: Vec<Figure>,
    /// What happened, in order.
    pub timeline: Vec<Entry>,
    /// How long the scenario took, in milliseconds.
    pub took_ms: u64,
    /// What happens in the scenario, in a sentence.
    #[serde(skip)]
    pub story: &'static str,
    /// What the nodes wrote last, for each node; kept only when a check failed.
    #[serde(skip)]
    pub logs: Vec<NodeLog>,
}

/// What became of the clients' requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// How many were sent.
    pub sent: u64,
    /// How many began after the fault while a server was ready, and got no answer of an apiserver.
    pub failed: u64,
    /// How many were under way on a server when it was killed, and got no answer.
    pub in_flight_on_killed: u64,
    /// How many were sent once more on a new connection because the kept one was closed before they reached any
    /// server (RFC 9112 §9.3.1, RFC 9113 §8.7). Each counts once in `sent`.
    pub resent: u64,
}

/// How long nodes took to be attached again after the first server was ready, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The middle one; `None` where the scenario has no recovery.
    pub median: Option<u64>,
    /// The longest.
    pub worst: Option<u64>,
}

impl Recovery {
    /// Of samples in any order.
    #[must_use]
    pub fn of(samples: &[Duration]) -> Self {
        let mut sorted: Vec<u64> = samples.iter().copied().map(millis).collect();
        sorted.sort_unstable();
        Self {
            median: sorted.get(sorted.len().saturating_sub(1) / 2).copied(),
            worst: sorted.last().copied(),
        }
    }
}

/// One expectation and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must hold, as a sentence without its full stop.
    pub what: String,
    /// Whether it held.
    pub passed: bool,
    /// What was found, with figures.
    pub got: String,
}

/// A measured figure and its target. Each stands among the checks too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What it must reach.
    pub target: String,
    /// What was found.
    pub got: String,
    /// Whether that reaches it.
    pub met: bool,
}

/// The last lines that a node wrote.
#[derive(Clone, Debug)]
pub struct NodeLog {
    /// Whose.
    pub node: String,
    /// The lines.
    pub tail: String,
}

impl Outcome {
    /// The outcome in sentences, several lines, ending with a line feed.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let word = if self.passed { "passed" } else { "FAILED" };
        let _ = writeln!(
            text,
            "{} {word} after {}. {}",
            self.scenario,
            seconds(self.took_ms),
            self.story
        );
        let _ = writeln!(text, "  {}", self.sentence_on_nodes());
        let _ = writeln!(text, "  {}", self.sentence_on_requests());
        for check in &self.checks {
            let mark = if check.passed { "ok    " } else { "FAILED" };
            let _ = writeln!(text, "  {mark} {}: {}", check.what, check.got);
        }
        for log in &self.logs {
            let _ = writeln!(text, "  the last that {} wrote:", log.node);
            for line in log.tail.lines() {
                let _ = writeln!(text, "    | {line}");
            }
        }
        text
    }

    fn sentence_on_nodes(&self) -> String {
        let nodes = counted(self.nodes as u64, "node", "nodes");
        let fate = match self.nodes_stuck {
            0 => "none was left stuck".to_owned(),
            1 => "1 was left stuck".to_owned(),
            stuck => format!("{stuck} were left stuck"),
        };
        match self.recovery_ms {
            Recovery {
                median: Some(median),
                worst: Some(worst),
            } => format!(
                "Of {nodes} {fate}; attached again {} after the first server was ready (median), {} at worst.",
                seconds(median),
                seconds(worst)
            ),
            _ => format!("Of {nodes} {fate}."),
        }
    }

    fn sentence_on_requests(&self) -> String {
        let Requests {
            sent,
            failed,
            in_flight_on_killed,
            resent,
        } = self.requests;
        let mut text = format!("Of {} {failed} failed", counted(sent, "request", "requests"));
        if in_flight_on_killed > 0 {
            let _ = write!(
                text,
                ", {in_flight_on_killed} died with the server that was killed under them"
            );
        }
        if resent > 0 {
            let _ = write!(
                text,
                ", {resent} had to be sent once more because a kept connection closed before they reached any server"
            );
        }
        text.push('.');
        text
    }
}

/// The last line of a run.
#[must_use]
pub fn summary(outcomes: &[Outcome]) -> String {
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|o| !o.passed)
        .map(|o| o.scenario.as_str())
        .collect();
    if failed.is_empty() {
        return match outcomes {
            [one] => format!(
                "Verdict: {} holds, by {}.",
                one.scenario,
                counted(one.checks.len() as u64, "check", "checks")
            ),
            many => format!(
                "Verdict: all {} scenarios hold, by {} checks.",
                many.len(),
                many.iter().map(|o| o.checks.len()).sum::<usize>()
            ),
        };
    }
    format!(
        "Verdict: {} of {} failed: {}.",
        failed.len(),
        counted(outcomes.len() as u64, "scenario", "scenarios"),
        failed.join(", ")
    )
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds as seconds, e.g. `1.25 s`.
pub(crate) fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
}

pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            scenario: "alternating-outage".into(),
            passed: true,
            nodes: 4,
            nodes_stuck: 0,
            requests: Requests {
                sent: 100,
                failed: 0,
                in_flight_on_killed: 2,
                resent: 1,
            },
            recovery_ms: Recovery {
                median: Some(320),
                worst: Some(1105),
            },
            checks: vec![Check {
                what: "every node attached".into(),
                passed: true,
                got: "4 of 4".into(),
            }],
            figures: Vec::new(),
            timeline: vec![Entry {
                at_ms: 12,
                text: "A stopped".into(),
            }],
            took_ms: 48_120,
            story: "Both control planes fail in turn.",
            logs: Vec::new(),
        }
    }

    #[test]
    fn the_json_is_the_schema_that_is_promised() {
        let json = serde_json::to_value([outcome()]).expect("serialises");
        assert_eq!(
            json,
            serde_json::json!([{
                "scenario": "alternating-outage", "passed": true, "nodes": 4, "nodes_stuck": 0,
                "requests": { "sent": 100, "failed": 0, "in_flight_on_killed": 2, "resent": 1 },
                "recovery_ms": { "median": 320, "worst": 1105 },
                "checks": [{ "what": "every node attached", "passed": true, "got": "4 of 4" }],
                "figures": [],
                "timeline": [{ "at_ms": 12, "text": "A stopped" }],
                "took_ms": 48120,
            }])
        );
    }

    #[test]
    fn the_explanation_says_what_was_found() {
        assert_eq!(
            outcome().explain(),
            "alternating-outage passed after 48.12 s. Both control planes fail in turn.\n  \
             Of 4 nodes none was left stuck; attached again 0.32 s after the first server was ready (median), 1.10 s at worst.\n  \
             Of 100 requests 0 failed, 2 died with the server that was killed under them, 1 had to be sent once more \
             because a kept connection closed before they reached any server.\n  \
             ok     every node attached: 4 of 4\n"
        );
    }

    #[test]
    fn a_failure_is_loud_and_shows_the_log() {
        let mut failed = outcome();
        failed.passed = false;
        failed.nodes_stuck = 1;
        failed.checks[0].passed = false;
        failed.logs.push(NodeLog {
            node: "node-1".into(),
            tail: "isolated\nstill".into(),
        });
        let text = failed.explain();
        assert!(text.starts_with("alternating-outage FAILED"), "{text}");
        assert!(text.contains("1 was left stuck"), "{text}");
        assert!(text.contains("  FAILED every node attached: 4 of 4\n"), "{text}");
        assert!(
            text.ends_with("the last that node-1 wrote:\n    | isolated\n    | still\n"),
            "{text}"
        );
        assert_eq!(
            summary(&[failed, outcome()]),
            "Verdict: 1 of 2 scenarios failed: alternating-outage."
        );
        assert_eq!(
            summary(&[outcome()]),
            "Verdict: alternating-outage holds, by 1 check."
        );
    }

    #[test]
    fn the_median_is_a_sample_and_the_worst_is_the_longest() {
        let ms = Duration::from_millis;
        assert_eq!(
            Recovery::of(&[]),
            Recovery {
                median: None,
                worst: None
            }
        );
        assert_eq!(
            Recovery::of(&[ms(7)]),
            Recovery {
                median: Some(7),
                worst: Some(7)
            }
        );
        assert_eq!(
            Recovery::of(&[ms(30), ms(10), ms(20)]),
            Recovery {
                median: Some(20),
                worst: Some(30)
            }
        );
        assert_eq!(
            Recovery::of(&[ms(4), ms(1), ms(3), ms(2)]),
            Recovery {
                median: Some(2),
                worst: Some(4)
            }
        );
    }
}
