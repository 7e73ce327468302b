//! Every scenario of the lab, played with the real binary: `jackline lab NAME --output json`.
//!
//! That each of them can fail is tested with a naive balancer in `crates/lab/tests/canaries.rs`.

use std::process::Command;

use serde_json::Value;

fn jackline(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_jackline"))
        .args(arguments)
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The scenario holds, and its JSON says so in the promised schema.
fn holds(scenario: &str) {
    let (code, out, err) = jackline(&["lab", scenario, "--output", "json"]);
    let outcomes: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    let outcome = &outcomes[0];
    assert_eq!(outcome["scenario"], scenario, "{out}\n{err}");
    assert_eq!(outcome["passed"], true, "{err}");
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(outcome["nodes_stuck"], 0, "{err}");
    assert!(
        outcome["nodes"].as_u64() >= Some(1) && outcome["requests"]["sent"].as_u64() > Some(50),
        "{err}"
    );
    for key in ["failed", "in_flight_on_killed", "resent"] {
        assert!(outcome["requests"][key].is_u64(), "{key}: {out}");
    }
    let checks = outcome["checks"].as_array().expect("checks");
    assert!(
        checks.len() >= 2 && checks.iter().all(|check| check["passed"] == true),
        "{err}"
    );
    assert!(
        outcome["timeline"]
            .as_array()
            .is_some_and(|timeline| timeline.len() > 5),
        "{err}"
    );
}

#[test]
fn alternating_outage_leaves_no_node_behind() {
    holds("alternating-outage");
}

#[test]
fn rolling_upgrade_fails_no_request() {
    holds("rolling-upgrade");
}

#[test]
fn blackhole_hardly_slows_new_requests() {
    holds("blackhole");
}

#[test]
fn frozen_fails_no_new_request() {
    holds("frozen");
}

#[test]
fn overloaded_cuts_no_session() {
    holds("overloaded");
}

#[test]
fn shared_cause_moves_nothing() {
    holds("shared-cause");
}

#[test]
fn lost_writes_are_noticed() {
    holds("lost-writes");
}

#[test]
fn slander_is_not_believed() {
    holds("slander");
}

#[test]
fn registration_single_is_not_missed() {
    holds("registration-single");
}

#[test]
fn all_replaced_are_found_by_name() {
    holds("all-replaced");
}

#[test]
fn empty_list_proves_nothing() {
    holds("empty-list");
}

#[test]
fn fail_back_is_at_once() {
    holds("fail-back");
}

#[test]
fn cold_start_remembers() {
    holds("cold-start");
}

#[test]
fn foreign_server_is_found_out() {
    holds("foreign-server");
}

#[test]
fn new_ca_is_survived() {
    holds("new-ca");
}

#[test]
fn all_down_start_resets_promptly_and_attaches_at_once() {
    holds("all-down-start");
}

#[test]
fn the_list_names_every_scenario_and_the_default_first() {
    let (code, out, _) = jackline(&["lab", "--list"]);
    assert_eq!(code, Some(0));
    assert_eq!(out.lines().count(), 16, "{out}");
    assert!(out.starts_with("alternating-outage "), "{out}");
}

#[test]
fn an_unknown_scenario_is_refused_with_those_that_exist() {
    let (code, out, err) = jackline(&["lab", "earthquake"]);
    assert!(code.is_some_and(|code| code != 0) && out.is_empty(), "{out}");
    assert!(
        err.contains("earthquake") && err.contains("alternating-outage"),
        "{err}"
    );
}
