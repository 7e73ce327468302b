//! What was measured: values by figure and target, one for each round.

use std::collections::BTreeMap;

/// All values of one run.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    values: BTreeMap<(String, String), Vec<f64>>,
    failures: Vec<String>,
    skipped: Vec<String>,
}

/// The values of one figure with one target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) rounds: usize,
}

impl Samples {
    pub(crate) fn add(&mut self, figure: &str, target: &str, value: f64) {
        let key = (figure.to_owned(), target.to_owned());
        self.values.entry(key).or_default().push(value);
    }

    pub(crate) fn fail(&mut self, work: &str, target: &str, why: &str) {
        self.failures.push(format!("{work} with {target}: {why}"));
    }

    /// This was left out from the start, and why.
    pub(crate) fn skip(&mut self, why: &str) {
        self.skipped.push(why.to_owned());
    }

    /// What was left out from the start.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What could not be measured.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The figures, in alphabetical order.
    pub(crate) fn figures(&self) -> Vec<&str> {
        let mut figures: Vec<&str> = self.values.keys().map(|(figure, _)| figure.as_str()).collect();
        figures.dedup();
        figures
    }

    /// Everybody with a value of this figure.
    pub(crate) fn of<'a>(&'a self, figure: &'a str) -> impl Iterator<Item = (&'a str, Summary)> {
        self.values
            .iter()
            .filter(move |((name, _), _)| name == figure)
            .filter_map(|((_, target), values)| Some((target.as_str(), summary(values)?)))
    }

    /// The largest of all rounds.
    pub(crate) fn most(&self, figure: &str, target: &str) -> Option<f64> {
        let values = self.values.get(&(figure.to_owned(), target.to_owned()))?;
        Some(summary(values)?.most)
    }

    pub(crate) fn median(&self, figure: &str, target: &str) -> Option<f64> {
        let values = self.values.get(&(figure.to_owned(), target.to_owned()))?;
        Some(summary(values)?.median)
    }
}

fn summary(values: &[f64]) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Summary {
        median: quantile(&sorted, 0.5)?,
        least: *sorted.first()?,
        most: *sorted.last()?,
        rounds: sorted.len(),
    })
}

/// The value below which this share of the sorted values lies.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into the values themselves"
)]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_value_in_the_middle() {
        let mut samples = Samples::default();
        for value in [3.0, 1.0, 100.0] {
            samples.add("a", "x", value);
        }
        assert_eq!(samples.median("a", "x"), Some(3.0));
        assert_eq!(samples.median("a", "y"), None);
        let (target, summary) = samples.of("a").next().unwrap();
        assert_eq!(
            (target, summary.least, summary.most, summary.rounds),
            ("x", 1.0, 100.0, 3)
        );
    }

    #[test]
    fn quantiles_of_nothing_are_nothing() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.999), Some(7.0));
    }
}
