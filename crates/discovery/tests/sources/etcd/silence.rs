//! Members that say nothing: frozen, or cut off. Noticed within ten seconds, and others asked meanwhile.

use std::time::{Duration, Instant};

use super::members::Members;
use super::{LIST, asked, stand, watch_end};
use crate::server::silent;
use crate::stand::listed;

const ONE: &str = "[\"10.0.0.1:6443\"]\n";

#[tokio::test]
async fn a_frozen_member_is_noticed_within_ten_seconds_and_others_answer_meanwhile() {
    let Some(members) = Members::start(3).await else {
        return;
    };
    members.gateway.put(members.client(0), LIST, ONE).await;
    let leader = members.leader().await;
    let mut watching = stand(&members.pki, &[members.endpoint(leader)]);
    assert_eq!(
        asked(&mut watching, 1).await.answered_by,
        Some(members.client(leader))
    );
    // Another source begins with that member too, and has never heard of the others.
    let others = (0..3).map(|index| members.endpoint(index));
    let mut asking = stand(&members.pki, &others.collect::<Vec<_>>());
    members.freeze(leader).await;
    let frozen = Instant::now();
    // Its kernel still accepts. Until the others have a new leader, what they have only adds.
    for refresh in 1..=3 {
        let asked_at = Instant::now();
        let report = asked(&mut asking, refresh).await;
        assert_eq!(listed(&report), ["10.0.0.1:6443"]);
        assert_ne!(report.answered_by, Some(members.client(leader)));
        assert!(
            asked_at.elapsed() < Duration::from_secs(6),
            "{:?}",
            asked_at.elapsed()
        );
    }
    let (_, reason) = watch_end(&mut watching).await;
    assert!(
        frozen.elapsed() < Duration::from_secs(10),
        "{:?}",
        frozen.elapsed()
    );
    assert!(reason.contains("ping"), "{reason}");
    // The source itself goes on with members that it was told of.
    let report = asked(&mut watching, 2).await;
    assert_ne!(report.answered_by, Some(members.client(leader)));
    assert!(report.verified, "{report:?}");
}

#[tokio::test]
async fn a_member_that_accepts_and_says_nothing_costs_a_fraction_of_a_second() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    members.gateway.put(members.client(0), LIST, ONE).await;
    let (black_hole, _held) = silent().await;
    let black_hole = format!("https://{black_hole}").parse().expect("an address");
    let mut stand = stand(&members.pki, &[black_hole, members.endpoint(0)]);
    let started = Instant::now();
    let report = asked(&mut stand, 1).await;
    assert_eq!((report.verified, listed(&report).len()), (true, 1));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}
