//! Where a client that connects now goes.

use jackline_agent::status::{Class, NodeState, Status, word};

use super::rules;
use super::{Explanation, Fact};

/// So many candidates are told.
const CANDIDATES_MAX: usize = 8;

pub(super) fn explain(status: &Status) -> Explanation {
    let first = status.endpoints.first();
    let verdict = match (status.state, first) {
        (_, None) => "A client that connects now is held while every source is asked, then reset: no endpoint is known.".to_owned(),
        (NodeState::Attached, Some(first)) => {
            format!("A client that connects now goes to {}.", first.address)
        }
        (state, Some(first)) => format!(
            "A client that connects now is tried on {} first, then on all others, and reset if nobody answers within the hold time: the node is {}.",
            first.address,
            word(&state)
        ),
    };
    let mut facts = Vec::new();
    if !status.listen.is_empty() {
        let listen: Vec<String> = status.listen.iter().map(ToString::to_string).collect();
        facts.push(Fact::now(format!(
            "clients are accepted on {}",
            listen.join(" and ")
        )));
    }
    for (place, one) in status.endpoints.iter().take(CANDIDATES_MAX).enumerate() {
        let never = if one.class == Class::Impostor {
            ", never dialled"
        } else {
            ""
        };
        facts.push(Fact::now(format!(
            "{}. {} ({}{never}): {}",
            place + 1,
            one.address,
            word(&one.class),
            one.reason
        )));
    }
    let more = status.endpoints.len().saturating_sub(CANDIDATES_MAX);
    if more > 0 {
        facts.push(Fact::now(format!(
            "and {more} more (jackline status --output json)"
        )));
    }
    let sessions = &status.sessions;
    facts.push(Fact::now(format!(
        "sessions: {} open, {} refused since the start",
        sessions.open, sessions.refused_total
    )));
    let rules = match status.state {
        NodeState::Attached => vec![rules::S1, rules::S2, rules::S3, rules::S4],
        NodeState::Degraded => vec![rules::S1, rules::S5, rules::S6],
        NodeState::Isolated => vec![rules::S1, rules::S6, rules::R1],
    };
    Explanation {
        subject: "client".to_owned(),
        verdict,
        facts,
        rules,
        history: Vec::new(),
    }
}
