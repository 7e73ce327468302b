//! One registration address as plain data, and how it is written.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// The longest host name that DNS allows.
const HOST_MAX: usize = 253;

/// One registration address: a host with a port, or a service whose records tell both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationAddress(Place);

/// Where a registration address leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// To one endpoint: fixed.
    Address(SocketAddr),
    /// To this port on every address of a name, resolved at every refresh.
    Name(String, u16),
    /// To every SRV record of this name.
    Service(String),
}

/// Why a registration address cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither `https` nor `srv`.
    #[error("{0:?} is not an https address; write https://host:port, or srv://_kubernetes._tcp.domain")]
    Scheme(String),
    /// It has a path, a query or a user.
    #[error("{0:?} is more than a host and a port; write https://host:port")]
    NotBare(String),
    /// No port, and no scheme that implies one.
    #[error("{0:?} has no port; write host:port, e.g. 10.0.0.1:6443")]
    NoPort(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} has no valid port; ports go from 1 to 65535")]
    Port(String),
    /// The host is neither an address nor a name.
    #[error("{0:?} has no valid host; write a name, an IPv4 address or an IPv6 address in brackets")]
    Host(String),
    /// A port, where the records tell it.
    #[error("{0:?} has a port, but SRV records tell the port; leave it out")]
    ServicePort(String),
    /// Not the name of a service.
    #[error("{0:?} names no service over TCP; write srv://_kubernetes._tcp.domain")]
    Service(String),
}

impl RegistrationAddress {
    /// Where it leads.
    pub(crate) fn place(&self) -> &Place {
        &self.0
    }

    /// The endpoint, where that needs no name to be resolved.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.0 {
            Place::Address(address) => Some(address),
            Place::Name(..) | Place::Service(_) => None,
        }
    }
}

impl fmt::Display for RegistrationAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Address(address) => address.fmt(f),
            Place::Name(name, port) => write!(f, "{name}:{port}"),
            Place::Service(name) => write!(f, "srv://{name}"),
        }
    }
}

impl FromStr for RegistrationAddress {
    type Err = AddressError;

    /// Reads `https://host[:port][/]` (443 where no port is written, as in any URL), `host:port`, or
    /// `srv://_service._tcp.domain`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (rest, implied) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                (rest.strip_suffix('/').unwrap_or(rest), Some(443))
            }
            Some((scheme, name)) if scheme.eq_ignore_ascii_case("srv") => {
                return parse_service(text, name).map(|name| Self(Place::Service(name)));
            }
            Some(_) => return Err(AddressError::Scheme(text.to_owned())),
            None => (text, None),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(AddressError::NotBare(text.to_owned()));
        }
        let (host, port) = split_port(rest).ok_or_else(|| AddressError::Host(text.to_owned()))?;
        let port = match port {
            Some(digits) => parse_port(digits).ok_or_else(|| AddressError::Port(text.to_owned()))?,
            None => implied.ok_or_else(|| AddressError::NoPort(text.to_owned()))?,
        };
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self(Place::Address(SocketAddr::new(ip, port))));
        }
        let name = parse_name(host).ok_or_else(|| AddressError::Host(text.to_owned()))?;
        Ok(Self(Place::Name(name, port)))
    }
}

/// `_service._tcp`, with or without a domain: the search domains may tell it.
fn parse_service(text: &str, name: &str) -> Result<String, AddressError> {
    if name.contains(':') {
        return Err(AddressError::ServicePort(text.to_owned()));
    }
    let parsed = parse_name(name).filter(|name| {
        let mut labels = name.split('.');
        let service = labels.next().and_then(|label| label.strip_prefix('_'));
        service.is_some_and(|service| !service.is_empty()) && labels.next() == Some("_tcp")
    });
    parsed.ok_or_else(|| AddressError::Service(text.to_owned()))
}

/// Splits `host:port`, `[v6]:port`, `host` and `[v6]`. `None`: a bracket without its counterpart, or a bare IPv6 address.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        // Only an IPv6 address stands in brackets.
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match after {
            "" => Some((host, None)),
            _ => after.strip_prefix(':').map(|port| (host, Some(port))),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` takes a leading plus sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

/// A name as DNS has it, in lower case.
fn parse_name(host: &str) -> Option<String> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A last label of digits only would be a mistyped IPv4 address.
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    (name.len() <= HOST_MAX && !numeric && name.split('.').all(label_is_good))
        .then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        let read = |text: &str| {
            text.parse::<RegistrationAddress>()
                .map(|address| address.to_string())
        };
        assert_eq!(read("https://10.0.0.1:6443"), Ok("10.0.0.1:6443".to_owned()));
        assert_eq!(
            read("HTTPS://Cluster.Example:6443/"),
            Ok("cluster.example:6443".to_owned())
        );
        assert_eq!(
            read("https://[2001:db8::1]:9345"),
            Ok("[2001:db8::1]:9345".to_owned())
        );
        assert_eq!(
            read("https://cluster.example"),
            Ok("cluster.example:443".to_owned())
        );
        assert_eq!(
            read("cluster.example.:6443"),
            Ok("cluster.example.:6443".to_owned())
        );
        assert_eq!(
            read("SRV://_Kubernetes._tcp.Example"),
            Ok("srv://_kubernetes._tcp.example".to_owned())
        );
        assert_eq!(read("srv://_k8s._tcp"), Ok("srv://_k8s._tcp".to_owned()));
        assert_eq!(read("10.0.0.1:6443"), Ok("10.0.0.1:6443".to_owned()));
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_remedy() {
        let refuse = |text: &str| text.parse::<RegistrationAddress>().expect_err(text);
        assert!(matches!(refuse("http://10.0.0.1:6443"), AddressError::Scheme(_)));
        assert!(matches!(
            refuse("https://10.0.0.1:6443/cacerts"),
            AddressError::NotBare(_)
        ));
        assert!(matches!(
            refuse("https://user@10.0.0.1:6443"),
            AddressError::NotBare(_)
        ));
        assert!(matches!(refuse("10.0.0.1"), AddressError::NoPort(_)));
        assert!(matches!(refuse("10.0.0.1:0"), AddressError::Port(_)));
        assert!(matches!(refuse("10.0.0.1:+80"), AddressError::Port(_)));
        assert!(matches!(refuse("10.0.0.1:65536"), AddressError::Port(_)));
        assert!(matches!(refuse("2001:db8::1:6443"), AddressError::Host(_)));
        assert!(matches!(refuse("[10.0.0.1]:6443"), AddressError::Host(_)));
        assert!(matches!(refuse("10.0.0.256:6443"), AddressError::Host(_)));
        assert!(matches!(refuse("a b:6443"), AddressError::Host(_)));
        assert!(matches!(refuse(":6443"), AddressError::Host(_)));
        assert!(refuse("10.0.0.1").to_string().contains("write host:port"));
    }
    #[test]
    fn only_a_service_over_tcp_is_looked_for_in_srv_records() {
        let refuse = |text: &str| text.parse::<RegistrationAddress>().expect_err(text);
        assert!(matches!(
            refuse("srv://_kubernetes._tcp.example:6443"),
            AddressError::ServicePort(_)
        ));
        for text in [
            "srv://",
            "srv://example",
            "srv://10.0.0.1",
            "srv://_kubernetes._udp.example",
            "srv://kubernetes._tcp.example",
            "srv://_._tcp.example",
            "srv://_kubernetes",
            "srv://_kubernetes._tcp.example/path",
            "srv://_kubernetes._tcp..example",
        ] {
            assert!(matches!(refuse(text), AddressError::Service(_)), "{text}");
        }
        assert!(
            refuse("srv://example")
                .to_string()
                .contains("write srv://_kubernetes._tcp.")
        );
    }
}
