//! Etcd's members as endpoints: all of them by one that is configured, and what each of them says in which state.

use jackline_core::Mode;
use jackline_discovery::SourceConfig;

use super::members::Members;
use super::{answer, config, refused, until_whole};
use crate::stand::{Stand, listed};

fn stand(members: &Members, first: usize) -> Stand {
    let config = config(&members.pki, &[members.endpoint(first)]);
    Stand::new(SourceConfig::Members(config), members.pki.anonymous())
}

fn clients(members: &Members, which: &[usize]) -> Vec<String> {
    let mut clients: Vec<_> = which.iter().map(|index| members.client(*index)).collect();
    clients.sort_unstable();
    clients.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn one_member_tells_of_all_and_of_the_one_that_takes_anothers_place() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    let mut stand = stand(&members, 0);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), clients(&members, &[0, 1, 2]));
    assert_eq!(
        (report.mode, report.verified, report.partial, report.note.as_str()),
        (Mode::Poll, true, false, "")
    );
    let new = members.replace(2).await;
    let report = until_whole(&mut stand, 2).await;
    assert_eq!(listed(&report), clients(&members, &[0, 1, new]));
    // The one that was configured is no more; those that it told of are asked.
    members.kill(0).await;
    let report = until_whole(&mut stand, 1000).await;
    assert_eq!(listed(&report), clients(&members, &[0, 1, new]));
}

#[tokio::test]
async fn without_quorum_the_list_only_adds() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    let mut stand = stand(&members, 0);
    members.kill(1).await;
    members.kill(2).await;
    stand.order(1, &[]);
    let report = answer(&mut stand, 1).await.expect("an answer");
    assert_eq!(listed(&report), clients(&members, &[0, 1, 2]));
    assert!(
        !report.verified && report.note.contains("no quorum"),
        "{report:?}"
    );
    members.kill(0).await;
    let reason = refused(&mut stand, 2).await;
    assert!(reason.starts_with("no server told etcd's members: "), "{reason}");
}
