//! k3s#11934, rke2#7899, k3s#14629: a server that has just started tells an empty list, a short one, or only dead servers.
//! After a full outage that is the ordinary course of events, and it proves nothing.

use std::time::{Duration, Instant};

use crate::StartAs;
use crate::scenario::{Cast, RECOVERY_WORST, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "empty-list",
    story: "After a full outage the only server alive answers before it is ready, and tells an empty list; in other rounds \
            a short one, or only dead servers. Nothing may be forgotten, and sessions must stay where they are answered.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

/// How long the server is alone: its list is asked for several times in it.
const ALONE: Duration = Duration::from_secs(4);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let short = vec![stage.server("server-2")?.address()];
    let mut cut = Vec::new();
    for start_as in [StartAs::EmptyList, StartAs::ShortList(short), StartAs::DeadList] {
        cut.push(round(stage, start_as).await?);
        stage.start_server("server-2", StartAs::Fresh)?;
        stage.start_server("server-3", StartAs::Fresh)?;
        stage.wait_servers_ready().await?;
    }
    let total: usize = cut.iter().sum();
    stage.check(
        "sessions stay on the server that answers",
        total == 0,
        format!(
            "{} cut with the empty, {} with the short, {} with the dead list",
            cut[0], cut[1], cut[2]
        ),
    );
    stage.check_recovery(RECOVERY_WORST);
    Ok(())
}

/// All die, the first one returns alone. How many sessions with it were cut.
async fn round(stage: &mut Stage, start_as: StartAs) -> anyhow::Result<usize> {
    let mut gone = Instant::now();
    for name in ["server-1", "server-2", "server-3"] {
        gone = stage.kill(name)?;
    }
    stage.wait_not_attached(gone, Duration::from_secs(10)).await;
    let when = match &start_as {
        StartAs::EmptyList => "for an empty list",
        StartAs::ShortList(_) => "for a short list",
        _ => "for a list of dead servers",
    };
    stage.start_server("server-1", start_as)?;
    let ready = stage.wait_ready("server-1").await?;
    stage
        .recovered(ready, "when the first server had returned alone")
        .await;
    stage
        .wait_clients_answered(Instant::now(), stage.patience)
        .await?;
    let settled = Instant::now();
    stage.pass(ALONE).await;
    stage.check_nothing_forgotten(when);
    let evidence = stage.evidence();
    let cut = evidence.cut(settled, Instant::now());
    Ok(cut.len())
}
