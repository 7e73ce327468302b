//! The agents' own cables are pulled: the servers are all well, and the agents' kernels say that there is no way.

use std::time::{Duration, Instant};

use crate::scenario::{Cast, SERVED_WITHIN, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "own-link-down",
    story: "The agents' own cables are pulled for a while. No server is to blame for that, none may be forgotten, and the \
            agents' clients must be served again as soon as the cables are in.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

/// How long the cables are out.
const OUT: Duration = Duration::from_secs(5);

/// Two nodes' clients ask ten times a second: after this nothing is left of the outage.
const AFTER: Duration = Duration::from_secs(3);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let agents = stage.agents();
    stage.fault_begins();
    stage.say("the agents' cables are pulled");
    let pulled = Instant::now();
    for agent in &agents {
        stage.hosts()?.pull(agent)?;
    }
    stage.pass(OUT).await;
    let answered = |node| stage.ledger.answered_since(node, pulled + OUT / 2);
    let cut_off = (0..agents.len()).all(|node| !answered(node));
    stage.say_what_they_say(&super::names(&agents));
    stage.say("the agents' cables are plugged in");
    let plugged = Instant::now();
    for agent in &agents {
        stage.hosts()?.plug(agent)?;
    }
    stage.pass(AFTER).await;
    let evidence = stage.finish_clients().await;
    stage.check_served(&evidence, &[plugged], SERVED_WITHIN);
    stage.check_none_failed(
        &evidence,
        plugged + SERVED_WITHIN,
        "no request fails once the cables are in again",
    );
    stage.check(
        "no client was answered while the cables were out: the fault was there",
        cut_off,
        if cut_off { "none was" } else { "some were" },
    );
    stage.check_nothing_forgotten("at the end");
    stage.check_nothing_restarted();
    stage.check_residents_attached(None);
    Ok(())
}
