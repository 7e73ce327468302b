//! What a run has shown: for programs as JSON, for people as a table and as a page.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::goals::{Outcome, outcomes};
use crate::machine::Machine;
use crate::page;
use crate::samples::Samples;

/// One figure with all targets.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) rounds: usize,
    /// To HAProxy's median as it comes; none without it.
    pub(crate) to_haproxy: Option<f64>,
}

/// Figures by name, and in each the targets by name.
pub(crate) type Figures = BTreeMap<String, BTreeMap<String, Figure>>;

/// The whole.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) rounds: u32,
    pub(crate) quick: bool,
    /// What is aimed at, and what came out.
    pub(crate) targets: Vec<Outcome>,
    pub(crate) figures: Figures,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
    /// What was left out from the start, and why.
    pub(crate) skipped: Vec<String>,
}

impl Report {
    pub(crate) fn of(samples: &Samples, rounds: u32, quick: bool) -> Self {
        let figures = samples.figures().into_iter().map(|name| {
            let base = samples.median(name, "haproxy");
            let targets = samples.of(name).map(|(target, summary)| {
                let figure = Figure {
                    median: summary.median,
                    least: summary.least,
                    most: summary.most,
                    rounds: summary.rounds,
                    to_haproxy: base.filter(|base| *base > 0.0).map(|base| summary.median / base),
                };
                (target.to_owned(), figure)
            });
            (name.to_owned(), targets.collect())
        });
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: Machine::this(),
            rounds,
            quick,
            targets: outcomes(samples),
            figures: figures.collect(),
            failures: samples.failures().to_vec(),
            skipped: samples.skipped().to_vec(),
        }
    }

    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Writes `bench.json` and `bench.html`.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("bench.json"), self.json()?)?;
        fs::write(folder.join("bench.html"), page::render(self))?;
        Ok(())
    }

    /// Ratios first.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let machine = &self.machine;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}: {} rounds on {} × {}, Linux {}, load {}\n",
            self.date, self.rounds, machine.cores, machine.processor, machine.kernel, machine.load
        );
        for Outcome {
            figure,
            target,
            got,
            met,
        } in &self.targets
        {
            let word = if *met { "met   " } else { "MISSED" };
            let _ = writeln!(text, "{word} {figure:<32} {target:<24} got {got:.3}");
        }
        for (figure, targets) in &self.figures {
            let _ = writeln!(text, "\n{figure}");
            for (target, value) in targets {
                let ratio = value
                    .to_haproxy
                    .map_or(String::new(), |ratio| format!("{ratio:.2}"));
                let _ = writeln!(
                    text,
                    "  {target:<16} {ratio:>6}  {:>12.3}  ({:.3} – {:.3})",
                    value.median, value.least, value.most
                );
            }
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nnot measured: {failure}");
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "\nleft out: {skipped}");
        }
        text
    }
}
