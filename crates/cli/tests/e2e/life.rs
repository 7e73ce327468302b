//! A node in its ordinary life: it attaches, carries requests, and tells what it knows.

use jackline_agent::status::{Health, NodeState, Standing, StateFileStatus};

use crate::apiserver::Cluster;
use crate::caller::Caller;
use crate::node::Node;
use crate::program::within;

#[tokio::test]
async fn a_node_attaches_carries_requests_and_tells_all_of_it() {
    let cluster = Cluster::new();
    let (joined, other) = (cluster.server().await, cluster.server().await);
    cluster.tell(&[joined.address, other.address]);
    let node = Node::start(&cluster, &format!("servers: [\"{}\"]\n", joined.url()));

    let both_ready = |status: &jackline_agent::status::Status| {
        status.endpoints.len() == 2
            && status
                .endpoints
                .iter()
                .all(|endpoint| endpoint.health == Health::Ready)
    };
    let status = node.status_when("both servers ready", both_ready).await;
    assert_eq!(status.state, NodeState::Attached);
    assert_eq!(status.node, "node-1");
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    assert!(status.started <= status.since && status.since <= status.now);
    for endpoint in &status.endpoints {
        assert_eq!(endpoint.standing, Standing::Listed);
        assert!(!endpoint.reason.is_empty(), "every judgement has its reason (H9)");
        assert!(endpoint.last_ready.is_some());
        assert!(
            endpoint
                .sources
                .iter()
                .all(|name| status.sources.iter().any(|source| source.name == *name))
        );
    }

    let mut caller = Caller::connect(&cluster, status.listen[0])
        .await
        .expect("a connection");
    assert_eq!(
        within("an answer", caller.read("/readyz"))
            .await
            .expect("an answer"),
        "ok"
    );
    let status = node
        .status_when("the session is counted", |status| status.sessions.open == 1)
        .await;
    assert_eq!(
        status
            .endpoints
            .iter()
            .map(|endpoint| endpoint.sessions)
            .sum::<u64>(),
        1
    );
    drop(caller);
    node.status_when("the session has ended", |status| {
        status.sessions.closed_total == 1
    })
    .await;

    let saved = |status: &jackline_agent::status::Status| status.state_file.status == StateFileStatus::Saved;
    let status = node.status_when("what is known is on disk", saved).await;
    assert!(std::path::Path::new(&status.state_file.path).starts_with(node.path("state")));

    let table = node.status_command("table").await;
    assert_eq!(table.code, Some(0));
    assert!(table.out.starts_with("node-1: ATTACHED for "), "{}", table.out);
    assert!(table.out.contains(&other.address.to_string()));
    for line in table.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[tokio::test]
async fn a_node_whose_servers_are_gone_is_isolated_and_says_so_by_its_exit_status() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let pace = "timing: { probe-used: 200ms, probe-idle: 200ms }";
    let mut node = Node::start(
        &cluster,
        &format!(
            "servers: [\"{}\"]
{pace}
",
            server.url()
        ),
    );
    node.attached().await;
    drop(server);
    node.status_when("isolated", |status| status.state == NodeState::Isolated)
        .await;
    assert_eq!(node.status_command("table").await.code, Some(2));
    assert!(node.runs(), "nothing makes it exit");
}
