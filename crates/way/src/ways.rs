//! Which way leads to a server, and going it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::config::{Via, WayConfig};
use crate::fault::WayError;
use crate::gateway::Gateway;
use crate::header;
use crate::no_proxy::NoProxy;
use crate::proxy_url::ProxyUrl;
use crate::target::Target;

/// So many names are remembered with what they lead to.
const NAMES_MAX: usize = 512;
/// So many addresses of one name.
const ADDRESSES_MAX: usize = 64;

/// For whom a connection is opened: a PROXY protocol header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// For ourselves: a probe, a source.
    Ours,
    /// For a client.
    Relayed {
        /// The client's own address.
        client: SocketAddr,
        /// Where it connected to.
        listener: SocketAddr,
    },
}

/// The ways to all servers. One for the process, shared by all who dial.
#[derive(Debug, Default)]
pub struct Ways {
    routes: Vec<(Target, Option<Arc<Gateway>>)>,
    usual: Option<Arc<Gateway>>,
    no_proxy: NoProxy,
    headed: Vec<Target>,
    /// What names lead to, as far as an exception from the proxy names them …
    names: Mutex<BTreeMap<String, Vec<SocketAddr>>>,
    /// … and all those servers.
    excused: ArcSwap<BTreeSet<SocketAddr>>,
}

impl Ways {
    /// The ways that `config` tells. Nothing is resolved or dialled yet.
    #[must_use]
    pub fn new(config: WayConfig) -> Self {
        let mut gateways: Vec<Arc<Gateway>> = Vec::new();
        // The same proxy is one, so that its name is resolved once.
        let mut gateway = |url: ProxyUrl| match gateways.iter().find(|gateway| *gateway.url() == url) {
            Some(gateway) => Arc::clone(gateway),
            None => {
                let gateway = Arc::new(Gateway::new(url));
                gateways.push(Arc::clone(&gateway));
                gateway
            }
        };
        let usual = config.proxy.map(&mut gateway);
        let routes = config.routes.into_iter().map(|route| {
            let via = match route.via {
                Via::Direct => None,
                Via::Proxy(url) => Some(gateway(url)),
            };
            (route.target, via)
        });
        Self {
            routes: routes.collect(),
            usual,
            no_proxy: config.no_proxy,
            headed: config.proxy_protocol,
            names: Mutex::default(),
            excused: ArcSwap::default(),
        }
    }

    /// Connects to `server` within `within`, and says what is to be said first. The next byte is the server's.
    ///
    /// # Errors
    /// [`WayError`] says whose fault it is.
    pub async fn connect(
        &self,
        server: SocketAddr,
        opening: Opening,
        within: Duration,
    ) -> Result<TcpStream, WayError> {
        let until = Instant::now() + within;
        let mut stream = match self.gateway(server) {
            Some(gateway) => gateway.open(server, until).await?,
            None => direct(server, until).await?,
        };
        if self.headed.iter().any(|target| target.includes(server)) {
            let header = match opening {
                Opening::Ours => header::local(),
                Opening::Relayed { client, listener } => header::relayed(client, listener),
            };
            timeout_at(until, stream.write_all(&header))
                .await
                .map_err(|_| WayError::TimedOut)?
                .map_err(WayError::of_server)?;
        }
        Ok(stream)
    }

    /// Whether any server is told for whom a connection is opened: to others it is nothing.
    #[must_use]
    pub fn tell_openings(&self) -> bool {
        !self.headed.is_empty()
    }

    /// Tells what a server's name leads to: an exception from the proxy may be a name, and servers are dialled by address.
    pub fn name_leads_to(&self, name: &str, port: u16, addresses: &[IpAddr]) {
        if self.usual.is_none() || !self.no_proxy.excuses_name(name, port) {
            return;
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{name}:{port}");
        if names.len() >= NAMES_MAX && !names.contains_key(&key) {
            return;
        }
        let led_to = addresses.iter().take(ADDRESSES_MAX);
        names.insert(key, led_to.map(|ip| SocketAddr::new(*ip, port)).collect());
        self.excused
            .store(Arc::new(names.values().flatten().copied().collect()));
    }

    /// The names of proxies that are to be resolved, again and again.
    #[must_use]
    pub fn proxy_names(&self) -> BTreeSet<String> {
        let names = self.gateways().filter_map(|gateway| gateway.name());
        names.map(ToOwned::to_owned).collect()
    }

    /// Tells what a proxy's name leads to; an empty answer takes nothing away.
    pub fn proxy_leads_to(&self, name: &str, addresses: &[IpAddr]) {
        for gateway in self.gateways().filter(|gateway| gateway.name() == Some(name)) {
            gateway.learn(addresses);
        }
    }

    fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        let routed = self.routes.iter().filter_map(|(_, gateway)| gateway.as_deref());
        routed.chain(self.usual.as_deref())
    }

    /// The proxy that leads to `server`; `None`: it is dialled directly.
    fn gateway(&self, server: SocketAddr) -> Option<&Gateway> {
        if let Some((_, via)) = self.routes.iter().find(|(target, _)| target.includes(server)) {
            return via.as_deref();
        }
        let usual = self.usual.as_deref()?;
        let direct = server.ip().to_canonical().is_loopback()
            || self.no_proxy.excuses_address(server)
            || self.excused.load().contains(&server);
        (!direct).then_some(usual)
    }
}

async fn direct(server: SocketAddr, until: Instant) -> Result<TcpStream, WayError> {
    let stream = timeout_at(until, TcpStream::connect(server))
        .await
        .map_err(|_| WayError::TimedOut)?
        .map_err(WayError::of_server)?;
    if is_itself(&stream, server).map_err(WayError::of_server)? {
        return Err(WayError::Refused(io::ErrorKind::ConnectionRefused.into()));
    }
    Ok(stream)
}

/// Whether nobody listens there, and the kernel happened to draw that very port for us: it connects a socket to itself.
fn is_itself(stream: &TcpStream, server: SocketAddr) -> io::Result<bool> {
    Ok(server.ip().is_loopback() && stream.local_addr()? == server)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    fn ways(proxy: &str, no_proxy: &str, routes: &[&str]) -> Ways {
        Ways::new(WayConfig {
            proxy: Some(proxy.parse().unwrap()),
            no_proxy: NoProxy::of_variable(no_proxy),
            routes: routes.iter().map(|route| route.parse().unwrap()).collect(),
            proxy_protocol: Vec::new(),
        })
    }

    fn via(ways: &Ways, server: &str) -> String {
        let gateway = ways.gateway(server.parse().unwrap());
        gateway.map_or_else(|| "direct".to_owned(), |gateway| gateway.url().to_string())
    }

    #[test]
    fn a_route_of_its_own_goes_before_loopback_before_exceptions_before_the_proxy() {
        let ways = ways(
            "http://usual:3128",
            "10.0.0.0/8,fd00::/16",
            &[
                "10.1.0.0/16=http://other:3128",
                "10.1.2.3=direct",
                "127.0.0.9=http://other:3128",
                "192.0.2.7=direct",
            ],
        );
        for (server, expected) in [
            ("192.0.2.1:6443", "http://usual:3128"),
            ("[2001:db8::1]:6443", "http://usual:3128"),
            ("10.0.0.1:6443", "direct"),
            ("[fd00::1]:6443", "direct"),
            ("127.0.0.1:6443", "direct"),
            ("[::1]:6443", "direct"),
            ("[::ffff:127.0.0.1]:6443", "direct"),
            ("10.1.2.3:6443", "http://other:3128"),
            ("127.0.0.9:6443", "http://other:3128"),
            ("192.0.2.7:6443", "direct"),
        ] {
            assert_eq!(via(&ways, server), expected, "{server}");
        }
        assert_eq!(ways.proxy_names().len(), 2);
    }

    #[test]
    fn an_exception_by_name_holds_for_what_the_name_leads_to_now() {
        let ways = ways("http://usual:3128", ".example", &[]);
        let (first, second) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        ways.name_leads_to("api.example", 6443, &[first]);
        ways.name_leads_to("api.elsewhere", 6443, &[second]);
        assert_eq!(via(&ways, "192.0.2.1:6443"), "direct");
        assert_eq!(
            via(&ways, "192.0.2.1:9345"),
            "http://usual:3128",
            "another port is another server"
        );
        assert_eq!(via(&ways, "192.0.2.2:6443"), "http://usual:3128");
        ways.name_leads_to("api.example", 6443, &[second]);
        assert_eq!(via(&ways, "192.0.2.1:6443"), "http://usual:3128");
        assert_eq!(via(&ways, "192.0.2.2:6443"), "direct");
    }

    #[tokio::test]
    async fn nobody_talks_to_itself() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let free = socket.local_addr().unwrap();
        let itself = socket.connect(free).await.unwrap();
        assert!(
            is_itself(&itself, free).unwrap(),
            "the kernel does connect a socket to itself"
        );
    }
}
