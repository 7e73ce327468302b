//! Handshakes in memory: who is believed, and what is said of those who are not.

use std::sync::Arc;

use crate::common::{Authority, Folder, Leaf};
use jackline_trust::{Authorities, Cause, Trust, TrustConfig, Untrusted, classify};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, ServerConnection};

/// Both sides of a handshake until it is done or fails at the client.
fn handshake(
    client: Arc<ClientConfig>,
    trust: &Trust,
    server: Arc<rustls::ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client, trust.tls_name())?;
    let mut server = ServerConnection::new(server)?;
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        carry(&mut client, &mut server);
        let _ = server.process_new_packets();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn carry(client: &mut ClientConnection, server: &mut ServerConnection) {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        server.read_tls(&mut rest).unwrap();
    }
}

fn trusting(folder: &Folder, authority: &Authority) -> Trust {
    Trust::load(TrustConfig {
        ca_file: Some(folder.write("ca.crt", &authority.pem())),
        ..TrustConfig::default()
    })
}

fn distrust(trust: &Trust, leaf: &Leaf) -> Untrusted {
    let error = handshake(trust.tls(false).unwrap(), trust, leaf.server())
        .map(|_| ())
        .unwrap_err();
    classify(&error).unwrap_or_else(|| panic!("no certificate's fault: {error}"))
}

#[test]
fn a_server_of_the_cluster_is_believed_over_both_versions() {
    let folder = Folder::new();
    let authority = Authority::new("kubernetes");
    let trust = trusting(&folder, &authority);
    let leaf = authority.leaf(&["localhost", "kubernetes", "kubernetes.default.svc"]);
    for (version, protocol) in [
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
    ] {
        let (client, server) =
            handshake(trust.tls(false).unwrap(), &trust, leaf.server_with(version)).unwrap();
        assert_eq!(client.protocol_version(), Some(protocol));
        assert_eq!(server.server_name(), Some("kubernetes"), "SNI says only that");
        assert_eq!(server.peer_certificates(), None);
    }
    let learnt = Authorities::from_pem(authority.pem().as_bytes()).unwrap();
    assert!(handshake(learnt.tls().unwrap(), &trust, leaf.server()).is_ok());
}

#[test]
fn no_handshake_is_resumed() {
    let folder = Folder::new();
    let authority = Authority::new("kubernetes");
    let trust = trusting(&folder, &authority);
    let server = authority.leaf(&["kubernetes"]).server();
    for _ in 0..3 {
        let (client, _) = handshake(trust.tls(false).unwrap(), &trust, Arc::clone(&server)).unwrap();
        assert_eq!(client.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn a_client_certificate_is_shown_only_where_it_is_meant_to_be() {
    let folder = Folder::new();
    let authority = Authority::new("kubernetes");
    let (certificate, key) = authority.client("system:node:a");
    let trust = Trust::load(TrustConfig {
        ca_file: Some(folder.write("ca.crt", &authority.pem())),
        client_certificate: Some(folder.write("client.crt", &certificate)),
        client_key: Some(folder.write("client.key", &key)),
        ..TrustConfig::default()
    });
    let server = authority
        .leaf(&["kubernetes"])
        .server_asking_for_certificates(&authority);
    for (config, shown) in [
        (trust.tls(true).unwrap(), true),
        (trust.tls(false).unwrap(), false),
        (trust.unverified_tls().unwrap(), false),
    ] {
        let (_, server) = handshake(config, &trust, Arc::clone(&server)).unwrap();
        assert_eq!(server.peer_certificates().is_some(), shown);
    }
}

#[test]
fn another_clusters_server_is_foreign() {
    let folder = Folder::new();
    let trust = trusting(&folder, &Authority::new("k3s-server-ca@1"));
    let found = distrust(&trust, &Authority::new("k3s-server-ca@2").leaf(&["kubernetes"]));
    assert_eq!(found.cause, Cause::UnknownIssuer);
    assert!(
        found.detail.contains("another cluster") && found.detail.contains("stale"),
        "{found:?}"
    );
}

#[test]
fn another_cluster_whose_ca_has_the_same_name_is_foreign_too() {
    // kubeadm calls every cluster's CA "kubernetes".
    let folder = Folder::new();
    let trust = trusting(&folder, &Authority::new("kubernetes"));
    let found = distrust(&trust, &Authority::new("kubernetes").leaf(&["kubernetes"]));
    assert_eq!(found.cause, Cause::UnknownIssuer, "{found:?}");
    // Also where the other one's key is of another kind.
    let found = distrust(&trust, &Authority::rsa("kubernetes").leaf(&["kubernetes"]));
    assert_eq!(found.cause, Cause::UnknownIssuer, "{found:?}");
}

#[test]
fn a_certificate_for_other_names_is_told_with_its_names() {
    let folder = Folder::new();
    let authority = Authority::new("kubernetes");
    let trust = trusting(&folder, &authority);
    let found = distrust(&trust, &authority.leaf(&["etcd", "node-1"]));
    assert_eq!(found.cause, Cause::WrongName);
    assert!(
        found.detail.contains("node-1") && found.detail.contains("not for kubernetes"),
        "{found:?}"
    );
    let names: Vec<String> = (0..500).map(|n| format!("{}{n}", "x".repeat(60))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = distrust(&trust, &authority.leaf(&names));
    assert!(
        found.detail.contains("494 more") && found.detail.len() < 1000,
        "{found:?}"
    );
}

#[test]
fn a_matter_of_time_is_told_with_both_times() {
    let folder = Folder::new();
    let authority = Authority::new("kubernetes");
    let trust = trusting(&folder, &authority);
    let found = distrust(&trust, &authority.leaf_valid(&["kubernetes"], (2001, 2002)));
    assert_eq!(found.cause, Cause::Expired);
    assert!(
        found.detail.contains("2002-01-01T00:00:00Z, our clock says 20"),
        "{found:?}"
    );
    let found = distrust(&trust, &authority.leaf_valid(&["kubernetes"], (2900, 2901)));
    assert_eq!(found.cause, Cause::NotYetValid);
    assert!(
        found.detail.contains("2900-01-01T00:00:00Z, our clock says 20"),
        "{found:?}"
    );
}

#[test]
fn a_foreign_certificate_that_is_out_of_date_is_foreign_first() {
    let folder = Folder::new();
    let authority = Authority::new("ours");
    let trust = trusting(&folder, &authority);
    for years in [(2001, 2002), (2900, 2901)] {
        let found = distrust(
            &trust,
            &Authority::new("theirs").leaf_valid(&["kubernetes"], years),
        );
        assert_eq!(found.cause, Cause::UnknownIssuer, "{found:?}");
        let found = distrust(&trust, &authority.leaf_valid(&["other"], years));
        assert_eq!(found.cause, Cause::WrongName, "{found:?}");
    }
}

#[test]
fn without_a_ca_any_certificate_will_do() {
    let trust = Trust::load(TrustConfig::default());
    let leaf = Authority::new("whoever").leaf_valid(&["whatever"], (2001, 2002));
    assert!(handshake(trust.unverified_tls().unwrap(), &trust, leaf.server()).is_ok());
}
