//! Addresses and names of nodes as other programs write them.

use std::net::{IpAddr, SocketAddr};

/// The longest textual form of an address with its port, with room for a scope.
const TEXT_MAX: usize = 64;

/// `ip:port`, with an IPv6 address in brackets; port 0 is none.
pub(crate) fn socket_address(text: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = (text.len() <= TEXT_MAX).then_some(text)?.parse().ok()?;
    // An IPv4 address in IPv6's clothes is the same server.
    address.set_ip(address.ip().to_canonical());
    (address.port() != 0 && usable(address.ip())).then_some(address)
}

/// An address that a server can have.
pub(crate) fn ip_address(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = (text.len() <= TEXT_MAX).then_some(text)?.parse().ok()?;
    let ip = ip.to_canonical();
    usable(ip).then_some(ip)
}

/// Whether a server can have it. An IPv6 link-local address leads to another machine on each link: without a zone it leads
/// nowhere, and another machine's zone says nothing here.
pub(crate) fn usable(ip: IpAddr) -> bool {
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !ip.is_unspecified()
        && !ip.is_multicast()
        && !link_local
        && ip != IpAddr::V4(std::net::Ipv4Addr::BROADCAST)
}

/// A name as Kubernetes allows it; it goes into a request line.
pub(crate) fn is_node_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let edges_plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    (1..=253).contains(&name.len()) && name.bytes().all(plain) && edges_plain && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_server_can_have_is_taken() {
        assert!(socket_address("10.0.0.1:6443").is_some());
        assert!(socket_address("[2001:db8::1]:6443").is_some());
        for bad in [
            "10.0.0.1",
            "10.0.0.1:0",
            "0.0.0.0:6443",
            "224.0.0.1:6443",
            "[::]:6443",
            "[fe80::1]:6443",
            "[fe80::1%2]:6443",
            "name:6443",
            "",
            " 10.0.0.1:1",
        ] {
            assert_eq!(socket_address(bad), None, "{bad:?}");
        }
        assert_eq!(ip_address("255.255.255.255"), None);
        assert!(ip_address("fd00::1").is_some());
        assert_eq!(
            socket_address("[::ffff:10.0.0.1]:6443"),
            socket_address("10.0.0.1:6443")
        );
        assert_eq!(ip_address(&"1".repeat(10_000)), None);
    }

    #[test]
    fn only_names_that_nodes_can_have_are_asked_for() {
        assert!(is_node_name("cp-1.example"));
        for bad in ["", "..", "a/b", "a?b", "-a", "a..b", "A", "a%20"] {
            assert!(!is_node_name(bad), "{bad:?}");
        }
    }
}
