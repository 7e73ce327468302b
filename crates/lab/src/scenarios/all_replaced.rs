//! rke2#6208: while a node is off, every server is replaced by a new machine with a new address. Nothing that the node
//! remembers is true any more; the registration name is.

use std::net::IpAddr;
use std::time::Instant;

use crate::scenario::{Cast, Joins, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "all-replaced",
    story: "While the nodes' jackline is off, every server is replaced by one at a new address, and the registration name \
            resolves anew. The nodes must attach by themselves.",
    cast: || Cast {
        joins: Joins::Name(NAME),
        ..Cast::three_servers()
    },
    play: |stage| Box::pin(play(stage)),
};

const NAME: &str = "registration.lab.test";

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    stage.rest_clients().await;
    stage.say("jackline is ended on every node");
    for node in &mut stage.nodes {
        node.terminate().await;
    }
    replace_servers(stage)?;
    stage.wait_servers_ready().await?;
    let started = Instant::now();
    stage.start_nodes().await?;
    stage.fault_begins();
    stage.start_clients();
    stage.recovered(started, "after every server was replaced").await;
    let since = Instant::now();
    let answered = stage.wait_clients_answered(since, stage.patience).await;
    stage.check(
        "clients are served again",
        answered.is_ok(),
        answered.map_or_else(|e| e.to_string(), |()| "they are".into()),
    );
    let (nodes, stuck) = (stage.nodes.len(), stage.stuck());
    stage.check(
        "every node attaches by itself",
        stuck == 0,
        format!("{} of {nodes} did", nodes - stuck),
    );
    Ok(())
}

fn replace_servers(stage: &Stage) -> anyhow::Result<()> {
    let mut addresses = Vec::new();
    for server in stage.plane.servers() {
        let address = stage.plane.free_address()?;
        stage.say(format!(
            "{} is replaced by a new machine at {address}",
            server.name()
        ));
        server.replace_at(address)?;
        addresses.push(IpAddr::from(address));
    }
    if let Some(names) = &stage.names {
        names.set(NAME, &addresses);
    }
    Ok(())
}
