//! `jackline simulate`: seeds are played, the same ones give the same report, and Ctrl-C tells what is known so far.

use rustix::process::{Pid, Signal, kill_process};

use crate::described::faults_by;
use crate::program::{end_of, jackline, run, until, within};

#[tokio::test]
async fn seeds_are_played_and_reported_as_json_the_same_each_time() {
    let play = || run(["simulate", "--seeds", "0..3", "--output", "json"]);
    let first = play().await;
    assert_eq!(first.code, Some(0), "{}", first.err);
    let report: serde_json::Value = serde_json::from_str(&first.out).expect("JSON");
    described("swarm", &report);
    assert_eq!(report["seeds"], 3);
    assert_eq!(report["failed"], 0);
    assert!(
        report["node_seconds"]
            .as_u64()
            .is_some_and(|seconds| seconds > 100)
    );
    assert_eq!(play().await.out, first.out);
}

/// What is printed is what `docs/simulate-schema.json` says.
fn described(part: &str, told: &serde_json::Value) {
    let schema = include_str!("../../../../docs/simulate-schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("the schema is JSON");
    let part = &schema["$defs"][part];
    assert!(part.is_object());
    assert_eq!(faults_by(&schema, part, told), Vec::<String>::new());
}

#[tokio::test]
async fn one_seed_as_json_has_its_story_and_its_timeline() {
    let ended = run(["simulate", "--seeds", "1..2", "--timeline", "--output", "json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    described("seed", &told);
    assert!(told["timeline"].as_array().is_some_and(|lines| lines.len() > 20));
}

#[tokio::test]
async fn one_seed_is_told_line_by_line() {
    let ended = run(["simulate", "--seeds", "1..2", "--timeline", "--faults", "none"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("all is healed"), "{}", ended.out);
    assert!(ended.out.contains("is attached"), "{}", ended.out);
}

#[tokio::test]
async fn ctrl_c_tells_what_is_known_so_far() {
    let mut command = jackline(["simulate", "--seeds", "0..100000000"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("it starts");
    let id = child.id().expect("it runs");
    until(
        "it listens to signals",
        || async move { listens(id).then_some(()) },
    )
    .await;
    let pid = Pid::from_raw(i32::try_from(id).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("it is there");
    let output = within("it ends", child.wait_with_output())
        .await
        .expect("it ended");
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.starts_with("interrupted; until then: "), "{told}");
}

#[tokio::test]
async fn ctrl_c_in_an_exhaustive_search_tells_the_levels_that_are_done() {
    let mut command = jackline(["simulate", "--exhaustive", "--depth", "12", "--output", "json"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let id = child.id().expect("it runs");
    let progress = child.stderr.take().expect("its errors");
    let mut progress = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(progress));
    let level = within("a level is done", progress.next_line()).await;
    let level = level.expect("it can be read").expect("there is one");
    assert!(level.contains("states") && level.contains(" to go"), "{level}");
    until(
        "it listens to signals",
        || async move { listens(id).then_some(()) },
    )
    .await;
    let pid = Pid::from_raw(i32::try_from(id).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("it is there");
    let output = within("it ends", child.wait_with_output())
        .await
        .expect("it ended");
    assert_eq!(output.status.code(), Some(130));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    described("search", &told[0]);
    assert_eq!(told[0]["stopped"], true);
    assert!(
        told[0]["levels"][0]["states"]
            .as_u64()
            .is_some_and(|states| states > 0)
    );
}

#[tokio::test]
async fn all_that_can_happen_is_played_and_k3s_old_policy_is_found_stuck() {
    let ended = run(["simulate", "--exhaustive", "--depth", "3", "--output", "json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    for search in told.as_array().expect("an array") {
        described("search", search);
    }
    let jackline = told[0]["states"].as_u64().expect("a count");
    assert!(jackline > 500, "{jackline} states");
    assert_eq!(told[0]["stuck"], 0);
    assert!(told[2]["stuck"].as_u64().is_some_and(|stuck| stuck > 0));
}

/// Whether the process catches SIGINT.
fn listens(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 0b10 != 0)
}

#[tokio::test]
async fn seeds_that_are_none_are_wrong_usage() {
    for seeds in ["5..5", "7", "b..c", "9..3"] {
        let ended = end_of(jackline(["simulate", "--seeds", seeds])).await;
        assert_eq!(ended.code, Some(64), "{seeds}: {}", ended.err);
        assert!(ended.err.contains("seed"), "{}", ended.err);
    }
}

#[tokio::test]
async fn rivals_play_the_same_seeds_and_the_report_is_json() {
    let ended = run(["simulate", "--compare", "--seeds", "3..4", "--output", "json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(told["seeds"], 1);
    let rows = told["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 8);
    assert_eq!(rows[0]["name"], "jackline");
    assert!(told["better"].is_array());
}

#[tokio::test]
async fn a_fleet_is_played_with_its_targets_and_its_cost() {
    let ended = run(["simulate", "--fleet", "10", "--servers", "3", "--output", "json"]).await;
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.err);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let played = told["report"]["played"].as_array().expect("plays");
    assert_eq!(played.len(), 8);
    let missed = played
        .iter()
        .flat_map(|play| play["targets"].as_array().into_iter().flatten());
    let missed = missed.filter(|target| target["met"] == false).count();
    assert_eq!(
        ended.code,
        Some(i32::from(missed > 0)),
        "the exit status tells of misses"
    );
    assert!(
        told["cost"]["micros_per_node_second"]
            .as_f64()
            .is_some_and(|cost| cost > 0.0)
    );
    let few = end_of(jackline(["simulate", "--fleet", "9"])).await;
    assert_eq!(few.code, Some(64), "{}", few.err);
}
