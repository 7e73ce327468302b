//! The cluster's CA is replaced, and the node's CA file comes later. No certificate verifies any more, although every server
//! is the right one: the clients know better than the node.

use std::time::{Duration, Instant};

use crate::Authority;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "new-ca",
    story: "The cluster's CA is replaced, the nodes' CA file later. Clients that trust the new CA must get through at once, \
            nothing may be forgotten, and status must tell the lost trust, then that it is healed.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

/// The node's own tests of every endpoint come round in this time on top of the patience; they are not compressed.
const TESTS_COME_ROUND: Duration = Duration::from_secs(15);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let new = Authority::new("lab-server-ca-2")?;
    stage.say("the CA is replaced on every server; the clients trust the new one");
    for server in stage.plane.servers() {
        server.present_ca(&new)?;
    }
    for node in &stage.nodes {
        node.identity.trust(&[&new])?;
    }
    let fault = stage.fault_begins();
    let lost = |status: &crate::node::Status| status.trust.state == "lost";
    let told = stage
        .wait_nodes(fault, stage.patience + TESTS_COME_ROUND, lost)
        .await;
    // A minute in all between the two, compressed; what is waited for above may have taken longer.
    let minute = stage.compressed(Duration::from_secs(60));
    stage.pass(minute.saturating_sub(fault.elapsed())).await;
    let words: Vec<String> = stage
        .nodes
        .iter()
        .filter_map(|node| node.status()?.trust.reason.clone())
        .collect();
    stage.check("status tells that trust is lost", told, words.join("; "));
    stage.check_nothing_forgotten("while trust is lost");
    stage.say("the nodes' CA file is replaced");
    let replaced = Instant::now();
    for node in &stage.nodes {
        stage.plane.write_ca(node.name(), &[&new])?;
    }
    let healed = stage
        .wait_nodes(replaced, stage.patience, |status| {
            status.attached() && !lost(status)
        })
        .await;
    let got = if healed {
        format!("{:.1} s after the file", replaced.elapsed().as_secs_f32())
    } else {
        sketch(stage)
    };
    stage.check(
        "trust is healed with the file, and every node attached",
        healed,
        got,
    );
    let evidence = stage.finish_clients().await;
    stage.check_none_failed(
        &evidence,
        fault,
        "clients that trust the new CA get through at once",
    );
    stage.check_nothing_forgotten("when it is over");
    Ok(())
}

fn sketch(stage: &Stage) -> String {
    let words: Vec<String> = stage
        .nodes
        .iter()
        .filter_map(|node| Some(node.status()?.sketch()))
        .collect();
    words.join("; ")
}
