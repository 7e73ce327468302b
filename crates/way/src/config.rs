//! What can be configured of the ways to servers, as plain data. Reading it from a file is the agent's.

use std::fmt;
use std::str::FromStr;

use crate::no_proxy::NoProxy;
use crate::proxy_url::{ProxyUrl, ProxyUrlError};
use crate::target::{Target, TargetError};

/// The ways to servers. By default all are direct, and nothing is said on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayConfig {
    /// Servers with a way of their own; the first that includes a server counts. Before all else, loopback too.
    pub routes: Vec<Route>,
    /// The proxy of all others but loopback addresses; `None`: direct.
    pub proxy: Option<ProxyUrl>,
    /// Exceptions from `proxy`.
    pub no_proxy: NoProxy,
    /// Servers that expect a PROXY protocol header at the beginning of each connection.
    pub proxy_protocol: Vec<Target>,
}

/// Servers, and how they are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which servers.
    pub target: Target,
    /// How.
    pub via: Via,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// By a TCP connection to it.
    Direct,
    /// Through this CONNECT proxy.
    Proxy(ProxyUrl),
}

/// Why a text is no [`Route`]. Never quotes it: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No `=`.
    #[error(
        "no way is told; write for example 10.0.0.0/8=direct or \"10.1.0.1:6443=http://proxy.example:3128\""
    )]
    NoWay,
    /// What is before the `=`.
    #[error("before the = there is {0}")]
    Target(#[from] TargetError),
    /// What is behind it.
    #[error("behind the = there is neither direct nor a proxy: {0}")]
    Proxy(#[from] ProxyUrlError),
}

impl FromStr for Route {
    type Err = RouteError;

    /// `TARGET=direct` or `TARGET=http://PROXY`.
    fn from_str(text: &str) -> Result<Self, RouteError> {
        let (target, via) = text.split_once('=').ok_or(RouteError::NoWay)?;
        Ok(Self {
            target: target.trim().parse()?,
            via: match via.trim() {
                "direct" => Via::Direct,
                proxy => Via::Proxy(proxy.parse()?),
            },
        })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.via {
            Via::Direct => write!(f, "{}=direct", self.target),
            Via::Proxy(proxy) => write!(f, "{}={proxy}", self.target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_and_shown_without_secrets() {
        for (text, shown) in [
            ("10.0.0.0/8=direct", "10.0.0.0/8=direct"),
            ("*:9345 = direct", "*:9345=direct"),
            (
                "[fd00::1]:6443=http://jo:hunter2@proxy:3128",
                "[fd00::1]:6443=http://(hidden)@proxy:3128",
            ),
        ] {
            let route: Route = text.parse().expect(text);
            assert_eq!(route.to_string(), shown);
            assert!(!format!("{route:?}").contains("hunter2"));
        }
        for text in [
            "10.0.0.1",
            "=direct",
            "10.0.0.1=",
            "10.0.0.1=https://jo:hunter2@proxy",
        ] {
            let error = text.parse::<Route>().expect_err(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
