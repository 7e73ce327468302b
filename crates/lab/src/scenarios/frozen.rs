//! The server in use is frozen: its kernel accepts and acknowledges for it, and nobody answers. TCP never finds out.

use std::time::{Duration, Instant};

use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "frozen",
    story: "The server in use is frozen: its kernel accepts and acknowledges, nobody answers. No new request may fail, and \
            sessions that sent something must be free again within seconds.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

/// How long it is watched: sessions must be free after 3 s, requests time out after 5.
const WATCHED: Duration = Duration::from_secs(8);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    stage.fault_begins();
    stage.say(format!("{} is frozen", victim.name()));
    let fault = Instant::now();
    victim.freeze();
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    stage.check_new_requests(&evidence, fault);
    stage.check_freed(&evidence, victim.name(), fault);
    stage.check_never(fault, &["isolated", "degraded"]);
    Ok(())
}
