//! Certificates: an authority made on the spot, and what it issues. Written to nowhere; `credentials` does that.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

use crate::plane::PlaneError;

/// A certificate authority with its key. Clones are the same one.
#[derive(Clone)]
pub struct Authority {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

/// A certificate that an authority issued, with its key.
pub struct Issued {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// What a server shows of itself.
pub(crate) struct Identity {
    pub(crate) tls: Arc<ServerConfig>,
    /// What `/cacerts` tells.
    pub(crate) ca_pem: String,
}

/// Names that every serving certificate of a cluster carries.
const SERVING_NAMES: [&str; 5] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
];

impl Authority {
    /// A new authority with a key of its own.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(common_name: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = distinguished(common_name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key)?;
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Ok(Self {
            inner: Arc::new(Inner {
                issuer: Issuer::new(params, key),
                der,
                pem,
            }),
        })
    }

    /// Its own certificate, as `/cacerts` serves it and CA files hold it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.inner.pem
    }

    /// A serving certificate for an apiserver: `kubernetes`, the loopback addresses, the server's name and address.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn serving(&self, name: &str, addresses: &[String]) -> Result<Issued, rcgen::Error> {
        let mut names: Vec<String> = SERVING_NAMES.iter().map(|&name| name.to_owned()).collect();
        names.extend(["127.0.0.1".to_owned(), "::1".to_owned(), name.to_owned()]);
        names.extend(addresses.iter().cloned());
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = distinguished("kube-apiserver", &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A client certificate for a user and its groups.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<Issued, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = distinguished(user, groups);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// A certificate of an etcd member, who is a server, a client of the other members, and one of its own.
    pub(crate) fn peer(&self, name: &str, addresses: &[String]) -> Result<Issued, rcgen::Error> {
        let mut names = vec!["127.0.0.1".to_owned(), "localhost".to_owned(), name.to_owned()];
        names.extend(addresses.iter().cloned());
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = distinguished("etcd-server", &[]);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.issue(params)
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.inner.der.clone()
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Issued, rcgen::Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.inner.issuer)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

impl Issued {
    pub(crate) fn into_der(self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        (self.certificate, self.key)
    }
}

impl Identity {
    pub(crate) fn issue(authority: &Authority, name: &str, address: IpAddr) -> Result<Self, PlaneError> {
        let Issued { certificate, key, .. } = authority.serving(name, &[address.to_string()])?;
        let provider = Arc::new(ring::default_provider());
        let mut tls = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClient { provider }))
            .with_single_cert(vec![certificate], key)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            tls: Arc::new(tls),
            ca_pem: authority.pem().to_owned(),
        })
    }
}

/// Asks for a client certificate and takes any, as an apiserver does: a wrong one is answered by 401, not by an alert.
#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A key for ServiceAccounts' tokens, PEM: the private one, which signs, and the public one.
pub(crate) fn token_key() -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// Whether a client certificate was issued by one of these authorities and is valid now.
pub(crate) fn is_client_of(authorities: &[Authority], chain: &[CertificateDer<'_>]) -> bool {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        // An authority of our own making is well formed; one that were not would verify nobody.
        let _ = roots.add(authority.inner.der.clone());
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    let (Ok(verifier), Some((first, rest))) = (builder.build(), chain.split_first()) else {
        return false;
    };
    verifier.verify_client_cert(first, rest, UnixTime::now()).is_ok()
}

fn distinguished(common_name: &str, organizations: &[&str]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for organization in organizations {
        name.push(DnType::OrganizationName, *organization);
    }
    name.push(DnType::CommonName, common_name);
    name
}
