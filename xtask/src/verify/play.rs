//! What a played scenario says of itself, and the tally of several plays.

use anyhow::Context;
use serde_json::Value;

/// One play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Play {
    passed: bool,
    nodes: u64,
    stuck: u64,
    sent: u64,
    failed: u64,
    median: Option<u64>,
    worst: Option<u64>,
    met: Vec<String>,
    unmet: Vec<String>,
}

impl Play {
    /// Reads this scenario's outcome out of what the lab printed: a JSON array.
    pub(crate) fn read(printed: &str, scenario: &str) -> anyhow::Result<Self> {
        let outcomes: Vec<Value> = serde_json::from_str(printed).context("the lab printed no JSON array")?;
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome["scenario"] == scenario)
            .context("the lab printed no outcome of the scenario")?;
        let number = |value: &Value| value.as_f64().map(|number| number.round().max(0.0).to_string());
        let whole = |value: &Value| number(value).and_then(|number| number.parse().ok());
        let required = |pointer: &str| {
            whole(outcome.pointer(pointer).unwrap_or(&Value::Null))
                .with_context(|| format!("the outcome has no number at {pointer}"))
        };
        let checks = outcome["checks"]
            .as_array()
            .context("the outcome has no checks")?;
        Ok(Self {
            passed: outcome["passed"]
                .as_bool()
                .context("the outcome has no verdict")?,
            nodes: required("/nodes")?,
            stuck: required("/nodes_stuck")?,
            sent: required("/requests/sent")?,
            failed: required("/requests/failed")?,
            median: whole(&outcome["recovery_ms"]["median"]),
            worst: whole(&outcome["recovery_ms"]["worst"]),
            met: told(checks, true),
            unmet: told(checks, false),
        })
    }

    /// A play that came to no verdict.
    pub(crate) fn broken(why: String) -> Self {
        Self {
            unmet: vec![why],
            ..Self::default()
        }
    }

    /// In a few words.
    pub(crate) fn verdict(&self) -> String {
        if self.passed {
            "passed".to_owned()
        } else {
            format!("FAILED: {}", self.unmet.join("; "))
        }
    }
}

fn told(checks: &[Value], passed: bool) -> Vec<String> {
    checks
        .iter()
        .filter(|check| (check["passed"] == true) == passed)
        .map(sentence)
        .collect()
}

fn sentence(check: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("{} (got {})", text(&check["what"]), text(&check["got"]))
}

/// Several plays of one scenario.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Its name.
    pub(crate) scenario: String,
    plays: Vec<Play>,
}

impl Tally {
    /// None played yet.
    pub(crate) fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            plays: Vec::new(),
        }
    }

    /// One more.
    pub(crate) fn add(&mut self, play: Play) {
        self.plays.push(play);
    }

    /// Whether it was played, and passed every time.
    pub(crate) fn good(&self) -> bool {
        !self.plays.is_empty() && self.plays.iter().all(|play| play.passed)
    }

    /// What was not met, over all plays.
    pub(crate) fn unmet(&self) -> impl Iterator<Item = &str> {
        self.plays
            .iter()
            .flat_map(|play| play.unmet.iter().map(String::as_str))
    }

    /// What was met, and what was found, over all plays.
    pub(crate) fn met(&self) -> impl Iterator<Item = &str> {
        self.plays
            .iter()
            .flat_map(|play| play.met.iter().map(String::as_str))
    }

    /// Its row: passed, nodes stuck, requests failed, and the median and the worst recovery.
    pub(crate) fn cells(&self) -> [String; 5] {
        let sum = |of: fn(&Play) -> u64| self.plays.iter().map(of).sum::<u64>();
        let mut medians: Vec<u64> = self.plays.iter().filter_map(|play| play.median).collect();
        medians.sort_unstable();
        let median = medians.get(medians.len() / 2).copied();
        let worst = self.plays.iter().filter_map(|play| play.worst).max();
        let time = |millis: Option<u64>| millis.map_or("–".to_owned(), |millis| format!("{millis} ms"));
        let passed = self.plays.iter().filter(|play| play.passed).count();
        [
            format!("{passed} of {}", self.plays.len()),
            format!("{} of {}", sum(|play| play.stuck), sum(|play| play.nodes)),
            format!("{} of {}", sum(|play| play.failed), sum(|play| play.sent)),
            time(median),
            time(worst),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOME: &str = r#"[{"scenario":"frozen","passed":false,"nodes":4,"nodes_stuck":1,
        "requests":{"sent":900,"failed":2,"in_flight_on_killed":1},"recovery_ms":{"median":310.4,"worst":null},
        "checks":[{"what":"0 failed","passed":false,"got":"2"},{"what":"freed","passed":true,"got":1}],"timeline":[]}]"#;

    #[test]
    fn an_outcome_is_read_with_what_was_not_met() {
        let play = Play::read(OUTCOME, "frozen").unwrap();
        assert_eq!(play.verdict(), "FAILED: 0 failed (got 2)");
        let mut tally = Tally::new("frozen");
        tally.add(play);
        assert_eq!(
            tally.cells(),
            ["0 of 1", "1 of 4", "2 of 900", "310 ms", "–"].map(str::to_owned)
        );
        assert!(!tally.good());
        assert_eq!(tally.met().collect::<Vec<_>>(), ["freed (got 1)"]);
    }

    #[test]
    fn what_is_no_outcome_is_told() {
        assert!(Play::read("oops", "frozen").is_err());
        assert!(Play::read("[]", "frozen").is_err());
        assert!(Play::read(r#"[{"scenario":"frozen","passed":true}]"#, "frozen").is_err());
    }

    #[test]
    fn a_scenario_that_was_never_played_is_not_good() {
        assert!(!Tally::new("frozen").good());
        let mut tally = Tally::new("frozen");
        tally.add(Play {
            passed: true,
            ..Play::default()
        });
        assert!(tally.good());
        tally.add(Play::broken("it died".to_owned()));
        assert!(!tally.good());
        assert_eq!(tally.unmet().collect::<Vec<_>>(), ["it died"]);
    }
}
