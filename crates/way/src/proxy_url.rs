//! The address of a CONNECT proxy, with the user and the password that it wants; neither is ever shown.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::target::port;

/// The port where none is given, as everywhere for `http://`.
const USUAL_PORT: u16 = 80;
/// The longest address.
const TEXT_MAX: usize = 4096;
/// The longest name that DNS allows.
const NAME_MAX: usize = 253;

/// A CONNECT proxy. Shown without user and password, whoever shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    host: ProxyHost,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

/// What a proxy is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHost {
    Address(IpAddr),
    Name(String),
}

/// Why a text is no proxy's address. Never quotes it: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// `https://`.
    #[error(
        "a proxy that is itself spoken to over TLS (https://) is not supported: sessions are carried between two plain \
         sockets; write the http:// port of the proxy, what goes through it is TLS all the same"
    )]
    OverTls,
    /// `socks5://` and the like.
    #[error("only proxies that understand HTTP's CONNECT are supported; write http://HOST:PORT")]
    Scheme,
    /// A path, a query, a fragment.
    #[error("only a host and a port belong here, and a user if need be; write http://HOST:PORT")]
    NotBare,
    /// The host is neither an address nor a name, or the port is none.
    #[error("no host and port; write http://HOST:PORT, an IPv6 address in brackets")]
    Host,
    /// User or password.
    #[error(
        "user and password cannot be read; write http://USER:PASSWORD@HOST:PORT, and in them %40 for @, %3A for :, %2F for /, %25 for %"
    )]
    User,
    /// Too long.
    #[error("it is longer than 4096 bytes")]
    TooLong,
}

impl ProxyUrl {
    pub(crate) fn host(&self) -> &ProxyHost {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl FromStr for ProxyUrl {
    type Err = ProxyUrlError;

    /// `http://[USER[:PASSWORD]@]HOST[:PORT]`, also without `http://`.
    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let text = text.trim();
        if text.len() > TEXT_MAX {
            return Err(ProxyUrlError::TooLong);
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => return Err(ProxyUrlError::OverTls),
            Some(_) => return Err(ProxyUrlError::Scheme),
            None => text,
        };
        // The last one: whoever forgets to write %40 is understood all the same.
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(ProxyUrlError::NotBare);
        }
        let (host, port) = host_and_port(place).ok_or(ProxyUrlError::Host)?;
        let authorization = user.map(authorization).transpose()?;
        Ok(Self {
            host,
            port,
            authorization,
        })
    }
}

fn host_and_port(place: &str) -> Option<(ProxyHost, u16)> {
    let (host, behind) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']')?;
            (
                ProxyHost::Address(address.parse::<Ipv6Addr>().ok()?.into()),
                behind,
            )
        }
        None => {
            let end = place.find(':').unwrap_or(place.len());
            let (name, behind) = place.split_at(end);
            let host = match name.parse::<IpAddr>() {
                Ok(ip) => ProxyHost::Address(ip),
                Err(_) => ProxyHost::Name(is_name(name).then(|| name.to_owned())?),
            };
            (host, behind)
        }
    };
    let port = match behind.strip_prefix(':') {
        Some(digits) => port(digits)?,
        None => behind.is_empty().then_some(USUAL_PORT)?,
    };
    Some((host, port))
}

/// A name as DNS has it. What ends in digits must be an address: 10.0.0.300 is no name.
fn is_name(name: &str) -> bool {
    let labels = || name.strip_suffix('.').unwrap_or(name).split('.');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= NAME_MAX
        && labels().all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain))
        && !labels().next_back().is_some_and(numeric)
}

/// RFC 7617. A user cannot hold a colon; control characters are nobody's.
fn authorization(user: &str) -> Result<String, ProxyUrlError> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (name, password) = (percent_decoded(name)?, percent_decoded(password)?);
    let odd = |byte: &u8| byte.is_ascii_control();
    if name.is_empty() || name.contains(&b':') || name.iter().chain(&password).any(odd) {
        return Err(ProxyUrlError::User);
    }
    let both = [name.as_slice(), b":", password.as_slice()].concat();
    Ok(format!("Basic {}", STANDARD.encode(both)))
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, ProxyUrlError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let digit = |byte: Option<u8>| {
        char::from(byte?)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(ProxyUrlError::User),
            },
            byte => byte,
        });
    }
    Ok(decoded)
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.authorization.is_some() {
            "(hidden)@"
        } else {
            ""
        };
        match &self.host {
            ProxyHost::Address(IpAddr::V6(ip)) => write!(f, "http://{user}[{ip}]:{}", self.port),
            ProxyHost::Address(ip) => write!(f, "http://{user}{ip}:{}", self.port),
            ProxyHost::Name(name) => write!(f, "http://{user}{name}:{}", self.port),
        }
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_go_reads_them_and_shown_without_their_secrets() {
        for (text, shown) in [
            ("http://10.0.0.9:3128", "http://10.0.0.9:3128"),
            ("10.0.0.9:3128", "http://10.0.0.9:3128"),
            ("proxy.example", "http://proxy.example:80"),
            ("HTTP://proxy.example:3128/", "http://proxy.example:3128"),
            ("http://[fd00::9]:3128", "http://[fd00::9]:3128"),
            ("http://[fd00::9]", "http://[fd00::9]:80"),
            ("http://jo:hunter2@proxy:3128", "http://(hidden)@proxy:3128"),
            (
                "http://jo:hunter2@[fd00::9]:3128",
                "http://(hidden)@[fd00::9]:3128",
            ),
        ] {
            let url: ProxyUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn user_and_password_become_basic_authorization() {
        for (user, plain) in [
            ("jo:hunter2", "jo:hunter2"),
            ("jo", "jo:"),
            ("jo:a:b", "jo:a:b"),
            ("jo:p%40ss%2Fw%25", "jo:p@ss/w%"),
            ("jo:p@ss", "jo:p@ss"),
            ("j%C3%B6:x", "jö:x"),
        ] {
            let url: ProxyUrl = format!("http://{user}@proxy:3128").parse().expect(user);
            let expected = format!("Basic {}", STANDARD.encode(plain));
            assert_eq!(url.authorization(), Some(expected.as_str()));
        }
    }

    #[test]
    fn what_will_not_do_is_refused_and_never_quoted() {
        use ProxyUrlError::{Host, NotBare, OverTls, Scheme, TooLong, User};
        for (text, error) in [
            ("https://jo:hunter2@proxy:3128", OverTls),
            ("socks5://jo:hunter2@proxy:1080", Scheme),
            ("http://jo:hunter2@proxy:3128/path", NotBare),
            ("http://jo:hunter2@proxy:0", Host),
            ("http://jo:hunter2@proxy:x", Host),
            ("http://jo:hunter2@", Host),
            ("http://jo:hunter2@10.0.0.300:1", Host),
            ("http://jo:hunter2@fd00::9:3128", Host),
            ("http://jo:hunter2%4@proxy", User),
            ("http://jo:hunter2%0a@proxy", User),
            ("http://:hunter2@proxy", User),
            ("http://j%3Ao:hunter2@proxy", User),
            ("", Host),
        ] {
            let refused = text.parse::<ProxyUrl>().expect_err(text);
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
        assert_eq!("x".repeat(5000).parse::<ProxyUrl>(), Err(TooLong));
    }
}
