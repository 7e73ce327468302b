//! What each credential of a node may do on a real apiserver, with the anonymous let in and shut out; the ClusterRole of
//! `jackline rbac`, granted under way; and a drain for the whole fleet, which the apiservers' own reconciling must not lose.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::RealPlay;
use super::apiserver::Way;
use super::cluster::ENDPOINTS;
use super::stage::RealStage;
use crate::node::{Access, Status};
use crate::plan::Anonymous;
use crate::verdict::{millis, seconds};

const AGENTS: &[(&str, Access)] = &[
    ("agent-1", Access::ServiceAccount),
    ("agent-2", Access::Kubelet),
    ("agent-3", Access::KubeProxy),
    ("agent-4", Access::Nothing),
];

pub(in crate::hosts) static ALLOWED: RealPlay = RealPlay {
    name: "real-anonymous-on",
    story: "Real apiservers with --anonymous-auth=true. Nodes with a ServiceAccount's token, the kubelet's certificate, \
            kube-proxy's, and none, all joined to one server: each must find out what it may, and learn what it can. The \
            ClusterRole of `jackline rbac` is granted under way, and a drain for the whole fleet is annotated.",
    anonymous: Anonymous::Allowed,
    agents: AGENTS,
    joined_to: A,
    granted: false,
    factor: 1,
    play: |stage| Box::pin(play(stage, Anonymous::Allowed)),
};

pub(in crate::hosts) static REFUSED: RealPlay = RealPlay {
    name: "real-anonymous-off",
    story: "The same with --anonymous-auth=false, as on K3s, RKE2 and k0s: who has a credential must present it to probe, and \
            who has none can only see that the servers are alive.",
    anonymous: Anonymous::Refused,
    agents: AGENTS,
    joined_to: A,
    granted: false,
    factor: 1,
    play: |stage| Box::pin(play(stage, Anonymous::Refused)),
};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

/// The nodes, by their credential.
const TOKEN: usize = 0;
const KUBELET: usize = 1;
const KUBE_PROXY: usize = 2;
const NONE: usize = 3;

/// A started node knows what it may within a moment; a busy machine takes longer.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// A source that was refused is asked again at its usual pace: each minute, jittered.
const GRANTED_WITHIN: Duration = Duration::from_secs(100);

/// Who may watch heeds the annotation within this.
const HEEDED_WITHIN: Duration = Duration::from_secs(10);

/// A server that comes or goes has changed every list by then.
const LISTED_WITHIN: Duration = Duration::from_secs(60);

const DRAIN: &str = "jackline.dev/drain";

async fn play(stage: &mut RealStage, anonymous: Anonymous) -> anyhow::Result<()> {
    let began = Instant::now();
    stage.start_nodes().await?;
    let all: Vec<SocketAddr> = [A, B, C].map(|server| stage.address(server)).to_vec();
    let a = all[A];
    let (knows_all, knows_a) = (knows(all.clone()), knows(vec![a]));
    expect(
        stage,
        KUBELET,
        began,
        "the kubelet's certificate: asks the list, may not watch it, and all servers are ready",
        |status| status.attached() && knows_all(status) && mode(status) == "poll",
    )
    .await;
    expect(
        stage,
        KUBE_PROXY,
        began,
        "kube-proxy's certificate: watches the list, and all servers are ready",
        |status| status.attached() && knows_all(status) && mode(status) == "watch",
    )
    .await;
    expect(stage, TOKEN, began, "a ServiceAccount without rights: the source says 403, the server joined to is ready and the only one known", |status| {
        status.attached() && knows_a(status) && refused(status, "403")
    })
    .await;
    match anonymous {
        Anonymous::Allowed => {
            expect(
                stage,
                NONE,
                began,
                "no credential: the source says 403, the server joined to is ready",
                |status| status.attached() && knows_a(status) && refused(status, "403"),
            )
            .await;
        }
        Anonymous::Refused => {
            expect(
                stage,
                NONE,
                began,
                "no credential: the source says 401, the server joined to is alive, the node degraded",
                |status| {
                    let alive = status.endpoint(a).is_some_and(|found| found.health == "alive");
                    status.state == "degraded" && alive && refused(status, "401")
                },
            )
            .await;
        }
    }
    let manifest = stage.manifest.clone();
    stage
        .cluster
        .apply(&manifest, |kind| kind != "ServiceAccount")
        .await?;
    stage.say("the ClusterRole of `jackline rbac` is granted");
    let granted = Instant::now();
    let within = GRANTED_WITHIN;
    expect_within(
        stage,
        TOKEN,
        granted,
        within,
        "the ServiceAccount with its ClusterRole: watches the list, and all servers are ready",
        |status| status.attached() && knows_all(status) && mode(status) == "watch",
    )
    .await;
    drain(stage, all[B]).await
}

/// The annotation is heeded, stays while a server leaves the list and returns, and is heeded when it goes.
async fn drain(stage: &mut RealStage, drained: SocketAddr) -> anyhow::Result<()> {
    let draining = |status: &Status| {
        status
            .endpoint(drained)
            .is_some_and(|found| found.administration == "draining")
    };
    stage
        .cluster
        .annotate(DRAIN, Some(&drained.ip().to_string()))
        .await?;
    let set = Instant::now();
    for node in [TOKEN, KUBE_PROXY] {
        expect_within(
            stage,
            node,
            set,
            HEEDED_WITHIN,
            "the fleet's drain is heeded",
            draining,
        )
        .await;
    }
    let c = stage.address(C).ip().to_string();
    stage.stop(C, Way::Terminate).await?;
    let left = stage.wait_left_lists(C, LISTED_WITHIN).await.is_some();
    stage.bring_back(C).await?;
    let returned = stage
        .cluster
        .wait_lists(LISTED_WITHIN, |told| told.contains(&c))
        .await
        .is_some();
    let object = stage.cluster.admin()?.get(ENDPOINTS).await?.json()?;
    let kept = object["metadata"]["annotations"][DRAIN] == drained.ip().to_string();
    stage.check(
        "the annotation survives a server's leaving the list and its return",
        left && returned && kept,
        format!("left: {left}, returned: {returned}, annotation kept: {kept}"),
    );
    stage.cluster.annotate(DRAIN, None).await?;
    let taken = Instant::now();
    for node in [TOKEN, KUBE_PROXY] {
        expect_within(
            stage,
            node,
            taken,
            HEEDED_WITHIN,
            "the drain's end is heeded",
            |status| !draining(status),
        )
        .await;
    }
    Ok(())
}

async fn expect(
    stage: &mut RealStage,
    node: usize,
    since: Instant,
    what: &str,
    holds: impl Fn(&Status) -> bool,
) {
    expect_within(stage, node, since, SETTLED_WITHIN, what, holds).await;
}

/// A check that this node comes to say this within the limit.
async fn expect_within(
    stage: &mut RealStage,
    node: usize,
    since: Instant,
    limit: Duration,
    what: &str,
    holds: impl Fn(&Status) -> bool,
) {
    let deadline = Instant::now() + limit;
    let found = stage.nodes[node].wait(since, deadline, holds).await;
    let name = stage.nodes[node].name().to_owned();
    let got = match found {
        Some(at) => format!(
            "{name} after {}",
            seconds(millis(at.saturating_duration_since(since)))
        ),
        None => format!("{name} says: {}", stage.sketch(node)),
    };
    stage.check(what, found.is_some(), got);
}

/// Whether a node knows exactly these servers, all of them as ready.
fn knows(addresses: Vec<SocketAddr>) -> impl Fn(&Status) -> bool {
    move |status| {
        let ready = |address: &SocketAddr| {
            status
                .endpoint(*address)
                .is_some_and(|found| found.health == "ready")
        };
        status.endpoints.len() == addresses.len() && addresses.iter().all(ready)
    }
}

/// How the list is kept up to date, if it is.
fn mode(status: &Status) -> &str {
    let source = status
        .source("kubernetes")
        .filter(|source| source.state == "good");
    source.map_or("", |source| source.mode.as_str())
}

/// Whether the list is refused, with this status.
fn refused(status: &Status, code: &str) -> bool {
    let source = status
        .source("kubernetes")
        .filter(|source| source.state == "failed");
    let error = source.and_then(|source| source.error.as_deref());
    error.is_some_and(|error| error.contains(code))
}
