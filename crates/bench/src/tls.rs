//! A certificate made on the spot, and both ends of a TLS connection: what a kubelet's connections are made of.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The name on the certificate.
const NAME: &str = "kubernetes";

/// Both ends.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// What an origin in a process of its own needs, in a folder.
const CERTIFICATE: &str = "certificate.der";
const KEY: &str = "key.der";

impl Tls {
    /// A new certificate.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
        Self::of(made.cert.der().to_vec(), made.signing_key.serialize_der())
    }

    /// A new certificate, left in this folder for [`Self::from`].
    pub(crate) fn new_in(folder: &Path) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
        fs::write(folder.join(CERTIFICATE), made.cert.der())?;
        fs::write(folder.join(KEY), made.signing_key.serialize_der())?;
        Self::from(folder)
    }

    /// The certificate that is in this folder.
    pub(crate) fn from(folder: &Path) -> anyhow::Result<Self> {
        Self::of(fs::read(folder.join(CERTIFICATE))?, fs::read(folder.join(KEY))?)
    }

    fn of(certificate: Vec<u8>, key: Vec<u8>) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from(certificate);
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let key = PrivateKeyDer::Pkcs8(key.into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A whole handshake each time, as after a restart.
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    pub(crate) async fn connect(&self, stream: TcpStream) -> anyhow::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(NAME).context("a good name")?;
        Ok(self.connector.connect(name, stream).await?)
    }
}
