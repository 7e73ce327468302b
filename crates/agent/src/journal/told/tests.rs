//! Each announcement is given once, over restarts and damaged segments.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Event, Policy, Settings, Timestamp};

use super::{Account, Reader};
use crate::files::Disk;
use crate::journal::replay::segments;
use crate::journal::ring::{self, Outlet};
use crate::journal::{Journal, Origin};

const SIZE: u64 = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// A run of a jackline in `state` that is told `resets` times to forget, which it announces.
fn run(state: &Path, resets: u64) {
    let outlet = Outlet::start(Arc::new(Disk), state.join("journal"), SIZE, ring::RETRY).expect("a thread");
    let mut journal = Journal::new(outlet, SIZE);
    let origin = Origin {
        seed: 1,
        settings: Settings::default(),
    };
    let mut policy = Policy::new(origin.settings.clone(), origin.seed, Timestamp::ZERO);
    for second in 1..=resets {
        let at = Timestamp::from_millis(second * 1000);
        journal.record(at, &Event::ResetRequested, &policy, &origin);
        policy.step(at, Event::ResetRequested, &mut Vec::new());
    }
    journal.finish(Timestamp::from_millis(resets * 1000), PATIENCE);
}

fn events(account: &Account) -> Vec<&str> {
    account.told.iter().map(|told| told.event.as_str()).collect()
}

#[test]
fn a_second_look_gives_only_what_came_since() {
    let state = tempfile::tempdir().expect("a folder");
    run(state.path(), 2);
    let mut reader = Reader::new(state.path());
    let first = reader.read().expect("a journal");
    assert_eq!(events(&first), ["membership-reset"; 2]);
    let time = |at: usize| first.told[at].at.expect("a time").as_millisecond();
    assert_eq!(time(1) - time(0), 1000, "times are the events' own");
    assert_eq!(events(&reader.read().expect("a journal")), [""; 0]);
    run(state.path(), 3);
    assert_eq!(
        events(&reader.read().expect("a journal")),
        ["membership-reset"; 3]
    );
}

#[test]
fn a_damaged_segment_is_a_remark_and_the_next_one_is_told() {
    let state = tempfile::tempdir().expect("a folder");
    run(state.path(), 1);
    run(state.path(), 2);
    let all = segments(&state.path().join("journal")).expect("segments");
    std::fs::write(&all[0], "{\"jackline_journal\":1}\n").expect("damaged");
    let account = Reader::new(state.path()).read().expect("a journal");
    assert_eq!(account.remarks.len(), 1, "{:?}", account.remarks);
    assert_eq!(events(&account), ["membership-reset"; 2]);
}

#[test]
fn without_a_journal_there_is_an_error_and_not_an_empty_story() {
    assert!(Reader::new(Path::new("/nowhere")).read().is_err());
}
