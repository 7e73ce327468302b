//! A node on an etcd member that knows etcd and nothing else: three real members lose their leader, then their quorum.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::node::Status;
use crate::scenario::{Cast, Joins, RealEtcd, Scenario, Stage};
use crate::{Plan, Role, StartAs};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "etcd-member",
    story: "A node that knows nothing but etcd's three real members. The leader is lost, and a control plane is still found; then the \
            quorum is lost: the node must stay attached, lose nothing and say so, and one that starts anew meanwhile and knows \
            nothing must attach by what is left. When the quorum is back, etcd's word must count fully again.",
    cast: || Cast {
        agents: 0,
        etcd_nodes: 2,
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

/// The member that is left when the quorum is lost: the one that the first node begins with.
const LEFT: usize = 0;

/// The node that starts anew while there is no quorum.
const NEWCOMER: usize = 1;

/// Etcd elects, a frozen member is found out, the node asks another one, and its watch brings the news.
const LEARNT_WITHIN: Duration = Duration::from_secs(30);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.raise().await?;
    let begun = Instant::now();
    stage.nodes[NEWCOMER].kill().await;
    let late = stage.server(LATE)?.address();
    lose_the_leader(stage, late).await?;
    lose_the_quorum(stage).await?;
    find_the_quorum(stage, late).await?;
    let states = stage.nodes[0].seen().states;
    let left = states
        .iter()
        .filter(|change| change.at >= begun && change.state != "attached");
    let left: Vec<String> = left.map(|change| change.state.clone()).collect();
    stage.check(
        "the node that was there from the beginning is attached all the time",
        left.is_empty(),
        match left.as_slice() {
            [] => "it is".to_owned(),
            left => left.join(", "),
        },
    );
    Ok(())
}

/// Whether the node comes to this, and what it says otherwise.
async fn comes_to(stage: &mut Stage, node: usize, what: &str, holds: impl Fn(&Status) -> bool) {
    let since = Instant::now();
    let node = &stage.nodes[node];
    let came = node.wait(since, since + LEARNT_WITHIN, holds).await;
    let status = node.status();
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
    comes_to(stage, 0, "a lease that runs out in etcd is learnt", |status| {
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
        0,
        "with another leader a control plane is listed again, by etcd alone",
        |status| has(status, late, "listed"),
    )
    .await;
    stage.etcd()?.start(leader)?;
    stage.etcd()?.wait_healthy(leader).await
}

/// Two of three members die, and a node starts that knows nothing.
async fn lose_the_quorum(stage: &mut Stage) -> anyhow::Result<()> {
    stage.say("two of etcd's three members are killed");
    for member in LEFT + 1..stage.etcd()?.len() {
        stage.etcd()?.kill(member).await;
    }
    let says_so = |status: &Status| {
        let note = status.source("etcd").and_then(|source| source.note.clone());
        note.is_some_and(|note| note.contains("no quorum") && note.contains("only adds"))
    };
    comes_to(
        stage,
        0,
        "without quorum the status says so, and that the answer only adds",
        says_so,
    )
    .await;
    let all = addresses(stage)?;
    let listed = move |status: &Status| all.iter().all(|address| has(status, *address, "listed"));
    comes_to(stage, 0, "nothing is taken away (M6)", &listed).await;
    stage.say("a node starts that knows nothing but the member that is left");
    let state = &stage.nodes[NEWCOMER].config.state_dir;
    std::fs::remove_dir_all(state).context("removing a node's state")?;
    std::fs::create_dir(state).context("making a node's folder")?;
    stage.nodes[NEWCOMER].start().await?;
    comes_to(
        stage,
        NEWCOMER,
        "a node that starts without quorum is attached by what the last member has, and says so",
        |status| status.attached() && listed(status) && says_so(status),
    )
    .await;
    Ok(())
}

fn addresses(stage: &Stage) -> anyhow::Result<Vec<SocketAddr>> {
    let names = ["cp-a", "cp-b", LATE];
    names
        .iter()
        .map(|name| Ok(stage.server(name)?.address()))
        .collect()
}

/// The members are back; what etcd has no more counts again.
async fn find_the_quorum(stage: &mut Stage, late: SocketAddr) -> anyhow::Result<()> {
    stage.say("the other members start again");
    for member in LEFT + 1..stage.etcd()?.len() {
        stage.etcd()?.start(member)?;
    }
    for member in LEFT + 1..stage.etcd()?.len() {
        stage.etcd()?.wait_healthy(member).await?;
    }
    let whole = |status: &Status| {
        let source = status.source("etcd");
        let note = source.and_then(|source| source.note.clone()).unwrap_or_default();
        source.is_some_and(|source| source.state == "good") && !note.contains("only adds")
    };
    for node in [0, NEWCOMER] {
        comes_to(
            stage,
            node,
            "with the quorum back the status says nothing of it",
            whole,
        )
        .await;
    }
    stage.kill(LATE)?;
    for node in [0, NEWCOMER] {
        comes_to(
            stage,
            node,
            "etcd's word counts fully again: whose lease runs out is no longer listed, and retained",
            |status| has(status, late, "retained"),
        )
        .await;
    }
    Ok(())
}
