//! What happens, as it happens: each scenario's list of entries, and the screen on which several scenarios show theirs.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::locked::lock;
use crate::options::Output;
use crate::verdict::millis;

/// A scenario that goes on saying things is cut off here.
const ENTRIES_MAX: usize = 2_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, since the scenario's beginning, in milliseconds.
    pub at_ms: u64,
    /// What.
    pub text: String,
}

/// A scenario's own record. Clones share it.
#[derive(Clone)]
pub(crate) struct Timeline {
    scenario: Arc<str>,
    start: Instant,
    entries: Arc<Mutex<Vec<Entry>>>,
    screen: Arc<Screen>,
}

impl Timeline {
    pub(crate) fn new(scenario: &str, screen: Arc<Screen>) -> Self {
        Self {
            scenario: scenario.into(),
            start: Instant::now(),
            entries: Arc::default(),
            screen,
        }
    }

    /// Records and shows.
    pub(crate) fn say(&self, text: impl Into<String>) {
        let entry = Entry {
            at_ms: millis(self.start.elapsed()),
            text: text.into(),
        };
        self.screen.line(&self.scenario, &entry);
        let mut entries = lock(&self.entries);
        if entries.len() < ENTRIES_MAX {
            entries.push(entry);
        }
    }

    /// Shows how things stand right now; recorded nowhere, and only seen on a terminal.
    pub(crate) fn show(&self, text: &str) {
        self.screen.status(&self.scenario, text);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The record so far; takes the scenario's status off the screen.
    pub(crate) fn finish(&self) -> Vec<Entry> {
        self.screen.forget(&self.scenario);
        lock(&self.entries).clone()
    }
}

/// Where all timelines are shown: plain lines, or on a terminal lines with a status line under them.
pub(crate) struct Screen {
    inner: Mutex<Inner>,
    terminal: bool,
    /// Several scenarios at once: each line says whose it is.
    names: bool,
}

struct Inner {
    sink: Option<Box<dyn Write + Send>>,
    statuses: BTreeMap<String, String>,
    status_shown: bool,
}

impl Screen {
    pub(crate) fn new(output: Output, names: bool) -> Self {
        let (sink, terminal): (Option<Box<dyn Write + Send>>, bool) = match output {
            Output::Text => (Some(Box::new(std::io::stdout())), std::io::stdout().is_terminal()),
            Output::Json => (Some(Box::new(std::io::stderr())), std::io::stderr().is_terminal()),
            Output::Silent => (None, false),
        };
        Self::with(sink, terminal, names)
    }

    fn with(sink: Option<Box<dyn Write + Send>>, terminal: bool, names: bool) -> Self {
        let inner = Inner {
            sink,
            statuses: BTreeMap::new(),
            status_shown: false,
        };
        Self {
            inner: Mutex::new(inner),
            terminal,
            names,
        }
    }

    /// Writes text as it is, above the status line.
    pub(crate) fn text(&self, text: &str) {
        self.write(text, None);
    }

    fn line(&self, scenario: &str, entry: &Entry) {
        let seconds = format!("{:>5}.{:02} s", entry.at_ms / 1000, entry.at_ms % 1000 / 10);
        let seconds = if self.terminal {
            format!("\x1b[2m{seconds}\x1b[0m")
        } else {
            seconds
        };
        let line = match (self.names, self.terminal) {
            (false, _) => format!("{seconds}  {}\n", entry.text),
            (true, false) => format!("{seconds}  {scenario}: {}\n", entry.text),
            (true, true) => format!("{seconds}  \x1b[36m{scenario}\x1b[0m {}\n", entry.text),
        };
        self.write(&line, None);
    }

    fn status(&self, scenario: &str, text: &str) {
        if self.terminal {
            self.write("", Some((scenario, text)));
        }
    }

    fn forget(&self, scenario: &str) {
        let mut inner = lock(&self.inner);
        inner.statuses.remove(scenario);
    }

    /// A screen that cannot be written to (a closed pipe) loses the lines; the run goes on.
    fn write(&self, text: &str, status: Option<(&str, &str)>) {
        let mut inner = lock(&self.inner);
        let Inner {
            sink,
            statuses,
            status_shown,
        } = &mut *inner;
        let Some(sink) = sink else { return };
        if let Some((scenario, status)) = status {
            statuses.insert(scenario.to_owned(), status.to_owned());
        }
        if *status_shown {
            let _ = sink.write_all(b"\r\x1b[K");
        }
        let _ = sink.write_all(text.as_bytes());
        *status_shown = self.terminal && !statuses.is_empty();
        if *status_shown {
            // Auto-wrap is off while the status is written: a wrapped line could not be taken back.
            let joined: Vec<&str> = statuses.values().map(String::as_str).collect();
            let _ = write!(sink, "\x1b[?7l\x1b[2m{}\x1b[0m\x1b[?7h", joined.join("  |  "));
        }
        let _ = sink.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn read(&self) -> String {
            String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_a_terminal_there_are_plain_lines_only() {
        let paper = Paper::default();
        let screen = Arc::new(Screen::with(Some(Box::new(paper.clone())), false, true));
        let timeline = Timeline::new("frozen", Arc::clone(&screen));
        timeline.show("node-1 attached");
        timeline.say("cp1 frozen");
        let text = paper.read();
        assert!(text.ends_with(" s  frozen: cp1 frozen\n"), "{text:?}");
        assert!(!text.contains('\x1b') && text.lines().count() == 1, "{text:?}");
    }

    #[test]
    fn on_a_terminal_a_line_takes_the_status_away_and_puts_it_back() {
        let paper = Paper::default();
        let screen = Arc::new(Screen::with(Some(Box::new(paper.clone())), true, false));
        let timeline = Timeline::new("frozen", Arc::clone(&screen));
        timeline.show("node-1 attached");
        timeline.say("cp1 frozen");
        let text = paper.read();
        let (before, after) = text.split_once("\r\x1b[K").expect("the status is taken away");
        assert!(
            before.contains("node-1 attached") && after.contains("node-1 attached"),
            "{text:?}"
        );
        assert!(after.contains("cp1 frozen\n"), "{text:?}");
    }

    #[test]
    fn entries_are_in_order_and_bounded() {
        let timeline = Timeline::new("frozen", Arc::new(Screen::with(None, false, false)));
        for number in 0..ENTRIES_MAX + 5 {
            timeline.say(number.to_string());
        }
        let entries = timeline.finish();
        assert_eq!(entries.len(), ENTRIES_MAX);
        assert!(entries.is_sorted_by_key(|entry| entry.at_ms));
        assert_eq!(entries[7].text, "7");
    }
}
