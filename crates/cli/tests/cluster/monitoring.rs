//! What monitoring stands on, against Debian's Prometheus: the alert rules by promtool, and then all of it alive – a real
//! Prometheus that scrapes a node of the lab through an outage of every server, one after the other and back. The right
//! alerts are raised and cleared, and every query of the Grafana board gives something.

mod prometheus;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use jackline_agent::status::{Health, NodeState, Status};
use jackline_lab::StartAs;
use serde_json::Value;
use tokio::net::TcpStream;

use self::prometheus::{Prometheus, program};
use crate::node::{Node, plane, server};

fn monitoring(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/monitoring")
        .join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(monitoring(file)).expect("a file of examples/monitoring")
}

/// The names of all alert rules.
fn alerts() -> BTreeSet<String> {
    let rules = text("alerts.yaml");
    let named = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    named.map(str::to_owned).collect()
}

#[test]
fn promtool_finds_every_alert_raised_by_its_cause_and_gone_after_it() {
    let Some(promtool) = program("promtool_finds_every_alert", "promtool") else {
        return;
    };
    for arguments in [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts-test.yaml"],
    ] {
        let ended = Command::new(&promtool)
            .args(arguments)
            .current_dir(monitoring(""))
            .output()
            .expect("promtool runs");
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.contains("SUCCESS"), "{said}");
    }
    let tests = text("alerts-test.yaml");
    for alert in alerts() {
        let cases = tests.matches(&format!("alertname: {alert}\n")).count();
        assert_eq!(cases, 2, "{alert} is raised in one case and is gone in another");
    }
}

#[test]
fn every_alert_has_its_place_on_the_page() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring.md"));
    let page = page.expect("docs/monitoring.md");
    assert!(alerts().len() >= 10);
    for alert in alerts() {
        assert!(
            page.contains(&format!("| `{alert}` |")),
            "{alert} is not in docs/monitoring.md"
        );
    }
}

/// Each query of the board, as Grafana would send it.
fn queries() -> Vec<(String, String)> {
    let board: Value = serde_json::from_str(&text("dashboard.json")).expect("the board is JSON");
    let panels = board["panels"].as_array().expect("panels");
    let of = |panel: &Value| {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let targets = panel["targets"].as_array().expect("targets").clone();
        targets.into_iter().map(move |target| {
            let query = target["expr"].as_str().expect("a query");
            let query = query
                .replace("$__rate_interval", "30s")
                .replace("$instance", ".*");
            (title.clone(), query)
        })
    };
    panels.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_raises_and_clears_the_right_alerts_in_an_outage_and_the_board_shows_it() {
    let test = "a_real_prometheus_raises_and_clears_the_right_alerts";
    let Some(program) = program(test, "prometheus") else {
        return;
    };
    let plane = plane().await;
    let node = Node::start_with(
        &plane,
        "n1",
        |files| format!("kubeconfig: {}", files.k3s_controller_kubeconfig.display()),
        "metrics-listen: [\"{ip}:9460\"]\n",
    );
    let ready = |wanted: usize| {
        move |status: &Status| {
            status
                .endpoints
                .iter()
                .filter(|one| one.health == Health::Ready)
                .count()
                == wanted
        }
    };
    node.when("three are ready", ready(3)).await;
    let metrics = format!("{}:9460", node.listen.ip());
    let prometheus = Prometheus::start(
        &program,
        &metrics,
        plane.free_address().expect("an address"),
        &text("alerts.yaml"),
    );
    // A session, so that the board has some.
    let _client = TcpStream::connect(node.listen).await.expect("a session");
    let [a, b, c] = ["a", "b", "c"].map(|name| server(&plane, name));
    prometheus.answers("up == 1").await;
    assert_eq!(prometheus.firing().await, BTreeSet::new(), "all is well");

    a.kill();
    b.kill();
    node.when("one is left", ready(1)).await;
    prometheus.fires(&["JacklineOneEndpointLeft"]).await;
    c.kill();
    node.when("isolated", |status| status.state == NodeState::Isolated)
        .await;
    prometheus.fires(&["JacklineIsolated"]).await;
    let all = prometheus.firing().await;
    for wrong in [
        "JacklineTrustLost",
        "JacklineImpostor",
        "JacklineDown",
        "JacklineStateNotSaved",
        "JacklineHeartbeatLate",
    ] {
        assert!(!all.contains(wrong), "{wrong} has no cause here: {all:?}");
    }
    // Back in another order: the one that was lost first is the first to return.
    a.start(StartAs::default()).expect("it starts");
    node.when("attached", |status| status.state == NodeState::Attached)
        .await;
    prometheus.clears(&["JacklineIsolated"]).await;
    for server in [&b, &c] {
        server.start(StartAs::default()).expect("it starts");
    }
    node.when("three are ready again", ready(3)).await;
    prometheus
        .clears(&[
            "JacklineOneEndpointLeft",
            "JacklineIsolated",
            "JacklineSourceBlind",
            "JacklineDegraded",
        ])
        .await;

    let queries = queries();
    assert!(queries.len() >= 15, "{} queries", queries.len());
    for (panel, query) in queries {
        let found = prometheus.query(&query).await;
        assert!(!found.is_empty(), "the panel {panel:?} shows nothing: {query}");
    }
}
