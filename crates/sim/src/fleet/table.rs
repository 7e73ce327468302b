//! A fleet's report for people.

use std::fmt;

use super::Report;
use super::figures::{Figures, Late};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} nodes", self.nodes)?;
        for figures in &self.played {
            write!(f, "{figures}")?;
        }
        match self.missed() {
            0 => writeln!(f, "all targets met")?,
            missed => writeln!(f, "{missed} targets missed")?,
        }
        if self.stopped {
            writeln!(f, "interrupted: not everything was played")?;
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} servers, {}", self.servers, self.play)?;
        if let Some(late) = &self.attached {
            writeln!(f, "  attached           {late}")?;
        }
        writeln!(
            f,
            "  in a second on one server: {} handshakes of ours, {} of clients, {} connects, {} refused",
            self.handshakes_ours, self.handshakes_clients, self.connects, self.refused
        )?;
        writeln!(
            f,
            "  {:.2} requests of ours a second per 100 nodes on the busiest; {} places of a supervisor at most, {} turned away",
            self.requests_per_100, self.places, self.turned_away
        )?;
        let (before, after) = self.busiest_per_mean;
        writeln!(
            f,
            "  busiest/mean {before:.3} before, {after:.3} after; {} requests failed",
            self.failed
        )?;
        for target in &self.targets {
            let word = if target.met { "met   " } else { "MISSED" };
            writeln!(
                f,
                "  {word} {}: {:.2}, at most {:.2}",
                target.what, target.value, target.limit
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: u64| std::time::Duration::from_millis(millis).as_secs_f64();
        write!(
            f,
            "{} nodes: median {:.3} s, 99 % {:.3} s, last {:.3} s",
            self.nodes,
            seconds(self.median),
            seconds(self.p99),
            seconds(self.last)
        )
    }
}
