//! What browsers are told: each node's status, the servers, and the newest lines of all timelines in one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// So many lines are kept, of all nodes and of what was done together.
const LINES_MAX: usize = 300;

/// One line of the timeline, as a node's page tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// When, in RFC 3339.
    pub(super) at: String,
    /// How it looks: `good`, `fair`, `bad` or `other`.
    pub(super) grade: String,
    pub(super) text: String,
}

/// All that is told right now.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Each node's status, as it told it.
    pub(super) nodes: BTreeMap<String, Arc<str>>,
    /// The servers.
    pub(super) servers: serde_json::Value,
    /// Each with its number, counted from 1; the oldest first.
    pub(super) lines: VecDeque<(u64, Arc<Line>)>,
    /// How many lines there have been.
    pub(super) count: u64,
}

/// Written by desk and relays, read by browsers. Clones mean the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    told: watch::Sender<Told>,
}

impl Board {
    /// What stands there, and what is written there from now on.
    pub(super) fn read(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// A node's newest status.
    pub(super) fn node(&self, name: &str, status: &str) {
        self.told.send_modify(|told| {
            told.nodes.insert(name.to_owned(), status.into());
        });
    }

    /// How the servers are; nobody is told what was told before.
    pub(super) fn servers(&self, servers: serde_json::Value) {
        self.told.send_if_modified(|told| {
            let changed = told.servers != servers;
            told.servers = servers;
            changed
        });
    }

    /// A line of the timeline.
    pub(super) fn line(&self, line: Line) {
        self.told.send_modify(|told| {
            told.count += 1;
            told.lines.push_back((told.count, Arc::new(line)));
            if told.lines.len() > LINES_MAX {
                told.lines.pop_front();
            }
        });
    }

    /// A line about what happens now.
    pub(super) fn say(&self, grade: &str, text: &str) {
        self.line(Line {
            at: jiff::Timestamp::now().to_string(),
            grade: grade.to_owned(),
            text: text.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_numbers_go_on() {
        let board = Board::default();
        for number in 0..LINES_MAX + 5 {
            board.say("other", &number.to_string());
        }
        let told = board.read().borrow().clone();
        assert_eq!(told.lines.len(), LINES_MAX);
        let (number, line) = told.lines.back().expect("a line");
        assert_eq!((*number, line.text.as_str()), (305, "304"));
    }

    #[test]
    fn servers_that_are_as_they_were_are_not_told_again() {
        let board = Board::default();
        let mut reader = board.read();
        board.servers(serde_json::json!([{ "name": "cp-a" }]));
        assert!(reader.has_changed().expect("the board is there"));
        reader.mark_unchanged();
        board.servers(serde_json::json!([{ "name": "cp-a" }]));
        assert!(!reader.has_changed().expect("the board is there"));
    }
}
