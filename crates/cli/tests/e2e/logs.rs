//! The log: as JSON, and with the priorities that journald heeds.

use serde_json::Value;

use crate::apiserver::Cluster;
use crate::node::Node;

#[tokio::test]
async fn every_line_is_an_object_with_the_kind_of_event() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let lines = format!("servers: [\"{}\"]\nlog: {{ format: json }}\n", server.url());
    let node = Node::start(&cluster, &lines);
    node.attached().await;
    let log = node.log();
    let told: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |event: &str| {
        let found = told.iter().find(|line| line["event"] == event);
        found.unwrap_or_else(|| panic!("no {event}: {log}"))
    };
    assert_eq!(of("starts")["level"], "info");
    assert_eq!(of("endpoint-ready")["endpoint"], server.address.to_string());
    assert!(of("node-attached")["time"].is_string());
    assert!(told.iter().all(|line| line["message"].is_string()));
}

#[tokio::test]
async fn under_systemd_lines_begin_with_their_priority_and_have_no_time() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let lines = format!("servers: [\"{}\"]\n", server.url());
    let stream = [("JOURNAL_STREAM", "8:4711".to_owned())];
    let node = Node::start_in(&cluster, &lines, &stream);
    node.attached().await;
    let log = node.log();
    assert!(
        log.lines().any(|line| line.starts_with("<6>INFO  attached: ")),
        "{log}"
    );
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
}
