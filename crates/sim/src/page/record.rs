//! What happens in a world, as lanes: how each server, node, source, endpoint and lasting session is, and every decision
//! with the reason that the policy gave for it. Kept for one world at a time; a swarm is played without.

use std::collections::BTreeMap;

use jackline_core::{Action, Event, Level, NodeState, Pace, Subject, Timestamp};

use super::{Group, Lane, Mark, Span, Tone};
use crate::plane::{Host, Process, Server};
use crate::scene::Scene;
use crate::spec::{NodeSpec, kind_word};
use crate::world::World;

/// So many facts that led to a decision are told with it.
const WHY_MAX: usize = 4;
/// Letters of one of them.
const FACT_MAX: usize = 200;

/// The lanes of a world under way.
#[derive(Debug, Default)]
pub(crate) struct Record {
    lanes: BTreeMap<(Group, String), Lane>,
    /// What each node was told last.
    told: BTreeMap<String, Vec<String>>,
    /// What each node said of itself last.
    said: BTreeMap<String, String>,
}

impl Record {
    /// The lanes, which end now.
    pub(crate) fn finish(mut self, now: Timestamp) -> Vec<Lane> {
        for lane in self.lanes.values_mut() {
            if let Some(last) = lane.spans.last_mut().filter(|last| last.to_ms == u64::MAX) {
                last.to_ms = now.as_millis();
            }
        }
        self.lanes.into_values().collect()
    }

    /// Something is so from now on.
    fn turn(&mut self, now: Timestamp, group: Group, name: &str, state: &str, why: &str) {
        let at = now.as_millis();
        let lane = self.lane(group, name);
        match lane.spans.last_mut().filter(|last| last.to_ms == u64::MAX) {
            Some(last) if last.state == state && last.why == why => return,
            Some(last) => last.to_ms = at,
            None => {}
        }
        lane.spans.push(Span {
            from_ms: at,
            to_ms: u64::MAX,
            state: state.to_owned(),
            tone: Tone::of(state),
            why: why.to_owned(),
        });
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

    /// Something happened.
    pub(crate) fn mark(&mut self, now: Timestamp, group: Group, name: &str, tone: Tone, what: String) {
        let why = match group {
            Group::Node => self.told.get(name).cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        self.lane(group, name).marks.push(Mark {
            at_ms: now.as_millis(),
            tone,
            what,
            why,
        });
    }

    /// A node is told a fact.
    pub(crate) fn hear(&mut self, now: Timestamp, node: &NodeSpec, event: &Event) {
        if let Some((source, state, why)) = of_source(event) {
            let kind = node.sources.get(usize::from(source.0));
            if let Some(kind) = kind {
                let name = format!("{} / {}", node.name, kind_word(*kind));
                self.turn(now, Group::Source, &name, state, &why);
            }
        }
        if *event == Event::DeadlineReached || matches!(event, Event::SessionsProgressed { .. }) {
            return;
        }
        let mut fact = format!("{now} s: it is told {event:?}");
        if let Some((end, _)) = fact.char_indices().nth(FACT_MAX) {
            fact.truncate(end);
            fact.push('…');
        }
        let told = self.told.entry(node.name.clone()).or_default();
        if told.len() >= WHY_MAX {
            told.remove(0);
        }
        told.push(fact);
    }

    /// A node has decided.
    pub(crate) fn decide(&mut self, scene: (&Names<'_>, Timestamp), node: &NodeSpec, actions: &[Action]) {
        let (names, now) = scene;
        for action in actions {
            match action {
                Action::Announce(said) => {
                    let subject = match &said.subject {
                        Subject::Node => {
                            self.said.insert(node.name.clone(), said.text.clone());
                            String::new()
                        }
                        Subject::Endpoint(endpoint) => format!("{}: ", names(*endpoint)),
                        Subject::Source(source) => {
                            let kind = node.sources.get(usize::from(source.0));
                            format!("source {}: ", kind.map_or("", |kind| kind_word(*kind)))
                        }
                    };
                    if let Subject::Endpoint(endpoint) = &said.subject
                        && let Some((state, why)) = said.text.split_once(": ")
                        && is_health(state)
                    {
                        let lane = format!("{} / {}", node.name, names(*endpoint));
                        self.turn(now, Group::Endpoint, &lane, state, why);
                    }
                    let tone = match said.level {
                        Level::Debug => Tone::Plain,
                        Level::Info => Tone::Good,
                        Level::Warn => Tone::Poor,
                        Level::Error => Tone::Bad,
                    };
                    self.mark(
                        now,
                        Group::Node,
                        &node.name,
                        tone,
                        format!("{subject}{}", said.text),
                    );
                }
                Action::CloseSessions(order) => {
                    let how = match order.pace {
                        Pace::Reset(_) => "resets",
                        Pace::Quiet(_) => "moves",
                    };
                    let what = format!("{how} sessions on {}: {}", names(order.endpoint), order.reason);
                    self.mark(now, Group::Node, &node.name, Tone::Poor, what);
                }
                _ => {}
            }
        }
    }
}

/// What an endpoint is called.
pub(crate) type Names<'a> = dyn Fn(std::net::SocketAddr) -> String + 'a;

/// Looks at all that the facts and commands do not tell, after each step.
pub(crate) fn look(world: &mut World) {
    let Some(mut record) = world.scene.record.take() else {
        return;
    };
    let now = world.scene.now;
    for server in &world.scene.plane.servers {
        let (state, why) = of_server(&world.scene, server);
        record.turn(now, Group::Server, &server.name, state, &why);
    }
    for node in &world.nodes {
        let state = match node.state() {
            None => "not running",
            Some(NodeState::Attached) => "attached",
            Some(NodeState::Degraded) => "degraded",
            Some(NodeState::Isolated) => "isolated",
        };
        let said = record
            .said
            .get(&node.spec.name)
            .filter(|_| node.state().is_some());
        let why = said.cloned().unwrap_or_default();
        record.turn(now, Group::Node, &node.spec.name, state, &why);
        let lasting: Vec<usize> = (0..node.clients.len())
            .filter(|client| node.is_lasting(*client))
            .collect();
        for client in lasting {
            let name = format!("{} / client {client}", node.spec.name);
            let session = node.sessions.values().find(|session| session.client == client);
            let state = session.map_or_else(
                || "no session".to_owned(),
                |session| format!("on {}", world.scene.name_of(session.endpoint)),
            );
            record.turn(now, Group::Session, &name, &state, "");
        }
    }
    world.scene.record = Some(record);
}

fn of_server(scene: &Scene, server: &Server) -> (&'static str, String) {
    let mut why: Vec<String> = server
        .failing
        .iter()
        .map(|check| format!("{check} fails"))
        .collect();
    for (is, words) in [
        (server.cut_from_etcd, "cut off from etcd"),
        (server.loses_writes, "loses writes"),
        (server.foreign, "another cluster's"),
        (server.says_instead.is_some(), "tells a wrong list"),
    ] {
        if is {
            why.push(words.to_owned());
        }
    }
    let id = scene.plane.at(server.ip.into());
    let ready = id.is_some_and(|id| scene.plane.is_ready(id, scene.now));
    let state = match (server.host, server.process) {
        (Host::Silent, _) => "silent",
        (_, Process::Dead) => "stopped",
        _ if server.frozen => "frozen",
        (_, Process::Booting) => "starting",
        (_, Process::Accepting) => "accepting",
        (_, Process::Leaving) => "leaving",
        (_, Process::Closing) => "closing",
        (_, Process::Ready) if server.slow.is_some() => "overloaded",
        (_, Process::Ready) if !server.has_api() => "without API",
        (_, Process::Ready) if ready => "ready",
        (_, Process::Ready) => "not-ready",
    };
    (state, why.join(", "))
}

fn of_source(event: &Event) -> Option<(jackline_core::SourceId, &'static str, String)> {
    match event {
        Event::SourceReported { source, report, .. } => {
            let nothing =
                report.endpoints.is_empty() && report.nodes.is_empty() && report.heartbeat.is_none();
            let state = if nothing { "empty" } else { "good" };
            let listed: Vec<String> = report
                .endpoints
                .iter()
                .map(|listing| listing.ip.to_string())
                .collect();
            let why = match listed.is_empty() {
                true => String::new(),
                false => format!("lists {}", listed.join(", ")),
            };
            Some((*source, state, why))
        }
        Event::SourceFailed { source, failure, .. } => Some((*source, "failed", failure.reason.clone())),
        _ => None,
    }
}

fn is_health(word: &str) -> bool {
    matches!(
        word,
        "ready" | "alive" | "not-ready" | "unreachable" | "impostor" | "unknown"
    )
}
