//! Who is believed, and who is let in: members of other clusters, foreign CAs, certificates that are missing or renewed.

use jackline_core::Report;
use jackline_discovery::{EtcdConfig, SourceConfig};

use super::members::{Members, NAME};
use super::{LIST, asked, files, source, stand};
use crate::dns::{NameServer, Told};
use crate::stand::{Pki, Stand, listed};

#[tokio::test]
async fn a_member_of_another_cluster_is_refused_in_words() {
    let Some(mut members) = Members::start(1).await else {
        return;
    };
    let stranger = members.stranger().await;
    members
        .gateway
        .put(members.client(0), LIST, "[\"10.0.0.1:6443\"]")
        .await;
    stranger
        .gateway
        .put(stranger.client(0), LIST, "[\"10.9.9.9:6443\"]")
        .await;
    let mut stand = stand(&members.pki, &[members.endpoint(0), stranger.endpoint(0)]);
    let ours = |report: &Report| report.verified && listed(report) == ["10.0.0.1:6443"];
    // The first answer tells which cluster is ours; the second question begins with the other.
    assert!(ours(&asked(&mut stand, 1).await));
    let report = asked(&mut stand, 2).await;
    assert!(ours(&report), "{report:?}");
    let words = format!(
        "{} is refused: it is a member of another etcd cluster",
        stranger.client(0)
    );
    assert!(report.note.starts_with(&words), "{}", report.note);
    // Not even when nobody else is left.
    members.kill(0).await;
    for refresh in 3..=5 {
        let reason = super::refused(&mut stand, refresh).await;
        assert!(reason.starts_with(&words), "{reason}");
    }
}

#[tokio::test]
async fn a_member_that_another_ca_vouches_for_is_not_believed() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    let mut stand = stand(&Pki::new(), &[members.endpoint(0)]);
    let reason = super::refused(&mut stand, 1).await;
    assert!(reason.contains("was not issued by"), "{reason}");
}

#[tokio::test]
async fn without_a_client_certificate_etcd_lets_nobody_in_and_a_renewed_one_is_read() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    members
        .gateway
        .put(members.client(0), LIST, "[\"10.0.0.1:6443\"]")
        .await;
    let SourceConfig::Etcd(config) = source(&members.pki, &[members.endpoint(0)]) else {
        unreachable!("it is etcd's")
    };
    let bare = EtcdConfig {
        client_certificate: None,
        client_key: None,
        ..config.clone()
    };
    let mut bare = Stand::new(SourceConfig::Etcd(bare), members.pki.anonymous());
    let reason = super::refused(&mut bare, 1).await;
    assert!(reason.contains("etcd.client-certificate"), "{reason}");
    // A certificate of somebody else's CA, until the right one is put in its place.
    let stranger = Pki::new().identity_as("reader", |_| {});
    files(&members.pki, "reader", &stranger);
    let mut stand = Stand::new(SourceConfig::Etcd(config), members.pki.anonymous());
    let reason = super::refused(&mut stand, 1).await;
    assert!(reason.contains("etcd.client-certificate"), "{reason}");
    files(&members.pki, "reader", &members.pki.identity_as("reader", |_| {}));
    assert_eq!(listed(&asked(&mut stand, 2).await), ["10.0.0.1:6443"]);
}

#[tokio::test]
async fn without_a_ca_nobody_is_asked() {
    let config = EtcdConfig {
        endpoints: vec!["https://127.0.0.1:2379".parse().expect("an address")],
        ca_file: Some("/nonexistent/etcd-ca.crt".into()),
        ..EtcdConfig::default()
    };
    let mut stand = Stand::new(SourceConfig::Etcd(config), Pki::new().anonymous());
    let reason = super::refused(&mut stand, 1).await;
    assert!(
        reason.contains("configure etcd.ca-file")
            && reason.contains("/nonexistent/etcd-ca.crt cannot be read"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_member_that_is_called_by_name_is_resolved_and_verified_by_that_name() {
    let Some(members) = Members::start(1).await else {
        return;
    };
    members
        .gateway
        .put(members.client(0), LIST, "[\"10.0.0.1:6443\"]")
        .await;
    let member = members.client(0).ip();
    let names = NameServer::start(move |name, _| match name.trim_end_matches('.') {
        NAME | "stranger.example" => Told::Addresses(vec![member]),
        _ => Told::NoSuchName,
    })
    .await;
    let SourceConfig::Etcd(config) = source(&members.pki, &[]) else {
        unreachable!("it is etcd's")
    };
    let called = |name: &str| EtcdConfig {
        endpoints: vec![
            "https://nowhere.example:2379".parse().expect("a name"),
            format!("https://{name}:2379").parse().expect("a name"),
        ],
        dns_servers: vec![names.address],
        ..config.clone()
    };
    let mut by_name = Stand::new(SourceConfig::Etcd(called(NAME)), members.pki.anonymous());
    let report = asked(&mut by_name, 1).await;
    assert!(
        report.note.contains("nowhere.example has no address"),
        "{}",
        report.note
    );
    assert_eq!(listed(&report), ["10.0.0.1:6443"]);
    // Its certificate says nothing of this name.
    let other = called("stranger.example");
    let mut by_other = Stand::new(SourceConfig::Etcd(other), members.pki.anonymous());
    let reason = super::refused(&mut by_other, 1).await;
    assert!(reason.contains("stranger.example"), "{reason}");
}
