//! A certificate that does not verify, in words: in which way, and with both times where it is a matter of time (H8).

use std::io;

use jiff::Timestamp;
use rustls::{CertificateError, Error};
use rustls_pki_types::UnixTime;

/// Names of a certificate that are told at the most; more says nothing more.
const NAMES_TOLD: usize = 6;
/// Bytes told of each.
const NAME_TOLD_MAX: usize = 80;

/// In which way a certificate fails to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The chain does not lead to the cluster's CA.
    UnknownIssuer,
    /// It is good for other names only.
    WrongName,
    /// It is not valid yet: a matter of clock.
    NotYetValid,
    /// It is not valid any more: a matter of renewal or of clock.
    Expired,
    /// Anything else.
    Other,
}

/// A certificate that does not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// In which way.
    pub cause: Cause,
    /// In words, ending in what to do.
    pub detail: String,
}

/// The certificate's fault behind a TLS error; `None`: the error is about something else.
#[must_use]
pub fn classify(error: &Error) -> Option<Untrusted> {
    let (cause, detail) = match error {
        Error::InvalidCertificate(fault) => certificate_fault(fault),
        Error::NoCertificatesPresented => (Cause::Other, "it presented no certificate".to_owned()),
        _ => return None,
    };
    Some(Untrusted { cause, detail })
}

fn certificate_fault(fault: &CertificateError) -> (Cause, String) {
    match fault {
        CertificateError::UnknownIssuer => (
            Cause::UnknownIssuer,
            "its certificate was not issued by the cluster's CA: another cluster's server is at this address, \
             or the CA was renewed and the CA file here is stale"
                .to_owned(),
        ),
        // A CA of the same name: kubeadm calls every cluster's "kubernetes".
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            Cause::UnknownIssuer,
            "its certificate names the cluster's CA but is not signed by its key: another cluster's server is at \
             this address, or the CA was renewed under the same name and the CA file here is stale"
                .to_owned(),
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let told: Vec<String> = presented.iter().take(NAMES_TOLD).map(|name| plain(name)).collect();
            let names = match presented.len() - told.len() {
                0 if told.is_empty() => "no name at all".to_owned(),
                0 => told.join(", "),
                more => format!("{} and {more} more", told.join(", ")),
            };
            let expected = plain(&expected.to_str());
            (
                Cause::WrongName,
                format!(
                    "its certificate is good for {names}, not for {expected}: it is no apiserver of this cluster, \
                     or cluster.server-name should be one of its names"
                ),
            )
        }
        CertificateError::NotValidForName => {
            (Cause::WrongName, "its certificate is good for other names only".to_owned())
        }
        CertificateError::ExpiredContext { time, not_after } => (
            Cause::Expired,
            format!(
                "its certificate is not valid after {}, our clock says {}: renew it on the server, or set this machine's clock",
                told(*not_after),
                told(*time)
            ),
        ),
        CertificateError::Expired => (Cause::Expired, "its certificate has expired: renew it on the server".to_owned()),
        CertificateError::NotValidYetContext { time, not_before } => (
            Cause::NotYetValid,
            format!(
                "its certificate is not valid before {}, our clock says {}: set this machine's clock, or the server's",
                told(*not_before),
                told(*time)
            ),
        ),
        CertificateError::NotValidYet => {
            (Cause::NotYetValid, "its certificate is not valid yet: set this machine's clock".to_owned())
        }
        other => (Cause::Other, format!("its certificate cannot be verified ({other}): look at it on the server")),
    }
}

/// The TLS library's error inside an IO error, if that is what it is.
#[must_use]
pub fn tls_fault(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn told(time: UnixTime) -> String {
    instant(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// Seconds since 1970 as people write it, in UTC.
pub(crate) fn instant(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}

/// A stranger's text, bounded and without control characters: it goes into logs.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .take(NAME_TOLD_MAX)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}
