//! The Endpoints source: what is asked, of whom, and what is made of the answer. How a watch goes on is `watch.rs`'s.

use jackline_core::{Breadth, Event, Mode};
use jackline_discovery::SourceConfig;

use crate::server::{Reply, Server, feed, nobody, silent, slice, slices, status};
use crate::stand::{Pki, Stand, listed, order};

const LIST: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
                    ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
const WATCH: &str = "&watch=true&allowWatchBookmarks=true&timeoutSeconds=600&resourceVersion=42";

/// A server that lists `addresses` and refuses to be watched.
async fn lister(pki: &Pki, addresses: &'static [&'static str]) -> Server {
    Server::start(pki, move |seen| match seen.path.contains("watch=true") {
        true => status(403, "Forbidden", "no watching"),
        false => Reply::Json(200, slices(addresses)),
    })
    .await
}

fn kubernetes(pki: &Pki) -> Stand {
    Stand::new(SourceConfig::Kubernetes, pki.trust())
}

#[tokio::test]
async fn slices_are_listed_then_watched_over_the_same_connection_as_the_node() {
    let pki = Pki::new();
    let (_send, lines) = feed();
    let server = Server::start(&pki, move |seen| match seen.path.contains("watch=true") {
        true => Reply::Watch(lines.clone()),
        false if seen.path.starts_with("/apis/") => Reply::Json(200, slices(&["10.0.0.2", "10.0.0.1"])),
        false => status(403, "Forbidden", "no Endpoints"),
    })
    .await;
    let mut stand = kubernetes(&pki);
    stand.order(7, &[server.address]);
    let (refresh, position, report) = stand.report().await;
    assert_eq!((refresh, position), (7, 0));
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2:6443"]);
    assert_eq!(
        (report.mode, report.verified, report.answered_by),
        (Mode::Watch, true, Some(server.address))
    );
    assert!(
        report
            .note
            .starts_with("the fleet's drain cannot be read: it answered 403"),
        "{}",
        report.note
    );
    let of_slices: Vec<String> = server
        .paths()
        .into_iter()
        .filter(|path| path.starts_with("/apis/"))
        .collect();
    assert_eq!(of_slices, [LIST.to_owned(), format!("{LIST}{WATCH}")]);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.certificate && seen.host == "kubernetes")
    );
    let rest = stand.finish().await;
    assert!(matches!(rest.as_slice(), [Event::WatchEnded { .. }]), "{rest:?}");
}

#[tokio::test]
async fn both_families_make_one_report() {
    let pki = Pki::new();
    let items = format!(
        "{},{}",
        slice("kubernetes", "IPv4", &["10.0.0.1"]),
        slice("kubernetes-6", "IPv6", &["fd00::1"])
    );
    let body =
        format!(r#"{{"kind":"EndpointSliceList","metadata":{{"resourceVersion":"1"}},"items":[{items}]}}"#);
    let server = Server::start(&pki, move |seen| match seen.path.contains("watch=true") {
        true => status(405, "MethodNotAllowed", "no"),
        false => Reply::Json(200, body.clone()),
    })
    .await;
    let mut stand = kubernetes(&pki);
    stand.order(1, &[server.address]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443", "fd00::1:6443"]);
}

#[tokio::test]
async fn a_refused_watch_makes_it_a_polled_source_and_is_told() {
    let pki = Pki::new();
    let server = lister(&pki, &["10.0.0.1"]).await;
    let mut stand = kubernetes(&pki);
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(report.mode, Mode::Poll);
    assert!(
        report.note.contains("no watch: it answered 403 (no watching)"),
        "{}",
        report.note
    );
    assert!(stand.finish().await.is_empty(), "no watch, no end of one");
}

#[tokio::test]
async fn endpoints_are_read_where_slices_are_refused() {
    for code in [403, 404] {
        let pki = Pki::new();
        let (_send, lines) = feed();
        let server = Server::start(&pki, move |seen| match seen.path.as_str() {
            "/api/v1/namespaces/default/endpoints/kubernetes" => Reply::Json(
                200,
                r#"{"kind":"Endpoints","metadata":{"name":"kubernetes","resourceVersion":"5"},"subsets":[
                    {"addresses":[{"ip":"10.0.0.1"}],"ports":[{"name":"https","port":6443}]}]}"#
                    .to_owned(),
            ),
            path if path.starts_with(
                "/api/v1/namespaces/default/endpoints?fieldSelector=metadata.name%3Dkubernetes&watch=true",
            ) =>
            {
                assert!(path.ends_with("resourceVersion=5"), "{path}");
                Reply::Watch(lines.clone())
            }
            _ => status(code, "Refused", "no slices"),
        })
        .await;
        let mut stand = kubernetes(&pki);
        stand.order(1, &[server.address]);
        let (_, _, report) = stand.report().await;
        assert_eq!(
            (listed(&report), report.mode),
            (vec!["10.0.0.1:6443".to_owned()], Mode::Watch)
        );
        assert!(report.note.contains("Endpoints are read"), "{}", report.note);
    }
}

#[tokio::test]
async fn where_neither_may_be_read_the_failure_says_so() {
    let pki = Pki::new();
    let server = Server::start(&pki, |_| status(403, "Forbidden", "not for you")).await;
    let failure = kubernetes(&pki).refused(1, &[server.address]).await;
    assert!(
        failure
            .reason
            .contains("403 (not for you); the credential lacks the right"),
        "{}",
        failure.reason
    );
    assert_eq!(failure.tried.len(), 1);
    assert_eq!(failure.tried[0].0, server.address);
}

#[tokio::test]
async fn dead_first_servers_do_not_blind_the_source() {
    let pki = Pki::new();
    let (mute, _held) = silent().await;
    let good = lister(&pki, &["10.0.0.1"]).await;
    let mut stand = kubernetes(&pki);
    stand.order(1, &[nobody().await, mute, nobody().await, good.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (listed(&report), report.answered_by),
        (vec!["10.0.0.1:6443".to_owned()], Some(good.address))
    );
}

#[tokio::test]
async fn when_all_are_dead_each_is_told() {
    let pki = Pki::new();
    let dead = [nobody().await, nobody().await];
    let failure = kubernetes(&pki).refused(1, &dead).await;
    let mut tried: Vec<_> = failure.tried.iter().map(|(address, _)| *address).collect();
    tried.sort_unstable();
    let mut expected = dead.to_vec();
    expected.sort_unstable();
    assert_eq!(tried, expected);
    assert!(
        failure
            .tried
            .iter()
            .all(|(_, what)| what.contains("could not be reached")),
        "{failure:?}"
    );
    assert_eq!((failure.local, failure.retry_after), (None, None));
}

#[tokio::test]
async fn an_empty_list_is_not_useful_while_another_server_knows_more() {
    let pki = Pki::new();
    let empty = lister(&pki, &[]).await;
    let good = lister(&pki, &["10.0.0.1"]).await;
    let mut stand = kubernetes(&pki);
    stand.order(1, &[empty.address, good.address]);
    assert_eq!(stand.report().await.2.answered_by, Some(good.address));
    stand.order(2, &[empty.address]);
    let (refresh, _, report) = stand.report().await;
    assert_eq!(
        (refresh, report.endpoints.len(), report.answered_by),
        (2, 0, Some(empty.address))
    );
}

#[tokio::test]
async fn every_server_is_reported_where_every_one_is_asked() {
    let pki = Pki::new();
    let servers = [
        lister(&pki, &["10.0.0.1"]).await,
        lister(&pki, &["10.0.0.2"]).await,
        lister(&pki, &[]).await,
    ];
    let mut stand = kubernetes(&pki);
    let mut every = order(
        1,
        &[
            servers[0].address,
            nobody().await,
            servers[1].address,
            servers[2].address,
        ],
    );
    every.breadth = Breadth::Every;
    stand.discovery.refresh(every);
    let mut answered = Vec::new();
    for expected in 0..2 {
        let (_, position, report) = stand.report().await;
        assert_eq!(position, expected);
        answered.extend(report.answered_by);
    }
    answered.sort_unstable();
    let mut expected = vec![servers[0].address, servers[1].address];
    expected.sort_unstable();
    assert_eq!(answered, expected);
    assert!(stand.finish().await.is_empty());
}

#[tokio::test]
async fn without_a_ca_nothing_is_asked() {
    let pki = Pki::new();
    let server = lister(&pki, &["10.0.0.1"]).await;
    let trust = std::sync::Arc::new(jackline_trust::Trust::load(jackline_trust::TrustConfig::default()));
    let failure = Stand::new(SourceConfig::Kubernetes, trust)
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
async fn a_bearer_token_is_presented() {
    let pki = Pki::new();
    let server = lister(&pki, &["10.0.0.1"]).await;
    let trust = std::sync::Arc::new(jackline_trust::Trust::load(jackline_trust::TrustConfig {
        ca_file: Some(pki.file("ca.crt", pki.pem())),
        token_file: Some(pki.file("token", "abc.def\n")),
        ..Default::default()
    }));
    let mut stand = Stand::new(SourceConfig::Kubernetes, trust);
    stand.order(1, &[server.address]);
    stand.report().await;
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.authorization.as_deref() == Some("Bearer abc.def"))
    );
}

#[tokio::test]
async fn a_server_that_closes_between_list_and_watch_is_dialled_again() {
    let pki = Pki::new();
    let (_send, lines) = feed();
    let server = Server::start(&pki, move |seen| match seen.path.contains("watch=true") {
        true => Reply::Watch(lines.clone()),
        false => {
            let body = slices(&["10.0.0.1"]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            Reply::Raw(format!("{head}{body}").into_bytes())
        }
    })
    .await;
    let mut stand = kubernetes(&pki);
    stand.order(1, &[server.address]);
    assert_eq!(stand.report().await.2.mode, Mode::Watch);
}

#[tokio::test]
async fn a_busy_servers_pause_is_passed_on() {
    let pki = Pki::new();
    let body = br#"{"kind":"Status","message":"too many requests"}"#.to_vec();
    let headers = "Content-Type: application/json\r\nRetry-After: 7\r\n".to_owned();
    let server = Server::start(&pki, move |_| Reply::With(429, headers.clone(), body.clone())).await;
    let failure = kubernetes(&pki).refused(1, &[server.address]).await;
    assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(7)));
    assert!(
        failure.reason.contains("429 (too many requests)"),
        "{}",
        failure.reason
    );
}
