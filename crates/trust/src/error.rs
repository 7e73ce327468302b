//! What can be wrong with trust material. Each ends in what to do; none ever quotes a secret.

use crate::file::FileError;

/// Why a piece of trust material cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A verified configuration was asked for and there is nothing to verify by.
    #[error("no cluster CA is known: set cluster.ca-file or cluster.kubeconfig")]
    NoAuthority,
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Broken PEM: cut off, or not base64.
    #[error("broken PEM ({detail}); write the file again, whole")]
    Pem {
        /// Where it breaks.
        detail: &'static str,
    },
    /// No certificate in it.
    #[error("no certificate in it: it should hold `-----BEGIN CERTIFICATE-----` blocks")]
    NoCertificate,
    /// More certificates than a bundle may hold.
    #[error("more than {max} certificates in it: it is not a cluster's CA bundle")]
    TooManyCertificates {
        /// The bound.
        max: usize,
    },
    /// None of its certificates can serve as a CA.
    #[error("none of its certificates can be used as a CA ({detail})")]
    NoUsableAuthority {
        /// What is wrong with the first.
        detail: String,
    },
    /// No private key in it.
    #[error("no private key in it: it should be unencrypted PEM (PKCS#8, SEC1 or PKCS#1)")]
    NoKey,
    /// The key is protected by a passphrase.
    #[error("its private key is encrypted: jackline needs it without a passphrase")]
    EncryptedKey,
    /// Only one of the two was given.
    #[error("a client certificate needs both certificate and key: {missing} is not set")]
    HalfAnIdentity {
        /// The missing one.
        missing: &'static str,
    },
    /// Certificate and key don't go together, or the key is of a kind that cannot be used.
    #[error("certificate and key cannot be used together ({detail}); perhaps only one of them was renewed")]
    UnusableIdentity {
        /// What the TLS library says.
        detail: String,
    },
    /// The token cannot be sent as a header.
    #[error("the token is {what}; it should be one line of visible ASCII")]
    BadToken {
        /// What is wrong with it, without quoting it.
        what: &'static str,
    },
    /// A kubeconfig that cannot be used.
    #[error("kubeconfig not usable: {0}")]
    Kubeconfig(String),
    /// The TLS library refused to build a configuration.
    #[error("TLS cannot be set up ({0})")]
    Tls(String),
}
