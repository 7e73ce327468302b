//! Who is let in, to what, and whose certificates are shown.

use std::fs;

use hyper::Method;
use jackline_lab::{Anonymous, Authority, ControlPlane, Plan, Role, SlowSpec, StartAs};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::client::{As, Http, connect, connect_to, get, node, tls};
use crate::{BRISK, LONG, plane, ready_plane};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";

#[tokio::test]
async fn each_credential_opens_what_it_opens_on_a_real_server() {
    let plane = ready_plane(&[("a", Role::Server), ("e", Role::EtcdOnly)]).await;
    let files = node(&plane, "n");
    let bearer = format!(
        "Bearer {}",
        fs::read_to_string(&files.bearer_token).expect("a token")
    );
    let matrix: [(&str, [u16; 4]); 11] = [
        // anonymous, kubelet, kube-proxy, bearer
        ("/readyz", [401, 200, 200, 200]),
        ("/livez", [401, 200, 200, 200]),
        ("/version", [401, 200, 200, 200]),
        (ENDPOINTS, [401, 200, 403, 200]),
        (SLICES, [401, 403, 200, 200]),
        ("/api/v1/nodes", [401, 403, 200, 200]),
        ("/api/v1/nodes/n", [401, 200, 403, 200]),
        ("/api/v1/nodes/a", [401, 403, 403, 200]),
        (
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n",
            [401, 200, 403, 403],
        ),
        ("/lab/echo", [401, 200, 200, 200]),
        ("/ping", [200, 200, 200, 200]),
    ];
    let mut anonymous = connect(&plane, "a", As::Anonymous, Http::One).await;
    let mut kubelet = connect(&plane, "a", As::Kubelet(&files), Http::One).await;
    let mut proxy = connect(&plane, "a", As::KubeProxy(&files), Http::One).await;
    for (path, expected) in matrix {
        let got = [
            anonymous.get(path).await.status.as_u16(),
            kubelet.get(path).await.status.as_u16(),
            proxy.get(path).await.status.as_u16(),
            anonymous
                .call(Method::GET, path, &[("authorization", &bearer)], "")
                .await
                .status
                .as_u16(),
        ];
        assert_eq!(got, expected, "{path}");
    }
    let wrong = anonymous
        .call(Method::GET, "/readyz", &[("authorization", "Bearer wrong")], "")
        .await;
    assert_eq!(wrong.json()["code"], 401);
}

#[tokio::test]
async fn the_anonymous_may_read_readyz_where_kubeadm_lets_them_and_nothing_else() {
    let plan = Plan {
        anonymous: Anonymous::Allowed,
        boot: BRISK,
        ..Plan::default()
    }
    .with("a", Role::Server);
    let plane = ControlPlane::start(plan).expect("a control plane");
    plane.start_all().expect("started");
    assert!(plane.wait_until(LONG, ControlPlane::is_ready).await);
    let mut anonymous = connect(&plane, "a", As::Anonymous, Http::One).await;
    assert_eq!(anonymous.get("/readyz").await.text, "ok");
    assert_eq!(anonymous.get("/version").await.json()["major"], "1");
    for path in [ENDPOINTS, SLICES, "/lab/echo", "/api"] {
        assert_eq!(anonymous.get(path).await.status, 403, "{path}");
    }
    let wrong = anonymous
        .call(Method::GET, "/readyz", &[("authorization", "Bearer wrong")], "")
        .await;
    assert_eq!(wrong.status, 401, "a wrong credential is worse than none");
}

#[tokio::test]
async fn an_etcd_only_server_serves_its_supervisor_and_says_503_to_all_else() {
    let plane = ready_plane(&[("e", Role::EtcdOnly), ("a", Role::ControlPlaneOnly)]).await;
    let files = node(&plane, "n");
    let (e, a) = (
        plane.server("e").expect("planned"),
        plane.server("a").expect("planned"),
    );
    assert!(!e.is_ready() && e.is_answering());
    let mut agent = connect(&plane, "e", As::Kubelet(&files), Http::One).await;
    for path in ["/readyz", "/version", "/api", ENDPOINTS, "/lab/echo"] {
        let answer = agent.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["message"].as_str()),
            (503, Some("apiserver disabled")),
            "{path}"
        );
    }
    for path in ["/v1-k3s/apiservers", "/v1-rke2/apiservers"] {
        assert_eq!(
            agent.get(path).await.json(),
            serde_json::json!([a.address().to_string()])
        );
    }
    assert_eq!(agent.get("/v1-k3s/readyz").await.text, "ok");
    assert_eq!(agent.get("/ping").await.text, "pong");
    assert_eq!(agent.get("/v1-k3s/connect").await.status, 501);
}

#[tokio::test]
async fn the_supervisor_takes_the_node_token_and_its_hash_is_that_of_cacerts() {
    use base64::Engine;
    let plane = ready_plane(&[("a", Role::Server)]).await;
    let files = node(&plane, "n");
    let token = fs::read_to_string(&files.node_token).expect("a token");
    let (hash, pair) = token
        .trim()
        .strip_prefix("K10")
        .and_then(|token| token.split_once("::"))
        .expect("K10<hash>::<pair>");
    let mut client = connect(&plane, "a", As::Anonymous, Http::One).await;
    let ca = client.get("/cacerts").await.text;
    assert_eq!(
        Sha256::digest(ca.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
        hash
    );
    assert_eq!(fs::read_to_string(&files.ca_file).expect("a CA"), ca);
    let basic = |pair: &str| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
    let mut ask = async |value: &str| {
        client
            .call(Method::GET, "/v1-k3s/apiservers", &[("authorization", value)], "")
            .await
            .status
    };
    assert_eq!(ask(&basic(pair)).await, 200);
    assert_eq!(ask(&basic("node:wrong")).await, 401);
    assert_eq!(ask("Basic !").await, 401);
    assert_eq!(
        get(&plane, "a", As::Anonymous, "/v1-k3s/apiservers").await.status,
        401
    );
    assert_eq!(
        get(&plane, "a", As::KubeProxy(&files), "/v1-k3s/apiservers")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_supervisor_serves_twenty_agents_at_a_time_and_no_more() {
    let plane = ready_plane(&[("a", Role::Server)]).await;
    let a = plane.server("a").expect("planned");
    let files = node(&plane, "n");
    let before = a.requests();
    a.slow(SlowSpec {
        readyz: LONG..LONG,
        request: LONG..LONG,
    });
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut agent = connect(&plane, "a", As::Kubelet(&files), Http::One).await;
        waiting.push(tokio::spawn(async move {
            agent.get("/v1-k3s/apiservers").await.status
        }));
    }
    assert!(plane.wait_until(LONG, |_| a.requests() == before + 20).await);
    let refused = get(&plane, "a", As::Kubelet(&files), "/v1-k3s/apiservers").await;
    assert_eq!(
        (refused.status.as_u16(), refused.headers["retry-after"].as_bytes()),
        (429, &b"1"[..])
    );
    a.normal();
    for agent in waiting {
        assert_eq!(agent.await.expect("no panic"), 200);
    }
    assert_eq!(
        get(&plane, "a", As::Kubelet(&files), "/v1-k3s/apiservers")
            .await
            .status,
        200,
        "the places are free again"
    );
}

#[tokio::test]
async fn another_cluster_s_server_shows_another_ca_and_knows_none_of_our_credentials() {
    let plane = ready_plane(&[("a", Role::Server), ("b", Role::Server)]).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let files = node(&plane, "n");
    let others = Authority::new("another-ca").expect("made");
    a.foreign(&others).expect("started");
    assert!(plane.wait_until(LONG, |_| a.is_answering()).await);
    let ours = tls(plane.authority().pem().as_bytes(), As::Kubelet(&files), Http::One);
    assert!(
        connect_to(a.address(), ours.clone()).await.is_err(),
        "its certificate is not of our CA"
    );
    let theirs = tls(others.pem().as_bytes(), As::Kubelet(&files), Http::One);
    let mut connection = connect_to(a.address(), theirs).await.expect("connected");
    assert_eq!(connection.get("/readyz").await.status, 401);
    assert!(!a.is_ready() && a.ready_since().is_none());
    assert!(
        plane
            .wait_until(LONG, |plane| plane.list() == [b.address()])
            .await,
        "it is in no list of ours"
    );

    a.kill();
    a.start(StartAs::Fresh).expect("started");
    assert!(
        plane
            .wait_until(LONG, |plane| a.is_ready() && plane.list().len() == 2)
            .await
    );
    assert!(connect_to(a.address(), ours).await.is_ok(), "our own is back");
}

#[tokio::test]
async fn a_new_ca_is_shown_from_the_next_handshake_on_and_old_client_certificates_go_on() {
    let plane = ready_plane(&[("a", Role::Server)]).await;
    let a = plane.server("a").expect("planned");
    let files = node(&plane, "n");
    let mut old = connect(&plane, "a", As::Kubelet(&files), Http::Two).await;
    let new = Authority::new("new-ca").expect("made");
    a.present_ca(&new).expect("presented");
    assert_eq!(old.get("/readyz").await.status, 200, "open connections go on");
    let with = |files: &jackline_lab::Credentials| {
        tls(
            &fs::read(&files.ca_file).expect("a CA file"),
            As::Kubelet(files),
            Http::One,
        )
    };
    assert!(connect_to(a.address(), with(&files)).await.is_err());
    plane.write_ca("n", &[&new]).expect("written");
    let mut connection = timeout(LONG, connect_to(a.address(), with(&files)))
        .await
        .expect("in time")
        .expect("connected");
    assert_eq!(connection.get("/readyz").await.status, 200);
    assert_eq!(connection.get("/cacerts").await.text, new.pem());
}

#[tokio::test]
async fn files_are_the_owner_s_only_and_go_with_the_control_plane() {
    use std::os::unix::fs::PermissionsExt;
    let plane = plane(&[("a", Role::Server)], BRISK);
    let files = node(&plane, "n");
    for file in fs::read_dir(&files.directory).expect("a folder") {
        let metadata = file.expect("a file").metadata().expect("metadata");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
    assert!(files.kubelet_key.exists());
    drop(plane);
    assert!(!files.directory.exists());
}
