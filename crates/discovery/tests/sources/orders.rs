//! Orders: one ending for each, whatever happens to it.

use std::time::Duration;

use jackline_core::{Ask, Event, RefreshId, SourceId};
use jackline_discovery::{SourceConfig, StaticConfig};
use tokio::time::Instant;

use crate::server::{Reply, Server, silent, slices, status};
use crate::stand::{Pki, Stand, order};

#[tokio::test]
async fn a_newer_order_supersedes_one_that_still_asks() {
    let pki = Pki::new();
    let (mute, _held) = silent().await;
    let server = Server::start(&pki, |seen| match seen.path.contains("watch=true") {
        true => status(403, "Forbidden", "no"),
        false => Reply::Json(200, slices(&["10.0.0.1"])),
    })
    .await;
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.order(1, &[mute]);
    stand.order(2, &[server.address]);
    let event = stand.next().await;
    assert!(
        matches!(&event, Event::SourceFailed { refresh: RefreshId(1), failure, .. } if failure.reason.contains("superseded")),
        "{event:?}"
    );
    assert_eq!(stand.report().await.0, 2);
    assert!(stand.finish().await.is_empty(), "one ending each");
}

#[tokio::test]
async fn shutting_down_ends_what_is_under_way() {
    let pki = Pki::new();
    let (mute, _held) = silent().await;
    let stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.order(1, &[mute]);
    let rest = stand.finish().await;
    assert!(
        matches!(rest.as_slice(), [Event::SourceFailed { failure, .. }] if failure.reason.contains("shutting down")),
        "{rest:?}"
    );
}

#[tokio::test]
async fn the_deadline_holds_however_many_servers_are_silent() {
    let pki = Pki::new();
    let mut held = Vec::new();
    let mut targets = Vec::new();
    for _ in 0..5 {
        let (address, task) = silent().await;
        targets.push(address);
        held.push(task);
    }
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    let mut short = order(1, &targets);
    short.timeout = Duration::from_secs(4);
    let start = Instant::now();
    stand.discovery.refresh(short);
    let Event::SourceFailed { failure, .. } = stand.next().await else {
        panic!("nobody can have answered")
    };
    assert!(start.elapsed() >= Duration::from_secs(1), "they were given time");
    assert_eq!(
        failure.tried.len(),
        5,
        "silent ones made room for the others: {}",
        failure.reason
    );
}

#[tokio::test]
async fn no_time_at_all_is_a_failure_too() {
    let pki = Pki::new();
    let (mute, _held) = silent().await;
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    let mut none = order(1, &[mute]);
    none.timeout = Duration::ZERO;
    stand.discovery.refresh(none);
    assert!(matches!(
        stand.next().await,
        Event::SourceFailed {
            refresh: RefreshId(1),
            ..
        }
    ));
}

#[tokio::test]
async fn an_order_for_nobody_is_answered() {
    let pki = Pki::new();
    let mut stand = Stand::new(SourceConfig::Static(StaticConfig::default()), pki.anonymous());
    let mut other = order(9, &[]);
    other.source = SourceId(5);
    stand.discovery.refresh(other);
    let event = stand.next().await;
    assert!(
        matches!(
            event,
            Event::SourceFailed {
                source: SourceId(5),
                refresh: RefreshId(9),
                ..
            }
        ),
        "{event:?}"
    );
    let mut node = order(10, &[]);
    node.ask = Ask::Node("cp-1".to_owned());
    stand.discovery.refresh(node);
    assert!(matches!(
        stand.next().await,
        Event::SourceFailed {
            refresh: RefreshId(10),
            ..
        }
    ));
}

#[tokio::test]
async fn a_source_that_asks_servers_says_so_when_none_is_known() {
    let pki = Pki::new();
    let failure = Stand::new(SourceConfig::Kubernetes, pki.trust())
        .refused(1, &[])
        .await;
    assert!(
        failure.reason.contains("no server is known"),
        "{}",
        failure.reason
    );
}
