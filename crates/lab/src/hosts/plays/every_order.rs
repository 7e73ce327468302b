//! Three control planes fail and return in every order there is, with real etcd beside them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::clients::Kind;
use crate::etcd::scribe;
use crate::node::{Node, Status};
use crate::scenario::{Cast, RECOVERY_WORST, RealEtcd, SERVED_WITHIN, Scenario, Stage};
use crate::verdict::{Recovery, counted, millis, seconds};
use crate::{Shutdown, StartAs};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "every-order",
    story: "Three control planes fail one after the other, each when the one before has left every list, and return in the same \
            order: in each of the six orders, by SIGKILL and by a clean stop in turn. Real etcd runs on the registration server's host, \
            whose node reads it. Every node must be attached soon after the first is ready.",
    cast: || Cast {
        etcd: RealEtcd::Needed,
        clients: vec![Kind::Fresh],
        ..Cast::six_hosts()
    },
    play: |stage| Box::pin(play(stage)),
};

const ORDERS: [[&str; 3]; 6] = [
    ["cp-1", "cp-2", "cp-3"],
    ["cp-1", "cp-3", "cp-2"],
    ["cp-2", "cp-1", "cp-3"],
    ["cp-2", "cp-3", "cp-1"],
    ["cp-3", "cp-1", "cp-2"],
    ["cp-3", "cp-2", "cp-1"],
];

/// Half of the nodes are attached within this.
const MEDIAN: Duration = Duration::from_millis(400);

/// A server leaves the lists within this: its lease runs out, and another one looks.
const LEFT_WITHIN: Duration = Duration::from_secs(20);

/// How long a node may take to see that everything is down; the outage itself is not measured.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// Between two rounds: whatever the return has set going comes to rest.
const REST: Duration = Duration::from_secs(2);

/// What all rounds come to.
#[derive(Default)]
struct Found {
    times: Vec<Duration>,
    stuck: Vec<String>,
    unnoticed: usize,
    /// Leases in etcd when the last of three still lived, in each round.
    leases: Vec<usize>,
    ready: Vec<Instant>,
}

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let mut found = Found::default();
    for (round, order) in ORDERS.iter().enumerate() {
        let how = if round % 2 == 0 { "SIGKILL" } else { "clean stops" };
        stage.say(format!("round {}: {}, by {how}", round + 1, order.join(", ")));
        fail(stage, order, round % 2 == 1, &mut found).await?;
        come_back(stage, order, &mut found).await?;
        if !found.stuck.is_empty() {
            break;
        }
        stage.pass(REST).await;
    }
    let evidence = stage.finish_clients().await;
    check(stage, &found);
    stage.check_served(&evidence, &found.ready, SERVED_WITHIN);
    stage.check_nothing_forgotten("at the end");
    stage.check_nothing_restarted();
    stage.check_residents_attached(None);
    Ok(())
}

async fn fail(stage: &mut Stage, order: &[&str; 3], cleanly: bool, found: &mut Found) -> anyhow::Result<()> {
    for (number, name) in order.iter().enumerate() {
        let last = number + 1 == order.len();
        if last {
            found.leases.push(leases(stage).await?);
        }
        let gone = match cleanly {
            true => stage.stop(name, Shutdown::AtOnce).await?,
            false => stage.kill(name)?,
        };
        if last {
            found.unnoticed += not_attached(stage, gone).await;
            break;
        }
        let address = stage.server(name)?.address();
        let left = stage
            .plane
            .wait_until(LEFT_WITHIN, |plane| !plane.list().contains(&address))
            .await;
        anyhow::ensure!(left, "{name} did not leave the list");
        stage
            .wait_lease_gone(&scribe::lease(address), LEFT_WITHIN)
            .await?;
    }
    Ok(())
}

async fn leases(stage: &mut Stage) -> anyhow::Result<usize> {
    let (gateway, client) = (stage.etcd()?.gateway(0), stage.etcd()?.client(0));
    Ok(gateway.keys(client, scribe::LEASES).await?.len())
}

/// How many nodes do not see that everything is down.
async fn not_attached(stage: &Stage, since: Instant) -> usize {
    let deadline = since + NOTICED_WITHIN;
    let lost = |status: &Status| !status.attached();
    let waits = everybody(stage).map(|node| node.wait(since, deadline, lost));
    let noticed = join_all(waits).await;
    noticed.iter().filter(|noticed| noticed.is_none()).count()
}

/// The agents and the nodes of the servers' own hosts.
fn everybody(stage: &Stage) -> impl Iterator<Item = &Node> {
    stage.nodes.iter().chain(&stage.residents)
}

async fn come_back(stage: &mut Stage, order: &[&str; 3], found: &mut Found) -> anyhow::Result<()> {
    let [first, others @ ..] = order;
    stage.start_server(first, StartAs::Fresh)?;
    let ready = stage.wait_ready(first).await?;
    found.ready.push(ready);
    let deadline = Instant::now() + stage.patience;
    let waits = everybody(stage).map(|node| node.wait(ready, deadline, Status::attached));
    let attached = join_all(waits).await;
    for (node, at) in everybody(stage).zip(attached) {
        match at {
            Some(at) => found.times.push(at.saturating_duration_since(ready)),
            None => found
                .stuck
                .push(format!("{} ({})", node.name(), order.join(", "))),
        }
    }
    let last = found.times.iter().rev().take(everybody(stage).count()).max();
    let last = seconds(millis(last.copied().unwrap_or_default()));
    stage.say(format!("every node is attached again, the last after {last}"));
    for name in others {
        stage.start_server(name, StartAs::Fresh)?;
    }
    stage.wait_servers_ready().await
}

fn check(stage: &mut Stage, found: &Found) {
    let recovery = Recovery::of(&found.times);
    let expected = ORDERS.len() * everybody(stage).count();
    let got = match (recovery.median, recovery.worst) {
        (Some(median), Some(worst)) => format!(
            "median {}, worst {} of {} ({} of {} in 6 orders), {} stuck",
            seconds(median),
            seconds(worst),
            counted(found.times.len() as u64, "recovery", "recoveries"),
            found.times.len(),
            expected,
            found.stuck.len()
        ),
        _ => "no node was attached again".to_owned(),
    };
    let met = found.times.len() == expected
        && recovery.median.is_some_and(|median| median <= millis(MEDIAN))
        && recovery
            .worst
            .is_some_and(|worst| worst <= millis(RECOVERY_WORST));
    stage.figure(
        "any of the 6 permutations of three servers failing and returning, real etcd: from first ready server to attached, every node",
        &format!(
            "median ≤ {}, worst ≤ {}",
            seconds(millis(MEDIAN)),
            seconds(millis(RECOVERY_WORST))
        ),
        met,
        got,
    );
    stage.count_recoveries(&found.times);
    stage.check(
        "every node sees that everything is down, each time",
        found.unnoticed == 0,
        format!("{} times some node did not", found.unnoticed),
    );
    let one_each_time = found.leases.len() == ORDERS.len() && found.leases.iter().all(|count| *count == 1);
    stage.check(
        "real etcd has the lease of the last one alone before it fails: the others' ran out",
        one_each_time,
        format!("{:?} leases", found.leases),
    );
}
