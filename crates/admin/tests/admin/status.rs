//! The projection to [`Status`]: a snapshot of all of it, and the corners of its times.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackline_admin::status::{StateFileStatus, Status, TrustState};
use jackline_admin::{Clock, Reading, project};
use jackline_core::{NodeState, Snapshot, SourceId, Timestamp, Trust};

use crate::fixture::{self, Fixed};

fn with_snapshot(change: impl FnOnce(&mut Snapshot)) -> Reading {
    let mut reading = fixture::reading();
    change(Arc::make_mut(&mut reading.snapshot));
    reading
}

#[test]
fn a_node_with_something_of_everything() {
    insta::assert_json_snapshot!(project::status(&fixture::reading()));
}

#[test]
fn a_service_besides_the_api_is_told_in_the_same_words() {
    let status = project::status(&fixture::with_etcd());
    assert_eq!(
        Status {
            services: vec![],
            ..status.clone()
        },
        project::status(&fixture::reading()),
        "the API's own part is as it was"
    );
    insta::assert_json_snapshot!(status.services);
}

#[test]
fn a_node_that_knows_nothing_yet() {
    let mut reading = with_snapshot(|snapshot| {
        snapshot.state = NodeState::Isolated;
        snapshot.state_since = Timestamp::ZERO;
        snapshot.state_reason = "no endpoint is known yet".into();
        snapshot.endpoints.clear();
        snapshot.sources.clear();
    });
    reading.sessions = Default::default();
    reading.state_file.saved = None;
    reading.state_file.status = StateFileStatus::Empty;
    reading.warnings.clear();
    insta::assert_json_snapshot!(project::status(&reading));
}

#[test]
fn lost_trust_is_told_with_its_time_and_reason() {
    let since = Timestamp::from_millis(99_500);
    let reason = "every server presents a certificate of another CA".to_owned();
    let reading = with_snapshot(|snapshot| snapshot.trust = Trust::Lost { since, reason });
    let trust = project::status(&reading).trust;
    assert_eq!(trust.state, TrustState::Lost);
    assert_eq!(
        trust.since.map(|time| time.to_string()).as_deref(),
        Some("2026-11-24T07:59:59.5Z")
    );
    assert_eq!(
        trust.reason.as_deref(),
        Some("every server presents a certificate of another CA")
    );
}

#[test]
fn json_goes_both_ways_and_a_later_versions_fields_are_passed_over() {
    let status = project::status(&fixture::reading());
    let mut json = serde_json::to_value(&status).expect("status is JSON");
    json["from_a_later_version"] = serde_json::json!({ "a": 1 });
    json["endpoints"][0]["from_a_later_version"] = serde_json::json!(true);
    let read: Status = serde_json::from_value(json).expect("JSON is a status");
    assert_eq!(read, status);
}

#[test]
fn times_are_utc_in_whole_milliseconds() {
    let mut reading = fixture::reading();
    reading.clock.wall = fixture::wall(fixture::WALL) + Duration::from_nanos(123_456_789);
    let status = project::status(&reading);
    assert_eq!(status.now.to_string(), "2026-11-24T08:00:00.123Z");
    assert_eq!(status.started.to_string(), "2026-11-24T07:58:20.123Z");
}

#[test]
fn a_time_to_come_lies_after_now() {
    let status = project::status(&fixture::reading());
    assert_eq!(
        status.sources[0]
            .next_refresh
            .map(|time| time.to_string())
            .as_deref(),
        Some("2026-11-24T08:00:50Z")
    );
}

#[test]
fn a_wall_clock_that_jumped_moves_all_times_with_it_and_nothing_breaks() {
    let fifty_years = Duration::from_secs(50 * 365 * 86_400);
    for wall in [fixture::wall(fixture::WALL) + fifty_years, SystemTime::UNIX_EPOCH] {
        let mut reading = fixture::reading();
        reading.clock.wall = wall;
        let status = project::status(&reading);
        assert_eq!(
            (status.now.as_second() - status.since.as_second()).abs(),
            80,
            "at {}",
            status.now
        );
    }
}

#[test]
fn a_moment_that_no_wall_clock_can_tell_is_told_as_now() {
    let clock = Clock {
        now: Timestamp::from_millis(u64::MAX),
        wall: fixture::wall(fixture::WALL),
    };
    assert_eq!(clock.wall(clock.now), clock.wall);
    let mut reading = fixture::reading();
    reading.clock.now = Timestamp::from_millis(u64::MAX);
    // 584 million years of running: further back than the calendar goes.
    assert_eq!(
        project::status(&reading).since.to_string(),
        "1970-01-01T00:00:00Z"
    );
}

#[test]
fn a_source_that_the_snapshot_lacks_is_told_by_its_number() {
    let reading = with_snapshot(|snapshot| snapshot.endpoints[0].sources = vec![SourceId(9)]);
    assert_eq!(project::status(&reading).endpoints[0].sources, ["source 9"]);
}

#[test]
fn reading_a_view_takes_all_of_it() {
    let expected = fixture::reading();
    let taken = Reading::take(&Fixed(expected.clone()));
    assert_eq!(project::status(&taken), project::status(&expected));
}
