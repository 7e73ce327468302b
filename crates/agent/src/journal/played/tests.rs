//! Journals as the agent writes them, played again: as they are, doctored, cut short.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{
    Action, Answer, Depth, DialFailure, Event, Finding, Listing, Policy, ProbeFailure, Report, Settings,
    SourceKind, SourceSpec, StartProbe, Timestamp,
};

use super::what_if::{SettingError, what_if};
use super::{Joint, Played, find, play};
use crate::files::Disk;
use crate::journal::ring::Outlet;
use crate::journal::{Journal, Origin};

const SIZE: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// Then the first server refuses a client's dial, and every test.
const LOST_AT: u64 = 120_000;
const END: u64 = 300_000;
const LOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 6443);

/// A stand-in for the driver and the world: a node learns of three servers, tests them, and loses one.
fn story(dir: &Path) -> Vec<PathBuf> {
    let outlet = Outlet::start(Arc::new(Disk), dir.to_owned(), SIZE, PATIENCE).expect("a thread");
    let mut journal = Journal::new(outlet, SIZE);
    let source = |name: &str, kind| SourceSpec {
        name: name.into(),
        kind,
    };
    let settings = Settings {
        node: "node-1/10.0.0.9".into(),
        sources: vec![
            source("static", SourceKind::Static),
            source("kubernetes", SourceKind::Kubernetes),
        ],
        ..Settings::default()
    };
    let origin = Origin { seed: 7, settings };
    let mut policy = Policy::new(origin.settings.clone(), origin.seed, Timestamp::ZERO);
    let refused = Event::DialFailed {
        endpoint: LOST,
        failure: DialFailure::Refused,
    };
    let mut coming = BTreeMap::from([((LOST_AT, 0), refused)]);
    let (mut now, mut count) = (0, 0);
    while now < END {
        let due = policy.next_deadline().map_or(END, |(at, _)| at.as_millis());
        let event = match coming.first_entry().filter(|entry| entry.key().0 <= due) {
            Some(entry) => {
                now = entry.key().0;
                entry.remove()
            }
            None => {
                now = due.max(now + 1);
                Event::DeadlineReached
            }
        };
        let at = Timestamp::from_millis(now);
        journal.record(at, &event, &policy, &origin);
        let mut actions = Vec::new();
        policy.step(at, event, &mut actions);
        journal.acted(&actions);
        for answer in actions.iter().filter_map(|action| answer(action, now)) {
            count += 1;
            coming.insert((now + 3, count), answer);
        }
    }
    journal.finish(Timestamp::from_millis(now), PATIENCE);
    find(dir).expect("a journal")
}

fn answer(action: &Action, now: u64) -> Option<Event> {
    match action {
        Action::RefreshSource(order) => Some(Event::SourceReported {
            source: order.source,
            refresh: order.refresh,
            position: 0,
            report: Report {
                endpoints: (1..=3)
                    .map(|last| Listing::from(SocketAddr::from(([10, 0, 0, last], 6443))))
                    .collect(),
                verified: true,
                ..Report::default()
            },
        }),
        Action::StartProbe(start) => Some(probed(start, now < LOST_AT || start.endpoint != LOST)),
        _ => None,
    }
}

fn probed(start: &StartProbe, good: bool) -> Event {
    let (endpoint, probe) = (start.endpoint, start.probe);
    match good {
        true => Event::ProbeSucceeded {
            endpoint,
            probe,
            finding: Finding {
                depth: Depth::Readyz,
                answer: Answer::Ready,
                connect: Some(Duration::from_millis(1)),
                total: Duration::from_millis(3),
                authenticated: false,
            },
        },
        false => Event::ProbeFailed {
            endpoint,
            probe,
            failure: ProbeFailure::Refused {
                detail: "connection refused".into(),
            },
        },
    }
}

fn played(dir: &Path) -> Played {
    play(&story(dir)).expect("plays")
}

#[test]
fn a_journal_replays_to_the_same_actions() {
    let dir = tempfile::tempdir().expect("a folder");
    let played = played(dir.path());
    assert!(played.steps.len() >= 80, "{}", played.steps.len());
    assert_eq!(played.compared, played.steps.len());
    assert_eq!(played.difference, None);
    let acted: usize = played.steps.iter().map(|step| step.actions.len()).sum();
    assert!(acted > 50, "only {acted} actions: nothing is compared");
    let joints = played.segments.iter().map(|segment| segment.joint);
    assert!(joints.skip(1).all(|joint| joint == Joint::Whole));
}

#[test]
fn a_doctored_journal_shows_the_first_difference() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = story(dir.path());
    let text = fs::read_to_string(&paths[0]).expect("there");
    // The dial that was refused never was.
    let refused = text
        .lines()
        .position(|line| line.contains("DialFailed"))
        .expect("there");
    let doctored = text.replacen(
        "{\"DialFailed\":{\"endpoint\":\"10.0.0.1:6443\",\"failure\":\"Refused\"}}",
        "\"RefreshRequested\"",
        1,
    );
    assert_ne!(doctored, text);
    fs::write(&paths[0], doctored).expect("written");
    let played = play(&paths).expect("plays");
    let difference = &played.steps[played.difference.expect("it differs")];
    assert_eq!(difference.line, refused as u64 + 1);
    assert_eq!(difference.event, Event::RefreshRequested);
    assert_ne!(difference.kept.as_ref(), Some(&difference.actions));
}

#[test]
fn rubbish_is_refused_with_a_sentence_and_a_line_cut_short_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = story(dir.path());
    let text = fs::read_to_string(&paths[0]).expect("there");
    let path = dir.path().join("one.jsonl");
    let said = |text: &str| {
        fs::write(&path, text).expect("written");
        play(std::slice::from_ref(&path)).map_err(|error| error.to_string())
    };
    let header = text.lines().next().expect("a header").len();
    for (rubbish, sentence) in [
        ("rubbish\n", "line 1 of the journal segment is damaged"),
        ("", "there is no whole line"),
        (&text[..header / 2], "there is no whole line"),
        ("{\"jackline_journal\":9}\n", "has format 9"),
        (
            &text.replacen("DeadlineReached", "DeadlineRaeched", 1),
            "unknown variant",
        ),
    ] {
        let error = said(rubbish).expect_err(sentence);
        assert!(error.contains(sentence) && error.contains("one.jsonl"), "{error}");
    }
    let whole = said(&text).expect("plays");
    assert!(!whole.segments[0].cut);
    let cut = said(&text[..text.len() - 3]).expect("plays");
    assert!(cut.segments[0].cut);
    assert_eq!(cut.steps.len() + 1, whole.steps.len());
    assert_eq!(cut.difference, None);
}

#[test]
fn the_chain_leads_from_a_judgement_back_to_what_made_the_core_ask() {
    let dir = tempfile::tempdir().expect("a folder");
    let played = played(dir.path());
    let dial = played
        .steps
        .iter()
        .position(|step| matches!(step.event, Event::DialFailed { .. }))
        .expect("a dial");
    let judged = played
        .steps
        .iter()
        .position(|step| matches!(step.event, Event::ProbeFailed { .. }))
        .expect("a test");
    let chain = played.chain(judged);
    assert_eq!(chain.last(), Some(&judged));
    assert!(chain.contains(&dial), "{chain:?} leads past {dial}");
    assert!(played.telling(judged..=judged).contains(&judged));
}

#[test]
fn another_setting_tests_more_often_and_the_same_one_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let played = played(dir.path());
    let same = what_if(&played, &[]).expect("plays");
    assert_eq!(same.parting, None);
    assert!(same.was.account.tests > 10, "{:?}", same.was.account);
    let often = ["timing.probe-used=1s", "timing.probe-idle=1s"].map(str::to_owned);
    let other = what_if(&played, &often).expect("plays");
    assert!(other.parting.is_some());
    assert!(
        other.would.account.tests > 3 * other.was.account.tests,
        "{:?} {:?}",
        other.was.account,
        other.would.account
    );
    for (word, sentence) in [
        ("probe", "is no setting"),
        ("timing.hold=1s", "cannot be set for a replay"),
        ("timing.grace=soon", "timing.grace: \"soon\" cannot be read"),
        ("timing.grace=0s", "too short"),
    ] {
        let error = what_if(&played, &[word.to_owned()]).expect_err(word);
        assert!(error.to_string().contains(sentence), "{error}");
        assert_ne!(error, SettingError::Nothing);
    }
}
