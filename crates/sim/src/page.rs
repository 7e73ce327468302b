//! One page to look at: swim lanes with every decision and its reason, tables, curves. Plain data in, one self-contained
//! HTML file out, which asks the network for nothing: style, script and data stand in it, and its policy forbids the rest.
//!
//! | module | what it does |
//! |---|---|
//! | `record` | what happens in a world, as lanes |
//! | `page.html`, `page.css`, `page.js` | the page itself; it draws the JSON that [`Page`] is |
//!
//! Described for those who read its JSON in `docs/page.md`.

pub(crate) mod record;
mod table;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use table::{Chart, Curve, Table};

/// So many lanes a page has at the most; more are counted, and named in [`Page::left_out`].
pub const LANES_MAX: usize = 400;
/// So many spans and marks a lane has at the most.
pub const PIECES_MAX: usize = 20_000;

const HTML: &str = include_str!("page/page.html");
const CSS: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Page {
    /// What it shows.
    pub title: String,
    /// The command that made it.
    pub command: String,
    /// What came of it, in a sentence.
    pub verdict: String,
    /// Whether that is good.
    pub good: bool,
    /// Figures.
    pub facts: Vec<Fact>,
    /// When its lanes begin, in milliseconds.
    pub from_ms: u64,
    /// When they end.
    pub to_ms: u64,
    /// The wall clock at `from_ms`, in milliseconds since 1970; `None`: the time is a world's own.
    pub wall_ms: Option<i64>,
    /// What happened to whom.
    pub lanes: Vec<Lane>,
    /// Lanes and pieces of lanes that were too many.
    pub left_out: u64,
    /// Tables.
    pub tables: Vec<Table>,
    /// Curves.
    pub charts: Vec<Chart>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// Whose.
    pub name: String,
    /// As it is shown.
    pub value: String,
}

/// What a lane is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// What is done to the world.
    Fault,
    /// A server.
    Server,
    /// A node: its jackline.
    Node,
    /// A source of a node.
    Source,
    /// What a node thinks of an endpoint.
    Endpoint,
    /// A lasting session of a node's client, or a node's sessions on an endpoint.
    Session,
}

/// What happened to one of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// What it is.
    pub group: Group,
    /// Its name.
    pub name: String,
    /// How it was, one after the other.
    pub spans: Vec<Span>,
    /// What happened at one moment.
    pub marks: Vec<Mark>,
}

/// A time in which nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// From here …
    pub from_ms: u64,
    /// … to there.
    pub to_ms: u64,
    /// How it was, in a word or two.
    pub state: String,
    /// Whether that is good.
    pub tone: Tone,
    /// Why.
    pub why: String,
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// When.
    pub at_ms: u64,
    /// Whether it is good.
    pub tone: Tone,
    /// What happened, or what was decided.
    pub what: String,
    /// Why: what led to it, a line each, the oldest first.
    pub why: Vec<String>,
}

/// Whether something is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// As it should be.
    Good,
    /// Neither.
    Plain,
    /// Not well.
    Poor,
    /// Bad.
    Bad,
}

impl Tone {
    /// The tone of a state's word, as `status` and the simulator write them.
    #[must_use]
    pub fn of(state: &str) -> Self {
        match state {
            "ready" | "attached" | "good" => Self::Good,
            "degraded" | "alive" | "not-ready" | "empty" | "no session" | "accepting" | "starting"
            | "leaving" | "closing" | "overloaded" => Self::Poor,
            "isolated" | "unreachable" | "impostor" | "failed" | "stopped" | "silent" | "frozen"
            | "not running" => Self::Bad,
            _ => Self::Plain,
        }
    }
}

impl Page {
    /// One more figure.
    pub fn fact(&mut self, name: &str, value: impl ToString) {
        self.facts.push(Fact {
            name: name.to_owned(),
            value: value.to_string(),
        });
    }

    /// Takes lanes in, as many as there is room for, in the order of their groups.
    pub fn take(&mut self, mut lanes: Vec<Lane>) {
        lanes.sort_by_key(|lane| lane.group);
        for mut lane in lanes {
            if self.lanes.len() >= LANES_MAX {
                self.left_out += 1;
                continue;
            }
            for length in [lane.spans.len(), lane.marks.len()] {
                self.left_out += u64::try_from(length.saturating_sub(PIECES_MAX)).unwrap_or(0);
            }
            lane.spans.truncate(PIECES_MAX);
            lane.marks.truncate(PIECES_MAX);
            self.lanes.push(lane);
        }
    }

    /// The page as one HTML file.
    ///
    /// # Errors
    /// A figure is no number: JSON has none of those.
    pub fn to_html(&self) -> serde_json::Result<String> {
        // Within a script element nothing but `<` could end it.
        let data = serde_json::to_string(self)?.replace('<', "\\u003c");
        let parts = [("/*STYLE*/", CSS), ("/*SCRIPT*/", SCRIPT), ("/*DATA*/", &data)];
        let mut html = HTML.replace("/*TITLE*/", &escaped(&self.title));
        for (place, part) in parts {
            html = html.replacen(place, part, 1);
        }
        Ok(html)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
