//! k3s#11349: everything was joined to an etcd-only server, and the two control planes fail in turn. A balancer that
//! forgets a server which has left the list ends up with the one that is dead and the one that serves no API.

use std::time::{Duration, Instant};

use crate::node::Status;
use crate::scenario::{Cast, RECOVERY_MEDIAN, RECOVERY_WORST, SERVED_WITHIN, Scenario, Stage};
use crate::verdict::{Recovery, seconds};
use crate::{Shutdown, StartAs};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "alternating-outage",
    story: "Joined to an etcd-only server, the nodes lose control plane A until it has left every list, then B; A returns; \
            B returns and A stops; three times over. Every node must find its way back by itself.",
    cast: || Cast {
        agents: 3,
        etcd_nodes: 1,
        ..Cast::split()
    },
    play: |stage| Box::pin(play(stage)),
};

const ROUNDS: u32 = 3;

/// How long a node may take to see that everything is down; the outage itself is not measured.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let (mut change_overs, mut returns) = (Vec::new(), Vec::new());
    let mut unnoticed = 0;
    for round in 1..=ROUNDS {
        stage.say(format!("round {round} of {ROUNDS}"));
        let clean = round == 2;
        lose_a_until_forgotten(stage, clean).await?;
        unnoticed += u32::from(!lose_b(stage, clean).await?);
        stage.start_server("cp-a", StartAs::Fresh)?;
        let ready = stage.wait_ready("cp-a").await?;
        returns.push(ready);
        stage
            .recovered(ready, &format!("after A returned in round {round}"))
            .await;
        if stage.stuck() > 0 {
            // It is lost already; two more rounds would only prove it again.
            break;
        }
        change_overs.extend(change_over(stage).await?);
        stage.start_server("cp-a", StartAs::Fresh)?;
        stage.wait_servers_ready().await?;
    }
    let evidence = stage.finish_clients().await;
    check(stage, unnoticed, &change_overs);
    stage.check_served(&evidence, &returns, SERVED_WITHIN);
    Ok(())
}

/// A goes, and stays away until no server tells it and no node has it listed.
async fn lose_a_until_forgotten(stage: &mut Stage, clean: bool) -> anyhow::Result<()> {
    let cp_a = stage.server("cp-a")?;
    if clean {
        stage.stop("cp-a", Shutdown::AtOnce).await?;
    } else {
        stage.kill("cp-a")?;
    }
    let address = cp_a.address();
    let left = stage
        .plane
        .wait_until(Duration::from_secs(20), |plane| !plane.list().contains(&address))
        .await;
    anyhow::ensure!(left, "cp-a did not leave the list");
    let listed = |status: &Status| {
        status
            .endpoint(address)
            .is_some_and(|endpoint| endpoint.standing == "listed")
    };
    let unlisted = stage
        .wait_nodes(Instant::now(), Duration::from_secs(10), |status| !listed(status))
        .await;
    stage.say(if unlisted {
        "A has left every list"
    } else {
        "A has left the list; some node still has it listed"
    });
    Ok(())
}

/// B goes too. Whether every node noticed.
async fn lose_b(stage: &mut Stage, clean: bool) -> anyhow::Result<bool> {
    let gone = if clean {
        stage.stop("cp-b", Shutdown::AtOnce).await?
    } else {
        stage.kill("cp-b")?
    };
    Ok(stage.wait_not_attached(gone, NOTICED_WITHIN).await)
}

/// B returns, and A stops as soon as B is ready. How long each node took to be attached to B; `None`: stuck.
async fn change_over(stage: &mut Stage) -> anyhow::Result<Vec<Option<Duration>>> {
    let (a, b) = (stage.server("cp-a")?.address(), stage.server("cp-b")?.address());
    stage.start_server("cp-b", StartAs::Fresh)?;
    stage.wait_ready("cp-b").await?;
    let gone = stage.kill("cp-a")?;
    let on_b = move |status: &Status| {
        let ready = |address| {
            status
                .endpoint(address)
                .is_some_and(|endpoint| endpoint.health == "ready")
        };
        status.attached() && ready(b) && !ready(a)
    };
    let deadline = Instant::now() + stage.patience;
    let waits = stage.nodes.iter().map(|node| node.wait(gone, deadline, on_b));
    let times = futures_util::future::join_all(waits).await;
    Ok(times
        .into_iter()
        .map(|at| at.map(|at| at.saturating_duration_since(gone)))
        .collect())
}

fn check(stage: &mut Stage, unnoticed: u32, change_overs: &[Option<Duration>]) {
    stage.check_recovery(RECOVERY_WORST);
    stage.check_median(RECOVERY_MEDIAN);
    stage.check(
        "every node sees that both control planes are gone",
        unnoticed == 0,
        format!("in {} of {ROUNDS} rounds", ROUNDS - unnoticed),
    );
    let found: Vec<Duration> = change_overs.iter().flatten().copied().collect();
    let (worst, stuck) = (
        Recovery::of(&found).worst.unwrap_or_default(),
        change_overs.len() - found.len(),
    );
    stage.check(
        "when B has returned and A stops, every node is attached to B within 1.20 s",
        stuck == 0 && worst <= 1_200,
        format!("{} at worst of {}, {stuck} stuck", seconds(worst), found.len()),
    );
    let (nodes, stuck) = (stage.nodes.len(), stage.stuck());
    stage.check("no node is stuck", stuck == 0, format!("{stuck} of {nodes}"));
    stage.check_nothing_restarted();
}
