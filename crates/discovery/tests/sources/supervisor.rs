//! The supervisors: by what they are believed, what is shown to them, and that each of them is asked.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use jackline_core::{Breadth, Mode};
use jackline_discovery::{Distribution, SourceConfig, SupervisorConfig, SupervisorList, TokenOrigin};
use jackline_trust::{Trust, TrustConfig};
use sha2::{Digest, Sha256};

use crate::server::{Reply, Seen, Server, nobody, status};
use crate::stand::{Pki, Stand, listed, order};

const LIST: &str = "/v1-k3s/apiservers";

fn config(token: Option<&str>) -> SupervisorConfig {
    SupervisorConfig {
        distribution: Distribution::K3s,
        token: token.map(|token| TokenOrigin::Inline(token.to_owned())),
        port: None,
        list: SupervisorList::Apiservers,
    }
}

fn stand(token: Option<&str>, trust: Arc<Trust>) -> Stand {
    Stand::new(SourceConfig::Supervisor(config(token)), trust)
}

fn without_ca() -> Arc<Trust> {
    Arc::new(Trust::load(TrustConfig::default()))
}

fn hash_of(pem: &str) -> String {
    Sha256::digest(pem)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn basic(login: &str) -> Option<String> {
    Some(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(login)
    ))
}

fn text(body: String) -> Reply {
    Reply::With(200, "Content-Type: text/plain\r\n".to_owned(), body.into_bytes())
}

/// A supervisor that hands out `cacerts` and this list.
async fn supervisor(pki: &Pki, cacerts: String, list: &'static str) -> Server {
    Server::start(pki, move |seen: &Seen| match seen.path.as_str() {
        "/cacerts" => text(cacerts.clone()),
        LIST | "/v1-rke2/apiservers" => Reply::Json(200, list.to_owned()),
        _ => status(503, "ServiceUnavailable", "apiserver disabled"),
    })
    .await
}

#[tokio::test]
async fn the_tokens_hash_vouches_for_the_ca_and_only_then_is_the_token_shown() {
    let pki = Pki::new();
    let server = supervisor(&pki, pki.pem(), r#"["10.0.0.2:6443","10.0.0.1:6443"]"#).await;
    let token = format!("K10{}::node:secret", hash_of(&pki.pem()));
    let mut stand = stand(Some(&token), without_ca());
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2:6443"]);
    assert_eq!(
        (report.mode, report.verified, report.answered_by),
        (Mode::Poll, true, Some(server.address))
    );
    stand.order(2, &[server.address]);
    stand.report().await;
    let seen: Vec<_> = server
        .seen()
        .into_iter()
        .map(|seen| (seen.path, seen.authorization))
        .collect();
    let asked = (LIST.to_owned(), basic("node:secret"));
    assert_eq!(
        seen,
        [("/cacerts".to_owned(), None), asked.clone(), asked],
        "the CA is learnt once"
    );
}

#[tokio::test]
async fn a_ca_that_the_hash_does_not_vouch_for_is_not_believed() {
    let (pki, other) = (Pki::new(), Pki::new());
    let server = supervisor(&pki, pki.pem(), "[]").await;
    let token = format!("K10{}::node:secret", hash_of(&other.pem()));
    let failure = stand(Some(&token), without_ca())
        .refused(1, &[server.address])
        .await;
    assert!(
        failure
            .reason
            .contains("not the one that the token's hash vouches for"),
        "{}",
        failure.reason
    );
    assert_eq!(server.paths(), ["/cacerts"], "the token was not shown");
}

#[tokio::test]
async fn a_server_that_hands_out_the_right_ca_but_is_another_one_is_not_believed() {
    let (pki, impostor) = (Pki::new(), Pki::new());
    let server = supervisor(&impostor, pki.pem(), r#"["10.6.6.6:6443"]"#).await;
    let token = format!("K10{}::node:secret", hash_of(&pki.pem()));
    let failure = stand(Some(&token), without_ca())
        .refused(1, &[server.address])
        .await;
    assert!(failure.reason.contains("certificate"), "{}", failure.reason);
    assert_eq!(server.paths(), ["/cacerts"], "the token was not shown");
}

#[tokio::test]
async fn a_bundles_root_is_vouched_for_and_nothing_else_of_it_is_believed() {
    let (pki, other) = (Pki::new(), Pki::new());
    let bundle = format!("{}{}", other.pem(), pki.pem());
    let der = pki
        .pem()
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect::<String>();
    let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
    let hash: String = Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let token = format!("K10{hash}::node:secret");
    let good = supervisor(&pki, bundle.clone(), r#"["10.0.0.1:6443"]"#).await;
    let mut stand = stand(Some(&token), without_ca());
    stand.order(1, &[good.address]);
    assert_eq!(stand.report().await.2.endpoints.len(), 1);
    let added = supervisor(&other, bundle, r#"["10.6.6.6:6443"]"#).await;
    let failure = stand.refused(2, &[added.address]).await;
    assert!(failure.reason.contains("certificate"), "{}", failure.reason);
}

#[tokio::test]
async fn with_a_ca_file_a_bare_secret_and_a_bootstrap_token_do() {
    let pki = Pki::new();
    let server = supervisor(&pki, String::new(), r#"["10.0.0.1:6443"]"#).await;
    for (token, shown) in [
        ("bare-secret", basic("node:bare-secret")),
        (
            "abcdef.0123456789abcdef",
            Some("Bearer abcdef.0123456789abcdef".to_owned()),
        ),
    ] {
        let mut stand = stand(Some(token), pki.anonymous());
        stand.order(1, &[server.address]);
        stand.report().await;
        let last = server.seen().pop().expect("a request");
        assert_eq!(
            (last.path.as_str(), last.authorization, last.certificate),
            (LIST, shown, false)
        );
    }
}

#[tokio::test]
async fn a_bare_secret_without_a_ca_asks_nobody() {
    let pki = Pki::new();
    let server = supervisor(&pki, pki.pem(), "[]").await;
    let failure = stand(Some("bare-secret"), without_ca())
        .refused(1, &[server.address])
        .await;
    assert!(
        failure.reason.contains("configure cluster.ca-file"),
        "{}",
        failure.reason
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn without_a_token_the_nodes_certificate_is_shown_and_without_either_nobody_is_asked() {
    let pki = Pki::new();
    let server = supervisor(&pki, pki.pem(), r#"["10.0.0.1:6443"]"#).await;
    let mut with = stand(None, pki.trust());
    with.order(1, &[server.address]);
    with.report().await;
    assert!(server.seen()[0].certificate);
    let failure = stand(None, pki.anonymous()).refused(1, &[server.address]).await;
    assert!(
        failure.reason.contains("supervisor.token-file"),
        "{}",
        failure.reason
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_file_is_read_anew_at_each_refresh() {
    let pki = Pki::new();
    let server = supervisor(&pki, String::new(), r#"["10.0.0.1:6443"]"#).await;
    let path = pki.file("token", "first\n");
    let config = SupervisorConfig {
        token: Some(TokenOrigin::File(path)),
        ..config(None)
    };
    let mut stand = Stand::new(SourceConfig::Supervisor(config), pki.anonymous());
    stand.order(1, &[server.address]);
    stand.report().await;
    pki.file("token", "second\n");
    stand.order(2, &[server.address]);
    stand.report().await;
    let shown: Vec<_> = server.seen().into_iter().map(|seen| seen.authorization).collect();
    assert_eq!(shown, [basic("node:first"), basic("node:second")]);
}

#[tokio::test]
async fn rke2_has_a_path_and_a_port_of_its_own() {
    let pki = Pki::new();
    let server = supervisor(&pki, String::new(), r#"["10.0.0.1:6443"]"#).await;
    let config = SupervisorConfig {
        distribution: Distribution::Rke2,
        port: Some(server.address.port()),
        ..config(Some("secret"))
    };
    let mut stand = Stand::new(SourceConfig::Supervisor(config), pki.anonymous());
    let mut apiserver = server.address;
    apiserver.set_port(1);
    stand.order(1, &[apiserver]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        report.answered_by,
        Some(apiserver),
        "told as the endpoint that was named"
    );
    assert_eq!(server.paths(), ["/v1-rke2/apiservers"]);
}

#[tokio::test]
async fn knowing_nothing_has_the_next_one_asked() {
    let pki = Pki::new();
    let unknowing = supervisor(&pki, String::new(), "[]").await;
    let older = supervisor(&pki, String::new(), "null").await;
    let knowing = supervisor(&pki, String::new(), r#"["10.0.0.1:6443"]"#).await;
    let mut stand = stand(Some("secret"), pki.anonymous());
    stand.order(1, &[unknowing.address, older.address, knowing.address]);
    assert_eq!(stand.report().await.2.answered_by, Some(knowing.address));
    stand.order(2, &[unknowing.address, older.address]);
    let (refresh, position, report) = stand.report().await;
    assert_eq!((refresh, position, report.endpoints.len()), (2, 0, 0));
}

#[tokio::test]
async fn each_supervisor_is_asked_where_every_one_is_meant() {
    let pki = Pki::new();
    let first = supervisor(&pki, String::new(), r#"["10.0.0.1:6443"]"#).await;
    let second = supervisor(&pki, String::new(), r#"["10.0.0.2:6443"]"#).await;
    let mut stand = stand(Some("secret"), pki.anonymous());
    let mut every = order(1, &[first.address, nobody().await, second.address]);
    every.breadth = Breadth::Every;
    stand.discovery.refresh(every);
    let mut all = Vec::new();
    for expected in 0..2 {
        let (_, position, report) = stand.report().await;
        assert_eq!(position, expected);
        all.extend(listed(&report));
    }
    all.sort();
    assert_eq!(all, ["10.0.0.1:6443", "10.0.0.2:6443"]);
}

#[tokio::test]
async fn a_starting_supervisor_is_told_in_its_own_words_with_its_pause() {
    let pki = Pki::new();
    let server = Server::start(&pki, |_| {
        let headers = "Content-Type: application/json\r\nRetry-After: 5\r\n".to_owned();
        Reply::With(
            503,
            headers,
            br#"{"kind":"Status","message":"apiserver not ready"}"#.to_vec(),
        )
    })
    .await;
    let failure = stand(Some("secret"), pki.anonymous())
        .refused(1, &[server.address])
        .await;
    assert!(
        failure.reason.contains("503 (apiserver not ready)"),
        "{}",
        failure.reason
    );
    assert_eq!(failure.retry_after, Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn a_refused_token_is_told_and_never_shown() {
    let pki = Pki::new();
    let server = Server::start(&pki, |_| status(401, "Unauthorized", "Unauthorized")).await;
    let failure = stand(Some("very-secret"), pki.anonymous())
        .refused(1, &[server.address])
        .await;
    assert!(
        failure.reason.contains("401") && failure.reason.contains("renew it"),
        "{}",
        failure.reason
    );
    assert!(!format!("{failure:?}").contains("very-secret"));
}
