//! The journal: bounded, prompt where it matters, whole again after a full disk, and a replay of what was.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jackline_core::{
    Action, Answer, Depth, Event, Finding, Listing, Policy, ProbeId, RefreshId, Report, Settings, SourceId,
    SourceKind, SourceSpec, Timestamp,
};
use proptest::prelude::{Strategy, any, prop};
use proptest::test_runner::{Config, TestRunner};

use super::deeds::are_alike;
use super::replay::{Replay, ReplayError, replay, segments};
use super::ring::Outlet;
use super::{Journal, Line, Origin, What};
use crate::files::faulty::{Fault, FaultyDisk};
use crate::files::{Disk, Files};

const SIZE: u64 = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3600);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn origin() -> Origin {
    let spec = |name: &str, kind| SourceSpec {
        name: name.into(),
        kind,
    };
    let settings = Settings {
        node: "node-1/10.0.0.5".into(),
        sources: vec![
            spec("static", SourceKind::Static),
            spec("registration", SourceKind::Registration),
        ],
        ..Settings::default()
    };
    Origin {
        seed: u64::MAX,
        settings,
    }
}

fn policy() -> Policy {
    let origin = origin();
    Policy::new(origin.settings, origin.seed, Timestamp::ZERO)
}

fn journal(files: Arc<dyn Files>, dir: &Path, retry: Duration) -> Journal {
    Journal::new(
        Outlet::start(files, dir.to_owned(), SIZE, retry).expect("a thread"),
        SIZE,
    )
}

fn lines(path: &Path) -> Vec<Line> {
    replay(path)
        .expect("a segment")
        .map(|line| line.expect("whole"))
        .collect()
}

/// Waits until `dir` holds something that `wanted` likes.
fn until(dir: &Path, wanted: impl Fn(&Path) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !segments(dir).is_ok_and(|segments| segments.last().is_some_and(|last| wanted(last))) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn what_changes_is_on_disk_at_once_and_the_rest_after_a_minute() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut journal = journal(Arc::new(Disk), dir.path(), LONG);
    journal.record(at(1), &Event::RefreshRequested, &policy(), &origin());
    journal.flush(at(1));
    until(dir.path(), |last| {
        fs::read_to_string(last).is_ok_and(|text| text.ends_with("\"event\":\"RefreshRequested\"}\n"))
    });
    journal.record(at(2), &Event::DeadlineReached, &policy(), &origin());
    journal.rest(at(60_000));
    let length = || {
        fs::metadata(&segments(dir.path()).expect("a folder")[0])
            .expect("there")
            .len()
    };
    let before = length();
    journal.record(at(60_001), &Event::DeadlineReached, &policy(), &origin());
    journal.rest(at(60_001));
    until(dir.path(), |last| {
        fs::metadata(last).is_ok_and(|meta| meta.len() > before)
    });
    assert_eq!(lines(&segments(dir.path()).expect("a folder")[0]).len(), 3);
}

#[test]
fn the_ring_stays_within_its_size_and_every_segment_opens_with_a_header() {
    let dir = tempfile::tempdir().expect("a folder");
    let policy = policy();
    for run in 0..3 {
        let mut journal = journal(Arc::new(Disk), dir.path(), LONG);
        for step in 0..5000 {
            let event = Event::RefreshRequested;
            journal.record(at(run * 100_000 + step), &event, &policy, &origin());
            if step % 200 == 0 {
                journal.flush(at(step));
            }
        }
        journal.finish(at(5000), PATIENCE);
        let segments = segments(dir.path()).expect("a folder");
        let total: u64 = segments
            .iter()
            .map(|path| fs::metadata(path).expect("there").len())
            .sum();
        assert!(total <= SIZE + SIZE / 8, "{total} bytes");
        assert!(
            total >= SIZE / 2 && segments.len() >= 4,
            "{total} bytes in {} segments",
            segments.len()
        );
        for path in &segments {
            let replay = replay(path).expect("a header");
            assert_eq!(
                (replay.header.seed, &replay.header.settings),
                (u64::MAX, &origin().settings)
            );
            assert!(
                !replay
                    .map(|line| line.expect("whole"))
                    .collect::<Vec<_>>()
                    .is_empty()
            );
        }
        let last = lines(segments.last().expect("one"));
        assert_eq!(
            last.last().expect("a line").at,
            at(run * 100_000 + 4999),
            "the newest is there"
        );
    }
}

#[test]
fn a_full_disk_keeps_the_segment_in_memory_and_writes_it_whole_when_there_is_room() {
    for fault in [Fault::Full(100), Fault::Full(0), Fault::ReadOnly] {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(FaultyDisk::default());
        let files: Arc<dyn Files> = Arc::<FaultyDisk>::clone(&disk);
        let mut journal = journal(files, dir.path(), Duration::from_millis(5));
        journal.record(at(1), &Event::RefreshRequested, &policy(), &origin());
        journal.flush(at(1));
        until(dir.path(), |last| {
            fs::metadata(last).is_ok_and(|meta| meta.len() > 0)
        });
        disk.set(fault);
        for step in 2..=50 {
            journal.record(at(step), &Event::RefreshRequested, &policy(), &origin());
            journal.flush(at(step));
        }
        let deadline = Instant::now() + PATIENCE;
        while disk.changes() < 3 {
            assert!(Instant::now() < deadline, "the disk was not tried again");
            std::thread::yield_now();
        }
        disk.set(Fault::None);
        journal.finish(at(51), PATIENCE);
        let segments = segments(dir.path()).expect("a folder");
        let lines: Vec<u64> = segments
            .iter()
            .flat_map(|path| lines(path))
            .map(|line| line.at.as_millis())
            .collect();
        assert_eq!(segments.len(), 1);
        assert_eq!(
            lines,
            (1..=50).collect::<Vec<_>>(),
            "no line is lost, doubled or torn"
        );
    }
}

/// A disk that takes nothing until it is let go.
struct Hanging(std::sync::Mutex<mpsc::Receiver<()>>);

impl Files for Hanging {
    fn make_dir(&self, dir: &Path) -> std::io::Result<()> {
        let _ = self.0.lock().expect("unpoisoned").recv();
        Disk.make_dir(dir)
    }
    fn read(&self, path: &Path, max: u64) -> std::io::Result<Vec<u8>> {
        Disk.read(path, max)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<(String, u64)>> {
        Disk.list(dir)
    }
    fn write(&self, path: &Path, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        Disk.write(path, offset, bytes)
    }
    fn sync(&self, path: &Path) -> std::io::Result<()> {
        Disk.sync(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        Disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        Disk.remove(path)
    }
}

#[test]
fn a_hanging_disk_holds_nobody_up_and_what_follows_the_gap_is_a_new_segment() {
    let dir = tempfile::tempdir().expect("a folder");
    let (release, hanging) = mpsc::channel();
    let mut journal = journal(
        Arc::new(Hanging(std::sync::Mutex::new(hanging))),
        dir.path(),
        LONG,
    );
    for step in 1..=200 {
        journal.record(at(step), &Event::RefreshRequested, &policy(), &origin());
        journal.flush(at(step));
    }
    drop(release);
    // Room in the queue again: the thread has taken at least one chunk.
    until(dir.path(), |_| true);
    let mut step = 200;
    let deadline = Instant::now() + PATIENCE;
    while segments(dir.path()).expect("a folder").len() < 2 {
        step += 1;
        journal.record(at(step), &Event::RefreshRequested, &policy(), &origin());
        journal.flush(at(step));
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    journal.finish(at(step), PATIENCE);
    for path in segments(dir.path()).expect("a folder") {
        let times: Vec<u64> = lines(&path).iter().map(|line| line.at.as_millis()).collect();
        assert!(
            times.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "a gap within a segment: {times:?}"
        );
    }
}

#[test]
fn a_panic_ends_its_segment() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut journal = journal(Arc::new(Disk), dir.path(), LONG);
    journal.record(at(1), &Event::DeadlineReached, &policy(), &origin());
    journal.record(at(2), &Event::RefreshRequested, &policy(), &origin());
    journal.panicked(at(2), "index out of bounds");
    journal.record(at(3), &Event::DeadlineReached, &policy(), &origin());
    journal.finish(at(3), PATIENCE);
    let segments = segments(dir.path()).expect("a folder");
    assert_eq!(segments.len(), 2);
    assert_eq!(
        lines(&segments[0])[2].what,
        What::Panic("index out of bounds".into())
    );
    let mut seen = Vec::new();
    replay(&segments[0])
        .expect("a segment")
        .play(|line, _, _| seen.push(line.at))
        .expect("played");
    assert_eq!(
        seen,
        [at(1)],
        "the event that the core panicked over is not played again"
    );
}

#[test]
fn a_line_cut_short_by_a_kill_ends_the_replay_and_a_damaged_one_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut journal = journal(Arc::new(Disk), dir.path(), LONG);
    for step in 1..=3 {
        journal.record(at(step), &Event::DeadlineReached, &policy(), &origin());
    }
    journal.finish(at(3), PATIENCE);
    let text = fs::read_to_string(&segments(dir.path()).expect("a folder")[0]).expect("there");
    let open = |text: &str| Replay::new(Cursor::new(text.to_owned()));
    let cut = open(&text[..text.len() - 4]).expect("a header");
    assert_eq!(cut.collect::<Result<Vec<_>, _>>().expect("whole").len(), 2);
    let damaged = open(&text.replacen("DeadlineReached", "DeadlineRaeched", 1)).expect("a header");
    let errors: Vec<String> = damaged
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with("line 2 of the journal segment is damaged"),
        "{errors:?}"
    );
    assert!(matches!(
        open("{\"jackline_journal\":2}\n"),
        Err(ReplayError::Format(2))
    ));
    assert!(matches!(
        open("rubbish\n"),
        Err(ReplayError::Damaged { line: 1, .. })
    ));
    assert!(matches!(open(""), Err(ReplayError::Damaged { line: 1, .. })));
}

fn event() -> impl Strategy<Value = Event> {
    let address = |last: u8| std::net::SocketAddr::from(([10, 0, 0, last % 5], 6443));
    let ready = Finding {
        depth: Depth::Readyz,
        answer: Answer::Ready,
        connect: Some(Duration::from_millis(1)),
        total: Duration::from_millis(2),
        authenticated: false,
    };
    (
        0u8..6,
        any::<u8>(),
        0u64..40,
        prop::collection::vec(any::<u8>(), 0..4),
    )
        .prop_map(move |(kind, last, id, listed)| match kind {
            0 => Event::DeadlineReached,
            1 => {
                let endpoints = listed
                    .into_iter()
                    .map(|last| Listing::from(address(last)))
                    .collect();
                let report = Report {
                    endpoints,
                    verified: true,
                    ..Report::default()
                };
                Event::SourceReported {
                    source: SourceId(u16::from(last % 2)),
                    refresh: RefreshId(id),
                    position: 0,
                    report,
                }
            }
            2 => Event::ProbeSucceeded {
                endpoint: address(last),
                probe: ProbeId(id),
                finding: ready.clone(),
            },
            3 => Event::SessionOpened {
                endpoint: address(last),
                connect: Duration::from_millis(id),
            },
            4 => Event::DialFailed {
                endpoint: address(last),
                failure: jackline_core::DialFailure::Refused,
            },
            _ => Event::RefreshRequested,
        })
}

/// What a live run did at each event: kept to be compared with the replay.
type Told = (Timestamp, Vec<Action>);

fn live(dir: &Path, events: &[(u64, Event)]) -> (Policy, Vec<Told>) {
    let mut journal = journal(Arc::new(Disk), dir, LONG);
    let (mut policy, origin) = (policy(), origin());
    let (mut now, mut told) = (0, Vec::new());
    for (pause, event) in events {
        now += pause;
        journal.record(at(now), event, &policy, &origin);
        let mut actions = Vec::new();
        policy.step(at(now), event.clone(), &mut actions);
        journal.acted(&actions);
        told.push((at(now), actions));
    }
    journal.finish(at(now), PATIENCE);
    (policy, told)
}

#[test]
fn replaying_any_segment_does_again_what_the_live_run_did() {
    let mut runner = TestRunner::new(Config {
        cases: 8,
        failure_persistence: None,
        ..Config::default()
    });
    let events = prop::collection::vec((0u64..20_000, event()), 800..1500);
    let (checked, acted) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    runner
        .run(&events, |events| {
            let dir = tempfile::tempdir().expect("a folder");
            let (end, told) = live(dir.path(), &events);
            let segments = segments(dir.path()).expect("a folder");
            assert!(segments.len() >= 2, "{} segments", segments.len());
            let mut again: Vec<Told> = Vec::new();
            let mut following: Option<Policy> = None;
            for path in &segments {
                let replay = replay(path).expect("a segment");
                if let Some(policy) = following {
                    assert!(
                        policy == replay.header.checkpoint,
                        "a segment ends where the next begins"
                    );
                }
                let after = replay
                    .play(|line, _, actions| {
                        let kept = line.actions.as_deref().expect("the journal tells them");
                        assert!(
                            are_alike(kept, actions),
                            "{kept:?} was kept, {actions:?} was played"
                        );
                        again.push((line.at, actions.to_vec()));
                    })
                    .expect("played");
                following = Some(after);
            }
            // The oldest segments have gone; what is left is the end of the run.
            assert!(told.ends_with(&again), "the replay did something else");
            assert!(following.expect("a segment") == end, "the replay ended elsewhere");
            acted.set(acted.get() + again.iter().map(|(_, actions)| actions.len()).sum::<usize>());
            checked.set(checked.get() + again.len());
            Ok(())
        })
        .expect("replays");
    assert!(
        checked.get() > 1000,
        "only {} events were compared",
        checked.get()
    );
    assert!(
        acted.get() > 500,
        "the core wanted only {} things done: nothing is compared",
        acted.get()
    );
}
