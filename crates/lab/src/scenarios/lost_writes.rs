//! The server in use answers reads and loses writes: every probe finds it ready, and the node's Lease is renewed nowhere.
//!
//! Only the heartbeat witness sees it: the Lease, read through another server than the one in use.

use std::time::{Duration, Instant};

use crate::clients::Kind;
use crate::node::Access;
use crate::scenario::{Cast, Scenario, Stage};
use crate::verdict::{millis, seconds};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lost-writes",
    story: "The server in use answers reads, takes writes and stores none: it looks ready, and the node's Lease stands still. \
            jackline must see that through another server and move, and no request may fail.",
    cast: || {
        let mut clients = Kind::ALL.to_vec();
        clients.push(Kind::Kubelet);
        Cast {
            agents: 1,
            // Only the kubelet may read the node's Lease.
            access: Access::Kubelet,
            clients,
            ..Cast::three_servers()
        }
    },
    play: |stage| Box::pin(play(stage)),
};

/// The Lease must stand still for this long, or the fault was not there.
const STANDS_STILL: Duration = Duration::from_secs(10);

/// A Lease is late after 20 s, looked at each 5 s by then; sessions move within 10 s.
const RENEWED_WITHIN: Duration = Duration::from_secs(45);

/// Between a session's move and the next look at all.
const CALM: Duration = Duration::from_secs(2);

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let node = stage.nodes[0].name().to_owned();
    let victim = stage.server_in_use()?;
    let fault = stage.fault_begins();
    stage.say(format!("{} loses what is written through it", victim.name()));
    victim.lose_writes(true);
    stage.pass(STANDS_STILL).await;
    let last = stage.plane.heartbeat(&node);
    let stood = last.is_some_and(|at| at.saturating_duration_since(fault) < STANDS_STILL / 2);
    stage.check(
        "the node's Lease stands still: the fault was there",
        stood,
        last.map_or("it was never renewed".to_owned(), |at| {
            format!("last renewed {} before", seconds(millis(at.elapsed())))
        }),
    );
    let left = RENEWED_WITHIN.saturating_sub(fault.elapsed());
    let renewed = stage
        .plane
        .wait_until(left, |plane| plane.heartbeat(&node) > last)
        .await;
    let took = seconds(millis(fault.elapsed()));
    stage.say(match renewed {
        true => format!("the node's Lease is renewed again, {took} after the fault"),
        false => "the node's Lease is not renewed".to_owned(),
    });
    stage.check(
        format!(
            "the node's Lease is renewed again within {}",
            seconds(millis(RENEWED_WITHIN))
        ),
        renewed,
        if renewed {
            format!("after {took}")
        } else {
            "never".to_owned()
        },
    );
    stage.pass(CALM).await;
    check_left(stage, victim.address(), fault)
        .await
        .map(|()| victim.lose_writes(false))
}

/// The server is named in the status, nothing new goes there, and nobody noticed.
async fn check_left(stage: &mut Stage, victim: std::net::SocketAddr, fault: Instant) -> anyhow::Result<()> {
    let status = stage.nodes[0].status();
    let told = status.as_ref().and_then(|status| status.endpoint(victim));
    let (avoided, got) = match told {
        Some(endpoint) => (
            endpoint.avoided && endpoint.health == "ready",
            format!("{}, avoided: {}", endpoint.health, endpoint.avoided),
        ),
        None => (false, "nothing".to_owned()),
    };
    stage.check("status tells that the server is ready and avoided", avoided, got);
    let now = stage.server_in_use()?;
    stage.check(
        "new connections go to another server",
        now.address() != victim,
        format!("they go to {}", now.name()),
    );
    let evidence = stage.finish_clients().await;
    stage.check_none_failed(&evidence, fault, "no request fails");
    stage.check_never(fault, &["isolated", "degraded"]);
    Ok(())
}
