//! A server is gone, and its address now belongs to another cluster. The connect succeeds, the handshake does, and the
//! certificate tells.

use std::time::{Duration, Instant};

use crate::Authority;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "foreign-server",
    story: "An address that the nodes remember belongs to another cluster when they start again. It must be found out, \
            told, and never used.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

const FOUND_OUT_WITHIN: Duration = Duration::from_secs(10);

/// How long clients go on afterwards.
const WATCHED: Duration = Duration::from_secs(4);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    // The one that a node would use first is the one that hurts.
    let foreign = stage.server_in_use()?;
    // Debounced writes end within a moment.
    stage.pass(Duration::from_secs(2)).await;
    stage.rest_clients().await;
    stage.say("jackline is ended on every node");
    for node in &mut stage.nodes {
        node.terminate().await;
    }
    stage.say(format!(
        "{} is gone, and its address belongs to another cluster",
        foreign.name()
    ));
    foreign.foreign(&Authority::new("another cluster's CA")?)?;
    let settled = stage
        .plane
        .wait_until(Duration::from_secs(10), |_| {
            foreign.is_ready() || foreign.is_answering()
        })
        .await;
    anyhow::ensure!(settled, "the foreign server did not start");
    let requests = foreign.requests();
    let started = Instant::now();
    stage.start_nodes().await?;
    stage.fault_begins();
    stage.start_clients();
    stage.recovered(started, "beside a foreign server").await;
    let address = foreign.address();
    let impostor = |status: &crate::node::Status| {
        status
            .endpoint(address)
            .is_some_and(|endpoint| endpoint.health == "impostor" && !endpoint.reason.is_empty())
    };
    let told = stage.wait_nodes(started, FOUND_OUT_WITHIN, impostor).await;
    let served = Instant::now();
    stage.pass(WATCHED).await;
    let words: Vec<String> = stage
        .nodes
        .iter()
        .filter_map(|node| {
            let status = node.status()?;
            let endpoint = status.endpoint(address)?;
            Some(format!(
                "{}: {} ({})",
                node.name(),
                endpoint.health,
                endpoint.reason
            ))
        })
        .collect();
    stage.check("status tells the impostor", told, words.join("; "));
    let sessions: u64 = stage
        .nodes
        .iter()
        .map(|node| node.seen().most_sessions(address, served))
        .max()
        .unwrap_or_default();
    stage.check(
        "no session is with the impostor",
        sessions == 0,
        format!("{sessions} at most"),
    );
    let asked = foreign.requests() - requests;
    stage.check(
        "no request reaches the impostor",
        asked == 0,
        format!("{asked} did"),
    );
    let evidence = stage.finish_clients().await;
    stage.check_none_failed(&evidence, served, "no request fails");
    Ok(())
}
