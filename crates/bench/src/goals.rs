//! What is aimed at: jackline's median against a rival's in the same run, or against a number.

use serde::Serialize;

use crate::samples::Samples;

/// Whom a figure is compared with.
#[derive(Clone, Copy, Debug)]
enum Against {
    Rival(&'static str),
    /// Another figure of our own.
    Own(&'static str),
    Number,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    AtLeast,
    AtMost,
}

/// One goal.
#[derive(Clone, Copy, Debug)]
struct Goal {
    figure: &'static str,
    against: Against,
    bound: Bound,
    value: f64,
}

/// How a goal was met.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// Which, in words.
    pub(crate) figure: String,
    /// What is aimed at.
    pub(crate) target: String,
    /// What came out: a ratio, or the figure itself.
    pub(crate) got: f64,
    pub(crate) met: bool,
}

const fn ratio(figure: &'static str, rival: &'static str, bound: Bound, value: f64) -> Goal {
    Goal {
        figure,
        against: Against::Rival(rival),
        bound,
        value,
    }
}

const fn number(figure: &'static str, value: f64) -> Goal {
    Goal {
        figure,
        against: Against::Number,
        bound: AtMost,
        value,
    }
}

/// Of our own figures the first is to be no more than so many times the second.
const fn flat(figure: &'static str, base: &'static str, value: f64) -> Goal {
    Goal {
        figure,
        against: Against::Own(base),
        bound: AtMost,
        value,
    }
}

use Bound::{AtLeast, AtMost};

const GOALS: &[Goal] = &[
    ratio("bulk.1.down.gbit_s", "haproxy", AtLeast, 1.6),
    ratio("bulk.1.down.gbit_s", "haproxy-splice", AtLeast, 1.0),
    ratio("bulk.1.down.gbit_s", "direct", AtLeast, 0.6),
    ratio("bulk.1.down.cpu_s_per_gb", "haproxy", AtMost, 0.35),
    ratio("bulk.1.down.cpu_s_per_gb", "haproxy-splice", AtMost, 0.9),
    ratio("bulk.8.down.cpu_s_per_gb", "haproxy", AtMost, 0.30),
    ratio("bulk.8.down.cpu_s_per_gb", "haproxy-splice", AtMost, 0.9),
    ratio("connections.cpu_us", "haproxy", AtMost, 0.85),
    ratio("connections.cpu_us", "nginx", AtMost, 1.0),
    ratio("requests.32.cpu_us", "haproxy", AtMost, 0.85),
    ratio("requests.32.cpu_us", "nginx", AtMost, 0.9),
    ratio("requests.32.p99_us", "haproxy", AtMost, 1.0),
    ratio("requests.32.p99_us", "nginx", AtMost, 1.0),
    ratio("mixed.p99_us", "haproxy", AtMost, 1.0),
    ratio("mixed.p99_us", "haproxy-splice", AtMost, 1.0),
    ratio("mixed.p99_us", "nginx", AtMost, 1.0),
    ratio("mixed.p99_us", "copy", AtMost, 1.0),
    number("idle.1000.bytes_per_session", 1024.0),
    number("idle.9000.bytes_per_session", 1024.0),
    flat("growth.1000.cpu_us", "requests.32.cpu_us", 1.15),
    flat("growth.9000.cpu_us", "requests.32.cpu_us", 1.15),
    number("waiting.1000.cpu_percent", 0.3),
    number("failover.sigkill.failed", 0.0),
    number("failover.sigterm.failed", 0.0),
    number("failover.sigstop.failed", 0.0),
    number("failover.dropped.failed", 0.0),
    number("failover.sigkill.slowest_s", 0.1),
    number("failover.sigterm.slowest_s", 0.1),
    number("failover.sigstop.slowest_s", 0.5),
    number("failover.dropped.slowest_s", 0.5),
    number("failover.sigkill.gap_s", 0.2),
    number("failover.sigterm.gap_s", 0.2),
    number("failover.sigstop.gap_s", 2.5),
    number("failover.dropped.gap_s", 2.0),
    number("failover.sigkill.watch_gap_s", 0.3),
    number("failover.sigterm.watch_gap_s", 0.3),
    number("failover.sigstop.watch_gap_s", 2.6),
    number("failover.dropped.watch_gap_s", 3.0),
    number("rest.cpu_percent", 0.1),
    number("rest.wake_ups_s", 5.0),
];

/// All goals for which there are figures.
pub(crate) fn outcomes(samples: &Samples) -> Vec<Outcome> {
    GOALS.iter().filter_map(|goal| goal.judge(samples)).collect()
}

impl Goal {
    fn judge(&self, samples: &Samples) -> Option<Outcome> {
        // A client that was lost in one round of three was lost.
        let ours = match self.figure.starts_with("failover.") {
            true => samples.most(self.figure, "jackline")?,
            false => samples.median(self.figure, "jackline")?,
        };
        let (got, whom) = match self.against {
            Against::Own(base) => (ours / samples.median(base, "jackline")?, format!(" × {base}")),
            Against::Rival(rival) => (ours / samples.median(self.figure, rival)?, format!(" × {rival}")),
            Against::Number => (ours, String::new()),
        };
        let (sign, met) = match self.bound {
            AtLeast => ('≥', got >= self.value),
            AtMost => ('≤', got <= self.value),
        };
        Some(Outcome {
            figure: self.figure.to_owned(),
            target: format!("{sign} {}{whom}", self.value),
            got,
            met,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_ratios_of_medians_in_one_run() {
        let mut samples = Samples::default();
        for (target, value) in [("jackline", 16.0), ("haproxy", 8.0), ("direct", 40.0)] {
            samples.add("bulk.1.down.gbit_s", target, value);
        }
        samples.add("rest.wake_ups_s", "jackline", 6.0);
        let outcomes = outcomes(&samples);
        let told: Vec<(f64, bool)> = outcomes
            .iter()
            .map(|outcome| (outcome.got, outcome.met))
            .collect();
        assert_eq!(told, [(2.0, true), (0.4, false), (6.0, false)], "{outcomes:?}");
        assert_eq!(outcomes[0].target, "≥ 1.6 × haproxy");
    }
}
