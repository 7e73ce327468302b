//! Addresses: of nodes, endpoints, name servers, and the one that a node was joined with.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{Value, Wrong, quoted, quoted_yaml, unreadable};

impl Value for IpAddr {
    const EXPECTED: &'static str = "an IP address, for example 10.0.0.5";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        refuse_zone(word)?;
        word.parse().map_err(|_| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str =
        "an IP address and a port, for example 10.0.0.2:6443 or \"[fd00::2]:6443\"";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        refuse_zone(word)?;
        word.parse().map_err(|_| {
            if let Ok(ip) = word.trim_matches(['[', ']']).parse::<IpAddr>() {
                return Wrong::new(
                    format!("{} has no port", quoted(word)),
                    format!("write the port too, for example {}", SocketAddr::new(ip, 6443)),
                );
            }
            unreadable::<Self>(word)
        })
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

/// A link-local address with its zone means something on this machine only, and without it nothing at all.
fn refuse_zone(word: &str) -> Result<(), Wrong> {
    let bare = word.split_once('[').map_or(word, |(_, rest)| rest);
    let bare = bare.split([']', '%']).next().unwrap_or(bare);
    let link_local = bare.parse().is_ok_and(|ip: Ipv6Addr| ip.is_unicast_link_local());
    if !link_local && !word.contains('%') {
        return Ok(());
    }
    Err(Wrong::new(
        format!(
            "{} is a link-local address or has a zone (the part from % on)",
            quoted(word)
        ),
        "write an address that leads to the same machine from everywhere, for example \"[fd00::1]:6443\"",
    ))
}

/// A name server: an IP address, with a port or on port 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl Value for NameServer {
    const EXPECTED: &'static str =
        "an IP address, with or without a port, for example 10.0.0.10 or \"127.0.0.1:5353\"";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const DNS: u16 = 53;
        let address = word
            .parse()
            .or_else(|_| word.parse().map(|ip| SocketAddr::new(ip, DNS)));
        address.map(Self).map_err(|_| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// A registration address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerUrl {
    /// `https://HOST[:PORT]`, port 6443 if none is given.
    Host {
        /// A name, or an IP address (IPv6 without its brackets).
        host: String,
        /// The port.
        port: u16,
    },
    /// `srv://NAME`: the SRV records of this name tell hosts and ports.
    Service(String),
}

impl ServerUrl {
    /// The address, if no name must be resolved.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Host { host, port } => host.parse().ok().map(|ip| SocketAddr::new(ip, *port)),
            Self::Service(_) => None,
        }
    }

    /// The port, if no record tells it.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Host { port, .. } => Some(*port),
            Self::Service(_) => None,
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "https://[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "https://{host}:{port}"),
            Self::Service(name) => write!(f, "srv://{name}"),
        }
    }
}

impl Value for ServerUrl {
    const EXPECTED: &'static str = "an address such as https://10.0.0.1:6443, https://api.example, https://[fd00::1]:6443 or srv://_kubernetes._tcp.example";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const API: u16 = 6443;
        if let Some(name) = word.strip_prefix("srv://") {
            return service(word, name);
        }
        let remedy = "write https:// and the host, for example https://10.0.0.1:6443, or srv:// and the name of SRV records";
        https::<Self>(word, "apiservers only speak TLS", remedy, API)
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

/// A member of etcd: always a host, `https://HOST[:PORT]`, port 2379 if none is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberUrl(pub ServerUrl);

impl Value for MemberUrl {
    const EXPECTED: &'static str =
        "an address such as https://127.0.0.1:2379, https://etcd.example or https://[fd00::1]:2379";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const ETCD: u16 = 2379;
        let remedy = format!("write https:// and the host: {}", Self::EXPECTED);
        https::<Self>(word, "etcd is asked over TLS only", &remedy, ETCD).map(Self)
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// `_service._tcp`, with or without a domain.
fn service(word: &str, name: &str) -> Result<ServerUrl, Wrong> {
    let refuse = |what: &str, remedy: &str| Err(Wrong::new(format!("{} {what}", quoted(word)), remedy));
    let mut labels = name.split('.');
    let first = labels.next().unwrap_or_default();
    let second = labels.next();
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || name.parse::<SocketAddr>().is_ok() {
        return refuse(
            "is an address, and SRV records are found by a name",
            "write https:// for an address",
        );
    }
    if name.contains(':') {
        return refuse(
            "has a port, though SRV records tell the port",
            "leave the port out",
        );
    }
    if name.contains(['/', '?', '#', '@']) {
        return refuse(
            "has a path, a query or a user",
            "only the name of the records belongs here, for example srv://_kubernetes._tcp.example",
        );
    }
    if second.is_some_and(|label| label.eq_ignore_ascii_case("_udp")) {
        return refuse("names a service over UDP, and apiservers speak TCP", "write _tcp");
    }
    let named = first.len() > 1 && first.starts_with('_');
    if !named || !second.is_some_and(|label| label.eq_ignore_ascii_case("_tcp")) || !host_name(name) {
        return refuse(
            "names no service",
            "write _SERVICE._tcp and the domain, for example srv://_kubernetes._tcp.example; or https:// for a host",
        );
    }
    Ok(ServerUrl::Service(name.to_owned()))
}

/// `https://HOST[:PORT]`, on `port` where none is given; `why` it must not be http, and the `remedy` where it is something else.
fn https<V: Value>(word: &str, why: &str, remedy: &str, port: u16) -> Result<ServerUrl, Wrong> {
    let Some(rest) = word.strip_prefix("https://") else {
        let remedy = if word.starts_with("http://") {
            format!("{why}: write https://")
        } else {
            remedy.to_owned()
        };
        return Err(Wrong::new(
            format!("{} is not an https address", quoted(word)),
            remedy,
        ));
    };
    refuse_zone(rest)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        return Err(Wrong::new(
            "only a host and a port belong here, no path, query or user",
            format!("write {}", V::EXPECTED),
        ));
    }
    authority_of(authority, port).ok_or_else(|| unreadable::<V>(word))
}

/// `HOST[:PORT]`; an IPv6 address is in brackets. `usual` is the port where none is given.
fn authority_of(authority: &str, usual: u16) -> Option<ServerUrl> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (
            host,
            port.strip_prefix(':')
                .map_or_else(|| port.is_empty().then_some(None), |port| Some(Some(port)))?,
        )
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = match port {
        Some(port) => port.parse::<u16>().ok().filter(|port| *port != 0)?,
        None => usual,
    };
    (host.contains(':') || host_name(host)).then(|| ServerUrl::Host {
        host: host.to_owned(),
        port,
    })
}

/// A name as DNS has it, or an IPv4 address. What ends in digits must be an address: 10.0.0.300 is no name.
fn host_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host).split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
    });
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next();
    let numeric = last.is_some_and(|label| label.chars().all(|c| c.is_ascii_digit()));
    host.len() <= 253 && labels && (!numeric || host.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::{MemberUrl, ServerUrl, Value};

    #[test]
    fn members_of_etcd_have_a_usual_port_of_their_own() {
        for (word, shown) in [
            ("https://127.0.0.1", "https://127.0.0.1:2379"),
            ("https://[fd00::1]:12379/", "https://[fd00::1]:12379"),
        ] {
            assert_eq!(MemberUrl::from_word(word).expect(word).0.to_string(), shown);
        }
        for word in [
            "http://127.0.0.1:2379",
            "127.0.0.1:2379",
            "https://a/v3",
            "srv://_etcd-client-ssl._tcp.example",
        ] {
            assert!(MemberUrl::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn registration_addresses_are_https_hosts_with_the_usual_port() {
        for (word, host, port) in [
            ("https://10.0.0.1:6443", "10.0.0.1", 6443),
            ("https://api.example", "api.example", 6443),
            ("https://api.example:443/", "api.example", 443),
            ("https://[fd00::1]", "fd00::1", 6443),
            ("https://[fd00::1]:9345", "fd00::1", 9345),
        ] {
            let url = ServerUrl::from_word(word).expect(word);
            let (host, expected) = (host.to_owned(), port);
            assert_eq!(url, ServerUrl::Host { host, port: expected }, "{word}");
            assert_eq!(ServerUrl::from_word(&url.to_string()).expect("shown"), url);
        }
        for word in [
            "10.0.0.1:6443",
            "http://a:6443",
            "https://",
            "https://a:0",
            "https://a:b",
            "https://fd00::1",
            "https://[fd00::1]x",
            "https://[nonsense]:1",
            "https://a/path",
            "https://u@a",
            "https://10.0.0.300",
            "https://api.1",
            "https://-a",
            "https://a..b",
            "https://a b",
            "https://[fe80::1]:6443",
            "https://[fe80::1%eth0]:6443",
        ] {
            assert!(ServerUrl::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn addresses_that_mean_something_on_one_link_only_are_refused_in_words() {
        for word in ["[fe80::1]:6443", "[fe80::1%2]:6443", "[fe80::1%eth0]:6443"] {
            let wrong = SocketAddr::from_word(word).expect_err(word);
            assert!(wrong.what.contains("link-local"), "{wrong:?}");
            let wrong = ServerUrl::from_word(&format!("https://{word}")).expect_err(word);
            assert!(wrong.remedy.contains("[fd00::1]:6443"), "{wrong:?}");
        }
        assert!(IpAddr::from_word("fe80::1").is_err());
        assert!(SocketAddr::from_word("[fd00::1]:6443").is_ok());
    }

    #[test]
    fn srv_records_are_named_by_service_and_nothing_else() {
        for word in [
            "srv://_kubernetes._tcp.example",
            "srv://_kubernetes._tcp.cluster.example.",
            "srv://_k8s._TCP",
        ] {
            let url = ServerUrl::from_word(word).expect(word);
            assert_eq!(
                (url.to_string().as_str(), url.address(), url.port()),
                (word, None, None)
            );
        }
        for (word, remedy) in [
            ("srv://_kubernetes._tcp.example:6443", "leave the port out"),
            ("srv://10.0.0.1", "write https:// for an address"),
            ("srv://[fd00::1]", "write https:// for an address"),
            ("srv://[fd00::1]:6443", "write https:// for an address"),
            ("srv://_kubernetes._udp.example", "write _tcp"),
            ("srv://_kubernetes._tcp.example/", "only the name"),
            ("srv://api.example", "srv://_kubernetes._tcp.example"),
            ("srv://_._tcp.example", "srv://_kubernetes._tcp.example"),
            ("srv://", "srv://_kubernetes._tcp.example"),
            (
                "srv://_kubernetes._tcp..example",
                "srv://_kubernetes._tcp.example",
            ),
            ("srv://_kubernetes", "srv://_kubernetes._tcp.example"),
        ] {
            let wrong = ServerUrl::from_word(word).expect_err(word);
            assert!(format!("{wrong:?}").contains(remedy), "{word}: {wrong:?}");
        }
    }
}
