//! M3, M3a with each credential that a node has: what it may do is found by trying, and `status` says what it may not.
//!
//! Whether membership works is the same story for each: a server leaves the list and comes back; then it is gone for good.

use jackline_agent::status::{Status, word};
use jackline_lab::{Credentials, StartAs};
use tokio::time::{Instant, sleep};

use crate::node::{GRACE, Node, UNWITNESSED, endpoint, plane, ready, server, source};

/// What a credential of a node is good for. The remarks are parts of what `status` says; empty: it says nothing.
struct Case {
    name: &'static str,
    /// The line below `cluster:` that gives it.
    given: fn(&Credentials) -> String,
    /// How the endpoints are kept up to date, and the remark on it.
    endpoints: (&'static str, &'static str),
    /// Whether Nodes can witness a server's removal (M3a), and the remark on it.
    nodes: (bool, &'static str),
    /// The remark on the node's own Lease.
    heartbeat: &'static str,
}

const LACKS: &str = "the credential lacks the right: grant it (see `jackline rbac`) or configure another";
const ONLY_THE_KUBELETS: &str = "only the kubelet's credential may read the node's Lease";

const KUBE_PROXY: Case = Case {
    name: "kube-proxy",
    given: |files| format!("kubeconfig: {}", files.kube_proxy_kubeconfig.display()),
    endpoints: ("watch", ""),
    nodes: (true, ""),
    heartbeat: ONLY_THE_KUBELETS,
};

const K3S_CONTROLLER: Case = Case {
    name: "k3s-controller",
    given: |files| format!("kubeconfig: {}", files.k3s_controller_kubeconfig.display()),
    endpoints: (
        "watch",
        "Endpoints are read, for EndpointSlices are not to be had",
    ),
    nodes: (false, "only the own Node may be read"),
    heartbeat: ONLY_THE_KUBELETS,
};

const KUBELET: Case = Case {
    name: "kubelet",
    given: |files| {
        format!(
            "client-certificate: {}\n  client-key: {}",
            files.kubelet_certificate.display(),
            files.kubelet_key.display()
        )
    },
    endpoints: ("poll", "no watch"),
    nodes: (false, "only the own Node may be read"),
    // Its kubelet is none: the Lease is there, and was never renewed.
    heartbeat: "the Lease was never renewed",
};

const SERVICE_ACCOUNT: Case = Case {
    name: "service-account",
    given: |files| format!("token-file: {}", files.bearer_token.display()),
    endpoints: ("watch", ""),
    nodes: (true, ""),
    heartbeat: ONLY_THE_KUBELETS,
};

#[tokio::test(flavor = "multi_thread")]
async fn kube_proxys_watches_and_has_nodes_for_a_witness() {
    plays(&KUBE_PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k3s_controllers_watches_the_endpoints_and_has_no_witness() {
    plays(&K3S_CONTROLLER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kubelets_polls_the_endpoints_and_has_no_witness() {
    plays(&KUBELET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_watches_and_has_nodes_for_a_witness() {
    plays(&SERVICE_ACCOUNT).await;
}

async fn plays(case: &Case) {
    let plane = plane().await;
    let node = Node::start(&plane, "worker-1", case.given);
    let all_known = |status: &Status| {
        status.sources.iter().all(|source| source.last_report.is_some())
            && plane
                .servers()
                .iter()
                .all(|server| endpoint(status, server).is_some_and(|e| is(e, "listed", "ready")))
    };
    let status = node.when("all servers are listed and ready", all_known).await;
    says_what_it_may(case, &status);

    // A server leaves the list and comes back.
    let c = server(&plane, "c");
    let killed = Instant::now();
    c.kill();
    let left = |status: &Status| endpoint(status, &c).is_some_and(|e| is(e, "retained", "unreachable"));
    node.when("it is retained (M3)", left).await;
    c.start(StartAs::Fresh).expect("it starts");
    node.when("it is listed again (M1)", all_known).await;
    assert!(killed.elapsed() < UNWITNESSED, "too slow a machine to tell");

    // It leaves for good.
    let killed = Instant::now();
    c.kill();
    node.when("it is retained (M3)", left).await;
    sleep(GRACE * 2).await;
    let status = node.now().await;
    assert!(
        left(&status),
        "{}: absence is not removal: {:#?}",
        case.name,
        endpoint(&status, &c)
    );
    let (witnessed, _) = case.nodes;
    let tied = endpoint(&status, &c)
        .and_then(|e| e.node.as_ref())
        .map(|node| node.name.as_str());
    assert_eq!(tied, witnessed.then_some("c"), "{}", case.name);
    assert!(plane.delete_node("c"));
    let deleted = Instant::now();
    let archived = |status: &Status| endpoint(status, &c).is_some_and(|e| word(&e.standing) == "archived");
    node.when("it is archived (M3)", archived).await;
    match witnessed {
        true => assert!(deleted.elapsed() >= GRACE, "{}: too soon", case.name),
        false => assert!(killed.elapsed() >= UNWITNESSED, "{}: too soon", case.name),
    }

    // M5: remembered, and back when the cluster tells it.
    c.start(StartAs::Fresh).expect("it starts");
    ready(&plane).await;
    node.when("it is one of the cluster's again", all_known).await;
}

fn is(endpoint: &jackline_agent::status::Endpoint, standing: &str, health: &str) -> bool {
    (word(&endpoint.standing).as_str(), word(&endpoint.health).as_str()) == (standing, health)
}

/// What each source reports: its mode, and what it may not do with the way out.
fn says_what_it_may(case: &Case, status: &Status) {
    let (mode, remark) = case.endpoints;
    let endpoints = source(status, "kubernetes");
    assert_eq!(
        (word(&endpoints.mode).as_str(), &endpoints.error),
        (mode, &None),
        "{}",
        case.name
    );
    remarks(case, endpoints.note.as_deref(), remark, true);
    let nodes = source(status, "nodes");
    assert_eq!(nodes.error, None, "{}", case.name);
    remarks(case, nodes.note.as_deref(), case.nodes.1, true);
    let heartbeat = source(status, "heartbeat");
    assert_eq!(heartbeat.error, None, "{}", case.name);
    remarks(
        case,
        heartbeat.note.as_deref(),
        case.heartbeat,
        case.heartbeat == ONLY_THE_KUBELETS,
    );
}

fn remarks(case: &Case, told: Option<&str>, expected: &str, refused: bool) {
    let told = told.unwrap_or_default();
    match expected {
        "" => assert_eq!(told, "", "{}", case.name),
        _ => assert!(
            told.contains(expected) && (!refused || told.contains(LACKS)),
            "{}: {told:?} says {expected:?} and what to do",
            case.name
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_token_is_read_again_and_the_old_one_is_worth_nothing() {
    let plane = plane().await;
    let renewed = Node::start(&plane, "worker-1", SERVICE_ACCOUNT.given);
    let forgotten = Node::start(&plane, "worker-2", SERVICE_ACCOUNT.given);
    for node in [&renewed, &forgotten] {
        node.when("the endpoints are told", |status| {
            let endpoints = source(status, "kubernetes");
            endpoints.error.is_none() && endpoints.endpoints.len() == 3
        })
        .await;
    }
    // Only the first node's file has the new token.
    plane.renew_bearer_token("worker-1").expect("written");
    let status = forgotten
        .when("the old token is refused", |status| {
            source(status, "kubernetes").error.is_some()
        })
        .await;
    let error = source(&status, "kubernetes").error.clone().unwrap_or_default();
    assert!(error.contains("401") && error.contains("renew it"), "{error}");
    let at = status.now;
    let status = renewed
        .when("it goes on with the new one", |status| {
            let sources = ["kubernetes", "nodes"].map(|name| source(status, name));
            sources
                .iter()
                .all(|source| source.error.is_none() && source.last_report.is_some_and(|last| last > at))
        })
        .await;
    assert_eq!(source(&status, "kubernetes").endpoints.len(), 3);
}
