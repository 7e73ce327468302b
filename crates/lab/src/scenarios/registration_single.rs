//! One fixed registration address, and its server dies for good. It was the door, not the house.

use std::time::Duration;

use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "registration-single",
    story: "All nodes were joined with one fixed address, whose server dies for good. The nodes must not notice.",
    cast: || Cast {
        access: crate::node::Access::Kubelet,
        ..Cast::three_servers()
    },
    play: |stage| Box::pin(play(stage)),
};

/// Long enough for the server to leave every list and for each source to be refreshed.
const WATCHED: Duration = Duration::from_secs(10);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let fault = stage.kill("server-1")?;
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    stage.check_none_failed(&evidence, fault, "no request fails that began after it");
    stage.check_never(fault, &["isolated", "degraded"]);
    stage
        .wait_attached(fault, "after the registration address was gone")
        .await;
    let stuck = stage.stuck();
    stage.check("every node is attached", stuck == 0, format!("{stuck} are not"));
    Ok(())
}
