//! k3s#11333: a node starts again while the server that it was joined with is down. The others are up, and it knew them.

use std::time::{Duration, Instant};

use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "cold-start",
    story: "jackline starts from its state file while the registration address is dead. The nodes must attach through an \
            endpoint that they remember.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

/// What was learnt must be on the disk by then.
const SAVED_WITHIN: Duration = Duration::from_secs(15);

/// How long clients go on afterwards.
const WATCHED: Duration = Duration::from_secs(2);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let addresses: Vec<_> = stage.plane.servers().iter().map(crate::Server::address).collect();
    let saved = stage
        .wait_nodes(Instant::now(), SAVED_WITHIN, |status| {
            status.state_file.status == "saved"
                && addresses
                    .iter()
                    .all(|address| status.endpoint(*address).is_some())
        })
        .await;
    stage.check(
        "every node has saved what it knows",
        saved,
        if saved { "all have" } else { "some have not" },
    );
    // Debounced writes end within a moment; a kill must not lose them.
    stage.pass(Duration::from_secs(2)).await;
    stage.rest_clients().await;
    stage.say("jackline is killed on the first node and ended on the second");
    stage.nodes[0].kill().await;
    stage.nodes[1].terminate().await;
    stage.kill("server-1")?;
    let started = Instant::now();
    stage.start_nodes().await?;
    let up = Instant::now();
    stage.start_clients();
    stage
        .recovered(started, "started with its registration address dead")
        .await;
    let (nodes, stuck) = (stage.nodes.len(), stage.stuck());
    stage.check(
        "every node attaches through a remembered endpoint",
        stuck == 0,
        format!("{} of {nodes} did", nodes - stuck),
    );
    let answered = stage.wait_clients_answered(up, stage.patience).await;
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    stage.check(
        "clients are served",
        answered.is_ok(),
        answered.map_or_else(|e| e.to_string(), |()| "they are".into()),
    );
    stage.check_none_failed(&evidence, up, "no request fails");
    Ok(())
}
