//! k3s#10240: every server is slow. A health check that times out proves nothing while there is nowhere better to go;
//! to cut sessions that still move bytes makes a bad day worse, and to dial and probe more than usual worse still.

use std::time::{Duration, Instant};

use crate::SlowSpec;
use crate::scenario::{Cast, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "overloaded",
    story: "Every server is slow: readyz takes 2 to 5 s, requests 1 to 4 s. No session that moves bytes may be cut, the \
            servers must not be stormed, and no node may take itself for isolated.",
    cast: Cast::three_servers,
    play: |stage| Box::pin(play(stage)),
};

const LASTS: Duration = Duration::from_secs(20);

/// Hedges and repeats: this many at once, and a tenth for each dial (S4).
const TOKENS: u64 = 20;

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let fault = stage.fault_begins();
    let accepted = stage.accepted();
    let dialled = stage.ledger.connections().len();
    stage.say("every server is slow from now on");
    for server in stage.plane.servers() {
        let ms = Duration::from_millis;
        server.slow(SlowSpec {
            readyz: ms(2_000)..ms(5_000),
            request: ms(1_000)..ms(4_000),
        });
    }
    stage.pass(LASTS).await;
    let evidence = stage.evidence();
    stage.check_no_session_cut(&evidence, fault, "no session is cut");
    stage.check_never(fault, &["isolated"]);
    check_no_herd(stage, fault, accepted, dialled);
    for server in stage.plane.servers() {
        server.normal();
    }
    stage.say("the servers are as quick as before");
    Ok(())
}

/// What the servers accepted beyond what the clients dialled: hedges, repeats, probes and refreshes.
fn check_no_herd(stage: &mut Stage, fault: Instant, accepted: u64, dialled: usize) {
    let seconds = fault.elapsed().as_secs();
    let dials = (stage.ledger.connections().len() - dialled) as u64;
    let extra = (stage.accepted() - accepted).saturating_sub(dials);
    let (nodes, servers) = (stage.nodes.len() as u64, stage.plane.servers().len() as u64);
    // A probe a second for each server is four times what a suspicion of each of them costs in this time.
    let bound = nodes * (TOKENS + servers * seconds) + dials / 10;
    stage.check(
        format!("the nodes open at most {bound} connections beside those of their clients"),
        extra <= bound && dials > 0,
        format!("{extra} beside the clients' {dials} in {seconds} s"),
    );
}
