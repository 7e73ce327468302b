//! What a certificate says of itself: names, dates, whether it is a CA. For people and reports; nothing is verified here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::authorities::certificates;
use crate::error::TrustError;
use crate::untrusted::plain;

/// Certificates of a file that are described at the most.
const DESCRIBED_MAX: usize = 64;
/// Names of a certificate that are told at the most: more than any apiserver's has.
const NAMES_MAX: usize = 256;

/// A certificate, described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its subject's common name, or its whole subject where it has none; without control characters.
    pub subject: String,
    /// From when it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
    /// Whether it says that it is a CA's.
    pub is_ca: bool,
    /// The DNS names that it is good for.
    pub names: Vec<String>,
    /// The addresses that it is good for.
    pub addresses: Vec<IpAddr>,
}

impl Description {
    /// Whether it is good for `host`, a name or an address; a wildcard stands for one label.
    #[must_use]
    pub fn is_good_for(&self, host: &str) -> bool {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return self.addresses.contains(&ip);
        }
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(rest) => host
                .split_once('.')
                .is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(rest)),
            None => name.eq_ignore_ascii_case(host),
        })
    }
}

/// Describes the certificates of a PEM file, at most 64; what else is in it is passed over.
///
/// # Errors
/// Broken PEM, no certificate, or one that is none.
pub fn describe(pem: &[u8]) -> Result<Vec<Description>, TrustError> {
    certificates(pem, DESCRIBED_MAX)?
        .iter()
        .map(|der| {
            of_der(der).ok_or(TrustError::Pem {
                detail: "a certificate is none, though its base64 is good",
            })
        })
        .collect()
}

/// Describes one certificate as TLS presents it; `None`: it is none.
#[must_use]
pub fn of_der(der: &CertificateDer<'_>) -> Option<Description> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let common = parsed
        .subject()
        .iter_common_name()
        .find_map(|name| name.as_str().ok());
    let subject = common.map_or_else(|| parsed.subject().to_string(), str::to_owned);
    let mut description = Description {
        subject: plain(&subject),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        is_ca: parsed.is_ca(),
        ..Description::default()
    };
    let alternative = parsed.subject_alternative_name().ok().flatten();
    for name in alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .take(NAMES_MAX)
    {
        match name {
            GeneralName::DNSName(name) => description.names.push(plain(name)),
            GeneralName::IPAddress(bytes) => description.addresses.extend(address(bytes)),
            _ => {}
        }
    }
    Some(description)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|sixteen| Ipv6Addr::from(sixteen).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_dates_and_addresses_are_told() {
        let names = ["kubernetes", "*.example.com", "10.0.0.1", "fd00::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names.to_vec()).expect("a certificate");
        let told = describe(made.cert.pem().as_bytes()).expect("described");
        let [told] = told.as_slice() else { panic!("one") };
        assert!(told.not_before < told.not_after && !told.is_ca);
        for good in ["kubernetes", "KUBERNETES", "a.example.com", "10.0.0.1", "fd00::1"] {
            assert!(told.is_good_for(good), "{good}");
        }
        for bad in ["example.com", "a.b.example.com", "10.0.0.2", "other"] {
            assert!(!told.is_good_for(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bad in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nb3duIGJ5dGVz\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----\nb3du",
        ] {
            assert!(describe(bad).is_err());
        }
    }
}
