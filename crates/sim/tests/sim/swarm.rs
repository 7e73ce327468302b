//! The swarm: seeds are safe and come to rest; the same seed is the same world; a broken rule is found and shrunk.

use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use jackline_core::{Action, Depth, Event, NodeState, Settings, Timestamp};
use jackline_sim::policy::{Candidate, Jackline, Kind, Manner, Policy};
use jackline_sim::swarm::{self, Story};

fn kind() -> Rc<dyn Kind> {
    Rc::new(Jackline::default())
}

#[test]
fn seeds_are_safe_and_come_to_rest() {
    let report = swarm::run(0..60, 2, kind, &AtomicBool::new(false), &|_| {});
    let told: Vec<String> = report
        .failures
        .iter()
        .map(|failed| format!("{:?}\n{}\n{}", failed.failure, failed.command, failed.story))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert_eq!((report.seeds, report.failed), (60, 0));
    assert!(
        report.node_seconds > 10_000,
        "worlds of some length: {}",
        report.node_seconds
    );
}

#[test]
fn the_same_seeds_are_the_same_worlds_in_whatever_order() {
    let play = |threads| swarm::run(100..112, threads, kind, &AtomicBool::new(false), &|_| {});
    let (one, two) = (play(1), play(2));
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_eq!(one.steps, two.steps);
    let other = swarm::run(101..113, 1, kind, &AtomicBool::new(false), &|_| {});
    assert_ne!(one.fingerprint, other.fingerprint);
}

#[test]
fn what_is_stopped_tells_what_is_known_so_far() {
    let report = swarm::run(0..1000, 1, kind, &AtomicBool::new(true), &|_| {});
    assert!(report.stopped);
    assert_eq!(report.seeds, 0);
}

/// A mind that is never attached: the least of all canaries.
struct Sleeper;

impl Kind for Sleeper {
    fn name(&self) -> &str {
        "sleeper"
    }

    fn start(&self, _: Settings, _: u64, _: Timestamp) -> Box<dyn Policy> {
        Box::new(Self)
    }
}

impl Policy for Sleeper {
    fn step(&mut self, _: Timestamp, _: Event, _: &mut Vec<Action>) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn candidates(&self) -> Vec<Candidate> {
        Vec::new()
    }

    fn manner(&self) -> Manner {
        Manner {
            depth: Depth::Tcp,
            dial_limit: std::time::Duration::from_secs(3),
            hold: std::time::Duration::ZERO,
            tries_next: false,
            dead_peer_after: std::time::Duration::from_secs(11),
            unacknowledged_after: std::time::Duration::MAX,
            watch_silent_after: std::time::Duration::MAX,
            watch_mute_after: std::time::Duration::MAX,
        }
    }

    fn state(&self) -> NodeState {
        NodeState::Isolated
    }

    fn known(&self) -> Vec<(std::net::SocketAddr, bool)> {
        Vec::new()
    }

    fn breach(&self, _: &[Action]) -> Option<String> {
        None
    }

    fn generation(&self) -> u64 {
        0
    }
}

#[test]
fn a_node_that_never_comes_back_is_found_and_shrunk_to_nothing_but_itself() {
    let sleeper: fn() -> Rc<dyn Kind> = || Rc::new(Sleeper);
    let report = swarm::run(3..4, 1, sleeper, &AtomicBool::new(false), &|_| {});
    let failed = report.failures.first().expect("it fails");
    assert!(failed.failure.what.starts_with("R1:"), "{:?}", failed.failure);
    assert_eq!(
        (failed.nodes.len(), failed.faults.len()),
        (1, 0),
        "{}",
        failed.story
    );
    assert!(failed.command.contains("--seeds 3..4"), "{}", failed.command);
    let again = Story::of(3).only(&failed.nodes, &failed.faults).play(&sleeper());
    let again = again.failure.expect("it fails again");
    assert_eq!(again.what, failed.failure.what, "the command repeats it");
}
