//! The path to the server in use becomes long and loses packets: 100 ms each way, three in ten gone.

use std::time::{Duration, Instant};

use super::{SLOWER_BY, WATCHED, names};
use crate::hosts::Loss;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "far-and-lossy",
    story: "The path from the agents to the server in use takes 100 ms each way and loses three packets in ten. New requests \
            must hardly notice.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

const DELAY: Duration = Duration::from_millis(100);
const LOST: u8 = 30;

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    let agents = stage.agents();
    let agents = names(&agents);
    stage.fault_begins();
    stage.say(format!(
        "packets between the agents and {} take {} ms each way, and {LOST} % vanish",
        victim.name(),
        DELAY.as_millis()
    ));
    let fault = Instant::now();
    stage.hosts()?.move_away(&agents, victim.name(), DELAY)?;
    stage
        .hosts()?
        .lose_both_ways(&agents, &[victim.name()], Loss::Percent(LOST))?;
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    let (relayed, swallowed) = (stage.hosts()?.relayed(), stage.hosts()?.swallowed()?);
    stage.check_new_not_slower(&evidence, fault, SLOWER_BY);
    stage.check_new_requests(&evidence, fault);
    stage.check_never(fault, &["isolated", "degraded"]);
    stage.check_packets("went the long way", relayed);
    stage.check_packets("vanished", swallowed);
    stage.check_nothing_restarted();
    stage.check_residents_attached(None);
    Ok(())
}
