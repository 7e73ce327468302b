//! The fleet's drain: how the annotation is read with each credential, watched, and never mistaken for ended.

use jackline_core::{Event, FleetDrain, Mode};
use jackline_discovery::SourceConfig;
use tokio::sync::mpsc::UnboundedSender;

use crate::server::{Feed, Reply, Seen, Server, feed, slice, slices, status};
use crate::stand::{Pki, Stand, listed};

const BY_NAME: &str = "/api/v1/namespaces/default/endpoints/kubernetes";

/// The Endpoints object with this annotation.
fn object(annotation: Option<&str>) -> String {
    let annotations = annotation.map_or(String::new(), |text| {
        format!(r#","annotations":{{"jackline.dev/drain":"{text}","other":"x"}}"#)
    });
    format!(
        r#"{{"kind":"Endpoints","metadata":{{"name":"kubernetes","resourceVersion":"8"{annotations}}},"subsets":[
            {{"addresses":[{{"ip":"10.0.0.1"}}],"ports":[{{"name":"https","port":6443}}]}}]}}"#
    )
    .replace('\n', "")
}

fn modified(kind: &str, annotation: Option<&str>) -> String {
    format!(r#"{{"type":"{kind}","object":{}}}"#, object(annotation))
}

fn list_of(object: &str) -> String {
    format!(r#"{{"kind":"EndpointsList","metadata":{{"resourceVersion":"8"}},"items":[{object}]}}"#)
}

fn forbidden() -> Reply {
    status(403, "Forbidden", "not for you")
}

/// A server that may be asked for everything; both watches are fed from here.
struct Open {
    server: Server,
    slices: UnboundedSender<String>,
    object: UnboundedSender<String>,
}

impl Open {
    async fn start(pki: &Pki, annotation: Option<&'static str>) -> Self {
        let (to_slices, of_slices) = feed();
        let (to_object, of_object) = feed();
        let server = Server::start(pki, move |seen| {
            kube_proxy(seen, annotation, &of_slices, &of_object)
        })
        .await;
        Self {
            server,
            slices: to_slices,
            object: to_object,
        }
    }
}

/// What kube-proxy's credential is answered: lists and watches, no GET by name.
fn kube_proxy(seen: &Seen, annotation: Option<&str>, of_slices: &Feed, of_object: &Feed) -> Reply {
    let (watch, slices_asked) = (seen.path.contains("watch=true"), seen.path.starts_with("/apis/"));
    match (watch, slices_asked) {
        (true, true) => Reply::Watch(of_slices.clone()),
        (false, true) => Reply::Json(200, slices(&["10.0.0.1"])),
        _ if seen.path == BY_NAME => forbidden(),
        (true, false) => {
            assert!(seen.path.starts_with(
                "/api/v1/namespaces/default/endpoints?fieldSelector=metadata.name%3Dkubernetes&"
            ));
            assert!(seen.path.ends_with("resourceVersion=8"), "{}", seen.path);
            Reply::Watch(of_object.clone())
        }
        (false, false) => Reply::Json(200, list_of(&object(annotation))),
    }
}

fn source(pki: &Pki) -> Stand {
    Stand::new(SourceConfig::Kubernetes, pki.trust())
}

/// Who is drained, as text.
fn drained(draining: &Option<Vec<FleetDrain>>) -> Option<Vec<String>> {
    let of = |drain: &FleetDrain| {
        format!(
            "{}{}",
            drain.ip,
            drain.port.map_or(String::new(), |port| format!(":{port}"))
        )
    };
    draining
        .as_ref()
        .map(|draining| draining.iter().map(of).collect())
}

fn named(servers: &[&str]) -> Option<Vec<String>> {
    Some(servers.iter().map(|server| (*server).to_owned()).collect())
}

#[tokio::test]
async fn the_annotation_is_listed_and_watched_beside_the_slices() {
    let pki = Pki::new();
    let open = Open::start(&pki, Some("10.0.0.2,10.0.0.3:6443")).await;
    let mut stand = source(&pki);
    stand.order(1, &[open.server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(drained(&report.draining), named(&["10.0.0.2", "10.0.0.3:6443"]));
    assert_eq!((report.mode, report.note.as_str()), (Mode::Watch, ""));

    open.object.send(modified("MODIFIED", Some("10.0.0.1"))).unwrap();
    let (_, position, report) = stand.report().await;
    assert_eq!((position, drained(&report.draining)), (1, named(&["10.0.0.1"])));
    assert_eq!(listed(&report), ["10.0.0.1:6443"], "the endpoints as before");

    // The same again is no news; a change of the slices keeps the drain.
    open.object.send(modified("MODIFIED", Some("10.0.0.1"))).unwrap();
    let change = slice("kubernetes", "IPv4", &["10.0.0.1", "10.0.0.9"]);
    open.slices
        .send(format!(r#"{{"type":"MODIFIED","object":{change}}}"#))
        .unwrap();
    let (_, position, report) = stand.report().await;
    assert_eq!((position, drained(&report.draining)), (2, named(&["10.0.0.1"])));
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.9:6443"]);

    open.object.send(modified("MODIFIED", None)).unwrap();
    assert_eq!(drained(&stand.report().await.2.draining), named(&[]));
}

#[tokio::test]
async fn a_deleted_object_ends_no_drain_and_a_made_one_does() {
    let pki = Pki::new();
    let open = Open::start(&pki, Some("10.0.0.1")).await;
    let mut stand = source(&pki);
    stand.order(1, &[open.server.address]);
    stand.report().await;
    open.object.send(modified("DELETED", Some("10.0.0.1"))).unwrap();
    open.object.send(modified("ADDED", None)).unwrap();
    let (_, position, report) = stand.report().await;
    assert_eq!((position, drained(&report.draining)), (1, named(&[])));
}

#[tokio::test]
async fn a_kubelet_reads_it_with_its_one_get_and_is_polled() {
    let pki = Pki::new();
    let server = Server::start(&pki, |seen| match seen.path.as_str() {
        BY_NAME => Reply::Json(200, object(Some("10.0.0.1"))),
        _ => forbidden(),
    })
    .await;
    let mut stand = source(&pki);
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (drained(&report.draining), listed(&report), report.mode),
        (named(&["10.0.0.1"]), vec!["10.0.0.1:6443".to_owned()], Mode::Poll)
    );
    assert!(
        report.note.contains("Endpoints are read") && report.note.contains("no watch: it answered 403"),
        "{}",
        report.note
    );
}

#[tokio::test]
async fn where_slices_are_watched_and_the_object_may_only_be_read_that_is_told() {
    let pki = Pki::new();
    let (_send, of_slices) = feed();
    let server = Server::start(&pki, move |seen| match seen.path.as_str() {
        BY_NAME => Reply::Json(200, object(Some("10.0.0.1"))),
        path if path.starts_with("/apis/") && path.contains("watch=true") => Reply::Watch(of_slices.clone()),
        path if path.starts_with("/apis/") => Reply::Json(200, slices(&["10.0.0.1"])),
        _ => forbidden(),
    })
    .await;
    let mut stand = source(&pki);
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (drained(&report.draining), report.mode),
        (named(&["10.0.0.1"]), Mode::Watch)
    );
    assert!(
        report
            .note
            .contains("the fleet's drain is read now and then, not watched"),
        "{}",
        report.note
    );
}

#[tokio::test]
async fn what_cannot_be_read_or_understood_says_nothing() {
    let pki = Pki::new();
    let (_send, of_slices) = feed();
    let server = Server::start(&pki, move |seen| match seen.path.as_str() {
        path if path.starts_with("/apis/") && path.contains("watch=true") => Reply::Watch(of_slices.clone()),
        path if path.starts_with("/apis/") => Reply::Json(200, slices(&["10.0.0.1"])),
        // It never answers: the endpoints do not wait for it.
        _ => Reply::Hang(Vec::new()),
    })
    .await;
    let mut stand = source(&pki);
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!((report.draining, report.mode), (None, Mode::Watch));
    assert!(
        report
            .note
            .contains("the fleet's drain cannot be read: nothing came in time"),
        "{}",
        report.note
    );

    let open = Open::start(&pki, Some("cp-1")).await;
    let mut stand = source(&pki);
    stand.order(1, &[open.server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (report.draining.clone(), listed(&report)),
        (None, vec!["10.0.0.1:6443".to_owned()])
    );
    assert!(
        report
            .note
            .contains("jackline.dev/drain is not heeded: \"cp-1\" is neither IP nor IP:PORT"),
        "{}",
        report.note
    );
    open.object.send(modified("MODIFIED", Some("10.0.0.1"))).unwrap();
    let (_, _, report) = stand.report().await;
    assert_eq!(
        drained(&report.draining),
        named(&["10.0.0.1"]),
        "once it is corrected"
    );
}

#[tokio::test]
async fn either_watchs_end_is_the_sources() {
    let pki = Pki::new();
    let open = Open::start(&pki, None).await;
    let mut stand = source(&pki);
    stand.order(1, &[open.server.address]);
    stand.report().await;
    drop(open.object);
    let event = stand.next().await;
    assert!(
        matches!(&event, Event::WatchEnded { reason, .. } if reason.contains("ended the watch")),
        "{event:?}"
    );
}
