//! What is remembered, under everything that can happen to a disk, a clock and a process.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jackline_admin::status::StateFileStatus;
use jackline_core::{Record, Timestamp};

use super::format::{Earlier, Kin, Memory, Unusable, decode, encode};
use super::saver::Saver;
use super::{ASIDE_MAX, Found, path, read, replace};
use crate::files::faulty::{Fault, FaultyDisk};
use crate::files::{Disk, Files};

const LONG: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);

fn record(last: u8) -> Record {
    Record {
        address: SocketAddr::from(([10, 0, 0, last], 6443)),
        archived: last.is_multiple_of(2),
        seen_by: vec!["registration".into(), "kubernetes".into()],
        node: Some(format!("cp-{last}")),
        zone: None,
        unlisted_for: Some(Duration::from_millis(u64::from(last) * 1000 + 7)),
        node_gone_for: None,
        archived_for: Some(Duration::from_secs(1 << 33)),
        last_seen: Some(Timestamp::from_millis(5000)),
        last_ready: None,
    }
}

fn memory(count: u8) -> Memory {
    let records: Vec<Record> = (1..=count).map(record).collect();
    let at = Timestamp::from_millis(10_000);
    Memory::of(
        &records,
        vec!["aa".into()],
        &BTreeMap::new(),
        at,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    )
}

fn in_this_run(mut record: Record) -> Record {
    record.last_seen = None;
    record.last_ready = None;
    record
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// Waits until `saver` says `wanted`.
fn until(saver: &Saver, wanted: impl Fn(&jackline_admin::StateFileView) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted(&saver.view()) {
        assert!(Instant::now() < deadline, "{:?}", saver.view());
        std::thread::yield_now();
    }
}

#[test]
fn what_was_written_is_read_back_without_the_times_that_are_for_people() {
    let written = memory(5);
    let read = decode(&encode(&written).expect("encoded")).expect("decoded");
    assert_eq!(read, written);
    let expected: Vec<Record> = (1..=5).map(|last| in_this_run(record(last))).collect();
    assert_eq!(
        read.records(false),
        expected,
        "ages survive, times of this run's clock do not"
    );
    assert_eq!(
        read.endpoints[0].last_seen.expect("seen 5 s before").as_second(),
        1_800_000_000 - 5
    );
}

#[test]
fn the_format_is_as_documented() {
    let text = String::from_utf8(encode(&memory(1)).expect("encoded")).expect("UTF-8");
    insta::assert_snapshot!(
        "state-file",
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
            .split_once(",\"body\"")
            .map_or("", |(_, body)| body)
    );
    assert!(
        text.starts_with("{\"format\":\"jackline-state\",\"version\":1,\"crc32\":\""),
        "{text}"
    );
}

#[test]
fn times_of_earlier_runs_are_carried_over_and_give_way_to_newer_ones() {
    let address = record(1).address;
    let earlier = "2020-01-02T03:04:05Z".parse::<jiff::Timestamp>().expect("a time");
    let known = BTreeMap::from([(
        address,
        Earlier {
            seen: Some(earlier),
            ready: Some(earlier),
            unverified: true,
        },
    )]);
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let memory = Memory::of(
        &[record(1)],
        Vec::new(),
        &known,
        Timestamp::from_millis(10_000),
        wall,
    );
    assert_eq!(
        memory.endpoints[0].last_ready,
        Some(earlier),
        "not ready in this run"
    );
    assert_eq!(
        memory.endpoints[0]
            .last_seen
            .expect("seen in this run")
            .as_second(),
        1_800_000_000 - 5
    );
}

#[test]
fn damage_at_any_byte_is_noticed() {
    let memory = memory(2);
    let good = encode(&memory).expect("encoded");
    let mut noticed = 0;
    for at in 0..good.len() {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            match decode(&bad) {
                Ok(read) => assert_eq!(read, memory, "byte {at} ^ {flip:#x} was believed"),
                Err(_) => noticed += 1,
            }
        }
        decode(&good[..at]).map_or_else(|_| noticed += 1, |read| assert_eq!(read, memory, "cut at {at}"));
        let mut hole = good.clone();
        hole[at..].fill(0);
        decode(&hole).map_or_else(|_| noticed += 1, |_| panic!("zeros from {at} on were believed"));
    }
    // What does no harm is at most white space around the document.
    assert!(noticed >= good.len() * 6 - 10, "{noticed} of {}", good.len() * 6);
}

#[test]
fn a_file_too_large_or_of_another_kind_is_damaged() {
    for bytes in [
        vec![b'x'; (4 << 20) + 1],
        b"{}".to_vec(),
        b"[1]".to_vec(),
        Vec::new(),
        b"\xff\xfe".to_vec(),
    ] {
        assert!(matches!(decode(&bytes), Err(Unusable::Damaged(_))));
    }
    let foreign = br#"{"format":"other","version":1,"crc32":"0","body":{}}"#;
    assert!(matches!(decode(foreign), Err(Unusable::Damaged(_))));
}

#[test]
fn a_damaged_a_future_and_an_unreadable_file_are_set_aside_and_told() {
    let future = br#"{"format":"jackline-state","version":7,"anything":[1,2,3]}"#;
    for (bytes, word) in [(b"{torn".as_slice(), "damaged"), (future.as_slice(), "future")] {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(path(dir.path()), bytes).expect("written");
        let found = read(&Disk, dir.path());
        let note = found.note.expect("told");
        assert!(found.memory.is_none() && found.in_the_way.is_none());
        let names = names(dir.path());
        assert_eq!(names.len(), 1);
        assert!(names[0].starts_with(&format!("state.json.{word}-2")), "{names:?}");
        assert!(note.contains(&names[0]), "{note}");
        assert_eq!(fs::read(dir.path().join(&names[0])).expect("kept"), bytes);
    }
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(path(dir.path())).expect("a folder in the file's place");
    let found = read(&Disk, dir.path());
    assert!(found.note.expect("told").contains("cannot be read"));
    assert!(names(dir.path())[0].starts_with("state.json.unreadable-"));
}

#[test]
fn only_so_many_files_set_aside_are_kept_the_newest() {
    let dir = tempfile::tempdir().expect("a folder");
    for old in 0..20 {
        let word = if old % 2 == 0 { "future" } else { "damaged" };
        fs::write(
            dir.path()
                .join(format!("state.json.{word}-19{old:02}-01-01T000000Z")),
            b"",
        )
        .expect("written");
    }
    fs::write(path(dir.path()), b"{torn").expect("written");
    let note = read(&Disk, dir.path()).note.expect("told");
    let names = names(dir.path());
    assert_eq!(names.len(), ASIDE_MAX, "{names:?}");
    assert!(names.iter().any(|name| note.contains(name)), "the newest is kept");
    assert!(
        names.iter().any(|name| name.contains("-1919-")) && !names.iter().any(|name| name.contains("-1912-"))
    );
}

#[test]
fn no_file_is_no_news() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(read(&Disk, dir.path()), Found::default());
    assert_eq!(read(&Disk, &dir.path().join("nowhere")), Found::default());
}

#[test]
fn another_clusters_file_shares_no_key_with_ours() {
    let of = |keys: &[&str]| Memory {
        cluster: keys.iter().map(ToString::to_string).collect(),
        ..Memory::default()
    };
    let ours = ["k1".to_owned(), "k2".to_owned()];
    assert_eq!(
        of(&["k2", "k9"]).kin(&ours),
        Kin::Ours,
        "a CA that is being rotated shares one"
    );
    assert_eq!(of(&["k9"]).kin(&ours), Kin::Foreign);
    assert_eq!(of(&[]).kin(&ours), Kin::Foreign, "nobody vouched for it");
    assert_eq!(of(&["k1"]).kin(&[]), Kin::Unknown);
    assert_eq!(of(&[]).kin(&[]), Kin::Ours, "no CA then and none now");
}

/// Writes what `found` holds, as the next run would, with the record of `last` as seen or not seen in it.
fn next_run(mut found: Found, cluster: &str, seen: Option<u8>) -> (Found, Vec<(usize, bool)>) {
    let cluster = [cluster.to_owned()];
    let told = found.judge(&cluster);
    let earlier = found.memory.as_ref().expect("a file").earlier();
    let records: Vec<Record> = told.iter().flat_map(|(records, _)| records.clone()).collect();
    let records: Vec<Record> = records
        .into_iter()
        .map(|record| match seen {
            Some(last) if record.address == self::record(last).address => self::record(last),
            _ => record,
        })
        .collect();
    let memory = Memory::of(
        &records,
        cluster.to_vec(),
        &earlier,
        Timestamp::from_millis(10_000),
        SystemTime::now(),
    );
    let told = told
        .into_iter()
        .map(|(records, trusted)| (records.len(), trusted))
        .collect();
    (
        Found {
            memory: Some(memory),
            ..Found::default()
        },
        told,
    )
}

#[test]
fn a_foreign_hint_stays_one_over_restarts_until_somebody_speaks_for_it() {
    let found = Found {
        memory: Some(memory(3)),
        ..Found::default()
    };
    let (found, told) = next_run(found, "other", Some(2));
    assert_eq!(told, [(3, false)], "all are hints");
    let (found, told) = next_run(found, "other", None);
    assert_eq!(
        told,
        [(1, true), (2, false)],
        "the file has today's key now, two of its addresses have nobody's word"
    );
    let (mut found, told) = next_run(found, "other", None);
    assert_eq!(told, [(1, true), (2, false)]);
    let note = {
        found.judge(&["third".to_owned()]);
        found.note.expect("told")
    };
    assert!(note.contains("shares no CA key"), "{note}");
}

#[test]
fn a_ca_that_cannot_be_read_for_once_taints_nothing() {
    let mut found = Found {
        memory: Some(memory(3)),
        ..Found::default()
    };
    let told = found.judge(&[]);
    assert_eq!((told.len(), told[0].1), (1, false), "hints for this run");
    assert!(
        found
            .note
            .as_deref()
            .expect("told")
            .contains("cannot be compared")
    );
    assert!(found.judge(&["aa".to_owned()])[0].1, "and ours again in the next");
}

#[test]
fn a_clock_fifty_years_off_changes_nothing_that_decides() {
    let records: Vec<Record> = (1..=3).map(record).collect();
    let fifty = Duration::from_secs(50 * 365 * 24 * 3600);
    let today = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let forever = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 50);
    for wall in [
        today,
        today + fifty,
        today - fifty,
        SystemTime::UNIX_EPOCH - fifty,
        forever,
    ] {
        let memory = Memory::of(
            &records,
            vec!["aa".into()],
            &BTreeMap::new(),
            Timestamp::from_millis(10_000),
            wall,
        );
        let read = decode(&encode(&memory).expect("encoded")).expect("decoded");
        assert_eq!(
            read.records(false),
            records.iter().cloned().map(in_this_run).collect::<Vec<_>>()
        );
        assert_eq!(read.kin(&["aa".to_owned()]), Kin::Ours);
    }
}

#[test]
fn the_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("a/state");
    replace(&Disk, &folder, &encode(&memory(1)).expect("encoded")).expect("written");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&path(&folder))), (0o700, 0o600));
    assert_eq!(names(&folder), ["state.json"], "no temporary file is left");
}

/// The disk dies at each change in turn, in the middle of it: what is read afterwards is the old state or the new one.
#[test]
fn a_loss_of_power_at_any_point_leaves_the_old_state_or_the_new_one() {
    let (old, new) = (memory(1), memory(9));
    let disk = FaultyDisk::default();
    let (mut olds, mut news) = (0, 0);
    for point in 0.. {
        let dir = tempfile::tempdir().expect("a folder");
        disk.set(Fault::None);
        replace(&disk, dir.path(), &encode(&old).expect("encoded")).expect("written");
        let changes = disk.changes();
        disk.set(Fault::DeadFrom(point));
        let told = replace(&disk, dir.path(), &encode(&new).expect("encoded"));
        let found = read(&Disk, dir.path()).memory.expect("whole");
        if found == old {
            olds += 1;
            assert!(told.is_err());
        } else {
            assert_eq!(found, new);
            news += 1;
        }
        // The next start must be able to write over what is left.
        disk.set(Fault::None);
        replace(&disk, dir.path(), &encode(&new).expect("encoded")).expect("written");
        assert_eq!(read(&Disk, dir.path()).memory, Some(new.clone()));
        if point > changes {
            break;
        }
    }
    assert!(
        olds >= 3 && news >= 2,
        "{olds} {news}: the points lie before and behind the rename"
    );
}

#[test]
fn a_full_and_a_read_only_disk_degrade_to_memory_and_heal() {
    for fault in [Fault::Full(10), Fault::Full(0), Fault::ReadOnly] {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(FaultyDisk::default());
        let files: Arc<dyn Files> = Arc::<FaultyDisk>::clone(&disk);
        replace(&*files, dir.path(), &encode(&memory(1)).expect("encoded")).expect("written");
        let found = read(&*files, dir.path());
        disk.set(fault);
        let saver =
            Saver::start(files, dir.path().to_owned(), &found, Duration::from_millis(5)).expect("started");
        assert_eq!(saver.view().status, StateFileStatus::Saved);
        saver.save(
            (1..=4).map(record).collect(),
            vec!["aa".into()],
            Timestamp::ZERO,
            SystemTime::now(),
        );
        until(&saver, |view| view.status == StateFileStatus::MemoryOnly);
        let note = saver.view().note.expect("told");
        assert!(
            note.starts_with("memory only") && note.contains("state.json"),
            "{note}"
        );
        assert_eq!(
            read(&Disk, dir.path()).memory,
            Some(memory(1)),
            "what was there is whole"
        );
        disk.set(Fault::None);
        until(&saver, |view| view.status == StateFileStatus::Saved);
        assert_eq!(read(&Disk, dir.path()).memory.expect("whole").endpoints.len(), 4);
    }
}

#[test]
fn a_folder_that_cannot_be_made_degrades_to_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("written");
    let folder = file.join("state");
    let found = read(&Disk, &folder);
    let saver = Saver::start(Arc::new(Disk), folder, &found, LONG).expect("started");
    saver.save(vec![record(1)], Vec::new(), Timestamp::ZERO, SystemTime::now());
    until(&saver, |view| view.status == StateFileStatus::MemoryOnly);
    saver.finish(PATIENCE);
}

#[test]
fn a_file_that_could_not_be_set_aside_is_not_written_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let future = br#"{"format":"jackline-state","version":7}"#;
    fs::write(path(dir.path()), future).expect("written");
    let disk = Arc::new(FaultyDisk::default());
    disk.set(Fault::ReadOnly);
    let files: Arc<dyn Files> = Arc::<FaultyDisk>::clone(&disk);
    let found = read(&*files, dir.path());
    assert_eq!(found.in_the_way, Some("future"));
    let saver =
        Saver::start(files, dir.path().to_owned(), &found, Duration::from_millis(5)).expect("started");
    saver.save(vec![record(1)], Vec::new(), Timestamp::ZERO, SystemTime::now());
    until(&saver, |view| view.status == StateFileStatus::MemoryOnly);
    assert_eq!(fs::read(path(dir.path())).expect("there"), future);
    disk.set(Fault::None);
    until(&saver, |view| view.status == StateFileStatus::Saved);
    let aside: Vec<String> = names(dir.path())
        .into_iter()
        .filter(|name| name.contains("future"))
        .collect();
    assert_eq!(fs::read(dir.path().join(&aside[0])).expect("kept"), future);
}

#[test]
fn the_newest_state_wins_and_is_on_disk_after_the_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let saver =
        Saver::start(Arc::new(Disk), dir.path().to_owned(), &Found::default(), LONG).expect("started");
    assert_eq!(saver.view().status, StateFileStatus::Empty);
    for count in 1..=200 {
        saver.save(
            (1..=count).map(record).collect(),
            vec!["aa".into()],
            Timestamp::ZERO,
            SystemTime::now(),
        );
    }
    saver.finish(PATIENCE);
    assert_eq!(
        read(&Disk, dir.path()).memory.expect("whole").endpoints.len(),
        200
    );
}

#[test]
fn without_a_ca_today_the_files_own_keys_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    replace(&Disk, dir.path(), &encode(&memory(1)).expect("encoded")).expect("written");
    let saver = Saver::start(
        Arc::new(Disk),
        dir.path().to_owned(),
        &read(&Disk, dir.path()),
        LONG,
    )
    .expect("started");
    saver.save(vec![record(2)], Vec::new(), Timestamp::ZERO, SystemTime::now());
    saver.finish(PATIENCE);
    assert_eq!(read(&Disk, dir.path()).memory.expect("whole").cluster, ["aa"]);
}

/// The variable by which a child of this very test binary knows that it is to write until it is killed.
const CHILD: &str = "JACKLINE_TEST_STATE_WRITER";

/// Not a test by itself: the child of the next one.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    for count in (1..=100).cycle() {
        replace(&Disk, &dir, &encode(&memory(count)).expect("encoded")).expect("written");
        if count == 2 {
            // The parent may kill from now on.
            println_raw();
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a child process tells its parent, which waits for it"
)]
fn println_raw() {
    println!("\nwriting");
}

#[test]
fn killed_two_hundred_times_in_the_middle_of_writing_it_always_reads_back_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let me = std::env::current_exe().expect("this test");
    let (mut torn, mut seed) = (0, 0x9e37_79b9_u64);
    for round in 0..200 {
        let mut child = Command::new(&me)
            .args([
                "--exact",
                "state::tests::child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let output = child.stdout.take().expect("piped");
        let started = std::io::BufReader::new(output)
            .lines()
            .any(|line| line.is_ok_and(|line| line == "writing"));
        assert!(started, "round {round}: the child never wrote");
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let until = Instant::now() + Duration::from_micros((seed >> 33) % 3000);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
        torn += u32::from(dir.path().join(super::TEMPORARY).exists());
        let found = read(&Disk, dir.path());
        assert_eq!(found.note, None, "round {round}");
        let count = found.memory.as_ref().map_or(0, |memory| memory.endpoints.len());
        assert_eq!(
            found.memory,
            Some(memory(u8::try_from(count).expect("at most 100"))),
            "round {round}"
        );
    }
    assert!(
        torn > 0,
        "no kill came in the middle of a write: the test shows nothing"
    );
}
