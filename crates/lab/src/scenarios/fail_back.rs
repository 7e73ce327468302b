//! k3s#11311: with every control plane gone, only the etcd-only registration server is left, which serves no API. When the
//! control planes return, whoever was sent there must leave it at once.

use std::time::{Duration, Instant};

use crate::StartAs;
use crate::node::Status;
use crate::scenario::{Cast, RECOVERY_WORST, Scenario, Stage};
use crate::verdict::{millis, seconds};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "fail-back",
    story: "Only the etcd-only registration server is left, which answers 503 to everything; then the control planes \
            return. Sessions must leave it at once.",
    cast: Cast::split,
    play: |stage| Box::pin(play(stage)),
};

/// How long the registration server is alone.
const ALONE: Duration = Duration::from_secs(4);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let etcd = stage.server("etcd-1")?.address();
    stage.kill("cp-a")?;
    let gone = stage.kill("cp-b")?;
    stage.wait_not_attached(gone, Duration::from_secs(10)).await;
    stage.pass(ALONE).await;
    let there: u64 = stage
        .nodes
        .iter()
        .map(|node| sessions_with(node.status().as_deref(), etcd))
        .sum();
    stage.say(format!(
        "{there} sessions are with the registration server, which serves no API"
    ));
    stage.start_server("cp-a", StartAs::Fresh)?;
    stage.start_server("cp-b", StartAs::Fresh)?;
    stage.wait_ready("cp-a").await?;
    let ready = stage.plane.ready_since().unwrap_or_else(Instant::now);
    stage
        .recovered(ready, "when the control planes had returned")
        .await;
    let worst = left(stage, etcd, ready).await;
    stage.check_recovery(RECOVERY_WORST);
    stage.check(
        "clients had been sent to the registration server for want of another",
        there > 0,
        format!("{there} sessions"),
    );
    stage.check(
        "no session is with the registration server 1.50 s after a control plane is ready",
        worst.is_some_and(|worst| worst <= Duration::from_millis(1_500)),
        worst.map_or("some stayed".to_owned(), |worst| {
            format!("the last left after {}", seconds(millis(worst)))
        }),
    );
    let answered = stage.wait_clients_answered(Instant::now(), stage.patience).await;
    stage.check(
        "clients are served again",
        answered.is_ok(),
        answered.map_or_else(|e| e.to_string(), |()| "they are".into()),
    );
    Ok(())
}

fn sessions_with(status: Option<&Status>, server: std::net::SocketAddr) -> u64 {
    status
        .and_then(|status| status.endpoint(server))
        .map_or(0, |endpoint| endpoint.sessions)
}

/// How long after `ready` the last node had no session with it any more; `None`: some node still has.
async fn left(stage: &Stage, server: std::net::SocketAddr, ready: Instant) -> Option<Duration> {
    let deadline = Instant::now() + stage.patience;
    let waits = stage.nodes.iter().map(|node| {
        node.wait(ready, deadline, |status| {
            status.attached() && sessions_with(Some(status), server) == 0
        })
    });
    let times = futures_util::future::join_all(waits).await;
    times
        .into_iter()
        .map(|at| at.map(|at| at.saturating_duration_since(ready)))
        .try_fold(Duration::ZERO, |worst, time| time.map(|time| worst.max(time)))
}
