//! The comparison of rivals and the figures of fleets, as tables and curves.

use jackline_sim::fleet::Report as Fleet;
use jackline_sim::fleet::figures::Figures;
use jackline_sim::page::{Chart, Curve, Page, Table};
use jackline_sim::rivals::compare::{Comparison, Row};
use jackline_sim::swarm::Story;

use crate::simulate::kind;

/// A column: its head, which is the field's name in the JSON, and what it shows. Less is better in all of them.
type Column<T> = (&'static str, fn(&T) -> String);

const COMPARED: [Column<Row>; 8] = [
    ("stuck", |row| row.stuck.to_string()),
    ("isolated_ms", |row| row.isolated_ms.to_string()),
    ("failed", |row| row.failed.to_string()),
    ("wrong_removals", |row| row.wrong_removals.to_string()),
    ("cut", |row| row.cut.to_string()),
    ("moved", |row| row.moved.to_string()),
    ("herd", |row| row.herd.to_string()),
    ("busiest_per_mean", |row| format!("{:.2}", row.busiest_per_mean)),
];

/// Everybody on the same seeds; below, jackline on the first of them.
pub(crate) fn of_comparison(comparison: &Comparison, first: u64) -> Page {
    let (nodes, requests) = comparison
        .rows
        .first()
        .map_or((0, 0), |row| (row.nodes, row.requests));
    let mut page = Page {
        title: "jackline simulate --compare".to_owned(),
        command: format!(
            "Below, jackline alone: jackline simulate --seeds {first}..{}",
            first + 1
        ),
        verdict: match comparison.better.is_empty() {
            true => "No rival does better in any column".to_owned(),
            false => "In some columns a rival does better".to_owned(),
        },
        good: comparison.rows.first().is_some_and(|row| row.stuck == 0),
        ..Page::default()
    };
    if comparison.stopped {
        page.verdict
            .push_str("; interrupted: not everybody has played everything");
    }
    page.fact("seeds", comparison.seeds);
    page.fact("nodes", nodes);
    page.fact("requests", requests);
    let mut columns = vec!["name".to_owned()];
    columns.extend(COMPARED.map(|(head, _)| head.to_owned()));
    let rows: Vec<Vec<String>> = comparison
        .rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.name.clone()];
            cells.extend(COMPARED.map(|(_, shown)| shown(row)));
            cells
        })
        .collect();
    page.tables.push(Table {
        title: "In the same world, on the same seeds".to_owned(),
        note: comparison.better.join(". "),
        best: best(&rows),
        columns,
        rows,
    });
    Story::of(first).play_on(&mut page, &kind());
    page
}

/// The least of each column but the first.
fn best(rows: &[Vec<String>]) -> Vec<(usize, usize)> {
    let value = |row: &[String], column: usize| row.get(column)?.parse::<f64>().ok();
    let width = rows.first().map_or(0, Vec::len);
    let mut best = Vec::new();
    for column in 1..width {
        let least = rows.iter().filter_map(|row| value(row, column)).reduce(f64::min);
        let is_least = |row: &[String]| {
            value(row, column).is_some_and(|value| least.is_some_and(|least| value <= least))
        };
        let found = rows.iter().enumerate().filter(|(_, row)| is_least(row));
        best.extend(found.map(|(place, _)| (place, column)));
    }
    best
}

const FLEET: [Column<Figures>; 11] = [
    ("servers", |figures| figures.servers.to_string()),
    ("median, ms", |figures| late(figures, |late| late.median)),
    ("p99, ms", |figures| late(figures, |late| late.p99)),
    ("last, ms", |figures| late(figures, |late| late.last)),
    ("lost", |figures| figures.lost.to_string()),
    ("handshakes_ours", |figures| figures.handshakes_ours.to_string()),
    ("handshakes_clients", |figures| {
        figures.handshakes_clients.to_string()
    }),
    ("connects", |figures| figures.connects.to_string()),
    ("requests_per_100", |figures| {
        format!("{:.2}", figures.requests_per_100)
    }),
    ("busiest/mean", |figures| {
        format!("{:.2}", figures.busiest_per_mean.1)
    }),
    ("missed", |figures| {
        let missed = figures.targets.iter().filter(|target| !target.met);
        missed.map(|target| target.what).collect::<Vec<_>>().join(", ")
    }),
];

fn late(figures: &Figures, of: fn(&jackline_sim::fleet::figures::Late) -> u64) -> String {
    figures
        .attached
        .as_ref()
        .map_or_else(|| "–".to_owned(), |late| of(late).to_string())
}

/// Every play of a fleet, and curves over the number of servers.
pub(crate) fn of_fleet(fleet: &Fleet) -> Page {
    let missed = fleet.missed();
    let mut page = Page {
        title: format!("jackline simulate --fleet {}", fleet.nodes),
        command: format!("jackline simulate --fleet {}", fleet.nodes),
        verdict: match missed {
            0 => "Every target is met".to_owned(),
            1 => "1 target is missed".to_owned(),
            missed => format!("{missed} targets are missed"),
        },
        good: missed == 0,
        ..Page::default()
    };
    page.fact("nodes", fleet.nodes);
    page.fact("steps", fleet.steps);
    page.fact("node_seconds", fleet.node_seconds);
    let mut columns = vec!["play".to_owned()];
    columns.extend(FLEET.map(|(head, _)| head.to_owned()));
    let rows = fleet.played.iter().map(|figures| {
        let mut cells = vec![figures.play.to_owned()];
        cells.extend(FLEET.map(|(_, shown)| shown(figures)));
        cells
    });
    page.tables.push(Table {
        title: format!("{} nodes", fleet.nodes),
        note: "Handshakes, connects and requests are those of the busiest server, within its busiest second."
            .to_owned(),
        columns,
        rows: rows.collect(),
        best: Vec::new(),
    });
    page.charts = vec![
        chart(fleet, "How late 99 of 100 nodes are attached", "ms", |figures| {
            let late = figures.attached.as_ref()?;
            Some(f64::from(u32::try_from(late.p99).unwrap_or(u32::MAX)))
        }),
        chart(
            fleet,
            "TLS handshakes of ours in a second on the busiest server",
            "handshakes",
            |figures| Some(f64::from(figures.handshakes_ours)),
        ),
        chart(
            fleet,
            "Requests a second on the busiest server for each 100 nodes",
            "requests",
            |figures| Some(figures.requests_per_100),
        ),
    ];
    page
}

fn chart(fleet: &Fleet, title: &str, y: &str, of: fn(&Figures) -> Option<f64>) -> Chart {
    let mut curves: Vec<Curve> = Vec::new();
    for figures in &fleet.played {
        let Some(value) = of(figures) else { continue };
        let servers = f64::from(u32::try_from(figures.servers).unwrap_or(u32::MAX));
        match curves.iter_mut().find(|curve| curve.name == figures.play) {
            Some(curve) => curve.points.push((servers, value)),
            None => curves.push(Curve {
                name: figures.play.to_owned(),
                points: vec![(servers, value)],
            }),
        }
    }
    Chart {
        title: title.to_owned(),
        x: "servers".to_owned(),
        y: y.to_owned(),
        log_x: false,
        curves,
    }
}
