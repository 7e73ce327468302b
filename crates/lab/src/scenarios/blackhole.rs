//! The machine of the server in use loses its network: packets to it vanish. Nothing is refused, nothing is reset.

use std::time::{Duration, Instant};

use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "blackhole",
    story: "The server in use answers nothing any more. New requests must hardly notice, and sessions that sent something \
            must be free again within seconds.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

const SLOWER_BY: Duration = Duration::from_millis(500);

/// How long it is watched: sessions must be free after 3 s, requests time out after 5.
const WATCHED: Duration = Duration::from_secs(8);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    stage.fault_begins();
    stage.say(format!("{} is cut off from the network", victim.name()));
    let fault = Instant::now();
    victim.black_hole()?;
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    stage.check_new_not_slower(&evidence, fault, SLOWER_BY);
    stage.check_new_requests(&evidence, fault);
    stage.check_freed(&evidence, victim.name(), fault);
    stage.check_never(fault, &["isolated", "degraded"]);
    Ok(())
}
