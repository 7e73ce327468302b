//! The cluster's CA: one certificate or a bundle of them, as it is while a CA is being rotated.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::TrustError;
use crate::untrusted::instant;
use crate::verify;

/// Certificates in a bundle at the most.
const AUTHORITIES_MAX: usize = 256;

/// CA certificates that servers are verified by.
#[derive(Clone, Debug)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    fingerprints: Vec<String>,
    validities: Vec<Option<Validity>>,
    remarks: Vec<String>,
}

impl Authorities {
    /// From PEM, at most 256 certificates. One that cannot be used as a CA is left out if another can (see
    /// [`Authorities::remarks`]); broken PEM is refused whole, for it may be a file that is just being written.
    ///
    /// # Errors
    /// Broken PEM, no certificate, too many, or none that can be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let (mut kept, mut fingerprints, mut validities, mut remarks) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut first_fault = None;
        for (index, certificate) in certificates(pem, AUTHORITIES_MAX)?.into_iter().enumerate() {
            if let Err(error) = roots.add(certificate.clone()) {
                remarks.push(format!(
                    "certificate {} cannot be used as a CA ({error})",
                    index + 1
                ));
                first_fault.get_or_insert(error.to_string());
                continue;
            }
            let key = roots
                .roots
                .last()
                .map(|anchor| fingerprint(&anchor.subject_public_key_info));
            fingerprints.extend(key.filter(|key| !fingerprints.contains(key)));
            validities.push(Validity::of(&certificate));
            kept.push(certificate);
        }
        if let (true, Some(detail)) = (kept.is_empty(), first_fault) {
            return Err(TrustError::NoUsableAuthority { detail });
        }
        Ok(Self {
            roots: Arc::new(roots),
            certificates: kept,
            fingerprints,
            validities,
            remarks,
        })
    }

    /// A configuration that verifies servers by these CAs alone and presents nothing: for a CA that was learnt otherwise
    /// than from the configured files, as a supervisor's `/cacerts` that a token's hash vouches for.
    ///
    /// # Errors
    /// Only where the TLS library refuses ([`TrustError::Tls`]).
    pub fn tls(&self) -> Result<Arc<ClientConfig>, TrustError> {
        verify::verified(self, None)
    }

    /// SHA-256 of each CA's public key (its whole SubjectPublicKeyInfo), lower-case hex, each once.
    #[must_use]
    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// What was left out of the bundle, and why.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// When the last of them ends, in seconds since 1970.
    pub(crate) fn ends(&self) -> Option<i64> {
        let ends = self
            .validities
            .iter()
            .flatten()
            .map(|validity| validity.not_after);
        ends.max()
    }

    /// What is wrong with the dates at `now` (seconds since 1970): only if no CA of the bundle is in its time.
    pub(crate) fn out_of_date(&self, now: i64) -> Option<String> {
        let complaints: Option<Vec<String>> = self
            .validities
            .iter()
            .map(|validity| validity.and_then(|validity| validity.complaint(now)))
            .collect();
        complaints.and_then(|all| all.into_iter().next())
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(pem: &[u8], max: usize) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut certificates = Vec::new();
    for item in CertificateDer::pem_slice_iter(pem) {
        let certificate = item.map_err(|error| TrustError::Pem {
            detail: pem_detail(&error),
        })?;
        if certificates.len() == max {
            return Err(TrustError::TooManyCertificates { max });
        }
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        Err(TrustError::NoCertificate)
    } else {
        Ok(certificates)
    }
}

/// What is wrong, without quoting a line: it may be a line of a key.
pub(crate) fn pem_detail(error: &PemError) -> &'static str {
    match error {
        PemError::MissingSectionEnd { .. } => "a block has no end line: the file is cut off",
        PemError::IllegalSectionStart { .. } => "a block's first line is malformed",
        PemError::Base64Decode(_) => "a block is not base64",
        _ => "it cannot be decoded",
    }
}

/// Hex of SHA-256 of a SubjectPublicKeyInfo, of which the trust anchor keeps only the inside.
fn fingerprint(inside: &[u8]) -> String {
    let length = inside.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut digest = Sha256::new_with_prefix([0x30]);
    match length {
        [short @ 0..0x80] => digest.update([*short]),
        long => {
            // At most eight length bytes, so the sum fits.
            digest.update([0x80 | u8::try_from(long.len()).unwrap_or(8)]);
            digest.update(long);
        }
    }
    digest.update(inside);
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// From when to when a certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    not_before: i64,
    pub(crate) not_after: i64,
}

impl Validity {
    /// `None`: the certificate is too odd to tell.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        Some(Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    pub(crate) fn complaint(self, now: i64) -> Option<String> {
        if now > self.not_after {
            Some(format!(
                "expired at {}, our clock says {}",
                instant(self.not_after),
                instant(now)
            ))
        } else if now < self.not_before {
            Some(format!(
                "is not valid before {}, our clock says {}",
                instant(self.not_before),
                instant(now)
            ))
        } else {
            None
        }
    }
}
