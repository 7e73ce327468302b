//! What a node asks while nothing happens, counted by those who are asked: the lab's servers, its name server, and real etcd.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::node::Access;
use crate::scenario::{Cast, Joins, RealEtcd, Scenario, Stage};
use crate::server::asked::Sort;
use crate::{Plan, Role};

pub(crate) const AGENT: Scenario = Scenario {
    name: "idle-agent",
    story: "An agent that was joined by a name with a TTL of 5 s, asks supervisors and may watch; nothing happens. It must not ask \
            much.",
    cast: || Cast { agents: 1, ..idle() },
    play: |stage| Box::pin(play(stage, "an agent that may watch")),
};

pub(crate) const ETCD_MEMBER: Scenario = Scenario {
    name: "idle-etcd-member",
    story: "The same on an etcd member: it reads real etcd besides.",
    cast: || Cast {
        etcd_nodes: 1,
        etcd: RealEtcd::Needed,
        ..idle()
    },
    play: |stage| Box::pin(play(stage, "a node on an etcd member")),
};

pub(crate) const POLLING: Scenario = Scenario {
    name: "idle-polling-agent",
    story: "The same with the kubelet's credential, which may watch nothing and may read its own Lease.",
    cast: || Cast {
        agents: 1,
        access: Access::Kubelet,
        ..idle()
    },
    play: |stage| Box::pin(play(stage, "an agent that may only poll")),
};

const NAME: &str = "registration.lab.test";

/// What the name's answers hold for.
const TTL: u32 = 5;

/// What the beginning calls for is over.
const SETTLES: Duration = Duration::from_secs(30);

/// Several periods of the source that is asked least often.
const WATCHED: Duration = Duration::from_secs(600);

/// A kubelet renews its Lease this often.
const BEAT: Duration = Duration::from_secs(10);

/// In a minute.
const ASKED_AT_MOST: f64 = 4.0;

/// What jackline asks etcd's members. (What the apiservers write there are other calls.)
const ETCD_QUESTIONS: [&str; 3] = ["Range", "Txn", "MemberList"];

fn idle() -> Cast {
    Cast {
        agents: 0,
        joins: Joins::Name(NAME),
        clients: Vec::new(),
        ..Cast::of(Plan {
            // No wait is compressed here.
            factor: 1,
            ..Plan::default()
                .with("etcd-1", Role::EtcdOnly)
                .with("cp-a", Role::ControlPlaneOnly)
                .with("cp-b", Role::ControlPlaneOnly)
                .with("cp-c", Role::ControlPlaneOnly)
        })
    }
}

async fn play(stage: &mut Stage, who: &str) -> anyhow::Result<()> {
    if let Some(names) = &stage.names {
        names.keep_for(TTL);
    }
    stage.raise().await?;
    beat(stage, SETTLES).await;
    let (before, begun) = (count(stage).await?, Instant::now());
    beat(stage, WATCHED).await;
    let (after, lasted) = (count(stage).await?, begun.elapsed());
    let minutes = lasted.as_secs_f64() / 60.0;
    let rate = |of: &str| {
        let more = |counts: &BTreeMap<&str, u64>| counts.get(of).copied().unwrap_or_default();
        // Counts of a few hundred lose nothing.
        f64::from(u32::try_from(more(&after) - more(&before)).unwrap_or(u32::MAX)) / minutes
    };
    let sources = after.keys().filter(|of| !BESIDE.contains(of));
    let sum: f64 = sources.clone().map(|of| rate(of)).sum();
    let words: Vec<String> = sources.map(|of| format!("{of} {:.2}", rate(of))).collect();
    let beside: Vec<String> = BESIDE.iter().map(|of| format!("{of} {:.2}", rate(of))).collect();
    stage.figure(
        &format!("requests to sources from {who}, attached and idle, beside watches and probes"),
        "≤ 4 a minute",
        sum <= ASKED_AT_MOST && sum > 0.0,
        format!(
            "{sum:.2} a minute over {minutes:.1} min ({}; beside them {})",
            words.join(", "),
            beside.join(", ")
        ),
    );
    stage.check_never(begun, &["isolated", "degraded"]);
    Ok(())
}

/// What has no part in the figure.
const BESIDE: [&str; 2] = ["watches begun", "probes"];

/// Lets time pass while the kubelets renew their Leases.
async fn beat(stage: &Stage, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        for node in &stage.nodes {
            stage.plane.renew_lease(node.name());
        }
        stage
            .pass(BEAT.min(end.saturating_duration_since(Instant::now())))
            .await;
    }
}

/// What everybody was asked so far.
async fn count(stage: &mut Stage) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let mut counts = BTreeMap::new();
    for server in stage.plane.servers() {
        for (sort, asked) in server.asked() {
            let word = match sort {
                Sort::Health => "probes",
                Sort::Watch => "watches begun",
                Sort::Endpoints => "Endpoints",
                Sort::Nodes => "Nodes",
                Sort::Leases => "Lease",
                Sort::Supervisor => "supervisors",
                Sort::Other => "others",
            };
            *counts.entry(word).or_default() += asked;
        }
    }
    if let Some(names) = &stage.names {
        counts.insert("DNS", names.questions());
    }
    if let Some(etcd) = &stage.etcd {
        let calls = etcd.gateway(0).calls(etcd.client(0), &ETCD_QUESTIONS).await?;
        counts.insert("etcd", calls);
    }
    Ok(counts)
}
