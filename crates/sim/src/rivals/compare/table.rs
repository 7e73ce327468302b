//! The table for people, and where a rival does better.

use std::fmt;

use super::{Comparison, Row};

/// A column: its head, what it counts, and its digits after the point. Less is better in all of them.
type Column = (&'static str, fn(&Row) -> f64, usize);

/// Counts that are shown are far below what a double holds exactly.
#[expect(
    clippy::cast_precision_loss,
    reason = "only shown and compared; counts are far below 2^53"
)]
const fn count(count: u64) -> f64 {
    count as f64
}

const COLUMNS: [Column; 8] = [
    ("stuck", |row| count(row.stuck), 0),
    ("isolated s", |row| count(row.isolated_ms) / 1000.0, 1),
    ("failed", |row| count(row.failed), 0),
    ("wrong removals", |row| count(row.wrong_removals), 0),
    ("cut", |row| count(row.cut), 0),
    ("moved", |row| count(row.moved), 0),
    ("herd", |row| f64::from(row.herd), 0),
    ("busiest/mean", |row| row.busiest_per_mean, 2),
];

/// Where a rival does better than jackline, which is the first row.
pub(super) fn better(rows: &[Row]) -> Vec<String> {
    let Some((ours, rivals)) = rows.split_first() else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for (head, of, digits) in COLUMNS {
        let shown = |row: &Row| format!("{:.digits$}", of(row));
        let better = rivals
            .iter()
            .filter(|rival| of(rival) < of(ours) && shown(rival) != shown(ours));
        let names: Vec<String> = better
            .map(|rival| format!("{} ({})", rival.name, shown(rival)))
            .collect();
        if !names.is_empty() {
            told.push(format!("{head}: {} against {}", names.join(", "), shown(ours)));
        }
    }
    told
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |row: &Row| COLUMNS.map(|(_, of, digits)| format!("{:.digits$}", of(row)));
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        write!(f, "{:width$}", "")?;
        for (head, _, _) in COLUMNS {
            write!(f, "  {head:>10}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "{:width$}", row.name)?;
            for ((head, _, _), cell) in COLUMNS.iter().zip(cells(row)) {
                let width = head.len().max(10);
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        let (nodes, requests) = self.rows.first().map_or((0, 0), |row| (row.nodes, row.requests));
        writeln!(
            f,
            "{} seeds, {nodes} nodes, {requests} requests of each contestant",
            self.seeds
        )?;
        match self.better.is_empty() {
            true => writeln!(f, "No rival does better in any column.")?,
            false => writeln!(f, "Where a rival does better:")?,
        }
        for line in &self.better {
            writeln!(f, "  {line}")?;
        }
        if self.stopped {
            writeln!(f, "interrupted: not everybody has played everything")?;
        }
        Ok(())
    }
}
