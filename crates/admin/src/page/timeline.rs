//! What has changed between two looks at a node, in sentences, the newest kept. A projection of two statuses, and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use jackline_core::{Administration, Health, NodeState, SourceState};

use crate::status::{Endpoint, Status, TrustState, word};

/// So many lines are kept.
const LINES_MAX: usize = 200;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    /// When it was seen.
    at: jiff::Timestamp,
    /// How it looks: `good`, `fair`, `bad` or `other`.
    grade: &'static str,
    text: String,
}

impl Line {
    /// As the page reads it.
    pub(crate) fn json(&self) -> String {
        serde_json::json!({ "at": self.at, "grade": self.grade, "text": self.text }).to_string()
    }
}

/// The newest changes.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    lines: VecDeque<Arc<Line>>,
    count: u64,
    before: Option<Status>,
}

impl Timeline {
    /// Compares with what was seen before.
    pub(crate) fn observe(&mut self, now: &Status) {
        let told = match &self.before {
            None => vec![(
                state_grade(now.state),
                format!("{}: {}", word(&now.state), now.state_reason),
            )],
            Some(before) => changes(before, now),
        };
        for (grade, text) in told {
            self.count += 1;
            let (number, at) = (self.count, now.now);
            self.lines.push_back(Arc::new(Line {
                number,
                at,
                grade,
                text,
            }));
        }
        while self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
        self.before = Some(now.clone());
    }

    /// All that are kept, the oldest first.
    pub(crate) fn lines(&self) -> Arc<[Arc<Line>]> {
        self.lines.iter().cloned().collect()
    }
}

type Told = (&'static str, String);

fn changes(before: &Status, now: &Status) -> Vec<Told> {
    let mut told = Vec::new();
    if before.pid != now.pid {
        told.push((
            "other",
            format!("jackline was started again, as process {}", now.pid),
        ));
    }
    if before.state != now.state {
        told.push((
            state_grade(now.state),
            format!("{}: {}", word(&now.state), now.state_reason),
        ));
    }
    if before.trust.state != now.trust.state {
        let (grade, words) = match now.trust.state {
            TrustState::Held => ("good", "certificates verify again"),
            TrustState::Lost => (
                "bad",
                "no server's certificate verifies: was the cluster's CA renewed?",
            ),
        };
        told.push((grade, words.to_owned()));
    }
    let (old, new) = (by_address(&before.endpoints), by_address(&now.endpoints));
    for (address, endpoint) in &new {
        match old.get(address) {
            None => told.push(("other", format!("{address} is new: {}", endpoint.reason))),
            Some(before) => endpoint_changes(before, endpoint, &mut told),
        }
    }
    let gone = old.keys().filter(|address| !new.contains_key(*address));
    told.extend(gone.map(|address| ("other", format!("{address} is forgotten"))));
    for source in &now.sources {
        let before = before.sources.iter().find(|before| before.name == source.name);
        if before.is_some_and(|before| before.state != source.state) {
            let why = source
                .error
                .as_deref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            let grade = if source.state == SourceState::Good {
                "good"
            } else {
                "fair"
            };
            told.push((
                grade,
                format!("source {} is {}{why}", source.name, word(&source.state)),
            ));
        }
    }
    told
}

fn by_address(endpoints: &[Endpoint]) -> BTreeMap<SocketAddr, &Endpoint> {
    endpoints
        .iter()
        .map(|endpoint| (endpoint.address, endpoint))
        .collect()
}

fn endpoint_changes(before: &Endpoint, now: &Endpoint, told: &mut Vec<Told>) {
    let address = now.address;
    if before.health != now.health {
        let grade = match now.health {
            Health::Ready => "good",
            Health::Alive | Health::NotReady => "fair",
            Health::Unreachable | Health::Impostor => "bad",
            Health::Unknown => "other",
        };
        told.push((
            grade,
            format!("{address} is {}: {}", word(&now.health), now.reason),
        ));
    } else if before.standing != now.standing {
        told.push((
            "other",
            format!("{address} is {}: {}", word(&now.standing), now.reason),
        ));
    }
    if before.administration != now.administration {
        let words = match now.administration {
            Administration::Enabled => "is enabled again",
            Administration::Draining => "is draining",
        };
        told.push(("other", format!("{address} {words}")));
    }
}

const fn state_grade(state: NodeState) -> &'static str {
    match state {
        NodeState::Attached => "good",
        NodeState::Degraded => "fair",
        NodeState::Isolated => "bad",
    }
}
