//! The recorded answers as a world: whoever asks is answered as the nearest question of its kind was.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Action, Ask, Event, ProbeId, RefreshId, SourceId, Timestamp};

/// Whom a question was put to, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Endpoint(SocketAddr),
    Source(SourceId),
    Node(SourceId, String),
}

/// A question that was answered.
#[derive(Clone, Debug)]
struct Answered {
    asked: Timestamp,
    took: Duration,
    event: Event,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Reply {
    /// When it comes.
    pub(super) at: Timestamp,
    /// What it is.
    pub(super) event: Event,
    /// How far from the present question the one was that it answered.
    pub(super) apart: Duration,
}

/// The recorded answers.
#[derive(Debug, Default)]
pub(super) struct World {
    answered: BTreeMap<Whom, Vec<Answered>>,
    probes: Vec<ProbeId>,
    refreshes: Vec<RefreshId>,
}

/// Whether an event ends something that the core asked for. Later reports of a watch are facts of their own.
pub(super) fn answers_a_question(event: &Event) -> bool {
    question(event).is_some() || matches!(event, Event::TrustReloaded { changed: false })
}

/// The question that an event ends: whether a test, and its number.
fn question(event: &Event) -> Option<(bool, u64)> {
    match event {
        Event::ProbeSucceeded { probe, .. } | Event::ProbeFailed { probe, .. } => Some((true, probe.0)),
        Event::SourceReported {
            refresh, position: 0, ..
        }
        | Event::SourceFailed { refresh, .. }
        | Event::NodeReported { refresh, .. } => Some((false, refresh.0)),
        _ => None,
    }
}

impl World {
    /// What was asked and what was answered.
    pub(super) fn of(recorded: &[(Timestamp, &Event)], asked: &[(Timestamp, &Action)]) -> Self {
        let mut world = Self::default();
        let mut open: BTreeMap<(bool, u64), (Whom, Timestamp)> = BTreeMap::new();
        for (at, action) in asked {
            match action {
                Action::StartProbe(start) => {
                    world.probes.push(start.probe);
                    open.insert((true, start.probe.0), (Whom::Endpoint(start.endpoint), *at));
                }
                Action::RefreshSource(order) => {
                    world.refreshes.push(order.refresh);
                    let whom = match &order.ask {
                        Ask::Everything => Whom::Source(order.source),
                        Ask::Node(name) => Whom::Node(order.source, name.clone()),
                    };
                    open.insert((false, order.refresh.0), (whom, *at));
                }
                _ => {}
            }
        }
        for (at, event) in recorded {
            let Some(key) = question(event) else { continue };
            if let Some((whom, begun)) = open.get(&key) {
                let answered = Answered {
                    asked: *begun,
                    took: at.since(*begun),
                    event: (*event).clone(),
                };
                world.answered.entry(whom.clone()).or_default().push(answered);
            }
        }
        world.add_what_clients_saw(recorded);
        world.probes.sort_unstable();
        world.refreshes.sort_unstable();
        world
    }

    /// Between two tests clients tell how an endpoint fares: then a test would have found what the nearest one that went as
    /// well did.
    fn add_what_clients_saw(&mut self, recorded: &[(Timestamp, &Event)]) {
        let mut seen = Vec::new();
        for (at, event) in recorded {
            let (endpoint, well) = match event {
                Event::SessionAnswered { endpoint, .. } | Event::SessionsProgressed { endpoint } => {
                    (endpoint, true)
                }
                Event::DialFailed { endpoint, .. } => (endpoint, false),
                _ => continue,
            };
            let whom = Whom::Endpoint(*endpoint);
            let tests = self.answered.get(&whom).into_iter().flatten();
            let alike = tests.filter(|test| matches!(test.event, Event::ProbeSucceeded { .. }) == well);
            if let Some(nearest) = alike.min_by_key(|test| apart(test.asked, *at)) {
                let stands_for = Answered {
                    asked: *at,
                    ..nearest.clone()
                };
                seen.push((whom, stands_for));
            }
        }
        for (whom, answered) in seen {
            self.answered.entry(whom).or_default().push(answered);
        }
    }

    /// Whether an event answers what was asked before the journal's beginning.
    pub(super) fn was_asked_before(&self, event: &Event) -> bool {
        match question(event) {
            Some((true, number)) => self.probes.binary_search(&ProbeId(number)).is_err(),
            Some((false, number)) => self.refreshes.binary_search(&RefreshId(number)).is_err(),
            None => false,
        }
    }

    /// The answer to what is asked now, and when it comes. What nobody ever asked is not answered: the core takes it for
    /// lost in time.
    pub(super) fn answer(&self, now: Timestamp, action: &Action) -> Option<Reply> {
        let (whom, number) = match action {
            Action::StartProbe(start) => (Whom::Endpoint(start.endpoint), start.probe.0),
            Action::RefreshSource(order) => match &order.ask {
                Ask::Everything => (Whom::Source(order.source), order.refresh.0),
                Ask::Node(name) => (Whom::Node(order.source, name.clone()), order.refresh.0),
            },
            Action::ReloadTrust => {
                return Some(Reply {
                    at: now,
                    event: Event::TrustReloaded { changed: false },
                    apart: Duration::ZERO,
                });
            }
            _ => return None,
        };
        let tests = self.answered.get(&whom)?.iter();
        let nearest = tests.min_by_key(|answered| apart(answered.asked, now))?;
        Some(Reply {
            at: now + nearest.took,
            event: numbered(&nearest.event, number),
            apart: apart(nearest.asked, now),
        })
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

/// The same answer to another question.
fn numbered(event: &Event, number: u64) -> Event {
    let mut event = event.clone();
    match &mut event {
        Event::ProbeSucceeded { probe, .. } | Event::ProbeFailed { probe, .. } => *probe = ProbeId(number),
        Event::SourceReported { refresh, .. }
        | Event::SourceFailed { refresh, .. }
        | Event::NodeReported { refresh, .. } => *refresh = RefreshId(number),
        _ => {}
    }
    event
}
