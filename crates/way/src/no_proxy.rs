//! Exceptions from the proxy, as `NO_PROXY` writes them, with the meaning that Go's `golang.org/x/net/http/httpproxy` gives
//! them, for so the distributions' own programs read the same variable.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::target::{Network, port};

/// So many exceptions of `NO_PROXY` are read.
const EXCEPTIONS_MAX: usize = 1024;

/// The longest name that DNS allows.
const NAME_MAX: usize = 253;

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception(What);

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// `*`
    Everything,
    /// `10.0.0.0/8`, `fd00::/8`.
    Network(Network),
    /// `10.0.0.1`, `10.0.0.1:6443`, `[fd00::1]:6443`.
    Address(IpAddr, Option<u16>),
    /// `example` and all below it; `.example` and `*.example`: only what is below it. In lower case, with a dot in front.
    Domain {
        dotted: String,
        itself: bool,
        port: Option<u16>,
    },
}

/// Why a text is no [`Exception`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no exception from a proxy; write for example 10.0.0.0/8, 10.0.0.1, \"[fd00::1]:6443\", .example, api.example:6443 or \"*\""
)]
pub struct ExceptionError;

impl FromStr for Exception {
    type Err = ExceptionError;

    fn from_str(text: &str) -> Result<Self, ExceptionError> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Ok(Self(What::Everything));
        }
        if let Some(network) = Network::with_prefix(&text) {
            return Ok(Self(What::Network(network)));
        }
        let (host, port) = split_port(&text).ok_or(ExceptionError)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Self(What::Address(ip.to_canonical(), port)));
        }
        let name = host
            .strip_prefix('*')
            .filter(|rest| rest.starts_with('.'))
            .unwrap_or(host);
        let itself = !name.starts_with('.');
        let bare = name.strip_prefix('.').unwrap_or(name);
        let is_name = !bare.is_empty()
            && bare.len() <= NAME_MAX
            && bare
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        let dotted = format!(".{bare}");
        is_name
            .then_some(Self(What::Domain { dotted, itself, port }))
            .ok_or(ExceptionError)
    }
}

/// `HOST[:PORT]`; an IPv6 address with a port is in brackets.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']')?;
        return match behind.strip_prefix(':') {
            Some(digits) => Some((host, Some(port(digits)?))),
            None => behind.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((host, digits)) => Some((host, Some(port(digits)?))),
        None => Some((text, None)),
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            What::Everything => f.write_str("*"),
            What::Network(network) => network.fmt(f),
            What::Address(ip, None) => ip.fmt(f),
            What::Address(ip, Some(port)) => SocketAddr::new(*ip, *port).fmt(f),
            What::Domain { dotted, itself, port } => {
                f.write_str(if *itself { &dotted[1..] } else { dotted })?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

/// All exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Exception>);

impl NoProxy {
    /// Those of a variable: with commas between. What cannot be understood is passed over, as everybody else does.
    #[must_use]
    pub fn of_variable(text: &str) -> Self {
        Self(
            text.split(',')
                .filter_map(|part| part.parse().ok())
                .take(EXCEPTIONS_MAX)
                .collect(),
        )
    }

    /// Whether `server` is reached directly for its address.
    pub(crate) fn excuses_address(&self, server: SocketAddr) -> bool {
        self.0.iter().any(|exception| match &exception.0 {
            What::Everything => true,
            What::Network(network) => network.contains(server.ip()),
            What::Address(ip, port) => {
                *ip == server.ip().to_canonical() && port.is_none_or(|port| port == server.port())
            }
            What::Domain { .. } => false,
        })
    }

    /// Whether servers that `name` leads to are reached directly, at this port.
    pub(crate) fn excuses_name(&self, name: &str, port: u16) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().any(|exception| match &exception.0 {
            What::Everything => true,
            What::Domain {
                dotted,
                itself,
                port: only,
            } => {
                (name.ends_with(dotted) || *itself && name == dotted[1..])
                    && only.is_none_or(|only| only == port)
            }
            What::Network(_) | What::Address(..) => false,
        })
    }

    /// The exceptions one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.0.iter()
    }
}

impl FromIterator<Exception> for NoProxy {
    fn from_iter<I: IntoIterator<Item = Exception>>(exceptions: I) -> Self {
        Self(exceptions.into_iter().take(EXCEPTIONS_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excuses(no_proxy: &str, server: &str) -> bool {
        NoProxy::of_variable(no_proxy).excuses_address(server.parse().expect(server))
    }

    /// The cases of Go's own `TestUseProxy`, and more of its kind.
    #[test]
    fn addresses_are_excused_as_go_excuses_them() {
        for (no_proxy, server) in [
            ("*", "192.0.2.1:80"),
            ("example, *", "[2001:db8::1]:443"),
            ("10.0.0.0/8", "10.1.2.3:6443"),
            (" 10.0.0.0/8 , 192.168.1.1", "192.168.1.1:1"),
            ("192.168.1.1:81", "192.168.1.1:81"),
            ("2001:db8::52:0:2:3", "[2001:db8::52:0:2:3]:6443"),
            ("[2001:db8::52:0:2:1]", "[2001:db8::52:0:2:1]:6443"),
            ("[2001:db8::52:0:2:2]:443", "[2001:db8::52:0:2:2]:443"),
            ("2002:db8:a::45/64", "[2002:db8:a::123]:6443"),
            ("::ffff:10.0.0.1", "10.0.0.1:6443"),
        ] {
            assert!(excuses(no_proxy, server), "{no_proxy} {server}");
        }
        for (no_proxy, server) in [
            ("", "192.0.2.1:80"),
            (",,", "192.0.2.1:80"),
            ("192.168.1.1:81", "192.168.1.1:80"),
            ("192.168.1.1", "192.168.1.2:80"),
            ("10.0.0.0/8", "[fd00::1]:6443"),
            ("10.0.0.0/8:6443", "10.0.0.1:6443"),
            ("[2001:db8::52:0:2:2]:443", "[2001:db8::52:0:2:2]:80"),
            ("2002:db8:a::45/64", "[2002:db8:b::1]:6443"),
            ("1", "10.0.0.1:6443"),
            (".1", "10.0.0.1:6443"),
            (":6443", "10.0.0.1:6443"),
        ] {
            assert!(!excuses(no_proxy, server), "{no_proxy} {server}");
        }
    }

    #[test]
    fn names_are_excused_with_all_below_them_or_only_those() {
        let excuses = |no_proxy: &str, name: &str| NoProxy::of_variable(no_proxy).excuses_name(name, 6443);
        for (no_proxy, name) in [
            ("foobar.com", "foobar.com"),
            ("foobar.com", "www.foobar.com"),
            ("foobar.com", "API.FooBar.com."),
            (".foobar.com", "www.foobar.com"),
            ("*.foobar.com", "www.foobar.com"),
            ("foobar.com:6443", "foobar.com"),
            ("*", "anything"),
        ] {
            assert!(excuses(no_proxy, name), "{no_proxy} {name}");
        }
        for (no_proxy, name) in [
            (".foobar.com", "foobar.com"),
            ("*.foobar.com", "foobar.com"),
            ("foobar.com", "notfoobar.com"),
            ("foobar.com:443", "foobar.com"),
            ("10.0.0.0/8", "10.example"),
        ] {
            assert!(!excuses(no_proxy, name), "{no_proxy} {name}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back_and_what_can_match_nothing_is_refused() {
        for text in [
            "*",
            "10.0.0.0/8",
            "10.0.0.1",
            "10.0.0.1:1",
            "[fd00::1]:1",
            "fd00::/8",
            ".a.b",
            "a.b:1",
        ] {
            let exception: Exception = text.parse().expect(text);
            assert_eq!(exception.to_string(), text);
        }
        for text in [
            "",
            "a b",
            "10.0.0.0/33",
            "a:b",
            "a:0",
            "[a",
            "https://a",
            ".",
            "*.",
        ] {
            assert_eq!(text.parse::<Exception>(), Err(ExceptionError), "{text:?}");
        }
    }
}
