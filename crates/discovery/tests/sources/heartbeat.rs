//! The heartbeat witness: what a Lease tells, and what tells none.

use std::time::Duration;

use jackline_core::{Mode, Report, SourceFailure};
use jackline_discovery::{HeartbeatConfig, SourceConfig};

use crate::server::{Reply, Server, status};
use crate::stand::{Pki, Stand};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/worker-1";

fn stand(pki: &Pki, node: &str) -> Stand {
    let node = node.to_owned();
    Stand::new(SourceConfig::Heartbeat(HeartbeatConfig { node }), pki.trust())
}

fn lease(name: &str, spec: &str) -> Reply {
    let body = format!(r#"{{"kind":"Lease","metadata":{{"name":"{name}"}},"spec":{{{spec}}}}}"#);
    Reply::Json(200, body)
}

async fn told(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Report {
    let pki = Pki::new();
    let server = Server::start(&pki, move |_| reply()).await;
    let mut stand = stand(&pki, "worker-1");
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(server.paths(), [LEASE]);
    assert_eq!((report.mode, report.verified), (Mode::Poll, true));
    report
}

async fn refused(reply: impl Fn() -> Reply + Send + Sync + 'static) -> SourceFailure {
    let pki = Pki::new();
    let server = Server::start(&pki, move |_| reply()).await;
    stand(&pki, "worker-1").refused(1, &[server.address]).await
}

#[tokio::test]
async fn a_lease_tells_when_it_was_renewed_and_how_long_ago() {
    let report = told(|| lease("worker-1", r#""renewTime":"2001-09-09T01:46:40.000007Z""#)).await;
    let heartbeat = report.heartbeat.expect("a renewal");
    assert_eq!(heartbeat.renewed, 1_000_000_000_000_007);
    assert!(heartbeat.age > Duration::from_secs(3600));
    let ahead = told(|| lease("worker-1", r#""renewTime":"2199-01-01T00:00:00.000000Z""#)).await;
    assert_eq!(ahead.heartbeat.expect("a renewal").age, Duration::ZERO);
}

#[tokio::test]
async fn a_credential_that_may_not_a_lease_that_is_not_there_and_one_never_renewed_are_no_failures() {
    let missing = || {
        let body = r#"{"kind":"Status","reason":"NotFound","code":404,"message":"not found",
            "details":{"name":"worker-1","group":"coordination.k8s.io","kind":"leases"}}"#;
        Reply::Json(404, body.to_owned())
    };
    // A refusal holds for a while. A Lease that is not there yet may be there the next minute.
    for (report, holds) in [
        (
            told(|| status(403, "Forbidden", "not for you")).await,
            Some(Duration::from_secs(600)),
        ),
        (told(missing).await, None),
        (told(|| lease("worker-1", "")).await, None),
    ] {
        assert_eq!(report.heartbeat, None);
        assert_eq!(report.valid_for, holds, "{}", report.note);
        assert!(report.note.starts_with("no witness: "), "{}", report.note);
    }
}

#[tokio::test]
async fn anything_else_is_a_failure() {
    for (failure, why) in [
        (
            refused(|| lease("worker-2", r#""renewTime":"2001-09-09T01:46:40Z""#)).await,
            "another object",
        ),
        (
            refused(|| lease("worker-1", r#""renewTime":"yesterday""#)).await,
            "no RFC 3339 time",
        ),
        (refused(|| Reply::Json(200, "[]".to_owned())).await, "no sense"),
        (refused(|| status(404, "NotFound", "no such path")).await, "404"),
        (refused(|| status(500, "InternalError", "broken")).await, "500"),
    ] {
        assert!(failure.reason.contains(why), "{}", failure.reason);
    }
    let pki = Pki::new();
    let failure = stand(&pki, "Not/A/Node").refused(1, &[]).await;
    assert!(
        failure.reason.contains("configure node.name"),
        "{}",
        failure.reason
    );
}
