//! The table as snapshots, for the states that matter, and its width whatever comes.

use jackline_agent::status::Status;
use serde_json::{Value, json};

use super::super::words::WIDTH;
use super::render;

fn endpoint(address: &str, standing: &str, health: &str, reason: &str) -> Value {
    json!({
        "address": address, "standing": standing, "health": health, "health_since": "2026-11-24T02:57:00Z",
        "administration": "enabled", "reason": reason, "class": "unknown", "suspected": false, "api": "yes",
        "discovery": "unknown", "depth": "readyz", "sessions": 0, "sources": ["kubernetes"],
        "last_probe": "2026-11-24T03:00:00Z", "last_ready": null, "zone": null,
    })
}

fn source(name: &str, state: &str, error: Value) -> Value {
    json!({
        "name": name, "kind": "kubernetes", "state": state, "mode": "watch", "endpoints": ["10.0.0.2:6443"],
        "last_report": "2026-11-24T02:59:50Z", "next_refresh": "2026-11-24T03:01:40Z", "error": error, "note": null,
    })
}

fn attached() -> Value {
    let mut used = endpoint("10.0.0.2:6443", "listed", "ready", "/readyz answered 200 in 3 ms");
    used["sessions"] = json!(14);
    used["zone"] = json!("a");
    used["last_ready"] = json!("2026-11-24T03:00:00Z");
    let mut retained = endpoint(
        "[fd00::3]:6443",
        "retained",
        "unreachable",
        "refused the connection; it left the Endpoints 40 s ago, but its Node is still there, so it is kept",
    );
    retained["suspected"] = json!(true);
    retained["sources"] = json!([]);
    retained["node"] = json!({ "name": "cp-3", "ready": false, "leaving": false });
    retained["last_ready"] = json!("2026-11-24T01:58:00Z");
    json!({
        "version": "0.1.0", "node": "node-1", "pid": 4711, "started": "2026-11-23T01:00:00Z",
        "now": "2026-11-24T03:00:00Z", "state": "attached", "since": "2026-11-24T02:57:00Z",
        "state_reason": "10.0.0.2:6443 is ready", "trust": { "state": "held", "since": null, "reason": null },
        "listen": ["127.0.0.1:6440", "[::1]:6440"], "warnings": [],
        "endpoints": [used, retained, endpoint("10.0.0.9:6443", "archived", "unknown", "not tried while attached")],
        "sources": [
            source("kubernetes", "good", Value::Null),
            source("registration", "failed", json!("cp.example.com does not resolve: the name server 10.0.0.53 timed out")),
        ],
        "sessions": { "open": 14, "opened_total": 120, "closed_total": 106, "refused_total": 0,
                      "bytes_upstream_total": 1, "bytes_downstream_total": 2 },
        "state_file": { "path": "/var/lib/jackline/state.json", "saved": "2026-11-24T02:59:00Z", "status": "saved",
                        "note": null },
    })
}

fn page(status: Value) -> String {
    let status: Status = serde_json::from_value(status).expect("a status");
    let page = render(&status);
    for line in page.lines() {
        assert!(
            line.chars().count() <= WIDTH,
            "{} columns: {line}",
            line.chars().count()
        );
    }
    page
}

#[test]
fn attached_with_a_retained_endpoint_and_a_failing_source() {
    insta::assert_snapshot!(page(attached()));
}

#[test]
fn a_service_besides_the_api_has_a_heading_of_its_own() {
    let mut status = attached();
    let mut etcd = attached();
    let mut member = endpoint("10.0.0.1:2379", "listed", "ready", "health: 200");
    member["depth"] = json!("health");
    member["sources"] = json!(["members"]);
    etcd["name"] = json!("etcd");
    etcd["listen"] = json!([]);
    etcd["warnings"] = json!(["127.0.0.1:2379 is taken by another process; it is tried again every 10 s"]);
    etcd["endpoints"] = json!([member]);
    etcd["sources"] = json!([source("members", "good", Value::Null)]);
    status["services"] = json!([etcd]);
    insta::assert_snapshot!(page(status));
}

#[test]
fn isolated_says_what_is_being_done_and_shows_archived_endpoints_too() {
    let mut status = attached();
    status["state"] = json!("isolated");
    status["state_reason"] = json!("none of 3 endpoints answers");
    status["warnings"] = json!(["[::1]:6440 could not be bound: this machine has no IPv6"]);
    status["trust"] = json!({ "state": "lost", "since": "2026-11-24T02:58:00Z",
                              "reason": "every server presents a certificate of another CA" });
    status["endpoints"][0]["administration"] = json!("draining");
    status["endpoints"][0]["health"] = json!("unreachable");
    status["endpoints"][0]["depth"] = json!("tls");
    status["state_file"]["status"] = json!("memory-only");
    status["state_file"]["note"] =
        json!("/var/lib/jackline: read-only file system; remount it, nothing else is needed");
    insta::assert_snapshot!(page(status));
}

#[test]
fn degraded_points_at_the_servers() {
    let mut status = attached();
    status["state"] = json!("degraded");
    status["state_reason"] = json!("2 endpoints answer, none is ready: etcd fails on all of them");
    insta::assert_snapshot!(page(status));
}

#[test]
fn a_node_that_has_just_started_and_knows_nothing() {
    let mut status = attached();
    status["state"] = json!("isolated");
    status["state_reason"] = json!("no endpoint is known yet");
    status["endpoints"] = json!([]);
    status["sources"] = json!([]);
    status["listen"] = json!([]);
    status["state_file"] = json!({ "path": "/x", "saved": null, "status": "empty", "note": null });
    insta::assert_snapshot!(page(status));
}

#[test]
fn the_longest_address_a_long_name_and_hostile_text_fit_in_the_width() {
    let mut status = attached();
    let longest = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
    status["endpoints"][0]["address"] = json!(longest);
    status["endpoints"][0]["sessions"] = json!(19_999);
    status["endpoints"][0]["reason"] = json!(format!("\u{1b}]0;owned\u{7} {}", "x".repeat(300)));
    status["sources"][0]["name"] = json!("a source with a name that is longer than the column that it has");
    status["sources"][1]["last_report"] = Value::Null;
    status["sources"][1]["next_refresh"] = Value::Null;
    let page = page(status);
    assert!(page.contains(longest), "an address is never cut");
    assert!(!page.contains('\u{1b}') && !page.contains('\u{7}'));
    insta::assert_snapshot!(page);
}
