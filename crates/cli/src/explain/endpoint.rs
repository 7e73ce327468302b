//! Why one endpoint is used, or is not.

use jackline_agent::journal::told::Told;
use jackline_agent::status::{
    Administration, Class, Drainer, Endpoint, Health, Source, Standing, Status, word,
};

use super::rules::{self, Rule};
use super::{Explanation, Fact, newest};
use crate::drain::Target;
use crate::status::words::span;

/// Each endpoint that `target` means: of the API, or of another service.
pub(super) fn explain(status: &Status, target: Target, past: &[Told]) -> Result<Vec<Explanation>, String> {
    let means = |one: &&Endpoint| {
        one.address.ip() == target.ip && target.port.is_none_or(|port| port == one.address.port())
    };
    let of_api = status.endpoints.iter().filter(means);
    let mut made: Vec<Explanation> = of_api
        .map(|one| of_one(status, &status.endpoints, &status.sources, one, past))
        .collect();
    for service in &status.services {
        let of_service = service.endpoints.iter().filter(means);
        made.extend(of_service.map(|one| of_one(status, &service.endpoints, &service.sources, one, &[])));
    }
    match made.is_empty() {
        false => Ok(made),
        true => Err(gone(target, past)),
    }
}

/// Nothing is known of it now; what the journal has is told.
fn gone(target: Target, past: &[Told]) -> String {
    let about = |told: &Told| {
        told.endpoint
            .is_some_and(|one| one.ip() == target.ip && target.port.is_none_or(|port| port == one.port()))
    };
    let last = newest(past, about)
        .pop()
        .and_then(|told| Some((told.at?, told.text)));
    let before =
        last.map(|(at, text)| format!(" Its last event was at {} UTC: {text}.", at.strftime("%F %T")));
    format!(
        "{target} is not known: no source lists it and nothing is remembered of it.{} \
         If it is an apiserver, see what the sources say: jackline explain source",
        before.unwrap_or_default()
    )
}

fn of_one(
    status: &Status,
    all: &[Endpoint],
    sources: &[Source],
    one: &Endpoint,
    past: &[Told],
) -> Explanation {
    let place = all
        .iter()
        .position(|other| other.address == one.address)
        .unwrap_or(0);
    let about = |told: &Told| told.endpoint == Some(one.address);
    let history = newest(past, about);
    Explanation {
        subject: one.address.to_string(),
        verdict: verdict(all, one, place),
        facts: facts(status, sources, one, past),
        rules: deciding(one, place),
        history,
    }
}

/// Where it stands, and why there, in one sentence.
fn verdict(all: &[Endpoint], one: &Endpoint, place: usize) -> String {
    let address = one.address;
    let first = all
        .first()
        .map(|first| first.address.to_string())
        .unwrap_or_default();
    let used = match (one.class, place) {
        (Class::ReadyListed | Class::ReadyRetained, 0) => {
            "is this node's first choice: new sessions go there".to_owned()
        }
        (Class::ReadyListed | Class::ReadyRetained, _) => {
            format!(
                "is ready, at place {} of {}: new sessions go to {first} first",
                place + 1,
                all.len()
            )
        }
        (_, 0) => "is the first to be tried, for nobody is better".to_owned(),
        (Class::Draining, _) => "gets no new session: it is drained, and another is ready".to_owned(),
        (Class::Impostor, _) => "is never dialled for a client: it is another one's server".to_owned(),
        (Class::NoApi, _) => "is not used for clients: it serves no Kubernetes API".to_owned(),
        (Class::Archived, _) => {
            "is not used: it is archived, and tried only while the node is isolated".to_owned()
        }
        (_, place) => format!(
            "is not used: it comes at place {} of {}, after {first}",
            place + 1,
            all.len()
        ),
    };
    let what = word(&one.health);
    format!(
        "{address} {used}. Its health is {what}: {}.",
        one.reason.trim_end_matches('.')
    )
}

fn facts(status: &Status, sources: &[Source], one: &Endpoint, past: &[Told]) -> Vec<Fact> {
    let mut facts = vec![standing(one, past)];
    facts.extend(node(one));
    for source in sources.iter().filter(|source| one.sources.contains(&source.name)) {
        facts.extend(
            source
                .last_report
                .map(|at| Fact::at(at, format!("{} listed it", source.name))),
        );
    }
    facts.push(Fact::at(
        one.health_since,
        format!(
            "{} since then, for {}: {}",
            word(&one.health),
            span(one.health_since, status.now),
            one.reason
        ),
    ));
    facts.push(match one.last_probe {
        Some(at) => Fact::at(at, "the last test ended".to_owned()),
        None => Fact::now("it has not been tested in this run"),
    });
    if one.health != Health::Ready {
        facts.push(match one.last_ready {
            Some(at) => Fact::at(at, "it was ready last"),
            None => Fact::now("it was never seen ready"),
        });
    }
    if one.administration == Administration::Draining {
        let who = match one.drained_by.as_slice() {
            [Drainer::Fleet] => {
                "an operator of the cluster drains it, for the whole fleet (jackline.dev/drain)"
            }
            [_, _, ..] => "it is drained on this node and for the whole fleet",
            _ => "this node's operator drains it",
        };
        facts.push(Fact::now(who));
    }
    if one.suspected {
        facts.push(Fact::now(
            "something speaks against it and is being tested: it comes after its equals",
        ));
    }
    if let (Some(zone), own) = (&one.zone, &status.zone) {
        facts.push(Fact::now(match own {
            Some(own) if own == zone => format!("it is in this node's own zone, {zone}"),
            Some(own) => format!("it is in zone {zone}, this node is in {own}"),
            None => format!("it is in zone {zone}"),
        }));
    }
    facts.push(Fact::now(format!("open sessions with it: {}", one.sessions)));
    facts
}

/// What the sources say, and since when.
fn standing(one: &Endpoint, past: &[Told]) -> Fact {
    let last = |event: &str| {
        past.iter()
            .rev()
            .find(|told| told.endpoint == Some(one.address) && told.event == event)
    };
    match one.standing {
        Standing::Listed => Fact::now(format!("listed by {}", one.sources.join(", "))),
        Standing::Retained => match last("endpoint-unlisted").and_then(|told| Some((told.at?, &told.text))) {
            Some((at, text)) => Fact::at(at, text.clone()),
            None => Fact::now("no source lists it; it is remembered from before, and retained"),
        },
        Standing::Archived => match last("endpoint-archived").and_then(|told| Some((told.at?, &told.text))) {
            Some((at, text)) => Fact::at(at, text.clone()),
            None => Fact::now("archived: it was proven gone"),
        },
    }
}

fn node(one: &Endpoint) -> Option<Fact> {
    let Some(node) = &one.node else {
        return (one.standing == Standing::Retained)
            .then(|| Fact::now("no Node is known for it, so only a much longer absence counts"));
    };
    Some(Fact::now(match (node.leaving, node.ready) {
        (true, _) => format!("its Node {} is being deleted, which counts as gone", node.name),
        (_, Some(false)) => format!("its Node {} exists, and is NotReady", node.name),
        _ => format!("its Node {} exists", node.name),
    }))
}

fn deciding(one: &Endpoint, place: usize) -> Vec<Rule> {
    let mut found = Vec::new();
    found.push(match one.standing {
        Standing::Listed => rules::M1,
        Standing::Retained => rules::M3,
        Standing::Archived => rules::M5,
    });
    match one.class {
        Class::Impostor | Class::Unverified => found.push(rules::H8),
        Class::NoApi => found.push(rules::H6),
        Class::Hint => found.push(rules::P2),
        Class::NotReady => found.extend([rules::H2, rules::S5]),
        Class::Draining => found.push(rules::D2),
        Class::Unreachable => found.extend([rules::H1, rules::D1]),
        Class::ReadyListed | Class::ReadyRetained | Class::Alive | Class::Unknown | Class::Archived => {
            found.push(rules::H1)
        }
    }
    if one.reason.contains("(H4)") {
        found.push(rules::H4);
    }
    if one.avoided {
        found.push(rules::HEARTBEAT);
    }
    if one.suspected {
        found.push(rules::H7);
    }
    found.push(rules::S1);
    if place > 0 && matches!(one.class, Class::ReadyListed | Class::ReadyRetained) {
        found.push(rules::S2);
    }
    found
}
