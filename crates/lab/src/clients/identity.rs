//! Who a client is towards servers, and whom it trusts.

use std::sync::{Arc, Mutex};

use anyhow::Context;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Kind;
use crate::locked::lock;
use crate::{Authority, Credentials, Issued};

/// Whom a client trusts and who it is. Its CA can be exchanged while it runs.
pub(crate) struct Identity {
    certificate: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    token: Option<String>,
    roots: Mutex<Arc<RootCertStore>>,
}

impl Identity {
    /// The kubelet's certificate, and a ServiceAccount's token for the kinds that use one.
    ///
    /// # Errors
    /// When a file of the credentials cannot be read.
    pub(crate) fn read(credentials: &Credentials) -> anyhow::Result<Self> {
        let certificate = CertificateDer::pem_file_iter(&credentials.kubelet_certificate)
            .and_then(Iterator::collect)
            .context("reading a client certificate")?;
        let key = PrivateKeyDer::from_pem_file(&credentials.kubelet_key).context("reading a client key")?;
        let token = std::fs::read_to_string(&credentials.bearer_token).context("reading a token")?;
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&credentials.ca_file).context("reading the CA")? {
            roots.add(root.context("reading the CA")?)?;
        }
        Ok(Self {
            certificate,
            key,
            token: Some(token.trim().to_owned()),
            roots: Mutex::new(Arc::new(roots)),
        })
    }

    /// A client certificate that an authority issued, for that authority's servers.
    ///
    /// # Errors
    /// When the certificate or the key is of no use.
    pub(crate) fn issued(authority: &Authority, issued: &Issued) -> anyhow::Result<Self> {
        let certificate = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes())
            .context("reading a client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).context("reading a client key")?;
        let identity = Self {
            certificate: vec![certificate],
            key,
            token: None,
            roots: Mutex::new(Arc::new(RootCertStore::empty())),
        };
        identity.trust(&[authority])?;
        Ok(identity)
    }

    /// From now on new connections trust these authorities.
    ///
    /// # Errors
    /// When one of them has no usable certificate.
    pub(crate) fn trust(&self, authorities: &[&Authority]) -> anyhow::Result<()> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).context("reading a CA")?)?;
        }
        *lock(&self.roots) = Arc::new(roots);
        Ok(())
    }

    /// HTTP/2 and new connections present the certificate; the others their token.
    ///
    /// # Errors
    /// When certificate and key do not go together.
    pub(crate) fn tls(&self, kind: Kind) -> anyhow::Result<ClientConfig> {
        let roots = Arc::clone(&lock(&self.roots));
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match kind {
            Kind::Http2 | Kind::Fresh | Kind::Kubelet => {
                builder.with_client_auth_cert(self.certificate.clone(), self.key.clone_key())?
            }
            Kind::Http1 | Kind::Watch => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![if kind.shares() {
            b"h2".to_vec()
        } else {
            b"http/1.1".to_vec()
        }];
        // A resumed session would spare a client the very handshake that a half-dead server fails.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    pub(super) fn authorization(&self, kind: Kind) -> Option<String> {
        match kind {
            Kind::Http2 | Kind::Fresh | Kind::Kubelet => None,
            Kind::Http1 | Kind::Watch => self.token.as_ref().map(|token| format!("Bearer {token}")),
        }
    }
}
