//! A control plane is removed for good: its Node is deleted and no list has it any more. It goes on serving the sessions that it has.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::node::{GRACE, Node};
use crate::scenario::{Cast, RealEtcd, Scenario, Stage};
use crate::verdict::{counted, millis, seconds};
use crate::{Plan, Role};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "removed-for-good",
    story: "The control plane in use is removed: its Node is deleted and its address leaves every list and etcd, but the server \
            goes on serving the sessions that it has. Every node must archive it after the grace period and no sooner, and cut no \
            session.",
    cast: || Cast {
        agents: 2,
        etcd_nodes: 1,
        etcd: RealEtcd::Needed,
        ..Cast::of(Plan {
            factor: FACTOR,
            ..Plan::default()
                .with("etcd-1", Role::EtcdOnly)
                .with("cp-a", Role::ControlPlaneOnly)
                .with("cp-b", Role::ControlPlaneOnly)
                .with("cp-c", Role::ControlPlaneOnly)
        })
    },
    play: |stage| Box::pin(play(stage)),
};

/// The grace period is half a minute.
const FACTOR: u32 = 20;

/// Reports that tell of the absence must span the grace period, so its end is found at the next ones of both sources: two
/// periods of theirs, jittered, at both ends.
const REPORTS: Duration = Duration::from_secs(4 * 132);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    let address = victim.address();
    let from = stage.fault_begins();
    stage.say(format!(
        "{} is removed: its Node is deleted, and it leaves the list",
        victim.name()
    ));
    victim.keep_off_list(true);
    let left = stage
        .plane
        .wait_until(Duration::from_secs(20), |plane| !plane.list().contains(&address))
        .await;
    anyhow::ensure!(left, "{} did not leave the list", victim.name());
    stage.plane.delete_node(victim.name());
    let gone = Instant::now();
    let grace = stage.compressed(GRACE);
    let limit = grace + stage.compressed(REPORTS);
    let archived = |status: &crate::node::Status| {
        status
            .endpoint(address)
            .is_some_and(|endpoint| endpoint.standing == "archived")
    };
    stage.wait_nodes(gone, limit, archived).await;
    // Long enough for a session to be cut by it.
    stage.pass(Duration::from_secs(3)).await;
    let times: Vec<Option<Duration>> = stage
        .nodes
        .iter()
        .map(|node| archived_after(node, address, gone))
        .collect();
    let evidence = stage.finish_clients().await;
    check_archived(stage, &times, grace, limit);
    stage.check_no_session_cut(&evidence, from, "no working session is cut");
    stage.check_none_failed(&evidence, from, "no request fails");
    let cut = evidence.cut(from, Instant::now()).len();
    stage.figure(
        "control plane removed for good: sessions cut, its own included",
        "0",
        cut == 0,
        cut.to_string(),
    );
    Ok(())
}

fn archived_after(node: &Node, address: SocketAddr, gone: Instant) -> Option<Duration> {
    let seen = node.seen().standings;
    let archived = seen
        .iter()
        .find(|(at, of, standing)| *of == address && standing == "archived" && *at >= gone);
    archived.map(|(at, ..)| at.saturating_duration_since(gone))
}

fn check_archived(stage: &mut Stage, times: &[Option<Duration>], grace: Duration, limit: Duration) {
    let found: Vec<Duration> = times.iter().flatten().copied().collect();
    let sooner = found.iter().filter(|time| **time < grace).count();
    let words: Vec<String> = times
        .iter()
        .map(|time| time.map_or("never".to_owned(), |time| seconds(millis(time))))
        .collect();
    let met = found.len() == times.len()
        && !times.is_empty()
        && sooner == 0
        && found.iter().all(|time| *time <= limit);
    stage.figure(
        "control plane removed for good (Node deleted, slice gone): archived after the grace period, no sooner",
        &format!(
            "{} ≤ time ≤ {} (real waits divided by {FACTOR})",
            seconds(millis(grace)),
            seconds(millis(limit))
        ),
        met,
        format!(
            "after {} on {}",
            words.join(", "),
            counted(times.len() as u64, "node", "nodes")
        ),
    );
}
