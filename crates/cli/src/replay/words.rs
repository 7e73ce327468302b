//! A replay in words for people.

use jackline_agent::journal::played::what_if::Account;
use jackline_agent::journal::played::{Joint, Played, Segment, Step, words};

use super::Answer;
use crate::args::ReplayArgs;

/// So many steps are explained; more are counted.
const EXPLAINED_MAX: usize = 40;
/// So many actions on either side of a difference are told.
const ACTIONS_MAX: usize = 12;

pub(super) fn answer(answer: &Answer, args: &ReplayArgs) -> String {
    let mut text = extent(&answer.played);
    text.push_str(&difference(&answer.played));
    if let Some(asked) = &answer.asked {
        text.push_str(&explained(&answer.played, asked));
    }
    if let Some(what_if) = &answer.what_if {
        text.push_str(&format!(
            "\nWith {}, in the world that the journal tells of:\n\n",
            args.set.join(", ")
        ));
        text.push_str(&accounts(&what_if.was.account, &what_if.would.account));
        text.push_str(&parting(answer, what_if));
    }
    text
}

/// What the journal holds.
fn extent(played: &Played) -> String {
    let mut text = String::new();
    for segment in &played.segments {
        if let Some(remark) = remark(segment) {
            text.push_str(&format!("{}: {remark}\n", segment.path.display()));
        }
    }
    let walls = || played.steps.iter().filter_map(|step| step.wall);
    let actions: usize = played.steps.iter().map(|step| step.actions.len()).sum();
    let segments = played.segments.len();
    text.push_str(&format!(
        "{segments} segment{}, {} events, {actions} actions",
        if segments == 1 { "" } else { "s" },
        played.steps.len()
    ));
    if let (Some(first), Some(last)) = (walls().min(), walls().max()) {
        text.push_str(&format!(", {first} to {last}"));
    }
    text.push('\n');
    text
}

/// What people should know of a segment.
pub(super) fn remark(segment: &Segment) -> Option<String> {
    let mut remarks = Vec::new();
    match segment.joint {
        Joint::First | Joint::Whole => {}
        Joint::Restarted => remarks.push("jackline was started anew before it".to_owned()),
        Joint::Parted => remarks.push(
            "it does not begin where the one before ends: lines between them were lost, as on a disk that hung"
                .to_owned(),
        ),
    }
    if segment.cut {
        remarks.push("its last line is cut short, as by a kill, and left out".to_owned());
    }
    if let Some(panic) = &segment.panic {
        remarks.push(format!(
            "the core panicked over its last event, which is not played again: {panic}"
        ));
    }
    let ours = env!("CARGO_PKG_VERSION");
    if segment.header.version != ours {
        remarks.push(format!(
            "written by jackline {}, played by {ours}: another core may decide otherwise",
            segment.header.version
        ));
    }
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// One sentence on whether the core does the same.
pub(super) fn verdict(played: &Played) -> String {
    match (played.difference, played.compared) {
        (Some(place), _) => {
            let step = &played.steps[place];
            let path = played.segments[step.segment].path.display();
            format!(
                "The core does something else than it did, first at line {} of {path}.",
                step.line
            )
        }
        (None, 0) => {
            "The journal does not tell what was done (an older jackline wrote it): nothing to compare with."
                .to_owned()
        }
        (None, compared) if compared == played.steps.len() => "The core does the same as it did.".to_owned(),
        (None, compared) => format!(
            "The core does the same as it did, in the {compared} of {} events whose actions the journal tells.",
            played.steps.len()
        ),
    }
}

fn difference(played: &Played) -> String {
    let mut text = format!("{}\n", verdict(played));
    let Some(place) = played.difference else {
        return text;
    };
    let step = &played.steps[place];
    let settings = &played.segments[step.segment].header.settings;
    text.push_str(&format!("\n{} {}\n", time(step), happened(played, step)));
    for (when, actions) in [
        ("then", step.kept.as_deref().unwrap_or_default()),
        ("now", &step.actions),
    ] {
        if actions.is_empty() {
            text.push_str(&format!("  {when}: nothing\n"));
        }
        for action in actions.iter().take(ACTIONS_MAX) {
            text.push_str(&format!("  {when}: {}\n", words::of_action(action, settings)));
        }
        if actions.len() > ACTIONS_MAX {
            text.push_str(&format!("  {when}: {} more\n", actions.len() - ACTIONS_MAX));
        }
    }
    text
}

/// Each step with the chain that led to it.
fn explained(played: &Played, asked: &[usize]) -> String {
    let mut text = String::new();
    if asked.is_empty() {
        return "\nNothing was decided then or before.\n".to_owned();
    }
    for place in asked.iter().take(EXPLAINED_MAX) {
        let step = &played.steps[*place];
        text.push('\n');
        for what in outcome(played, step) {
            text.push_str(&format!("{} {what}\n", time(step)));
        }
        for link in chain(played, *place) {
            text.push_str(&format!("    {link}\n"));
        }
    }
    if asked.len() > EXPLAINED_MAX {
        text.push_str(&format!(
            "\n{} more: ask for a shorter time, or for --output json\n",
            asked.len() - EXPLAINED_MAX
        ));
    }
    text
}

/// What a step changed and what people were told.
pub(super) fn outcome(played: &Played, step: &Step) -> Vec<String> {
    use jackline_agent::journal::Action;
    let settings = &played.segments[step.segment].header.settings;
    let mut lines: Vec<String> = step.changes.iter().map(words::of_change).collect();
    let told = step
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Announce(_) | Action::CloseSessions(_)));
    lines.extend(told.map(|action| words::of_action(action, settings)));
    lines
}

/// The chain of events that led to a step, oldest first.
pub(super) fn chain(played: &Played, place: usize) -> Vec<String> {
    let links = played.chain(place).into_iter();
    links
        .map(|link| {
            let step = &played.steps[link];
            let because = if link == place { "because" } else { "after" };
            format!("{because} {} {}", time(step), happened(played, step))
        })
        .collect()
}

pub(super) fn happened(played: &Played, step: &Step) -> String {
    words::of_event(
        &step.event,
        step.timer,
        &played.segments[step.segment].header.settings,
    )
}

/// When, for people: the day is in the first line.
fn time(step: &Step) -> String {
    match step.wall {
        Some(wall) => wall.strftime("%T%.3fZ").to_string(),
        None => format!("{} s", step.at),
    }
}

fn accounts(was: &Account, would: &Account) -> String {
    let seconds = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
    let rows = [
        ("attached", seconds(was.attached_ms), seconds(would.attached_ms)),
        ("degraded", seconds(was.degraded_ms), seconds(would.degraded_ms)),
        ("isolated", seconds(was.isolated_ms), seconds(would.isolated_ms)),
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
        ("lines in the log", was.lines.to_string(), would.lines.to_string()),
        (
            "answers of another moment",
            was.guessed.to_string(),
            would.guessed.to_string(),
        ),
    ];
    let mut text = format!("{:34}{:>16}{:>16}\n", "", "as it was set", "otherwise");
    for (what, was, would) in rows {
        text.push_str(&format!("{what:34}{was:>16}{would:>16}\n"));
    }
    text
}

fn parting(answer: &Answer, what_if: &super::WhatIf) -> String {
    let Some(place) = what_if.parting else {
        return "\nNothing would have been done otherwise.\n".to_owned();
    };
    let Some(segment) = answer.played.segments.last() else {
        return String::new();
    };
    let mut text = "\nThe first thing done otherwise:\n".to_owned();
    for (name, course) in [("as it was set", &what_if.was), ("otherwise", &what_if.would)] {
        text.push_str(&match course.actions.get(place) {
            None => format!("  {name}: nothing more\n"),
            Some((at, action)) => {
                let wall = segment.header.wall_of(*at);
                let time =
                    wall.map_or_else(|| format!("{at} s"), |wall| wall.strftime("%T%.3fZ").to_string());
                format!(
                    "  {name}: {time} {}\n",
                    words::of_action(action, &segment.header.settings)
                )
            }
        });
    }
    text
}
