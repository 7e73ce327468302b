//! The stand: a CA and a node's files, one source under test, and the events that come out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jackline_core::{Ask, Breadth, Event, RefreshId, RefreshSource, Report, Sink, SourceFailure, SourceId};
use jackline_discovery::{Config, Discovery, SourceConfig};
use jackline_trust::{Trust, TrustConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Far longer than anything takes, also on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Each stand is a cluster with a CA name of its own.
static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// A CA, and the files that a node would have.
pub(crate) struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A server's certificate and key.
pub(crate) struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn der(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        (self.certificate.der().clone(), key)
    }
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("cluster {}", CLUSTERS.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn ca(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A folder that lasts as long as this.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity_as("kubernetes", |_| {})
    }

    pub(crate) fn identity_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A node with the CA and a client certificate.
    pub(crate) fn trust(&self) -> Arc<Trust> {
        let node = self.identity_as("node-1", |_| {});
        Arc::new(Trust::load(TrustConfig {
            ca_file: Some(self.file("ca.crt", self.pem())),
            client_certificate: Some(self.file("node.crt", node.certificate.pem())),
            client_key: Some(self.file("node.key", node.key.serialize_pem())),
            ..TrustConfig::default()
        }))
    }

    /// A node with the CA and no credential.
    pub(crate) fn anonymous(&self) -> Arc<Trust> {
        Arc::new(Trust::load(TrustConfig {
            ca_file: Some(self.file("ca.crt", self.pem())),
            ..TrustConfig::default()
        }))
    }

    pub(crate) fn server_config(&self, identity: &Identity) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![identity.certificate.der().clone()],
                PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap(),
            )
            .unwrap()
    }
}

/// One source under test, and what it says.
pub(crate) struct Stand {
    pub(crate) discovery: Discovery,
    pub(crate) events: UnboundedReceiver<Event>,
}

impl Stand {
    pub(crate) fn new(source: SourceConfig, trust: Arc<Trust>) -> Self {
        let config = Config {
            sources: vec![source],
            ..Config::default()
        };
        Self::of(config, trust)
    }

    /// The same with all that can be configured.
    pub(crate) fn of(config: Config, trust: Arc<Trust>) -> Self {
        let (send, events) = unbounded_channel();
        let sink: Sink = Arc::new(move |event| drop(send.send(event)));
        Self {
            discovery: Discovery::new(config, trust, sink),
            events,
        }
    }

    pub(crate) fn order(&self, refresh: u64, targets: &[SocketAddr]) {
        self.discovery.refresh(order(refresh, targets));
    }

    pub(crate) async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event in time")
            .expect("an open sink")
    }

    /// The next event, which is a report.
    pub(crate) async fn report(&mut self) -> (u64, u32, Report) {
        match self.next().await {
            Event::SourceReported {
                refresh,
                position,
                report,
                ..
            } => (refresh.0, position, report),
            other => panic!("not a report: {other:?}"),
        }
    }

    /// Asks once and expects a failure.
    pub(crate) async fn refused(&mut self, refresh: u64, targets: &[SocketAddr]) -> SourceFailure {
        self.order(refresh, targets);
        match self.next().await {
            Event::SourceFailed {
                refresh: told,
                failure,
                ..
            } if told.0 == refresh => failure,
            other => panic!("not this refresh's failure: {other:?}"),
        }
    }

    /// Ends the source and returns what it still says.
    pub(crate) async fn finish(self) -> Vec<Event> {
        let Self {
            discovery,
            mut events,
        } = self;
        drop(discovery);
        let mut rest = Vec::new();
        while let Some(event) = timeout(PATIENCE, events.recv()).await.expect("all tasks end") {
            rest.push(event);
        }
        rest
    }
}

pub(crate) fn order(refresh: u64, targets: &[SocketAddr]) -> RefreshSource {
    RefreshSource {
        source: SourceId(0),
        refresh: RefreshId(refresh),
        ask: Ask::Everything,
        targets: targets.to_vec(),
        breadth: Breadth::First,
        timeout: Duration::from_secs(30),
    }
}

/// What a report lists, as text.
pub(crate) fn listed(report: &Report) -> Vec<String> {
    let port = |port: Option<u16>| port.map_or(String::new(), |port| format!(":{port}"));
    report
        .endpoints
        .iter()
        .map(|listing| format!("{}{}", listing.ip, port(listing.port)))
        .collect()
}
