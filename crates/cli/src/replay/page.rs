//! A replay as a page: the node, its sources, endpoints and sessions over the time of the journal.

use std::collections::BTreeMap;

use jackline_agent::journal::Event;
use jackline_agent::journal::played::what_if::Account;
use jackline_agent::journal::played::why::endpoint_of;
use jackline_agent::journal::played::words::plain;
use jackline_agent::journal::played::{Change, Joint, Played, Step};
use jackline_sim::page::{Group, Lane, Mark, Page, Span, Table, Tone};

use super::{Answer, words};
use crate::args::ReplayArgs;

pub(super) fn page(answer: &Answer, args: &ReplayArgs) -> Page {
    let played = &answer.played;
    let actions: usize = played.steps.iter().map(|step| step.actions.len()).sum();
    let mut page = Page {
        title: "jackline replay".to_owned(),
        command: format!("jackline replay {}", args.journal.display()),
        verdict: words::verdict(played),
        good: played.difference.is_none(),
        ..Page::default()
    };
    page.fact("events", played.steps.len());
    page.fact("actions", actions);
    page.fact("compared", played.compared);
    let mut drawing = Drawing::of(played);
    page.wall_ms = drawing.wall_ms;
    drawing.draw(played);
    page.to_ms = drawing.now;
    page.take(drawing.finish());
    if let Some(what_if) = &answer.what_if {
        page.tables
            .push(compared(args, &what_if.was.account, &what_if.would.account));
    }
    page
}

fn compared(args: &ReplayArgs, was: &Account, would: &Account) -> Table {
    let seconds = |ms: u64| format!("{:.3}", std::time::Duration::from_millis(ms).as_secs_f64());
    let rows = [
        (
            "attached, s",
            seconds(was.attached_ms),
            seconds(would.attached_ms),
        ),
        (
            "degraded, s",
            seconds(was.degraded_ms),
            seconds(would.degraded_ms),
        ),
        (
            "isolated, s",
            seconds(was.isolated_ms),
            seconds(would.isolated_ms),
        ),
        ("tests", was.tests.to_string(), would.tests.to_string()),
        (
            "questions to sources",
            was.questions.to_string(),
            would.questions.to_string(),
        ),
        (
            "orders to move or reset sessions",
            was.closings.to_string(),
            would.closings.to_string(),
        ),
        (
            "answers of another moment",
            was.guessed.to_string(),
            would.guessed.to_string(),
        ),
    ];
    Table {
        title: format!("With {}", args.set.join(", ")),
        note: "Both are played in the world that the journal tells of: a question is answered as the nearest one of its \
               kind was, and clients do as they did."
            .to_owned(),
        columns: ["", "as it was set", "otherwise"].map(str::to_owned).to_vec(),
        rows: rows.map(|(what, was, would)| vec![what.to_owned(), was, would]).to_vec(),
        best: Vec::new(),
    }
}

/// Lanes under way. Times count from the first segment's beginning, over restarts, by the wall clock where it is told.
struct Drawing {
    wall_ms: Option<i64>,
    now: u64,
    lanes: BTreeMap<(Group, String), Lane>,
    sessions: BTreeMap<String, u64>,
}

impl Drawing {
    fn of(played: &Played) -> Self {
        let first = played.segments.first().and_then(|segment| segment.header.wall);
        Self {
            wall_ms: first.map(jiff::Timestamp::as_millisecond),
            now: 0,
            lanes: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    fn draw(&mut self, played: &Played) {
        let mut segment = None;
        for (place, step) in played.steps.iter().enumerate() {
            self.pass(played, step);
            if segment != Some(step.segment) {
                segment = Some(step.segment);
                let opened = &played.segments[step.segment];
                if matches!(opened.joint, Joint::Restarted) {
                    self.mark("jackline", Tone::Poor, "is started anew".to_owned(), Vec::new());
                }
                if opened.joint != Joint::Whole {
                    self.sessions.clear();
                    opened.opening.iter().for_each(|change| self.turn(change));
                }
            }
            step.changes.iter().for_each(|change| self.turn(change));
            self.count_sessions(step);
            let what = words::outcome(played, step);
            let differs = played.difference == Some(place);
            if !what.is_empty() || differs {
                let tone = tone_of(step, differs);
                let differs = if differs {
                    "the core does something else than it did; "
                } else {
                    ""
                };
                let what = format!("{differs}{}", what.join("; "));
                self.mark("jackline", tone, what, words::chain(played, place));
            }
        }
    }

    fn pass(&mut self, played: &Played, step: &Step) {
        let at = match (self.wall_ms, step.wall) {
            (Some(begin), Some(wall)) => u64::try_from(wall.as_millisecond() - begin).unwrap_or(0),
            _ => {
                let begin = played
                    .segments
                    .first()
                    .map_or(0, |segment| segment.header.at.as_millis());
                step.at.as_millis().saturating_sub(begin)
            }
        };
        // A clock that was set back does not turn the page's time.
        self.now = self.now.max(at);
    }

    fn turn(&mut self, change: &Change) {
        match change {
            Change::Node { state, reason } => self.span(Group::Node, "jackline", &plain(state), reason),
            Change::Endpoint {
                address,
                health,
                standing,
                first,
                reason,
            } => {
                let first = if *first { "first choice; " } else { "" };
                let why = format!("{first}{}; {reason}", plain(standing));
                self.span(Group::Endpoint, &address.to_string(), &plain(health), &why);
            }
            Change::Forgotten { address } => {
                self.span(Group::Endpoint, &address.to_string(), "forgotten", "");
            }
            Change::Source {
                name,
                state,
                endpoints,
                error,
            } => {
                let why = error.clone().unwrap_or_else(|| format!("lists {endpoints}"));
                self.span(Group::Source, name, &plain(state), &why);
            }
        }
    }

    fn count_sessions(&mut self, step: &Step) {
        let Some(endpoint) = endpoint_of(&step.event).map(|endpoint| endpoint.to_string()) else {
            return;
        };
        let count = self.sessions.entry(endpoint.clone()).or_default();
        match step.event {
            Event::SessionOpened { .. } => *count += 1,
            Event::SessionClosed { .. } => *count = count.saturating_sub(1),
            _ => return,
        }
        let state = match *count {
            0 => "none".to_owned(),
            1 => "1 session".to_owned(),
            count => format!("{count} sessions"),
        };
        self.span(Group::Session, &endpoint, &state, "");
    }

    fn lane(&mut self, group: Group, name: &str) -> &mut Lane {
        self.lanes
            .entry((group, name.to_owned()))
            .or_insert_with(|| Lane {
                group,
                name: name.to_owned(),
                spans: Vec::new(),
                marks: Vec::new(),
            })
    }

    fn span(&mut self, group: Group, name: &str, state: &str, why: &str) {
        let now = self.now;
        let lane = self.lane(group, name);
        if let Some(last) = lane.spans.last_mut() {
            last.to_ms = now;
        }
        lane.spans.push(Span {
            from_ms: now,
            to_ms: now,
            state: state.to_owned(),
            tone: Tone::of(state),
            why: why.to_owned(),
        });
    }

    fn mark(&mut self, name: &str, tone: Tone, what: String, why: Vec<String>) {
        let at_ms = self.now;
        self.lane(Group::Node, name).marks.push(Mark {
            at_ms,
            tone,
            what,
            why,
        });
    }

    fn finish(mut self) -> Vec<Lane> {
        let now = self.now;
        for lane in self.lanes.values_mut() {
            if let Some(last) = lane.spans.last_mut() {
                last.to_ms = now;
            }
            // What lasted for no time at all was never so.
            lane.spans.retain(|span| span.to_ms > span.from_ms);
        }
        self.lanes.into_values().collect()
    }
}

fn tone_of(step: &Step, differs: bool) -> Tone {
    let worst = step.changes.iter().map(|change| match change {
        Change::Node { state, .. } => Tone::of(&plain(state)),
        Change::Endpoint { health, .. } => Tone::of(&plain(health)),
        Change::Source { state, .. } => Tone::of(&plain(state)),
        Change::Forgotten { .. } => Tone::Plain,
    });
    let rank = |tone: &Tone| match tone {
        Tone::Plain => 0,
        Tone::Good => 1,
        Tone::Poor => 2,
        Tone::Bad => 3,
    };
    match differs {
        true => Tone::Bad,
        false => worst.max_by_key(rank).unwrap_or(Tone::Plain),
    }
}
