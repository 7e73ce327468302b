//! Lists that are wrong: too short for longer than the grace period, empty, of a server that has just started, old, and from a restored
//! snapshot of real etcd. Each says something new besides.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::etcd::scribe;
use crate::node::GRACE;
use crate::scenario::{Cast, RealEtcd, Scenario, Stage};
use crate::{Plan, Role, StartAs};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "wrong-lists",
    story: "All control planes are well, and every list of them is wrong in turn: shortened for longer than the grace period, \
            emptied, told late by a server that has just started, old, and from a restored snapshot of real etcd. No node may lose \
            an endpoint, and what each list adds must be taken.",
    cast: || Cast {
        agents: 1,
        etcd_nodes: 1,
        etcd: RealEtcd::Needed,
        clients: Vec::new(),
        ..Cast::of(Plan {
            factor: FACTOR,
            ..Plan::default()
                .with("etcd-1", Role::EtcdOnly)
                .with("etcd-2", Role::EtcdOnly)
                .with("etcd-3", Role::EtcdOnly)
                .with("cp-a", Role::ControlPlaneOnly)
                .with("cp-b", Role::ControlPlaneOnly)
                .with("cp-c", Role::ControlPlaneOnly)
                .with(NEW, Role::ControlPlaneOnly)
        })
    },
    play: |stage| Box::pin(play(stage)),
};

/// The grace period is half a minute.
const FACTOR: u32 = 20;

/// A control plane that is dead at first, and joins as another machine while the list is empty.
const NEW: &str = "cp-d";

/// A list is heard of within this.
const HEARD_WITHIN: Duration = Duration::from_secs(15);

/// For how long a wrong list stands that need not outlast the grace period.
const STANDS: Duration = Duration::from_secs(3);

/// What all of it comes to.
#[derive(Default)]
struct Account {
    /// Every address that some list had.
    known: BTreeSet<SocketAddr>,
    /// Endpoints that some node had lost after some step.
    lost: Vec<String>,
    looks: usize,
    added: usize,
    taken: usize,
}

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.raise().await?;
    stage.kill(NEW)?;
    let mut account = Account::default();
    for name in ["cp-a", "cp-b", "cp-c"] {
        account.known.insert(stage.server(name)?.address());
    }
    let snapshot = stage.etcd()?.snapshot(0).await?;
    shortened(stage, &mut account).await?;
    emptied(stage, &mut account).await?;
    late(stage, &mut account).await?;
    old(stage, &mut account).await?;
    restored(stage, &mut account, &snapshot).await?;
    let Account {
        known,
        lost,
        looks,
        added,
        taken,
    } = account;
    stage.figure(
        "list shortened wrongly, emptied, late, old, from a restored snapshot: endpoints lost",
        "0",
        lost.is_empty() && looks > 0,
        match lost.as_slice() {
            [] => format!("0 of {}, looked at {looks} times", known.len()),
            lost => lost.join(", "),
        },
    );
    stage.figure(
        "the same: additions taken",
        "all",
        taken == added && added > 0,
        format!("{taken} of {added}, on every node that was told"),
    );
    stage.check_nothing_restarted();
    Ok(())
}

/// Everybody looks whether all that is known still is.
fn look(stage: &mut Stage, account: &mut Account, when: &str) {
    for node in &stage.nodes {
        let status = node.status();
        for address in &account.known {
            account.looks += 1;
            let endpoint = status.as_ref().and_then(|status| status.endpoint(*address));
            if endpoint.is_none_or(|endpoint| endpoint.standing == "archived") {
                account
                    .lost
                    .push(format!("{} lost {address} {when}", node.name()));
            }
        }
    }
}

/// A list has something new: whether all nodes that hear it take it.
async fn added(stage: &mut Stage, account: &mut Account, address: SocketAddr, only_etcd: bool) {
    account.added += 1;
    account.known.insert(address);
    let deadline = Instant::now() + HEARD_WITHIN;
    let mut taken = true;
    for node in &stage.nodes {
        let listed = |status: &crate::node::Status| {
            status
                .endpoint(address)
                .is_some_and(|endpoint| endpoint.standing == "listed")
        };
        let hears = !only_etcd || node.config.etcd.is_some();
        taken &= !hears || node.wait(Instant::now(), deadline, listed).await.is_some();
    }
    account.taken += usize::from(taken);
    if only_etcd {
        // The others never heard of it.
        account.known.remove(&address);
    }
}

/// Only one of three is told, by all, while their Nodes and they themselves are there.
async fn shortened(stage: &mut Stage, account: &mut Account) -> anyhow::Result<()> {
    stage.say("two of three leave every list, and go on serving");
    for name in ["cp-b", "cp-c"] {
        stage.server(name)?.keep_off_list(true);
    }
    stage.pass(stage.compressed(GRACE) + Duration::from_secs(8)).await;
    anyhow::ensure!(stage.plane.list().len() == 1, "the list is not short");
    look(stage, account, "after the short list");
    Ok(())
}

/// Nobody is told at all; then somebody new.
async fn emptied(stage: &mut Stage, account: &mut Account) -> anyhow::Result<()> {
    stage.say("the list becomes empty");
    stage.server("cp-a")?.keep_off_list(true);
    let empty = stage
        .plane
        .wait_until(HEARD_WITHIN, |plane| plane.list().is_empty())
        .await;
    anyhow::ensure!(empty, "the list is not empty");
    write_list(stage, &[]).await?;
    stage.pass(STANDS).await;
    look(stage, account, "after the empty list");
    let machine = stage.plane.free_address()?;
    stage.say(format!("a new machine joins at {machine}"));
    stage.server(NEW)?.replace_at(machine)?;
    stage.wait_ready(NEW).await?;
    let address = stage.server(NEW)?.address();
    added(stage, account, address, false).await;
    look(stage, account, "after a list of a new one alone");
    for name in ["cp-a", "cp-b", "cp-c"] {
        stage.server(name)?.keep_off_list(false);
    }
    stage.wait_servers_ready().await?;
    Ok(())
}

/// Servers that have just started tell a short list, then an empty one, until they are ready.
async fn late(stage: &mut Stage, account: &mut Account) -> anyhow::Result<()> {
    let short = vec![stage.server("cp-a")?.address()];
    for start in [StartAs::ShortList(short), StartAs::EmptyList, StartAs::DeadList] {
        stage.kill("cp-b")?;
        stage.start_server("cp-b", start)?;
        stage.wait_servers_ready().await?;
        look(stage, account, "after a late list");
    }
    Ok(())
}

/// Etcd has a list of long ago, with a machine of long ago.
async fn old(stage: &mut Stage, account: &mut Account) -> anyhow::Result<()> {
    stage.say("etcd has an old list");
    let machine = SocketAddr::from((stage.plane.free_address()?, stage.plane.port()));
    let list = [stage.server("cp-a")?.address(), machine];
    stage.etcd()?.access().withhold(true);
    write_list(stage, &list).await?;
    added(stage, account, machine, true).await;
    stage.pass(STANDS).await;
    look(stage, account, "after the old list");
    stage.etcd()?.access().withhold(false);
    Ok(())
}

/// Etcd is restored from before somebody joined: another cluster by its id, and its revisions begin anew.
async fn restored(
    stage: &mut Stage,
    account: &mut Account,
    snapshot: &std::path::Path,
) -> anyhow::Result<()> {
    stage.say("etcd is restored from a snapshot of the beginning");
    stage.etcd()?.access().withhold(true);
    stage.etcd()?.restore(snapshot).await?;
    let since = Instant::now();
    let heard = |status: &crate::node::Status| {
        let note = status.source("etcd").and_then(|source| source.note.clone());
        note.is_some_and(|note| note.contains("restored from a snapshot"))
    };
    let member = stage.nodes.iter().find(|node| node.config.etcd.is_some());
    let told = match member {
        Some(node) => node.wait(since, since + HEARD_WITHIN, heard).await.is_some(),
        None => false,
    };
    stage.check(
        "the node on etcd's member hears of the restored etcd, and says so",
        told,
        if told { "it does" } else { "it does not" },
    );
    look(stage, account, "after the restored snapshot");
    let machine = SocketAddr::from((stage.plane.free_address()?, stage.plane.port()));
    write_list(stage, &[stage.server("cp-a")?.address(), machine]).await?;
    added(stage, account, machine, true).await;
    stage.pass(STANDS).await;
    look(stage, account, "after the restored etcd's list");
    stage.etcd()?.access().withhold(false);
    Ok(())
}

async fn write_list(stage: &mut Stage, servers: &[SocketAddr]) -> anyhow::Result<()> {
    let (gateway, client) = (stage.etcd()?.gateway(0), stage.etcd()?.client(0));
    gateway
        .put(client, scribe::LIST, scribe::list(servers).as_bytes())
        .await
}
