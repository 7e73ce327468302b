//! Certificates made on the spot, and a folder for files.

use std::fs::{self, File, FileTimes};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// From the first of January of one year to that of another.
type Years = (i32, i32);
const LONG: Years = (2020, 2999);

/// A folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Makes a file look as if it had been there for a minute.
    pub(crate) fn age(&self, name: &str) {
        let past = SystemTime::now() - Duration::from_secs(60);
        let file = File::options().write(true).open(self.path(name)).unwrap();
        file.set_times(FileTimes::new().set_modified(past)).unwrap();
    }
}

/// A CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::valid(name, LONG)
    }

    pub(crate) fn valid(name: &str, years: Years) -> Self {
        Self::with_key(name, years, KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa(name: &str) -> Self {
        Self::with_key(name, LONG, rsa_key())
    }

    fn with_key(name: &str, years: Years, key: KeyPair) -> Self {
        let mut params = params(name, &[], years);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// As `openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum` has it.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.key().subject_public_key_info());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_valid(names, LONG)
    }

    pub(crate) fn leaf_valid(&self, names: &[&str], years: Years) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = params("kube-apiserver", names, years);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
        }
    }

    /// A client certificate and its key, PEM.
    pub(crate) fn client(&self, name: &str) -> (String, String) {
        self.client_with(name, &KeyPair::generate().unwrap())
    }

    fn client_with(&self, name: &str, key: &KeyPair) -> (String, String) {
        let mut params = params(name, &[], LONG);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Client certificates with keys as PKCS#8, SEC1 and PKCS#1.
    pub(crate) fn clients_of_every_form(&self) -> Vec<(&'static str, (String, String))> {
        let (elliptic, rsa) = (KeyPair::from_pem(EC_PKCS8).unwrap(), rsa_key());
        let (elliptic_certificate, _) = self.client_with("ec", &elliptic);
        let (rsa_certificate, _) = self.client_with("rsa", &rsa);
        vec![
            ("PKCS#8, EC", (elliptic_certificate.clone(), EC_PKCS8.to_owned())),
            ("SEC1", (elliptic_certificate.clone(), EC_SEC1.to_owned())),
            (
                "SEC1 after its parameters",
                (elliptic_certificate, format!("{EC_PARAMETERS}{EC_SEC1}")),
            ),
            ("PKCS#8, RSA", (rsa_certificate.clone(), RSA_PKCS8.to_owned())),
            ("PKCS#1", (rsa_certificate, RSA_PKCS1.to_owned())),
        ]
    }
}

/// A server's certificate and key.
pub(crate) struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Leaf {
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.build(rustls::DEFAULT_VERSIONS, None)
    }

    pub(crate) fn server_with(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        self.build(&[version], None)
    }

    /// Asks for a client certificate and takes none as well, as an apiserver does.
    pub(crate) fn server_asking_for_certificates(&self, authority: &Authority) -> Arc<ServerConfig> {
        self.build(rustls::DEFAULT_VERSIONS, Some(authority))
    }

    fn build(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .allow_unauthenticated()
                    .build()
                    .unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let mut config = builder.with_single_cert(self.chain.clone(), key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn params(name: &str, names: &[&str], (from, to): Years) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn rsa_key() -> KeyPair {
    KeyPair::from_pem(RSA_PKCS8).unwrap()
}

// Keys that exist for these tests alone: no library here writes the older forms.
const EC_PKCS8: &str = include_str!("keys/ec-pkcs8.pem");
const EC_SEC1: &str = include_str!("keys/ec-sec1.pem");
const EC_PARAMETERS: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
const RSA_PKCS8: &str = include_str!("keys/rsa-pkcs8.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa-pkcs1.pem");
