//! Whatever goes wrong on the node itself must not be held against a server: no descriptors left to dial with, and a local
//! client that resets all its connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::clients::ledger::Request;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "slander",
    story: "The node runs out of descriptors, then a local client resets all its connections. No server may be judged by \
            it, and all must be well when it is over.",
    cast: || Cast {
        agents: 1,
        ..Cast::three_servers()
    },
    play: |stage| Box::pin(play(stage)),
};

/// Descriptors that are left: not enough for one session more than once.
const SPARE: u64 = 3;

/// Connections that are opened on top, and held.
const HOARD: usize = 40;

/// How long there are no descriptors: longer than a suspicion takes to be proven or not.
const LASTS: Duration = Duration::from_secs(5);

/// A request that takes longer has had to wait.
const HELD_UP: Duration = Duration::from_millis(500);

/// Connections that a client opens and resets, one after the other.
const RESETS: usize = 150;

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let fault = stage.fault_begins();
    run_out_of_descriptors(stage).await?;
    reset_everything(stage).await;
    stage.pass(Duration::from_secs(1)).await;
    let over = Instant::now();
    stage.say("it is over");
    stage.pass(Duration::from_secs(2)).await;
    check_nobody_judged(stage, fault);
    stage.wait_attached(over, "when it was over").await;
    let evidence = stage.finish_clients().await;
    stage.check_none_failed(&evidence, over, "no request fails when it is over");
    let stuck = stage.stuck();
    stage.check(
        "the node is attached when it is over",
        stuck == 0,
        format!("{stuck} of 1 stuck"),
    );
    stage.check_nothing_restarted();
    Ok(())
}

async fn run_out_of_descriptors(stage: &mut Stage) -> anyhow::Result<()> {
    let listener = stage.nodes[0].listener();
    let limit = stage.nodes[0].limit_descriptors(Some(SPARE))?;
    stage.say(format!(
        "the node may have no new descriptor from {limit} up, and a client hoards connections"
    ));
    let mut hoard = Vec::new();
    for _ in 0..HOARD {
        // Accepted by the kernel at least; an error is as good.
        hoard.extend(TcpStream::connect(listener).await);
    }
    let from = Instant::now();
    stage.pass(LASTS).await;
    check_want_is_felt(stage, from);
    drop(hoard);
    stage.nodes[0].limit_descriptors(None)?;
    Ok(())
}

/// Without a request that failed or had to wait there was no want, and nothing to be blamed on anybody.
fn check_want_is_felt(stage: &mut Stage, from: Instant) {
    let requests = stage.ledger.requests();
    let during: Vec<_> = requests.iter().filter(|request| request.began >= from).collect();
    let waits = |request: &&&Request| request.took().unwrap_or_else(|| request.began.elapsed()) > HELD_UP;
    let suffering = during
        .iter()
        .filter(|request| request.failure.is_some() || waits(request))
        .count();
    let got = format!("{suffering} of {} requests failed or had to wait", during.len());
    stage.say(format!("{got} for want of descriptors"));
    stage.check("the want of descriptors is felt", suffering > 0, got);
}

async fn reset_everything(stage: &Stage) {
    stage.say(format!(
        "a client opens {RESETS} connections and resets each, half of them within the handshake"
    ));
    let listener = stage.nodes[0].listener();
    for number in 0..RESETS {
        // A dial that fails is the node's affair: the next one is made all the same.
        let _ = open_and_reset(listener, number % 2 == 0).await;
    }
}

async fn open_and_reset(listener: SocketAddr, within_handshake: bool) -> std::io::Result<()> {
    let stream = TcpStream::connect(listener).await?;
    if within_handshake {
        // The first byte of a handshake record: more is expected, and never comes.
        stream.writable().await?;
        let _ = stream.try_write(&[0x16])?;
        tokio::task::yield_now().await;
    }
    // Closing with a linger time of zero is a reset.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}

fn check_nobody_judged(stage: &mut Stage, fault: Instant) {
    let seen = stage.nodes[0].seen();
    let judged = seen
        .endpoints
        .iter()
        .filter(|change| change.at >= fault && change.health != "ready");
    let judged: Vec<String> = judged
        .map(|change| format!("{} {} ({})", change.address, change.health, change.reason))
        .collect();
    let got = if judged.is_empty() {
        "every one stayed ready".to_owned()
    } else {
        judged.join("; ")
    };
    stage.check(
        "no server is judged by the node's own faults",
        judged.is_empty(),
        got,
    );
}
