//! A cluster's CA as a supervisor hands it out to anybody, and the hash in the node token that vouches for it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackline_trust::Authorities;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

/// Certificates in one bundle.
const CERTIFICATES_MAX: usize = 32;

/// SHA-256 of the cluster's CA, as K3s and RKE2 count it: of a single certificate the PEM as it is handed out, byte for
/// byte; of a bundle the DER of the chain's root.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaHash([u8; 32]);

impl CaHash {
    /// Reads 64 hexadecimal digits.
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        let digits = digits.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }

    fn vouches_for(&self, bytes: &[u8]) -> bool {
        Sha256::digest(bytes).as_slice() == self.0
    }
}

/// The configuration that verifies servers by the one certificate of `pem` that `hash` vouches for. The others of a bundle
/// are not believed: anybody on the way could have added them, and servers present their intermediates themselves.
///
/// # Errors
/// In words, with what to do.
pub(crate) fn vouched_by(hash: &CaHash, pem: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem).take(CERTIFICATES_MAX) {
        certificates.push(certificate.map_err(|_| "its /cacerts is no PEM".to_owned())?);
    }
    let root = match certificates.as_slice() {
        [] => return Err("its /cacerts holds no certificate".to_owned()),
        [single] => hash.vouches_for(pem).then_some(single),
        bundle => bundle.iter().find(|certificate| hash.vouches_for(certificate)),
    };
    let root = root.ok_or_else(|| {
        "the CA that it hands out is not the one that the token's hash vouches for: another cluster's server, or \
         another cluster's token; copy the token anew from a server of this cluster"
            .to_owned()
    })?;
    let body = STANDARD.encode(root);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let authorities =
        Authorities::from_pem(pem.as_bytes()).map_err(|error| format!("its /cacerts: {error}"))?;
    authorities.tls().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn authority() -> (String, Vec<u8>) {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.pem(), certificate.der().to_vec())
    }

    fn hash(bytes: &[u8]) -> CaHash {
        let hex: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        CaHash::from_hex(&hex).expect("a hash")
    }

    #[test]
    fn a_single_certificate_is_hashed_as_it_is_written() {
        let (pem, der) = authority();
        assert!(vouched_by(&hash(pem.as_bytes()), pem.as_bytes()).is_ok());
        assert!(
            vouched_by(&hash(&der), pem.as_bytes()).is_err(),
            "the DER counts only in a bundle"
        );
        assert!(
            vouched_by(&hash(pem.as_bytes()), format!("{pem}\n").as_bytes()).is_err(),
            "a byte more is another hash"
        );
    }

    #[test]
    fn a_bundle_is_vouched_for_by_its_root() {
        let ((first, _), (second, root)) = (authority(), authority());
        let bundle = format!("{first}{second}");
        assert!(vouched_by(&hash(&root), bundle.as_bytes()).is_ok());
        assert!(vouched_by(&hash(bundle.as_bytes()), bundle.as_bytes()).is_err());
    }

    #[test]
    fn rubbish_is_refused() {
        assert!(vouched_by(&hash(b""), b"").is_err());
        assert!(
            vouched_by(
                &hash(b"x"),
                b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"
            )
            .is_err()
        );
        assert!(CaHash::from_hex(&"+1".repeat(32)).is_none());
    }
}
