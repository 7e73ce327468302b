//! The path to the server in use becomes long and loses packets: 100 ms there and back, three in ten gone on either way.

use std::time::{Duration, Instant};

use super::{SLOWER_BY, WATCHED, names};
use crate::clients::Kind;
use crate::clients::judge::{Evidence, Fate, median_time};
use crate::clients::ledger::Request;
use crate::hosts::Loss;
use crate::scenario::{Cast, Scenario, Stage};
use crate::verdict::{millis, seconds};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "far-and-lossy",
    story: "The path from the agents to the server in use takes 50 ms each way and loses three packets in ten each way. \
            Most new requests must hardly notice, and few may fail.",
    cast: Cast::six_hosts,
    play: |stage| Box::pin(play(stage)),
};

const DELAY: Duration = Duration::from_millis(50);
const LOST: u8 = 30;

/// Of a hundred requests.
const MOST: usize = 90;

async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    stage.open().await?;
    let victim = stage.server_in_use()?;
    let agents = stage.agents();
    let agents = names(&agents);
    stage.fault_begins();
    stage.say(format!(
        "packets between the agents and {} take {} ms each way, and {LOST} % vanish",
        victim.name(),
        DELAY.as_millis()
    ));
    let fault = Instant::now();
    stage.hosts()?.move_away(&agents, victim.name(), DELAY)?;
    stage
        .hosts()?
        .lose_both_ways(&agents, &[victim.name()], Loss::Percent(LOST))?;
    stage.pass(WATCHED).await;
    let evidence = stage.finish_clients().await;
    let (relayed, swallowed) = (stage.hosts()?.relayed(), stage.hosts()?.swallowed()?);
    check_mostly_not_slower(stage, &evidence, fault);
    check_few_failed(stage, &evidence, fault);
    stage.check_never(fault, &["isolated", "degraded"]);
    stage.check_packets("went the long way", relayed);
    stage.check_packets("vanished", swallowed);
    stage.check_nothing_restarted();
    stage.check_residents_attached(None);
    Ok(())
}

/// Chance plays: a handshake that has begun to be answered cannot be given to another server any more, and its packets are
/// lost as others are. So most requests are looked at, not all.
fn check_mostly_not_slower(stage: &mut Stage, evidence: &Evidence, fault: Instant) {
    let fresh = |request: &&Request| request.kind == Kind::Fresh;
    let usual = median_time(
        evidence
            .requests
            .iter()
            .filter(fresh)
            .filter(|request| request.began < fault),
    );
    let after = evidence
        .requests
        .iter()
        .filter(fresh)
        .filter(|request| request.began >= fault);
    let mut times: Vec<Duration> = after.filter_map(Request::took).collect();
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(index).copied().unwrap_or_default()
    };
    stage.check(
        format!(
            "{MOST} of 100 requests on new connections are at most {} slower than usual",
            seconds(millis(SLOWER_BY))
        ),
        !times.is_empty() && at(MOST) <= usual + SLOWER_BY,
        format!(
            "{} ms usually; {} ms for {MOST} of 100, {} ms at worst of {}",
            millis(usual),
            millis(at(MOST)),
            millis(at(100)),
            times.len()
        ),
    );
}

/// Those of the first moments, whose handshakes were given up with the path, are few.
fn check_few_failed(stage: &mut Stage, evidence: &Evidence, fault: Instant) {
    let new: Vec<&Request> = evidence.on_new_connections(fault).collect();
    let failed = new
        .iter()
        .filter(|request| evidence.fate(request, Some(fault), stage.kills()) == Fate::Failed);
    let failed: Vec<Duration> = failed
        .map(|request| request.began.saturating_duration_since(fault))
        .collect();
    let last = failed.iter().max().copied().unwrap_or_default();
    stage.check(
        format!(
            "fewer than {} of 100 requests fail that need a new connection",
            100 - MOST
        ),
        !new.is_empty() && failed.len() * 100 < new.len() * (100 - MOST),
        format!(
            "{} of {} failed, the last {} after the beginning",
            failed.len(),
            new.len(),
            seconds(millis(last))
        ),
    );
}
