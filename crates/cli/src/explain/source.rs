//! What each source says, since when, and when it is asked next.

use jackline_agent::journal::told::Told;
use jackline_agent::status::{Mode, NodeState, Source, SourceKind, SourceState, Status, word};

use super::rules::{self, Rule};
use super::{Explanation, Fact, newest};
use crate::status::words::span;

/// All sources, or the one of this name.
pub(super) fn explain(
    status: &Status,
    name: Option<&str>,
    past: &[Told],
) -> Result<Vec<Explanation>, String> {
    let besides = status.services.iter().flat_map(|service| &service.sources);
    let all: Vec<&Source> = status.sources.iter().chain(besides).collect();
    let wanted = all
        .iter()
        .filter(|source| name.is_none_or(|name| name == source.name));
    let made: Vec<Explanation> = wanted.map(|source| of_one(status, source, past)).collect();
    if !made.is_empty() {
        return Ok(made);
    }
    let names: Vec<&str> = all.iter().map(|source| source.name.as_str()).collect();
    Err(match names.is_empty() {
        true => "no source is configured: name a server with `jackline run --server`".to_owned(),
        false => format!("there is no such source; there are: {}", names.join(", ")),
    })
}

fn of_one(status: &Status, source: &Source, past: &[Told]) -> Explanation {
    let name = &source.name;
    let verdict = match source.state {
        SourceState::Waiting => format!("{name} has not been asked yet."),
        SourceState::Good => format!("{name} answers, and lists {} endpoints.", source.endpoints.len()),
        SourceState::Empty => format!("{name} answers, and knows nothing: nothing is forgotten for it."),
        SourceState::Failed => format!(
            "{name} fails, so what it said last still counts: {}.",
            source
                .error
                .as_deref()
                .unwrap_or("no reason is known")
                .trim_end_matches('.')
        ),
    };
    let mut facts = vec![Fact::now(format!(
        "a {} source, {}",
        word(&source.kind),
        match source.mode {
            Mode::Watch => "watched: changes come at once, and it is asked from scratch besides",
            Mode::Poll => "asked again and again",
            Mode::Fixed if source.next_refresh.is_none() => "read once: it does not change",
            Mode::Fixed => "which seldom changes, and is asked again all the same",
        }
    ))];
    match source.last_report {
        Some(at) => facts.push(Fact::at(
            at,
            format!("it answered last, {} ago", span(at, status.now)),
        )),
        None => facts.push(Fact::now("it has not answered in this run")),
    }
    if !source.endpoints.is_empty() {
        let list: Vec<String> = source.endpoints.iter().map(ToString::to_string).collect();
        facts.push(Fact::now(format!("it lists {}", list.join(", "))));
    }
    match source.next_refresh {
        Some(at) if at > status.now => facts.push(Fact::at(at, "it is asked next")),
        Some(_) => facts.push(Fact::now("it is due to be asked now")),
        None if source.mode == Mode::Fixed => {}
        None => facts.push(Fact::now("it is being asked now")),
    }
    facts.extend(source.note.as_deref().map(Fact::now));
    Explanation {
        subject: name.clone(),
        verdict,
        facts,
        rules: deciding(status, source),
        history: newest(past, |told| told.source.as_ref() == Some(name)),
    }
}

fn deciding(status: &Status, source: &Source) -> Vec<Rule> {
    let mut found = vec![match source.kind {
        SourceKind::Static | SourceKind::Registration => rules::M4,
        SourceKind::Supervisor | SourceKind::Import => rules::M6,
        _ => rules::M3,
    }];
    if matches!(source.state, SourceState::Failed | SourceState::Empty) {
        found.push(rules::M2);
    }
    found.push(match status.state {
        NodeState::Isolated => rules::R1,
        _ => rules::R2,
    });
    found.push(rules::R3);
    found
}
