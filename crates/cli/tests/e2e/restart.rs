//! Killed and started again: what was learnt is not lost.

use jackline_agent::status::{Health, StateFileStatus, Status};

use crate::apiserver::Cluster;
use crate::caller::Caller;
use crate::node::Node;
use crate::program::within;

fn remembered(status: &Status) -> bool {
    status.endpoints.len() == 2
        && status
            .endpoints
            .iter()
            .all(|endpoint| endpoint.health == Health::Ready)
        && status.state_file.status == StateFileStatus::Saved
}

#[tokio::test]
async fn after_kill_9_with_a_dead_registration_address_it_attaches_through_a_remembered_endpoint() {
    let cluster = Cluster::new();
    let (joined, other) = (cluster.server().await, cluster.server().await);
    cluster.tell(&[joined.address, other.address]);
    let mut node = Node::start(&cluster, &format!("servers: [\"{}\"]\n", joined.url()));
    let first = node.status_when("both known, and on disk", remembered).await;
    // On disk may mean: all but the last moments. The file itself must name the other one.
    let state = first.state_file.path.clone();
    crate::program::until("the state file names the learnt endpoint", || async {
        std::fs::read_to_string(&state)
            .ok()
            .filter(|text| text.contains(&other.address.to_string()))
    })
    .await;

    node.kill().await;
    drop(joined);
    node.restart();

    let second = node.attached().await;
    assert_ne!(first.pid, second.pid);
    let used = second
        .endpoints
        .iter()
        .find(|endpoint| endpoint.address == other.address)
        .expect("it is remembered");
    assert_eq!(used.health, Health::Ready);
    let mut caller = Caller::connect(&cluster, second.listen[0])
        .await
        .expect("a connection");
    assert_eq!(
        within("an answer", caller.read("/readyz"))
            .await
            .expect("an answer"),
        "ok"
    );
}

#[tokio::test]
async fn killed_again_and_again_it_starts_every_time() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let mut node = Node::start(&cluster, &format!("servers: [\"{}\"]\n", server.url()));
    for _ in 0..5 {
        node.status_when("it answers", |_| true).await;
        node.kill().await;
        node.restart();
    }
    node.attached().await;
}

/// An older jackline is put back on a node that a newer one has run on: it starts without memory, and keeps what it cannot read.
#[tokio::test]
async fn after_a_downgrade_it_attaches_and_the_newer_files_are_kept() {
    const STATE: &str = "{\"format\":\"jackline-state\",\"version\":2,\"of\":\"a later version\"}";
    const SEGMENT: &str = "{\"jackline_journal\":2,\"of\":\"a later version\"}\n";
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let mut node = Node::start(&cluster, &format!("servers: [\"{}\"]\n", server.url()));
    node.attached().await;
    node.kill().await;
    let state = node.path("state");
    std::fs::write(state.join("state.json"), STATE).expect("a file");
    // As a newer jackline would have left it: the newest segment of all.
    let segment = state.join("journal/segment-00000900.jsonl");
    std::fs::write(&segment, SEGMENT).expect("a file");

    node.restart();
    let status = node.attached().await;
    let note = status.state_file.note.unwrap_or_default();
    assert!(note.contains("set aside as state.json.future-"), "{note}");
    let name = note.rsplit("set aside as ").next().expect("a name");
    let kept = std::fs::read_to_string(state.join(name)).expect("it is there");
    assert_eq!(kept, STATE, "for the newer version to be put back with it");
    assert_eq!(std::fs::read_to_string(&segment).expect("it is there"), SEGMENT);
    let events = crate::program::run(["events", "--state-dir", &state.to_string_lossy()]).await;
    assert_eq!(events.code, Some(0), "{}", events.err);
    assert!(
        events.out.contains("attached"),
        "its own are told: {}",
        events.out
    );
}
