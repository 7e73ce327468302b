//! Tables and curves: figures that were counted elsewhere, as a page shows them.

use serde::Serialize;

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// What it compares.
    pub title: String,
    /// A sentence below it.
    pub note: String,
    /// The heads of its columns; the first column names the rows.
    pub columns: Vec<String>,
    /// Its rows, each as long as `columns`, as they are shown.
    pub rows: Vec<Vec<String>>,
    /// Cells to stand out, by row and column from 0: the best of a column.
    pub best: Vec<(usize, usize)>,
}

/// Curves over one axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The axis below, with its unit.
    pub x: String,
    /// The axis at the side, with its unit.
    pub y: String,
    /// Whether the axis below is logarithmic.
    pub log_x: bool,
    /// Its curves.
    pub curves: Vec<Curve>,
}

/// A curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curve {
    /// Whose.
    pub name: String,
    /// Its points, by growing x.
    pub points: Vec<(f64, f64)>,
}
