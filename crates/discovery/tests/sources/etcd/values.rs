//! Values and neighbours that should not be there: each costs a report its last word, and none costs the source.

use jackline_core::Mode;

use super::members::Members;
use super::{LIST, asked, lease, stand, watch_end};
use crate::stand::listed;

#[tokio::test]
async fn rubbish_empty_and_huge_values_cost_only_their_report() {
    let Some(members) = Members::start(3).await else {
        return;
    };
    let (gateway, any) = (&members.gateway, members.client(1));
    gateway.put(any, &lease("10.0.0.1"), "k8s").await;
    gateway.put(any, LIST, "[\"10.0.0.2:6443\"]").await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    stand.order(1, &[]);
    assert!(stand.report().await.2.verified);
    for (value, words) in [
        ("", "an empty value"),
        ("\u{0}rubbish", "no list of addresses"),
        ("[\"10.0.0.2\"]", "1 of its 1 entries"),
    ] {
        gateway.put(any, LIST, value).await;
        let (_, _, report) = stand.report().await;
        assert_eq!(
            (report.verified, listed(&report)),
            (false, vec!["10.0.0.1".to_owned()])
        );
        assert!(
            report.note.contains(words) && report.note.contains(LIST),
            "{}",
            report.note
        );
    }
    gateway.put(any, LIST, "[\"10.0.0.3:6443\"]").await;
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (report.verified, listed(&report)),
        (true, vec!["10.0.0.3:6443".to_owned(), "10.0.0.1".to_owned()])
    );
    // Ten mebibytes are not even read.
    gateway.put(any, LIST, vec![b'['; 10 * 1024 * 1024]).await;
    let (_, reason) = watch_end(&mut stand).await;
    assert!(reason.contains("larger than 1024 KiB"), "{reason}");
    let report = asked(&mut stand, 2).await;
    assert_eq!((report.verified, report.mode), (false, Mode::Watch));
    assert_eq!(listed(&report), ["10.0.0.1"]);
    assert!(report.note.contains("larger than 1024 KiB"), "{}", report.note);
    gateway.put(any, LIST, "[\"10.0.0.4:6443\"]").await;
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (report.verified, report.note.as_str(), listed(&report).len()),
        (true, "", 2)
    );
}

#[tokio::test]
async fn a_huge_lease_is_never_read_and_its_key_is() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    let any = members.client(0);
    members
        .gateway
        .put(any, &lease("10.0.0.1"), vec![b'x'; 10 * 1024 * 1024])
        .await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    let report = asked(&mut stand, 1).await;
    assert_eq!(
        (report.verified, listed(&report)),
        (true, vec!["10.0.0.1".to_owned()])
    );
}

#[tokio::test]
async fn a_hundred_thousand_foreign_keys_are_never_read() {
    const EACH: usize = 5_000;
    /// What the few keys of ours, the members and the watch take, with much to spare: the foreign keys alone are megabytes.
    const SENT_MAX: f64 = 32.0 * 1024.0;
    let Some(members) = Members::start(3).await else {
        return;
    };
    let (gateway, any) = (&members.gateway, members.client(0));
    let foreign = [
        "/registry/pods/default/",
        "/registry/masterleases0",
        "/registry/masterlease",
        "k3s/apiaddresses",
    ];
    for batch in 0..20 {
        let prefix = foreign[batch % foreign.len()];
        let keys: Vec<String> = (0..EACH)
            .map(|n| format!("{prefix}-{batch}-{n:05}-{}", "x".repeat(60)))
            .collect();
        gateway.put_all(any, &keys).await;
    }
    gateway.put(any, LIST, "[\"10.0.0.1:6443\"]").await;
    gateway.put(any, &lease("10.0.0.2"), "k8s").await;
    let sent = "etcd_network_client_grpc_sent_bytes_total";
    let before = gateway.metric(any, sent).await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    let report = asked(&mut stand, 1).await;
    assert_eq!((report.verified, listed(&report).len()), (true, 2), "{report:?}");
    let noise: Vec<String> = (0..EACH).map(|n| format!("/registry/leases/{n}")).collect();
    gateway.put_all(any, &noise).await;
    gateway.put(any, &lease("10.0.0.3"), "k8s").await;
    assert_eq!(listed(&stand.report().await.2).len(), 3);
    let sent = gateway.metric(any, sent).await - before;
    // The answer to our own noise, 5,000 puts, is the tester's.
    assert!(0.0 < sent && sent < SENT_MAX + 20.0 * 5_000.0, "{sent} bytes");
}

#[tokio::test]
async fn more_leases_than_there_can_be_apiservers_are_not_all_read_and_take_nothing_away() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    let keys: Vec<String> = (0..1_000_u16)
        .map(|n| lease(&format!("10.7.{}.{}", n / 250, n % 250)))
        .collect();
    members.gateway.put_all(members.client(0), &keys).await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    let report = asked(&mut stand, 1).await;
    assert_eq!((report.verified, report.endpoints.len()), (false, 512));
    assert!(report.note.contains("more than 512 keys"), "{}", report.note);
}
