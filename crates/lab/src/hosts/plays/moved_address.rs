//! The host of the server in use dies, and its address moves to another host, where the server starts anew.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::check_path;
use crate::StartAs;
use crate::clients::Kind;
use crate::clients::judge::Evidence;
use crate::scenario::{Cast, SPARE, Scenario, Stage};
use crate::verdict::{counted, millis, seconds};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "moved-address",
    story: "The host of the server in use dies without a word, and another host takes its address over; the server starts \
            there. New requests must hardly notice, sessions that sent something must be free again within seconds, those that \
            are silent a little later, and the server must be found at its old address.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

/// Between the death of the host and the move of the address.
const VACANT: Duration = Duration::from_secs(1);

/// The new host has no idea of the old sessions: the first question of a keep-alive is answered with a reset.
const SILENT_FREED_WITHIN: Duration = Duration::from_secs(9);

/// A server that nobody uses is tried at the usual pace: each 30 s, jittered.
const FOUND_AGAIN: Duration = Duration::from_secs(40);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    let resident = stage
        .residents
        .iter_mut()
        .find(|node| node.name() == victim.name());
    // It dies with its host.
    resident.context("a server without a node")?.kill().await;
    let fault = stage.fault_begins();
    stage.hosts()?.pull(victim.name())?;
    stage.kill(victim.name())?;
    stage.pass(VACANT).await;
    stage.say(format!("another host takes the address of {}", victim.name()));
    stage.hosts()?.take_over(SPARE, victim.name())?;
    victim.move_to(stage.hosts()?.place(SPARE)?);
    stage.start_server(victim.name(), StartAs::Fresh)?;
    let ready = stage.wait_ready(victim.name()).await?;
    stage
        .pass(SILENT_FREED_WITHIN.saturating_sub(fault.elapsed()))
        .await;
    let evidence = stage.evidence();
    stage.check_ready_again(&victim, fault, ready, FOUND_AGAIN).await;
    stage.finish_clients().await;
    check_path(stage, &evidence, &victim, fault);
    check_silent_freed(stage, &evidence, victim.name(), fault);
    stage.check_nothing_forgotten("at the end");
    stage.check_residents_attached(Some(victim.name()));
    Ok(())
}

/// Watches, which send nothing, are free too.
fn check_silent_freed(stage: &mut Stage, evidence: &Evidence, server: &str, fault: Instant) {
    let silent = evidence.connections.iter().filter(|connection| {
        connection.kind == Kind::Watch
            && connection.opened < fault
            && connection.ended.is_none_or(|ended| ended >= fault)
            && evidence.server_of(connection.id) == Some(server)
    });
    let times: Vec<Option<Duration>> = silent
        .map(|connection| {
            connection
                .ended
                .map(|ended| ended.saturating_duration_since(fault))
        })
        .collect();
    let open = times.iter().filter(|time| time.is_none()).count();
    let worst = times.iter().flatten().max().copied().unwrap_or_default();
    stage.check(
        format!(
            "sessions with {server} that sent nothing are free within {}",
            seconds(millis(SILENT_FREED_WITHIN))
        ),
        open == 0 && !times.is_empty() && worst <= SILENT_FREED_WITHIN,
        format!(
            "{}, the last free after {}, {open} never freed",
            counted(times.len() as u64, "such session", "such sessions"),
            seconds(millis(worst))
        ),
    );
}
