//! TLS servers and clients with a certificate made on the spot.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{Upstream, soon};

/// Both ends of a verified TLS connection.
pub(crate) struct Tls {
    roots: RootCertStore,
    server: Arc<ServerConfig>,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["kubernetes".to_string()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self {
            roots,
            server: Arc::new(server),
        }
    }

    /// An upstream that echoes inside TLS.
    pub(crate) async fn upstream(&self) -> Upstream {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.server));
        Upstream::serving(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut bytes = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    stream.write_all(&bytes[..length]).await.unwrap();
                }
            }
        })
        .await
    }

    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: Vec<Vec<u8>>,
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn;
        Arc::new(config)
    }

    /// A whole conversation.
    pub(crate) async fn converse(&self, stream: TcpStream, versions: &[&'static SupportedProtocolVersion]) {
        let connector = TlsConnector::from(self.client(versions, Vec::new()));
        let mut stream = soon(connector.connect(name(), stream)).await.unwrap();
        stream.write_all(b"GET /readyz").await.unwrap();
        let mut answer = [0; 11];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"GET /readyz");
    }
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("kubernetes").unwrap()
}

/// The bytes of a ClientHello.
pub(crate) fn hello(config: Arc<ClientConfig>) -> Vec<u8> {
    let mut client = ClientConnection::new(config, name()).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    hello
}
