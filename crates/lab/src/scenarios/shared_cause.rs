//! An etcd election: `/readyz` fails with the same reason on all servers at once. Whoever moves gains nothing.

use std::time::{Duration, Instant};

use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "shared-cause",
    story: "readyz fails with `etcd` on all servers for 20 s, then heals on one after the other. Nothing may move, and no \
            node may take itself for isolated.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

/// Not compressed: what nodes see of it hangs on their probes, which are not.
const LASTS: Duration = Duration::from_secs(20);

const BETWEEN_HEALS: Duration = Duration::from_secs(2);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let fault = stage.fault_begins();
    stage.say("readyz fails with `etcd` on every server");
    for server in stage.plane.servers() {
        server.fail_readyz(&["etcd"]);
    }
    stage.pass(LASTS).await;
    for server in stage.plane.servers() {
        stage.say(format!("{} heals", server.name()));
        server.heal_readyz();
        stage.pass(BETWEEN_HEALS).await;
    }
    stage
        .wait_attached(Instant::now(), "after all servers have healed")
        .await;
    let evidence = stage.finish_clients().await;
    let noticed = stage.nodes.iter().filter(|node| {
        node.seen()
            .states
            .iter()
            .any(|change| change.at >= fault && change.state == "degraded")
    });
    let noticed = noticed.count();
    let nodes = stage.nodes.len();
    let got = format!("{noticed} of {nodes} did");
    stage.check(
        "every node sees it, and calls itself degraded",
        noticed == nodes,
        got,
    );
    stage.check_no_session_cut(&evidence, fault, "no session moves");
    stage.check_none_failed(&evidence, fault, "no request fails");
    stage.check_never(fault, &["isolated"]);
    let stuck = stage.stuck();
    stage.check(
        "every node is attached when it is over",
        stuck == 0,
        format!("{stuck} are not"),
    );
    Ok(())
}
