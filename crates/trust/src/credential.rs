//! What a request carries to show who the node is: an `Authorization` header, a client certificate, or both.
//!
//! To whom it is shown is for others: only ever to a server that was verified.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::TrustError;

/// Bytes of a token at the most: ServiceAccount tokens have one to two thousand.
const TOKEN_MAX: usize = 16 * 1024;

/// A value that never shows in `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// What the node can show to a verified server that asks for more than the anonymous may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub(crate) authorization: Option<Secret>,
    pub(crate) certificate: bool,
}

impl Credential {
    /// The whole value of the `Authorization` header (`Bearer …` or `Basic …`), visible ASCII, to be marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(Secret::reveal)
    }

    /// Whether a connection made with [`crate::Trust::tls`]`(true)` shows a client certificate.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.certificate
    }
}

/// The header value for a bearer token, which is trimmed.
pub(crate) fn bearer(token: &str) -> Result<Secret, TrustError> {
    let token = token.trim();
    let what = if token.is_empty() {
        "empty"
    } else if token.len() > TOKEN_MAX {
        "far too long"
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        "not one word of visible ASCII"
    } else {
        return Ok(Secret(format!("Bearer {token}")));
    };
    Err(TrustError::BadToken { what })
}

/// The header value for a user and a password.
pub(crate) fn basic(user: &str, password: &str) -> Secret {
    Secret(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_trimmed_and_checked() {
        assert_eq!(bearer("  abc.def\n").unwrap().reveal(), "Bearer abc.def");
        for bad in ["", " \n", "two words", "line\r\nInjected: yes", "ümlaut", "nul\0"] {
            assert!(matches!(bearer(bad), Err(TrustError::BadToken { .. })), "{bad:?}");
        }
        assert!(bearer(&"x".repeat(TOKEN_MAX + 1)).is_err());
    }

    #[test]
    fn basic_is_encoded_as_the_rfc_says() {
        assert_eq!(
            basic("Aladdin", "open sesame").reveal(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[test]
    fn debug_never_shows_a_secret() {
        let credential = Credential {
            authorization: Some(bearer("hunter2").unwrap()),
            certificate: true,
        };
        let shown = format!("{credential:?} {credential:#?}");
        assert!(!shown.contains("hunter2") && !shown.contains("Bearer"), "{shown}");
    }
}
