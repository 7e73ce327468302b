//! Packets between the agents and the server in use vanish: on their way there, on their way back, or both.

use std::time::Instant;

use super::{WATCHED, check_path, names};
use crate::hosts::Loss;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const TO_SERVER: Scenario = Scenario {
    name: "dropped-to-server",
    story: "The agents' packets to the server in use vanish; the server's own still arrive. New requests must hardly notice, \
            and sessions that sent something must be free again within seconds.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage, Way::There)),
};

pub(crate) const FROM_SERVER: Scenario = Scenario {
    name: "dropped-from-server",
    story: "The packets of the server in use to the agents vanish; it still hears them, and answers. New requests must \
            hardly notice, and sessions that sent something must be free again within seconds.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage, Way::Back)),
};

pub(crate) const BOTH_WAYS: Scenario = Scenario {
    name: "dropped-both-ways",
    story: "No packet passes between the agents and the server in use; both are well, and in touch with all others. New \
            requests must hardly notice, and sessions that sent something must be free again within seconds.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage, Way::Both)),
};

#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
    Both,
}

async fn play(stage: &mut Stage, way: Way) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    let agents = stage.agents();
    let agents = names(&agents);
    stage.fault_begins();
    let what = match way {
        Way::There => "packets from the agents to",
        Way::Back => "packets to the agents from",
        Way::Both => "all packets between the agents and",
    };
    stage.say(format!("{what} {} vanish", victim.name()));
    let fault = Instant::now();
    match way {
        Way::There => stage.hosts()?.lose(&agents, &[victim.name()], Loss::All)?,
        Way::Back => stage.hosts()?.lose(&[victim.name()], &agents, Loss::All)?,
        Way::Both => stage
            .hosts()?
            .lose_both_ways(&agents, &[victim.name()], Loss::All)?,
    }
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    let swallowed = stage.hosts()?.swallowed()?;
    check_path(stage, &evidence, &victim, fault);
    stage.check_packets("vanished", swallowed);
    stage.check_residents_attached(None);
    Ok(())
}
