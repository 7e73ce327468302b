//! The watch: each change a whole report under the refresh that opened it, and an end for any reason that is heard once.

use jackline_core::{Event, Mode, RefreshId};
use jackline_discovery::SourceConfig;
use tokio::sync::mpsc::UnboundedSender;

use crate::server::{Reply, Server, feed, nobody, slice, slices};
use crate::stand::{Pki, Stand, listed};

fn event(kind: &str, object: &str) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#)
}

fn changed(addresses: &[&str]) -> String {
    event("MODIFIED", &slice("kubernetes", "IPv4", addresses))
}

/// A server that lists 10.0.0.1 and can be watched.
async fn watched(pki: &Pki) -> (Server, UnboundedSender<String>) {
    let (send, lines) = feed();
    let server = Server::start(pki, move |seen| match seen.path.contains("watch=true") {
        true => Reply::Watch(lines.clone()),
        false => Reply::Json(200, slices(&["10.0.0.1"])),
    })
    .await;
    (server, send)
}

/// The source with its watch open.
async fn opened(pki: &Pki, server: &Server) -> Stand {
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.order(1, &[server.address]);
    assert_eq!(stand.report().await.2.mode, Mode::Watch);
    stand
}

async fn ended(stand: &mut Stand) -> (u64, String) {
    match stand.next().await {
        Event::WatchEnded {
            refresh: RefreshId(refresh),
            reason,
            ..
        } => (refresh, reason),
        other => panic!("not the watch's end: {other:?}"),
    }
}

#[tokio::test]
async fn each_change_is_a_whole_report_at_a_growing_position() {
    let pki = Pki::new();
    let (server, send) = watched(&pki).await;
    let mut stand = opened(&pki, &server).await;
    send.send(event("ADDED", &slice("kubernetes-6", "IPv6", &["fd00::1"])))
        .unwrap();
    let (refresh, position, report) = stand.report().await;
    assert_eq!(
        (refresh, position, report.mode, report.verified),
        (1, 1, Mode::Watch, true)
    );
    assert_eq!(listed(&report), ["10.0.0.1:6443", "fd00::1:6443"]);
    send.send(changed(&["10.0.0.1", "10.0.0.2"])).unwrap();
    assert_eq!(
        listed(&stand.report().await.2),
        ["10.0.0.1:6443", "10.0.0.2:6443", "fd00::1:6443"]
    );
    send.send(event("DELETED", &slice("kubernetes", "IPv4", &[])))
        .unwrap();
    let (_, position, report) = stand.report().await;
    assert_eq!((position, listed(&report)), (3, vec!["fd00::1:6443".to_owned()]));
}

#[tokio::test]
async fn bookmarks_and_changes_of_nothing_are_no_reports() {
    let pki = Pki::new();
    let (server, send) = watched(&pki).await;
    let mut stand = opened(&pki, &server).await;
    send.send(event(
        "BOOKMARK",
        r#"{"kind":"EndpointSlice","metadata":{"resourceVersion":"50"}}"#,
    ))
    .unwrap();
    send.send(changed(&["10.0.0.1"])).unwrap();
    send.send(changed(&["10.0.0.3"])).unwrap();
    let (_, position, report) = stand.report().await;
    assert_eq!((position, listed(&report)), (1, vec!["10.0.0.3:6443".to_owned()]));
}

#[tokio::test]
async fn a_lost_history_ends_the_watch() {
    let pki = Pki::new();
    let (server, send) = watched(&pki).await;
    let mut stand = opened(&pki, &server).await;
    send.send(event(
        "ERROR",
        r#"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#,
    ))
    .unwrap();
    let (refresh, reason) = ended(&mut stand).await;
    assert_eq!(refresh, 1);
    assert!(reason.contains("410") && reason.contains("too old"), "{reason}");
    assert!(stand.finish().await.is_empty(), "it ends once");
}

#[tokio::test]
async fn the_servers_end_of_the_watch_is_told() {
    let pki = Pki::new();
    let (server, send) = watched(&pki).await;
    let mut stand = opened(&pki, &server).await;
    drop(send);
    assert!(ended(&mut stand).await.1.contains("ended the watch"));
}

#[tokio::test]
async fn a_server_that_dies_ends_the_watch() {
    let pki = Pki::new();
    let (server, _send) = watched(&pki).await;
    let mut stand = opened(&pki, &server).await;
    drop(server);
    assert!(ended(&mut stand).await.1.contains("broke"));
}

#[tokio::test]
async fn rubbish_in_the_watch_ends_it() {
    for rubbish in [
        "not json".to_owned(),
        r#"{"type":"SURPRISE","object":{}}"#.to_owned(),
        event("MODIFIED", "{}"),
        event("MODIFIED", &slice("kubernetes", "IPv4", &["10.0.0.999"])),
        "x".repeat(1024 * 1024 + 1),
    ] {
        let pki = Pki::new();
        let (server, send) = watched(&pki).await;
        let mut stand = opened(&pki, &server).await;
        send.send(rubbish).unwrap();
        let (_, reason) = ended(&mut stand).await;
        assert!(
            reason.contains("no sense") || reason.contains("unknown type") || reason.contains("larger"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_endless_line_ends_the_watch() {
    let pki = Pki::new();
    let server = Server::start(&pki, move |seen| match seen.path.contains("watch=true") {
        true => Reply::Endless(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec(),
            vec![b' '; 64 * 1024],
        ),
        false => Reply::Json(200, slices(&["10.0.0.1"])),
    })
    .await;
    let mut stand = opened(&pki, &server).await;
    assert!(ended(&mut stand).await.1.contains("larger than 1024 KiB"));
}

#[tokio::test]
async fn a_flood_of_events_ends_the_watch() {
    let pki = Pki::new();
    let bookmark = event("BOOKMARK", r#"{"metadata":{"resourceVersion":"50"}}"#);
    let server = Server::start(&pki, move |seen| match seen.path.contains("watch=true") {
        true => Reply::Endless(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec(),
            format!("{bookmark}\n").repeat(100).into_bytes(),
        ),
        false => Reply::Json(200, slices(&["10.0.0.1"])),
    })
    .await;
    let mut stand = opened(&pki, &server).await;
    assert!(ended(&mut stand).await.1.contains("floods"));
}

#[tokio::test]
async fn a_watch_that_does_not_open_in_time_makes_it_a_polled_source() {
    let pki = Pki::new();
    let server = Server::start(&pki, move |seen| match seen.path.contains("watch=true") {
        true => Reply::Hang(Vec::new()),
        false => Reply::Json(200, slices(&["10.0.0.1"])),
    })
    .await;
    let mut stand = Stand::new(SourceConfig::Kubernetes, pki.trust());
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(report.mode, Mode::Poll);
    assert!(
        report.note.contains("no watch: nothing came in time"),
        "{}",
        report.note
    );
}

#[tokio::test]
async fn the_older_watch_stays_until_the_newer_refresh_is_answered() {
    let pki = Pki::new();
    let (first, send_first) = watched(&pki).await;
    let mut stand = opened(&pki, &first).await;
    // A refresh that fails changes nothing.
    stand.refused(2, &[nobody().await]).await;
    send_first.send(changed(&["10.0.0.2"])).unwrap();
    let (refresh, position, _) = stand.report().await;
    assert_eq!((refresh, position), (1, 1));
    // One that succeeds takes its place, also through another server.
    let (second, send_second) = watched(&pki).await;
    stand.order(3, &[second.address]);
    let (refresh, position, report) = stand.report().await;
    assert_eq!(
        (refresh, position, report.answered_by),
        (3, 0, Some(second.address))
    );
    let (refresh, reason) = ended(&mut stand).await;
    assert_eq!((refresh, reason.as_str()), (1, "replaced by refresh 3"));
    send_second.send(changed(&["10.0.0.4"])).unwrap();
    let (refresh, position, _) = stand.report().await;
    assert_eq!((refresh, position), (3, 1));
}
