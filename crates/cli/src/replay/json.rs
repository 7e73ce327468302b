//! A replay as JSON: docs/replay-schema.json.

use jackline_agent::journal::played::Step;
use jackline_agent::journal::played::what_if::Course;
use serde_json::{Value, json};

use super::{Answer, words};
use crate::args::ReplayArgs;

pub(super) fn answer(answer: &Answer, args: &ReplayArgs) -> Value {
    let played = &answer.played;
    let walls = || played.steps.iter().filter_map(|step| step.wall);
    json!({
        "verdict": words::verdict(played),
        "from": walls().min(),
        "to": walls().max(),
        "events": played.steps.len(),
        "actions": played.steps.iter().map(|step| step.actions.len()).sum::<usize>(),
        "compared": played.compared,
        "segments": played.segments.iter().map(|segment| json!({
            "file": segment.path,
            "version": segment.header.version,
            "from": segment.header.wall,
            "remark": words::remark(segment),
        })).collect::<Vec<_>>(),
        "difference": played.difference.map(|place| {
            let step = &played.steps[place];
            json!({
                "file": played.segments[step.segment].path,
                "line": step.line,
                "at": step.wall,
                "event": step.event,
                "then": step.kept,
                "now": step.actions,
            })
        }),
        "asked": answer.asked.as_ref().map(|asked| {
            asked.iter().map(|place| explained(answer, *place)).collect::<Vec<_>>()
        }),
        "what_if": answer.what_if.as_ref().map(|what_if| json!({
            "set": args.set,
            "was": what_if.was.account,
            "would": what_if.would.account,
            "first": what_if.parting.map(|place| json!({
                "was": action(&what_if.was, place),
                "would": action(&what_if.would, place),
            })),
        })),
    })
}

fn explained(answer: &Answer, place: usize) -> Value {
    let played = &answer.played;
    let step = &played.steps[place];
    json!({
        "at": step.wall,
        "file": played.segments[step.segment].path,
        "line": step.line,
        "what": words::outcome(played, step),
        "chain": played.chain(place).into_iter().map(|link| {
            let step: &Step = &played.steps[link];
            json!({
                "at": step.wall,
                "what": words::happened(played, step),
                "event": step.event,
                "actions": step.actions,
            })
        }).collect::<Vec<_>>(),
    })
}

fn action(course: &Course, place: usize) -> Option<Value> {
    let (at, action) = course.actions.get(place)?;
    Some(json!({ "at_ms": at, "action": action }))
}
