//! Progress of a long run, with an estimate: one line that is written over on a terminal, a line each ten seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jackline_sim::swarm::Progress;

/// How often it is written on a terminal, and elsewhere: in a log, say.
const ON_TERMINAL: Duration = Duration::from_millis(500);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// The progress of one run.
pub(crate) struct Bar {
    pub(crate) began: Instant,
    terminal: bool,
    what: &'static str,
    /// Milliseconds from the beginning before which nothing is written.
    next: AtomicU64,
}

impl Bar {
    /// Of so many of `what`.
    pub(crate) fn of(what: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            began: Instant::now(),
            terminal,
            what,
            next: AtomicU64::new(millis(if terminal { ON_TERMINAL } else { ELSEWHERE })),
        }
    }

    /// Tells it, if it is time.
    pub(crate) fn show(&self, progress: Progress) {
        let elapsed = self.began.elapsed();
        if !self.is_due(elapsed) {
            return;
        }
        let line = line(self.what, progress, elapsed);
        // A terminal that is gone is no error of ours.
        let _ = match self.terminal {
            true => write!(io::stderr().lock(), "\r\x1b[K{line}"),
            false => writeln!(io::stderr().lock(), "{line}"),
        };
    }

    /// Takes the line away again.
    pub(crate) fn end(&self) {
        if self.terminal {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    /// Whether it is time, for one of those who ask at once.
    fn is_due(&self, elapsed: Duration) -> bool {
        let every = if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        let next = self.next.load(Ordering::Relaxed);
        let mine = || {
            let after = millis(elapsed + every);
            self.next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        millis(elapsed) >= next && mine()
    }
}

fn line(what: &str, progress: Progress, elapsed: Duration) -> String {
    let Progress { done, of, failed } = progress;
    let left = match done {
        0 => "no estimate yet".to_owned(),
        done => format!(
            "about {} to go",
            span(elapsed.as_secs() * of.saturating_sub(done) / done)
        ),
    };
    format!("{done} of {of} {what}, {failed} failed, {left}")
}

fn span(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use jackline_sim::swarm::Progress;

    use super::{Bar, line};

    #[test]
    fn the_estimate_is_what_is_left_at_the_pace_so_far() {
        let told = |done, seconds| {
            let progress = Progress {
                done,
                of: 1000,
                failed: 2,
            };
            line("seeds", progress, Duration::from_secs(seconds))
        };
        assert_eq!(told(0, 3), "0 of 1000 seeds, 2 failed, no estimate yet");
        assert_eq!(told(250, 10), "250 of 1000 seeds, 2 failed, about 30 s to go");
        assert_eq!(told(10, 10), "10 of 1000 seeds, 2 failed, about 16 min to go");
    }

    #[test]
    fn off_a_terminal_it_is_told_each_ten_seconds_and_by_one_thread() {
        let bar = Bar {
            began: Instant::now(),
            terminal: false,
            what: "seeds",
            next: AtomicU64::new(10_000),
        };
        let due = |seconds| bar.is_due(Duration::from_secs(seconds));
        assert_eq!([9, 10, 10, 19, 20].map(due), [false, true, false, false, true]);
    }
}
