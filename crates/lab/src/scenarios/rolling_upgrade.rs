//! An upgrade of the control plane: three servers in turn stopped cleanly, away for a while, back again; once as the
//! default is (the listener closes at once), once with a shutdown delay.

use std::time::Duration;

use crate::scenario::{Cast, Scenario, Stage};
use crate::{Shutdown, StartAs};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "rolling-upgrade",
    story: "Three servers in turn are stopped cleanly, stay away and come back, without and with a shutdown delay. \
            No request may fail.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

const DELAY: Duration = Duration::from_secs(2);

/// How long a server is away.
const AWAY: Duration = Duration::from_millis(500);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let begin = stage.fault_begins();
    for shutdown in [Shutdown::AtOnce, Shutdown::Delayed(DELAY)] {
        for name in ["server-1", "server-2", "server-3"] {
            stage.stop(name, shutdown).await?;
            stage.pass(AWAY).await;
            stage.start_server(name, StartAs::Fresh)?;
            stage.wait_ready(name).await?;
            stage.wait_servers_ready().await?;
        }
    }
    let evidence = stage.finish_clients().await;
    stage.check_none_failed(&evidence, begin, "no request fails");
    stage.check_never(begin, &["isolated"]);
    Ok(())
}
