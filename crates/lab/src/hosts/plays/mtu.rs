//! An MTU black hole: large packets vanish on the way, small ones pass, and nobody tells the senders.

use std::time::Instant;

use super::{WATCHED, check_path, names};
use crate::hosts::Loss;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "mtu-black-hole",
    story: "Only packets of up to 400 bytes pass between the agents and the server in use, and nobody says so: it accepts \
            connections, and cannot show its certificate. New requests must hardly notice, and sessions that sent something \
            must be free again within seconds.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

/// As narrow as the lab's lists are short: a hello of TLS and a question pass, a certificate and a list do not.
const PASSES: u16 = 400;

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    let agents = stage.agents();
    stage.fault_begins();
    stage.say(format!(
        "between the agents and {} packets of more than {PASSES} bytes vanish",
        victim.name()
    ));
    let fault = Instant::now();
    stage
        .hosts()?
        .lose_both_ways(&names(&agents), &[victim.name()], Loss::LongerThan(PASSES))?;
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    let swallowed = stage.hosts()?.swallowed()?;
    check_path(stage, &evidence, &victim, fault);
    stage.check_packets("vanished", swallowed);
    stage.check_residents_attached(None);
    Ok(())
}
