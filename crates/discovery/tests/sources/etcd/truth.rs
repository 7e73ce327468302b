//! What etcd holds is told: with ports where it has them, by whichever member answers, each change at once.

use jackline_core::{Mode, Report};

use super::members::Members;
use super::{LIST, asked, lease, stand, until_whole, watch_end};
use crate::stand::listed;

/// Two servers as K3s lists them, and a third that only has a lease.
const TWO: &str = "[\"10.0.0.1:6443\",\"10.0.0.2:6443\"]\n";

async fn filled(members: &Members) {
    let any = members.client(0);
    members.gateway.put(any, LIST, TWO).await;
    members.gateway.put(any, &lease("10.0.0.2"), "k8s").await;
    members.gateway.put(any, &lease("10.0.0.3"), "k8s").await;
}

fn is_whole(report: &Report) -> bool {
    report.verified && report.mode == Mode::Watch && report.note.is_empty()
}

#[tokio::test]
async fn each_change_is_a_whole_report_and_a_renewed_lease_is_none() {
    let Some(members) = Members::start(3).await else {
        return;
    };
    filled(&members).await;
    let any = members.client(1);
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    stand.order(1, &[]);
    let (refresh, position, report) = stand.report().await;
    assert_eq!((refresh, position, is_whole(&report)), (1, 0, true), "{report:?}");
    assert_eq!(report.answered_by, Some(members.client(0)));
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2:6443", "10.0.0.3"]);
    // As each apiserver does every ten seconds.
    members.gateway.put(any, &lease("10.0.0.3"), "k8s again").await;
    members.gateway.put(any, &lease("fd00::4"), "k8s").await;
    let (refresh, position, report) = stand.report().await;
    assert_eq!((refresh, position, is_whole(&report)), (1, 1, true), "{report:?}");
    assert_eq!(
        listed(&report),
        ["10.0.0.1:6443", "10.0.0.2:6443", "10.0.0.3", "fd00::4"]
    );
    members.gateway.delete(any, &lease("10.0.0.3")).await;
    assert_eq!(
        listed(&stand.report().await.2),
        ["10.0.0.1:6443", "10.0.0.2:6443", "fd00::4"]
    );
    members.gateway.put(any, LIST, "[\"10.0.0.9:6444\"]\n").await;
    assert_eq!(
        listed(&stand.report().await.2),
        ["10.0.0.9:6444", "10.0.0.2", "fd00::4"]
    );
    // What only begins like one of our keys is none.
    members
        .gateway
        .put(any, "k3s/apiaddresses2", "[\"10.9.9.9:1\"]")
        .await;
    members.gateway.delete(any, LIST).await;
    let (_, position, report) = stand.report().await;
    assert_eq!(
        (position, listed(&report)),
        (4, vec!["10.0.0.2".to_owned(), "fd00::4".to_owned()])
    );
    let rest = stand.finish().await;
    assert_eq!(rest.len(), 1, "only the watch's end: {rest:?}");
}

#[tokio::test]
async fn nothing_known_yet_is_an_empty_answer_with_a_watch() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert!(is_whole(&report) && listed(&report).is_empty(), "{report:?}");
    members
        .gateway
        .put(members.client(0), &lease("10.0.0.1"), "k8s")
        .await;
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1"]);
}

#[tokio::test]
async fn a_lost_leader_ends_the_watch_and_another_member_tells_the_whole_truth() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    filled(&members).await;
    let leader = members.leader().await;
    let mut stand = stand(&members.pki, &[members.endpoint(leader)]);
    stand.order(1, &[]);
    assert_eq!(stand.report().await.2.answered_by, Some(members.client(leader)));
    members.kill(leader).await;
    let (refresh, reason) = watch_end(&mut stand).await;
    assert_eq!(refresh, 1, "{reason}");
    // The others elect a leader; until then what they have only adds.
    let report = until_whole(&mut stand, 2).await;
    assert!(is_whole(&report), "{report:?}");
    assert_ne!(report.answered_by, Some(members.client(leader)));
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2:6443", "10.0.0.3"]);
}

#[tokio::test]
async fn a_member_that_took_another_ones_place_is_learnt_of_and_asked() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    filled(&members).await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    stand.order(1, &[]);
    assert!(is_whole(&stand.report().await.2));
    let new = members.replace(2).await;
    // It is told at the next question, and from then on one of those that are asked first in turn.
    let mut answered = Vec::new();
    for refresh in 2..=7 {
        // A watch of before may end for want of a leader: it was perhaps the leader that was replaced.
        let report = asked(&mut stand, refresh).await;
        assert!(is_whole(&report), "{report:?}");
        answered.extend(report.answered_by);
    }
    assert!(answered.contains(&members.client(new)), "{answered:?}");
    assert!(!answered.contains(&members.client(2)), "{answered:?}");
    // The configured one goes for good: the others are known.
    members.kill(0).await;
    let report = until_whole(&mut stand, 8).await;
    assert!(
        [Some(members.client(1)), Some(members.client(new))].contains(&report.answered_by),
        "{report:?}"
    );
}
