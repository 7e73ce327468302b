//! What the node's credential was refused is not asked for again for a while, and what it may do now is found out all the same.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jackline_core::Mode;
use jackline_discovery::{NodesConfig, SourceConfig};
use jackline_trust::{Trust, TrustConfig};

use crate::server::{Reply, Seen, Server, slices, status};
use crate::stand::{Pki, Stand};

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";
const OWN: &str = "/api/v1/nodes/worker-1";

fn endpoints() -> Reply {
    let body = r#"{"kind":"Endpoints","metadata":{"name":"kubernetes","resourceVersion":"5"},"subsets":[
        {"addresses":[{"ip":"10.0.0.1"}],"ports":[{"name":"https","port":6443}]}]}"#;
    Reply::Json(200, body.to_owned())
}

/// All that a kubelet's credential may.
fn as_to_a_kubelet(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        ENDPOINTS => endpoints(),
        OWN => Reply::Json(
            200,
            r#"{"kind":"Node","metadata":{"name":"worker-1"}}"#.to_owned(),
        ),
        _ => status(403, "Forbidden", "not for kubelets"),
    }
}

/// What a server was asked since it was looked at last.
fn asked(server: &Server) -> Vec<String> {
    let seen = std::mem::take(&mut *server.log.lock().unwrap());
    seen.into_iter().map(|seen| seen.path).collect()
}

#[tokio::test]
async fn a_kubelets_credential_asks_for_the_one_object_only_once_it_was_refused_the_rest() {
    let pki = Pki::new();
    let server = Server::start(&pki, as_to_a_kubelet).await;
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.order(1, &[server.address]);
    let (_, _, first) = stand.report().await;
    let forms: BTreeSet<String> = asked(&server).into_iter().collect();
    assert_eq!(
        forms.len(),
        4,
        "slices, a list of one, the object, its watch: {forms:?}"
    );
    stand.order(2, &[server.address]);
    let (_, _, second) = stand.report().await;
    assert_eq!(asked(&server), [ENDPOINTS]);
    assert_eq!(second.endpoints, first.endpoints);
    assert_eq!((second.mode, second.note), (Mode::Poll, first.note));
}

#[tokio::test]
async fn a_kubelets_credential_asks_for_the_own_node_only_once_it_was_refused_the_list() {
    let pki = Pki::new();
    let server = Server::start(&pki, as_to_a_kubelet).await;
    let source = SourceConfig::Nodes(NodesConfig {
        own: Some("worker-1".to_owned()),
    });
    let mut stand = Stand::new(source, pki.trust());
    stand.order(1, &[server.address]);
    let (_, _, first) = stand.report().await;
    assert_eq!(asked(&server).len(), 2);
    stand.order(2, &[server.address]);
    let (_, _, second) = stand.report().await;
    assert_eq!(asked(&server), [OWN]);
    assert_eq!((second.nodes, second.note), (first.nodes, first.note));
}

#[tokio::test]
async fn a_server_that_refuses_everything_as_one_that_is_starting_does_teaches_nothing() {
    let pki = Pki::new();
    let started = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&started);
    let server = Server::start(&pki, move |seen| match seen.path.as_str() {
        _ if !is_up.load(Ordering::Relaxed) => status(403, "Forbidden", "no rights are known yet"),
        path if path.starts_with("/apis/") && !path.contains("watch=true") => {
            Reply::Json(200, slices(&["10.0.0.1"]))
        }
        _ => status(403, "Forbidden", "no"),
    })
    .await;
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.refused(1, &[server.address]).await;
    started.store(true, Ordering::Relaxed);
    stand.order(2, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert!(!report.note.contains("Endpoints are read"), "{}", report.note);
}

#[tokio::test]
async fn rights_that_are_taken_away_have_everything_tried_again() {
    let pki = Pki::new();
    let granted = Arc::new(Mutex::new(as_to_a_kubelet as fn(&Seen) -> Reply));
    let now = Arc::clone(&granted);
    let server = Server::start(&pki, move |seen| (now.lock().unwrap())(seen)).await;
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.order(1, &[server.address]);
    stand.report().await;
    *granted.lock().unwrap() = |seen| match seen.path.as_str() {
        path if path.starts_with("/apis/") && !path.contains("watch=true") => {
            Reply::Json(200, slices(&["10.0.0.1"]))
        }
        _ => status(403, "Forbidden", "slices only"),
    };
    stand.refused(2, &[server.address]).await;
    stand.order(3, &[server.address]);
    assert_eq!(stand.report().await.2.endpoints.len(), 1);
}

#[tokio::test]
async fn another_credential_is_tried_with_everything() {
    let pki = Pki::new();
    let server = Server::start(&pki, as_to_a_kubelet).await;
    let token = pki.file("token", "first");
    let trust = Arc::new(Trust::load(TrustConfig {
        ca_file: Some(pki.file("ca.crt", pki.pem())),
        token_file: Some(token.clone()),
        ..TrustConfig::default()
    }));
    let mut stand = Stand::new(SourceConfig::Kubernetes, Arc::clone(&trust));
    stand.order(1, &[server.address]);
    stand.report().await;
    asked(&server);
    std::fs::write(&token, "second").unwrap();
    trust.reload();
    stand.order(2, &[server.address]);
    stand.report().await;
    assert!(
        asked(&server).len() > 1,
        "what the first was refused says nothing of it"
    );
}
