//! A node on an etcd member that knows etcd and nothing else: three real members lose their leader, then their quorum.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::etcd::scribe;
use crate::node::{Node, Status};
use crate::scenario::{Cast, Joins, RealEtcd, Scenario, Stage};
use crate::{Plan, Role, StartAs};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "etcd-member",
    story: "A node that knows nothing but etcd's three real members. The leader is lost, a new control plane comes; then the \
            quorum is lost, and the one member that is left has an old list. The node must stay attached, believe what is added, \
            lose nothing, say so, and believe everything again when the quorum is back.",
    cast: || Cast {
        agents: 0,
        etcd_nodes: 1,
        joins: Joins::Nothing,
        supervisor: false,
        kubernetes: false,
        etcd: RealEtcd::Needed,
        clients: Vec::new(),
        ..Cast::of(
            Plan::default()
                .with("etcd-1", Role::EtcdOnly)
                .with("etcd-2", Role::EtcdOnly)
                .with("etcd-3", Role::EtcdOnly)
                .with("cp-a", Role::ControlPlaneOnly)
                .with("cp-b", Role::ControlPlaneOnly)
                .with(LATE, Role::ControlPlaneOnly),
        )
    },
    play: |stage| Box::pin(play(stage)),
};

/// The control plane that is away at first.
const LATE: &str = "cp-c";

/// Etcd elects, a frozen member is found out, the node asks another one, and its watch brings the news.
const LEARNT_WITHIN: Duration = Duration::from_secs(30);

/// An address that only the old list has. TEST-NET-1 is nobody's.
const OLD: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 6443);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.raise().await?;
    let begun = Instant::now();
    let late = stage.server(LATE)?.address();
    lose_the_leader(stage, late).await?;
    let lagging = leave_an_old_member(stage, late).await?;
    lose_the_quorum(stage, lagging, late).await?;
    find_the_quorum(stage, lagging, late).await?;
    stage.check_never(begun, &["isolated", "degraded"]);
    stage.check_nothing_restarted();
    Ok(())
}

fn node(stage: &Stage) -> &Node {
    &stage.nodes[0]
}

/// Whether the node comes to this, and what it says otherwise.
async fn comes_to(stage: &mut Stage, what: &str, holds: impl Fn(&Status) -> bool) {
    let since = Instant::now();
    let came = node(stage).wait(since, since + LEARNT_WITHIN, holds).await;
    let status = node(stage).status();
    let said = status.map_or("it is silent".to_owned(), |status| {
        let source = status.source("etcd");
        let note = source.and_then(|source| source.note.clone().or_else(|| source.error.clone()));
        format!("{}; etcd: {}", status.sketch(), note.unwrap_or_default())
    });
    let got = match came {
        Some(at) => format!("after {:.2} s", at.saturating_duration_since(since).as_secs_f64()),
        None => said,
    };
    stage.check(what, came.is_some(), got);
}

fn has(status: &Status, address: SocketAddr, standing: &str) -> bool {
    status
        .endpoint(address)
        .is_some_and(|endpoint| endpoint.standing == standing)
}

/// The leader dies while one control plane is off, and with another leader that one is found again.
async fn lose_the_leader(stage: &mut Stage, late: SocketAddr) -> anyhow::Result<()> {
    stage.kill(LATE)?;
    comes_to(stage, "a lease that runs out in etcd is learnt", |status| {
        has(status, late, "retained")
    })
    .await;
    let leader = stage.etcd()?.leader().await?;
    stage.say(format!("etcd-{}, the leader, is killed", leader + 1));
    stage.etcd()?.kill(leader).await;
    let next = stage.etcd()?.leader().await?;
    stage.say(format!("etcd-{} leads now", next + 1));
    stage.start_server(LATE, StartAs::Fresh)?;
    stage.wait_ready(LATE).await?;
    comes_to(
        stage,
        "with another leader a control plane is listed again, by etcd alone",
        |status| has(status, late, "listed"),
    )
    .await;
    stage.etcd()?.start(leader)?;
    stage.etcd()?.wait_healthy(leader).await
}

/// A member that does not lead is frozen with an old list: one control plane of three, and an address that is no more. Its number.
async fn leave_an_old_member(stage: &mut Stage, late: SocketAddr) -> anyhow::Result<usize> {
    let leader = stage.etcd()?.leader().await?;
    let lagging = (leader + 1) % stage.etcd()?.len();
    stage.etcd()?.access().withhold(true);
    stage.wait_lease_gone(scribe::LEASES, LEARNT_WITHIN).await?;
    let old = [stage.server("cp-a")?.address(), OLD];
    write_list(stage, lagging, &old).await?;
    comes_to(stage, "a list in etcd is learnt", |status| {
        has(status, OLD, "listed")
    })
    .await;
    stage.say(format!("etcd-{} is frozen, and its list grows old", lagging + 1));
    stage.etcd()?.freeze(lagging)?;
    stage.etcd()?.access().withhold(false);
    comes_to(
        stage,
        "what etcd has no more is retained, not forgotten, and the others are listed",
        |status| has(status, OLD, "retained") && has(status, late, "listed"),
    )
    .await;
    Ok(lagging)
}

async fn write_list(stage: &mut Stage, member: usize, servers: &[SocketAddr]) -> anyhow::Result<()> {
    let (gateway, client) = (stage.etcd()?.gateway(member), stage.etcd()?.client(member));
    gateway
        .put(client, scribe::LIST, scribe::list(servers).as_bytes())
        .await
}

/// Only the member with the old list is left.
async fn lose_the_quorum(stage: &mut Stage, lagging: usize, late: SocketAddr) -> anyhow::Result<()> {
    stage.say("both members that have a quorum are killed, and the one with the old list thaws alone");
    for member in (0..stage.etcd()?.len()).filter(|member| *member != lagging) {
        stage.etcd()?.kill(member).await;
    }
    stage.etcd()?.thaw(lagging)?;
    comes_to(
        stage,
        "without quorum the status says so, and that the answer only adds",
        |status| {
            let note = status.source("etcd").and_then(|source| source.note.clone());
            note.is_some_and(|note| note.contains("no quorum") && note.contains("only adds"))
        },
    )
    .await;
    comes_to(stage, "what the old list has besides is added", |status| {
        has(status, OLD, "listed")
    })
    .await;
    let b = stage.server("cp-b")?.address();
    comes_to(
        stage,
        "what the old list lacks is listed as before (M6)",
        |status| has(status, late, "listed") && has(status, b, "listed"),
    )
    .await;
    Ok(())
}

async fn find_the_quorum(stage: &mut Stage, lagging: usize, late: SocketAddr) -> anyhow::Result<()> {
    stage.say("the other members start again");
    let others: Vec<usize> = (0..stage.etcd()?.len())
        .filter(|member| *member != lagging)
        .collect();
    for &member in &others {
        stage.etcd()?.start(member)?;
    }
    for &member in &others {
        stage.etcd()?.wait_healthy(member).await?;
    }
    comes_to(
        stage,
        "with the quorum back etcd's word counts fully again",
        |status| {
            let source = status.source("etcd");
            let note = source.and_then(|source| source.note.clone()).unwrap_or_default();
            source.is_some_and(|source| source.state == "good")
                && !note.contains("only adds")
                && has(status, OLD, "retained")
                && has(status, late, "listed")
        },
    )
    .await;
    Ok(())
}
