//! The node's client certificate and its private key.

use std::fmt;
use std::sync::Arc;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::authorities::{Validity, certificates};
use crate::error::TrustError;
use crate::verify::provider;

/// Certificates in a client's chain at the most.
const CHAIN_MAX: usize = 16;

/// A client certificate with its key, known to belong together.
#[derive(Clone)]
pub(crate) struct Identity {
    key: Arc<CertifiedKey>,
    /// Tells one identity from another without keeping the key's bytes.
    digest: [u8; 32],
    validity: Option<Validity>,
}

impl Identity {
    /// From PEM; both may be in one and the same file, as the kubelet keeps them.
    pub(crate) fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TrustError> {
        let chain = certificates(certificate, CHAIN_MAX)?;
        let key = private_key(key)?;
        let digest = Sha256::new_with_prefix(key.secret_der());
        let digest = chain
            .iter()
            .fold(digest, |digest, der| digest.chain_update(der))
            .finalize()
            .into();
        let validity = chain.first().and_then(Validity::of);
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
            TrustError::UnusableIdentity {
                detail: error.to_string(),
            }
        })?;
        Ok(Self {
            key: Arc::new(key),
            digest,
            validity,
        })
    }

    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.key)))
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// When it ends, in seconds since 1970.
    pub(crate) fn ends(&self) -> Option<i64> {
        self.validity.map(|validity| validity.not_after)
    }

    /// What is wrong with its dates at `now` (seconds since 1970).
    pub(crate) fn out_of_date(&self, now: i64) -> Option<String> {
        self.validity.and_then(|validity| validity.complaint(now))
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({} certificates, key …)", self.chain().len())
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TrustError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound if contains(pem, b"BEGIN ENCRYPTED PRIVATE KEY") => TrustError::EncryptedKey,
        PemError::NoItemsFound => TrustError::NoKey,
        other => TrustError::Pem {
            detail: crate::authorities::pem_detail(&other),
        },
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
