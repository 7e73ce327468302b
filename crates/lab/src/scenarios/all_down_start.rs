//! The whole site comes up after a power cut, nodes first. A client must be told at once that nobody is there: a kubelet
//! that hangs on a held socket does not start the very static pods that it waits for.

use std::time::Duration;

use crate::StartAs;
use crate::scenario::{Cast, RECOVERY_WORST, Scenario, Stage};
use crate::verdict::millis;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "all-down-start",
    story: "jackline starts before any server exists; one appears after a minute. The nodes must attach at once, and until \
            then clients must get prompt resets, not hanging sockets.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

/// The hold time of 1 s, and room for a loaded machine.
const PROMPT: Duration = Duration::from_millis(1_800);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.fault_begins();
    stage.start_nodes().await?;
    stage.start_clients();
    stage.pass(stage.compressed(Duration::from_secs(60))).await;
    check_prompt(stage);
    stage.start_server("server-1", StartAs::Fresh)?;
    let ready = stage.wait_ready("server-1").await?;
    stage.recovered(ready, "when the first server had appeared").await;
    stage.check_recovery(RECOVERY_WORST);
    let answered = stage.wait_clients_answered(ready, stage.patience).await;
    stage.check(
        "clients are served",
        answered.is_ok(),
        answered.map_or_else(|e| e.to_string(), |()| "they are".into()),
    );
    Ok(())
}

/// Every request that has had the time for it was told promptly that nobody is there.
fn check_prompt(stage: &mut Stage) {
    let now = std::time::Instant::now();
    let requests = stage.ledger.requests();
    let due: Vec<_> = requests
        .iter()
        .filter(|request| now.saturating_duration_since(request.began) > PROMPT)
        .collect();
    let hanging = due
        .iter()
        .filter(|request| request.took().is_none_or(|took| took > PROMPT))
        .count();
    let worst = due
        .iter()
        .filter_map(|request| request.took())
        .max()
        .unwrap_or_default();
    stage.check(
        format!(
            "clients are reset within {} ms while nobody is there",
            millis(PROMPT)
        ),
        hanging == 0 && !due.is_empty(),
        format!(
            "{hanging} of {} hung, {} ms at worst of the others",
            due.len(),
            millis(worst)
        ),
    );
}
