//! What can fail on our own side, or on the way that we chose: judges the node, never an endpoint (H3).

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What can fail on this very machine, or on the way out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalFault {
    /// No file descriptor (EMFILE, ENFILE).
    Descriptors,
    /// No local port (EADDRNOTAVAIL).
    Ports,
    /// No route, link down (ENETUNREACH, ENETDOWN; EHOSTUNREACH told by our own neighbour table counts as the network's).
    NoRoute,
    /// No memory (ENOMEM, ENOBUFS).
    Memory,
    /// The CONNECT proxy on the way.
    Proxy(ProxyFault),
}

/// A CONNECT proxy that opened no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProxyFault {
    /// Its address; `None`: its name has none yet.
    pub at: Option<SocketAddr>,
    /// What it did.
    pub how: ProxyFailure,
}

/// In which way a CONNECT proxy opened no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyFailure {
    /// Its name has no address.
    Unresolved,
    /// It refused or reset the connection.
    Refused,
    /// It did not take the connection in time.
    TimedOut,
    /// The network has no way to it.
    Unreachable,
    /// It wants another user or password (407).
    Credentials,
    /// It does not open ways to there: any other status that is no 2xx and no 5xx.
    Denied(u16),
    /// It does not speak HTTP, or says more than an answer to CONNECT holds.
    Nonsense,
    /// It says that it could not reach the server (5xx).
    CannotReach(u16),
    /// It took the request and said nothing in time.
    Silent,
    /// It took the request and ended the connection.
    Ended,
}

impl LocalFault {
    /// Whether no way leads to the endpoint: another endpoint's may be open. All other faults are in all ways alike.
    pub(crate) const fn is_of_the_way(self) -> bool {
        matches!(self, Self::NoRoute | Self::Proxy(_))
    }
}

impl ProxyFailure {
    /// Whether the server behind the proxy may be the cause: that is judged by comparison (H5).
    pub const fn may_be_the_servers(self) -> bool {
        matches!(self, Self::CannotReach(_) | Self::Silent | Self::Ended)
    }
}

impl fmt::Display for LocalFault {
    /// In words, with what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptors => "no file descriptor left; raise LimitNOFILE",
            Self::Ports => "no local port left; see net.ipv4.ip_local_port_range",
            Self::NoRoute => "no route; is the link up?",
            Self::Memory => "no memory for sockets",
            Self::Proxy(fault) => return fault.fmt(f),
        })
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the CONNECT proxy ")?;
        if let Some(at) = self.at {
            write!(f, "{at} ")?;
        }
        self.how.fmt(f)
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => {
                f.write_str("has a name without an address; is it right in way.proxy or HTTPS_PROXY?")
            }
            Self::Refused => f.write_str("refuses the connection; is it running?"),
            Self::TimedOut => f.write_str("does not take the connection in time; is it running?"),
            Self::Unreachable => f.write_str("cannot be reached through the network"),
            Self::Credentials => {
                f.write_str("wants another user and password (407); write them in way.proxy or HTTPS_PROXY")
            }
            Self::Denied(status) => {
                write!(
                    f,
                    "opens no way to there ({status}); allow it there, or leave it out in way.no-proxy or NO_PROXY"
                )
            }
            Self::Nonsense => f.write_str("does not answer as an HTTP proxy; is it one?"),
            Self::CannotReach(status) => write!(f, "says that it cannot reach the server ({status})"),
            Self::Silent => f.write_str("took the request and said nothing in time"),
            Self::Ended => f.write_str("took the request and ended the connection"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn words_name_the_proxy_and_what_to_do() {
        let at = Some(SocketAddr::from(([10, 0, 0, 9], 3128)));
        let words = |at, how| LocalFault::Proxy(ProxyFault { at, how }).to_string();
        assert_eq!(
            words(at, ProxyFailure::Refused),
            "the CONNECT proxy 10.0.0.9:3128 refuses the connection; is it running?"
        );
        assert_eq!(
            words(at, ProxyFailure::CannotReach(503)),
            "the CONNECT proxy 10.0.0.9:3128 says that it cannot reach the server (503)"
        );
        assert!(words(None, ProxyFailure::Unresolved).starts_with("the CONNECT proxy has a name without"));
    }
}
