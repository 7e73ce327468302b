//! Quorum lost and back: what one member has is told, only adds, and says so.

use std::time::{Duration, Instant};

use jackline_core::{Mode, RefreshSource};

use super::members::Members;
use super::{LIST, answer, lease, refused, stand, until_whole, watch_end};
use crate::stand::{listed, order};

const ONE: &str = "[\"10.0.0.1:6443\"]\n";

#[tokio::test]
async fn without_quorum_what_a_member_has_only_adds_and_with_it_all_counts_again() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    members.gateway.put(members.client(0), LIST, ONE).await;
    members
        .gateway
        .put(members.client(0), &lease("10.0.0.2"), "k8s")
        .await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    stand.order(1, &[]);
    assert!(stand.report().await.2.verified);
    members.kill(1).await;
    members.kill(2).await;
    // A member that lost its leader ends its watches.
    let (refresh, reason) = watch_end(&mut stand).await;
    assert_eq!(refresh, 1);
    assert!(reason.contains("no leader"), "{reason}");
    let asked = Instant::now();
    stand.order(2, &[]);
    let (_, _, report) = stand.report().await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!((report.verified, report.mode), (false, Mode::Poll));
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2"]);
    assert!(
        report
            .note
            .starts_with("etcd has no quorum: its answer only adds (M6); ")
            && report.note.contains("no leader"),
        "{}",
        report.note
    );
    members.start_all("existing").await;
    let report = until_whole(&mut stand, 3).await;
    assert_eq!((report.mode, report.note.as_str()), (Mode::Watch, ""));
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2"]);
}

#[tokio::test]
async fn a_quorum_that_is_lost_this_very_moment_costs_two_seconds_and_no_more() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    members.gateway.put(members.client(0), LIST, ONE).await;
    let leader = members.leader().await;
    let mut stand = stand(&members.pki, &[members.endpoint(leader)]);
    let others: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    // The leader does not know yet that nobody follows it: it waits for their assent.
    for &index in &others {
        members.freeze(index).await;
    }
    let asked = Instant::now();
    stand.discovery.refresh(RefreshSource {
        timeout: Duration::from_secs(4),
        ..order(1, &[])
    });
    let report = answer(&mut stand, 1).await.expect("an answer while isolated");
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert!(
        !report.verified && report.note.contains("no quorum"),
        "{report:?}"
    );
    assert_eq!(listed(&report), ["10.0.0.1:6443"]);
    others.iter().for_each(|&index| members.thaw(index));
    assert_eq!(listed(&until_whole(&mut stand, 2).await), ["10.0.0.1:6443"]);
    members.kill_all().await;
    let reason = refused(&mut stand, 1_000_000).await;
    assert!(reason.starts_with("no server told etcd's keys: "), "{reason}");
}
