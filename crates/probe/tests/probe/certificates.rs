//! Certificates made on the spot.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate's names, years and purpose.
pub(crate) struct Leaf<'a> {
    pub(crate) name: &'a str,
    pub(crate) years: (i32, i32),
    pub(crate) purpose: ExtendedKeyUsagePurpose,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self {
            name: "kubernetes",
            years: (2020, 2999),
            purpose: ExtendedKeyUsagePurpose::ServerAuth,
        }
    }
}

/// A cluster's CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = params(&Leaf::default());
        params.subject_alt_names.clear();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages.clear();
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client's certificate and key, PEM.
    pub(crate) fn client(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let leaf = Leaf {
            name: "node",
            purpose: ExtendedKeyUsagePurpose::ClientAuth,
            ..Leaf::default()
        };
        (
            params(&leaf).signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// A good server of this cluster that asks for client certificates and takes none as well.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server_for_clients_of(self)
    }

    /// One that asks for client certificates of another cluster.
    pub(crate) fn server_for_clients_of(&self, clients: &Self) -> Arc<ServerConfig> {
        Arc::new(self.build(&Leaf::default(), rustls::DEFAULT_VERSIONS, Some(clients)))
    }

    /// A server with a certificate of one's own choice.
    pub(crate) fn server_as(&self, leaf: &Leaf<'_>) -> Arc<ServerConfig> {
        Arc::new(self.build(leaf, rustls::DEFAULT_VERSIONS, None))
    }

    /// A server that ends TLS over client certificates of this very cluster.
    pub(crate) fn server_refusing_clients(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ServerConfig> {
        Arc::new(self.build(&Leaf::default(), &[version], Some(&Self::new())))
    }

    /// A server that speaks nothing but HTTP/2.
    pub(crate) fn server_of_http2(&self) -> Arc<ServerConfig> {
        let mut config = self.build(&Leaf::default(), rustls::DEFAULT_VERSIONS, None);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    fn build(
        &self,
        leaf: &Leaf<'_>,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Self>,
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params(leaf).signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            }
        };
        let mut config = builder
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

fn params(leaf: &Leaf<'_>) -> CertificateParams {
    let mut params = CertificateParams::new(vec![leaf.name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "kubernetes");
    params.extended_key_usages = vec![leaf.purpose.clone()];
    params.not_before = date_time_ymd(leaf.years.0, 1, 1);
    params.not_after = date_time_ymd(leaf.years.1, 1, 1);
    params
}
