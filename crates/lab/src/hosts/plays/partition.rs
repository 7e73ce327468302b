//! The network splits between the agents: each reaches other servers than the other. Then one of them reaches none.

use std::time::{Duration, Instant};

use super::{SLOWER_BY, WATCHED};
use crate::hosts::Loss;
use crate::scenario::{Cast, SERVED_WITHIN, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "partition",
    story: "The network splits: each agent is cut off from the server that it uses and from the registration server, but not \
            from the same ones as the other. Each must stay attached. Then they are cut off from all servers, and their clients \
            must be served again as soon as the network is whole.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

const REGISTRATION: &str = "etcd-1";

/// How long the agents are cut off from all.
const ALONE: Duration = Duration::from_secs(6);

/// Clients ask ten times a second: after this nothing is left of the outage.
const AFTER: Duration = Duration::from_secs(3);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let used = stage.servers_in_use()?;
    let agents = stage.agents();
    stage.fault_begins();
    let fault = Instant::now();
    for (agent, victim) in agents.iter().zip(&used) {
        stage.say(format!(
            "{agent} is cut off from {} and {REGISTRATION}",
            victim.name()
        ));
        stage
            .hosts()?
            .lose_both_ways(&[agent], &[victim.name(), REGISTRATION], Loss::All)?;
    }
    stage.pass(WATCHED).await;
    let evidence = stage.evidence();
    let swallowed = stage.hosts()?.swallowed()?;
    stage.check_new_not_slower(&evidence, fault, SLOWER_BY);
    stage.check_new_requests(&evidence, fault);
    stage.check_never(fault, &["isolated", "degraded"]);
    stage.check_packets("vanished", swallowed);
    let whole = alone(stage, &agents).await?;
    let evidence = stage.finish_clients().await;
    stage.check_served(&evidence, &[whole], SERVED_WITHIN);
    stage.check_none_failed(
        &evidence,
        whole + SERVED_WITHIN,
        "no request fails once the network is whole again",
    );
    stage.check_nothing_forgotten("at the end");
    stage.check_nothing_restarted();
    stage.check_residents_attached(None);
    Ok(())
}

/// Says when the network was whole again.
async fn alone(stage: &mut Stage, agents: &[String]) -> anyhow::Result<Instant> {
    let servers: Vec<String> = stage
        .plane
        .servers()
        .iter()
        .map(|server| server.name().to_owned())
        .collect();
    stage.say("the agents are cut off from all servers");
    let cut = Instant::now();
    for agent in agents {
        stage
            .hosts()?
            .lose_both_ways(&[agent], &super::names(&servers), Loss::All)?;
    }
    stage.pass(ALONE).await;
    let answered = |node| stage.ledger.answered_since(node, cut + ALONE / 2);
    let cut_off = (0..agents.len()).all(|node| !answered(node));
    stage.check(
        "no client was answered while its agent was cut off from all: the fault was there",
        cut_off,
        if cut_off { "none was" } else { "some were" },
    );
    stage.say_what_they_say(&super::names(agents));
    stage.say("the network is whole again");
    let whole = Instant::now();
    stage.hosts()?.heal()?;
    stage.pass(AFTER).await;
    Ok(whole)
}
