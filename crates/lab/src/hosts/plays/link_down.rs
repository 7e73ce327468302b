//! The cable of the server in use is pulled. Its host knows; nobody else is told.

use std::time::{Duration, Instant};

use super::{WATCHED, check_path};
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "link-down",
    story: "The cable of the server in use is pulled; it leaves the list, and comes back when the cable is in again. New \
            requests must hardly notice, sessions that sent something must be free again within seconds, and nobody may forget it.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

/// A server that nobody uses is tried at the usual pace: each 30 s, jittered.
const FOUND_AGAIN: Duration = Duration::from_secs(40);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    stage.fault_begins();
    stage.say(format!("the cable of {} is pulled", victim.name()));
    let fault = Instant::now();
    stage.hosts()?.pull(victim.name())?;
    victim.lose_etcd(true);
    stage.pass(WATCHED).await;
    let left = !stage.plane.list().contains(&victim.address());
    let evidence = stage.evidence();
    stage.say_what_they_say(&[victim.name()]);
    stage.say(format!("the cable of {} is plugged in", victim.name()));
    let plugged = Instant::now();
    stage.hosts()?.plug(victim.name())?;
    victim.lose_etcd(false);
    stage
        .check_ready_again(&victim, fault, plugged, FOUND_AGAIN)
        .await;
    stage.finish_clients().await;
    check_path(stage, &evidence, &victim, fault);
    stage.check(
        format!("{} had left the list: the fault was there", victim.name()),
        left,
        if left { "it had" } else { "it had not" },
    );
    stage.check_nothing_forgotten("at the end");
    stage.check_residents_attached(None);
    Ok(())
}
