//! A control plane removed for good on real apiservers: forgotten when its Node is deleted too, after the grace, no sooner.

use std::time::{Duration, Instant};

use super::RealPlay;
use super::apiserver::Way;
use super::stage::RealStage;
use crate::node::{Access, GRACE, Status};
use crate::plan::Anonymous;
use crate::verdict::{millis, seconds};

pub(in crate::hosts) static PLAY: RealPlay = RealPlay {
    name: "real-removed",
    story: "Three real apiservers, each with a Node. One is killed and leaves every list: it must not be forgotten while its Node \
            is there. Then its Node is deleted: it must be archived after the grace, no sooner. Then it returns.",
    anonymous: Anonymous::Allowed,
    agents: &[
        ("agent-1", Access::ServiceAccount),
        ("agent-2", Access::KubeProxy),
    ],
    joined_to: A,
    granted: true,
    factor: FACTOR,
    play: |stage| Box::pin(play(stage)),
};

const A: usize = 0;
const C: usize = 2;

/// A grace of ten seconds, and a refresh each second or two.
const FACTOR: u32 = 60;

const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// A lease lasts 15 s, and lists are made anew each 10 s.
const OFF_THE_LIST_WITHIN: Duration = Duration::from_secs(60);

/// After the grace: one control-plane Node in turn is read at each refresh.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(60);

async fn play(stage: &mut RealStage) -> anyhow::Result<()> {
    let grace = GRACE / FACTOR;
    for name in ["cp-a", "cp-b", "cp-c"] {
        stage.cluster.make_node(name).await?;
    }
    let c = stage.address(C);
    let health =
        move |status: &Status, health: &str| status.endpoint(c).is_some_and(|found| found.health == health);
    let standing = move |status: &Status, standing: &str| {
        status.endpoint(c).is_some_and(|found| found.standing == standing)
    };
    stage.start_nodes().await?;
    let nodes_read = |status: &Status| {
        status
            .source("nodes")
            .is_some_and(|source| source.state == "good")
    };
    let known = stage
        .wait_nodes(Instant::now(), KNOWN_WITHIN, |status| {
            health(status, "ready") && nodes_read(status)
        })
        .await;
    anyhow::ensure!(
        known.iter().all(Option::is_some),
        "not every node knows the servers and their Nodes: {}",
        stage.sketch(0)
    );
    stage.stop(C, Way::Kill).await?;
    let left = stage.wait_left_lists(C, OFF_THE_LIST_WITHIN).await;
    anyhow::ensure!(left.is_some(), "C did not leave the lists");
    let gone = Instant::now();
    // What must not happen is waited for: long enough that it would.
    let forgotten = stage
        .wait_nodes(gone, grace * 2, |status| {
            !standing(status, "retained") && !standing(status, "listed")
        })
        .await;
    let kept = forgotten.iter().all(Option::is_none);
    stage.check(
        format!(
            "a server that is off every list, but has its Node, is kept for twice the grace of {}",
            seconds(millis(grace))
        ),
        kept,
        format!(
            "{} of {} nodes forgot it",
            forgotten.iter().flatten().count(),
            forgotten.len()
        ),
    );
    stage.cluster.delete_node("cp-c").await?;
    stage.say("the Node of cp-c is deleted");
    let deleted = Instant::now();
    let archived = stage
        .wait_nodes(deleted, grace + ARCHIVED_WITHIN, |status| {
            standing(status, "archived") || status.endpoint(c).is_none()
        })
        .await;
    let (soonest, latest) = (archived.iter().flatten().min(), archived.iter().flatten().max());
    let all = archived.iter().all(Option::is_some);
    stage.check(
        format!(
            "with its Node deleted too it is archived after the grace of {}, no sooner",
            seconds(millis(grace))
        ),
        all && soonest.is_some_and(|soonest| *soonest >= grace),
        match (soonest, latest) {
            (Some(soonest), Some(latest)) if all => {
                format!(
                    "{} to {} after the deletion",
                    seconds(millis(*soonest)),
                    seconds(millis(*latest))
                )
            }
            _ => format!("not by every node: {}", stage.sketch(0)),
        },
    );
    let ready = stage.bring_back(C).await?;
    let back = stage
        .wait_nodes(ready, KNOWN_WITHIN, |status| {
            health(status, "ready") && standing(status, "listed")
        })
        .await;
    let worst = back.iter().flatten().max().copied().unwrap_or_default();
    stage.check(
        "when it returns it is listed and ready again",
        back.iter().all(Option::is_some),
        format!("{} at worst after it was ready", seconds(millis(worst))),
    );
    Ok(())
}
