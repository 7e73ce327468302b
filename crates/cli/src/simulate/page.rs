//! Runs of the simulator as pages. The figures are those of the JSON.

mod figures;

use std::fs;
use std::path::Path;

use anyhow::Context;
use jackline_sim::page::{Page, Table};
use jackline_sim::swarm::{Outcome, Report, Story};

use super::kind;

pub(crate) use figures::{of_comparison, of_fleet};

/// Writes `page`, if somebody wants one.
pub(crate) fn write(file: Option<&Path>, page: impl FnOnce() -> Page) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    fs::write(file, page().to_html()?).with_context(|| format!("{} cannot be written", file.display()))
}

/// Many seeds: their figures, those that failed, and one of them step by step: the first that failed, or the first.
pub(crate) fn of_swarm(report: &Report, first: u64) -> Page {
    let mut page = Page {
        title: "jackline simulate".to_owned(),
        verdict: match report.failed {
            0 => format!("{} seeds, none broke a rule", report.seeds),
            failed => format!("{failed} of {} seeds broke a rule", report.seeds),
        },
        good: report.failed == 0,
        ..Page::default()
    };
    if report.stopped {
        page.verdict.push_str("; interrupted");
    }
    page.fact("seeds", report.seeds);
    page.fact("failed", report.failed);
    page.fact("steps", report.steps);
    page.fact("node_seconds", report.node_seconds);
    page.fact("fingerprint", report.fingerprint);
    page.command = match report.failures.first() {
        Some(failed) => {
            let story = Story::of(failed.seed).only(&failed.nodes, &failed.faults);
            story.play_on(&mut page, &kind());
            failed.command.clone()
        }
        None => {
            Story::of(first).play_on(&mut page, &kind());
            format!("jackline simulate --seeds {first}..{}", first + 1)
        }
    };
    page.command = format!("The seed below: {}", page.command);
    if !report.failures.is_empty() {
        page.tables.push(failures(report));
    }
    page
}

fn failures(report: &Report) -> Table {
    let rows = report.failures.iter().map(|failed| {
        vec![
            failed.seed.to_string(),
            failed.failure.at_ms.to_string(),
            failed.failure.node.clone(),
            failed.failure.what.clone(),
            failed.command.clone(),
        ]
    });
    Table {
        title: "Seeds that failed".to_owned(),
        note: "Shrunk to the nodes and faults that are needed.".to_owned(),
        columns: ["seed", "at, ms", "node", "rule", "to repeat it"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
        best: Vec::new(),
    }
}

/// One seed.
pub(crate) fn of_story(story: &Story) -> (Page, Outcome) {
    let mut page = Page {
        title: format!("jackline simulate, seed {}", story.world.seed),
        command: format!(
            "jackline simulate --seeds {0}..{1} --timeline",
            story.world.seed,
            story.world.seed + 1
        ),
        ..Page::default()
    };
    let outcome = story.play_on(&mut page, &kind());
    page.good = outcome.failure.is_none();
    page.verdict = match &outcome.failure {
        Some(failure) => format!("{} ms, {}: {}", failure.at_ms, failure.node, failure.what),
        None => "nothing broke".to_owned(),
    };
    page.fact("seed", outcome.seed);
    page.fact("steps", outcome.steps);
    page.fact("node_seconds", outcome.node_seconds);
    page.fact("fingerprint", outcome.fingerprint);
    (page, outcome)
}

/// What an exhaustive search came to.
pub(crate) fn of_search(told: &[serde_json::Value], good: bool) -> Page {
    let columns = [
        "policy",
        "cast",
        "depth",
        "states",
        "moves",
        "heals",
        "stuck",
        "late",
        "breaches",
        "slowest_ms",
    ];
    let shown = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), ToOwned::to_owned)
    };
    Page {
        title: "jackline simulate --exhaustive".to_owned(),
        command: "jackline simulate --exhaustive".to_owned(),
        verdict: match good {
            true => "No state is stuck or in breach".to_owned(),
            false => "Some state is stuck, late or in breach".to_owned(),
        },
        good,
        tables: vec![Table {
            title: "All that can happen".to_owned(),
            note: told
                .iter()
                .map(|one| shown(&one["words"]))
                .collect::<Vec<_>>()
                .join(" "),
            columns: columns.map(str::to_owned).to_vec(),
            rows: told
                .iter()
                .map(|one| columns.iter().map(|column| shown(&one[*column])).collect())
                .collect(),
            best: Vec::new(),
        }],
        ..Page::default()
    }
}
