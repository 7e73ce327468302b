//! Why the node is attached, degraded or isolated, and what is being done about it.

use jackline_agent::journal::told::Told;
use jackline_agent::status::{NodeState, Source, Status, TrustState, word};

use super::rules;
use super::{Explanation, Fact, newest};
use crate::status::words::span;

pub(super) fn explain(status: &Status, past: &[Told]) -> Explanation {
    let reason = status.state_reason.trim_end_matches('.');
    let lasted = span(status.since, status.now);
    let verdict = match status.state {
        NodeState::Attached => {
            format!("The node is not isolated: it has been attached for {lasted}. {reason}.")
        }
        NodeState::Degraded => format!(
            "The node is degraded, for {lasted}: no apiserver is ready, but some answer. {reason}. Look at the apiservers, not at this node."
        ),
        NodeState::Isolated => format!(
            "The node is isolated, for {lasted}: {reason}. It comes back by itself as soon as one answers; a restart helps nothing."
        ),
    };
    let mut facts = vec![Fact::at(
        status.since,
        format!("{} since then: {reason}", word(&status.state)),
    )];
    if status.endpoints.is_empty() {
        facts.push(Fact::now(
            "no endpoint is known, from no source and from no memory",
        ));
    }
    for one in &status.endpoints {
        let tested = one.last_probe.unwrap_or(one.health_since);
        facts.push(Fact::at(
            tested,
            format!("{} is {}: {}", one.address, word(&one.health), one.reason),
        ));
    }
    facts.extend(status.sources.iter().filter_map(failing));
    if status.trust.state == TrustState::Lost {
        let reason = status
            .trust
            .reason
            .as_deref()
            .unwrap_or("no certificate verifies");
        facts.push(match status.trust.since {
            Some(at) => Fact::at(at, format!("trust is lost: {reason}")),
            None => Fact::now(format!("trust is lost: {reason}")),
        });
    }
    facts.extend(status.warnings.iter().map(Fact::now));
    let rules = match status.state {
        NodeState::Attached => vec![rules::R2],
        NodeState::Degraded => vec![rules::S5, rules::H2, rules::S6],
        NodeState::Isolated => vec![rules::R1, rules::S6, rules::M2, rules::M5],
    };
    let of_node = |told: &Told| {
        [
            "node-attached",
            "node-degraded",
            "node-isolated",
            "trust-lost",
            "local-fault",
        ]
        .contains(&told.event.as_str())
    };
    Explanation {
        subject: "isolation".to_owned(),
        verdict,
        facts,
        rules,
        history: newest(past, of_node),
    }
}

fn failing(source: &Source) -> Option<Fact> {
    let error = source.error.as_deref()?;
    let text = format!("source {} fails: {error}", source.name);
    Some(match source.next_refresh {
        Some(at) => Fact::at(at, format!("{text}; it is asked again then")),
        None => Fact::now(format!("{text}; it is being asked now")),
    })
}
