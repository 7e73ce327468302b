//! Whom to connect to: registration addresses, the node's own apiserver, the distribution's own balancer's memory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Survey;
use crate::config::ServerUrl;
use crate::config::tree::parse;
use crate::config::value::Value as _;
use crate::profile::found::Role;
use crate::profile::host::Reading;
use crate::profile::kubeconfig;
use crate::profile::layout::ServersFrom;
use crate::profile::options::flatten;

/// The port of a URL that names none.
const HTTPS: u16 = 443;
/// What stands in for registration addresses that are not found.
const SERVERS: &[&str] = &["servers", "endpoints"];
/// So many registration addresses are taken from one list.
const LIST_MAX: usize = 32;

impl Survey<'_> {
    /// Registration addresses.
    pub(super) fn servers(&mut self) {
        let mut servers: Vec<ServerUrl> = Vec::new();
        let mut places: Vec<String> = Vec::new();
        for from in self.layout.servers {
            for (url, place) in self.told_servers(from) {
                let server = match read_url(&url) {
                    Ok(server) => server,
                    Err(words) => {
                        self.found.miss(
                            SERVERS,
                            format!("a registration address that can be read: in {place} {words}; mend it, or give servers"),
                        );
                        continue;
                    }
                };
                if is_loopback(&server) {
                    self.found.notes.push(format!(
                        "{server} in {place} is this machine: a balancer's listener, not a server's address; it is left out"
                    ));
                    continue;
                }
                if !servers.contains(&server) {
                    servers.push(server);
                }
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        if !servers.is_empty() {
            let words: Vec<String> = servers.iter().map(ToString::to_string).collect();
            self.found.give("servers", words.join(","), places.join(", "));
        }
    }

    /// URLs, each with the place that tells it.
    fn told_servers(&mut self, from: &ServersFrom) -> Vec<(String, String)> {
        match from {
            ServersFrom::Option { key, port } => {
                let Some(told) = self.options.last(key) else {
                    return Vec::new();
                };
                let moved = port.map_or_else(
                    || told.value.clone(),
                    |(old, new)| with_port(&told.value, old, new),
                );
                vec![(moved, told.from.clone())]
            }
            ServersFrom::Host { key, port_key, port } => {
                let Some(told) = self.options.last(key) else {
                    return Vec::new();
                };
                let port = self.port_of(port_key, *port);
                let host = match told.value.parse::<IpAddr>() {
                    Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
                    _ => told.value.clone(),
                };
                vec![(format!("https://{host}:{port}"), told.from.clone())]
            }
            ServersFrom::Kubeconfig(path) => {
                let path = self.path(path);
                let Some(text) = self.text(&path) else {
                    return Vec::new();
                };
                match kubeconfig::server(&text) {
                    Ok(server) => vec![(server.url, path)],
                    Err(words) => {
                        let words =
                            format!("the server in {path}: {words}; mend the kubeconfig, or give servers");
                        self.found.miss(SERVERS, words);
                        Vec::new()
                    }
                }
            }
            ServersFrom::List { path, key, port } => {
                let path = self.path(path);
                let Some(text) = self.text(&path) else {
                    return Vec::new();
                };
                let Ok(tree) = parse(&text) else {
                    let words = format!("the servers in {path}: it is no YAML; mend it, or give servers");
                    self.found.miss(SERVERS, words);
                    return Vec::new();
                };
                let mut flat = Vec::new();
                flatten(&tree, "", 0, &mut flat);
                let addresses = flat.into_iter().filter(|(name, _)| name == key).take(LIST_MAX);
                addresses
                    .map(|(_, address)| {
                        let address = match (address.parse::<SocketAddr>(), port) {
                            (Ok(told), Some(port)) => SocketAddr::new(told.ip(), *port).to_string(),
                            _ => address,
                        };
                        (format!("https://{address}"), path.clone())
                    })
                    .collect()
            }
        }
    }

    fn text(&mut self, path: &str) -> Option<String> {
        let found = &mut self.found;
        self.host
            .read(path)
            .text(path, |problem| found.miss(SERVERS, problem))
    }

    fn port_of(&self, key: &str, default: u16) -> u16 {
        let told = self.options.last(key);
        told.and_then(|told| told.value.parse().ok()).unwrap_or(default)
    }

    /// The node's own apiserver, or at least its supervisor.
    pub(super) fn local(&mut self) {
        let Some(local) = &self.layout.local else {
            return self.lack_of_servers();
        };
        let port = self.port_of(local.port_key, local.port);
        // An agent's files do not tell how servers are set up.
        self.found.api_port = self.role_is(|role| Role::SERVERS.contains(&role)).then_some(port);
        if self.role_is(Role::has_api) {
            self.found
                .give("node.prefer-local", "true", "it has an apiserver of its own");
            match self.address(local.addresses) {
                Some((ip, from)) => {
                    let own = SocketAddr::new(ip, port).to_string();
                    self.found.give("endpoints", own, from);
                    if self.found.value("node.address").is_none() {
                        self.found
                            .give("node.address", ip.to_string(), "its apiserver's address");
                    }
                }
                None => {
                    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
                    self.found.give(
                        "endpoints",
                        own,
                        "its own apiserver, whose other addresses no file tells",
                    );
                    self.found.miss(
                        &["node.address"],
                        "the node's address: without it the node's own apiserver is not known among the others; \
                         give node.address",
                    );
                }
            }
        } else if self.role_is(|role| role == Role::EtcdOnly)
            && self.layout.supervisor.is_some()
            && self.layout.services.is_empty()
        {
            // It serves no API, but its supervisor, at the same port, knows who does (H6). Where the two have ports of
            // their own, the API's port on loopback is another balancer's.
            let own = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
            self.found
                .give("endpoints", own, "its own supervisor, which knows apiservers");
        }
        self.lack_of_servers();
    }

    fn lack_of_servers(&mut self) {
        let known = ["servers", "endpoints"]
            .iter()
            .any(|key| self.found.value(key).is_some());
        if !known {
            let title = self.layout.profile.title();
            let remedy = self.layout.without_server;
            let words = format!("an address to begin with: {title}'s files tell none; {remedy}");
            self.found.miss(SERVERS, words);
        }
    }

    /// State files of the distribution's own balancer (P4).
    pub(super) fn import(&mut self) {
        let mut files = Vec::new();
        for path in self.layout.import {
            let path = self.path(path);
            match self.host.read(&path) {
                Reading::Bytes(_) => files.push(path),
                Reading::Missing => {}
                Reading::Unreadable(words) => {
                    let title = self.layout.profile.title();
                    let words = format!(
                        "what {title}'s own balancer remembers: {words}; let jackline's user read it"
                    );
                    self.found.miss(&["import"], words);
                }
            }
        }
        if !files.is_empty() {
            let whose = format!("what {}'s own balancer remembers", self.layout.profile.title());
            self.found.give("import", files.join(","), whose);
        }
    }
}

/// `url` with the port `new` where it has the port `old`.
fn with_port(url: &str, old: u16, new: u16) -> String {
    let bare = url.trim().trim_end_matches('/');
    bare.strip_suffix(&format!(":{old}"))
        .map_or_else(|| url.to_owned(), |host| format!("{host}:{new}"))
}

/// A URL as Kubernetes's own programs read it: 443 where it names no port.
fn read_url(url: &str) -> Result<ServerUrl, String> {
    let bare = url.trim().trim_end_matches('/');
    let authority = bare.rsplit('/').next().unwrap_or_default();
    let behind = authority.rsplit(']').next().unwrap_or_default();
    let whole = if behind.contains(':') {
        bare.to_owned()
    } else {
        format!("{bare}:{HTTPS}")
    };
    ServerUrl::from_word(&whole).map_err(|wrong| wrong.what)
}

fn is_loopback(server: &ServerUrl) -> bool {
    let ServerUrl::Host { host, .. } = server else {
        return false;
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, read_url, with_port};

    #[test]
    fn a_url_without_a_port_means_443() {
        for (url, shown) in [
            ("https://cp.example", "https://cp.example:443"),
            ("https://cp.example/", "https://cp.example:443"),
            ("https://[fd00::1]", "https://[fd00::1]:443"),
            ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
            (" https://10.0.0.1:6443/ ", "https://10.0.0.1:6443"),
        ] {
            assert_eq!(
                read_url(url).map(|url| url.to_string()),
                Ok(shown.to_owned()),
                "{url}"
            );
        }
        for url in [
            "",
            "10.0.0.1:6443",
            "http://a:1",
            "https://a/k8s/clusters/c-1",
            "https://a:0",
        ] {
            assert!(read_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_supervisors_port_becomes_the_apis() {
        assert_eq!(with_port("https://a:9345/", 9345, 6443), "https://a:6443");
        assert_eq!(with_port("https://a:443", 9345, 6443), "https://a:443");
        assert_eq!(
            with_port("https://[fd00::1]:9345", 9345, 6443),
            "https://[fd00::1]:6443"
        );
    }

    #[test]
    fn this_machine_is_no_registration_address() {
        for (url, loopback) in [
            ("https://127.0.0.1:6440", true),
            ("https://127.0.0.2:6440", true),
            ("https://[::1]:6440", true),
            ("https://localhost:6440", true),
            ("https://10.0.0.1:6440", false),
            ("https://localhost.example:6440", false),
        ] {
            assert_eq!(is_loopback(&read_url(url).expect(url)), loopback, "{url}");
        }
    }
}
