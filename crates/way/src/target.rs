//! A set of servers as people write it: an address, a network, or all; with a port or with any.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An address or a network. An IPv4 address in IPv6's clothes is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    pub(crate) fn contains(self, ip: IpAddr) -> bool {
        let (own, other) = (self.address, ip.to_canonical());
        match (own, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same_front(own.to_bits().into(), other.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                same_front(own.to_bits(), other.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }

    /// `10.0.0.0/8`, `fd00::/8`; bits beyond the prefix count for nothing.
    pub(crate) fn with_prefix(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse().ok()?, number(bits)?);
        let most = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        (bits <= most).then_some(Self { address, bits })
    }

    pub(crate) fn of(ip: IpAddr) -> Self {
        let address = ip.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, bits }
    }

    fn is_one_address(self) -> bool {
        self == Self::of(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_one_address() {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

fn same_front(one: u128, other: u128, width: u32, bits: u8) -> bool {
    let behind = width.saturating_sub(bits.into());
    // A shift by the whole width is none.
    one.checked_shr(behind).unwrap_or(0) == other.checked_shr(behind).unwrap_or(0)
}

/// A number as people write it: digits, and nothing before them.
fn number<N: FromStr>(digits: &str) -> Option<N> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// A port from 1 on.
pub(crate) fn port(digits: &str) -> Option<u16> {
    number(digits).filter(|port| *port != 0)
}

/// Servers that something holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// `None`: every address.
    network: Option<Network>,
    /// `None`: every port.
    port: Option<u16>,
}

/// Why a text is no [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no address, network or *; write for example 10.0.0.1, 10.0.0.0/8, 10.0.0.1:6443, \"[fd00::1]:6443\", \"*:9345\" or \"*\""
)]
pub struct TargetError;

impl Target {
    /// Whether `server` is one of them.
    #[must_use]
    pub fn includes(&self, server: SocketAddr) -> bool {
        self.network.is_none_or(|network| network.contains(server.ip()))
            && self.port.is_none_or(|port| port == server.port())
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let target = |network, port| Ok(Self { network, port });
        if text == "*" {
            return target(None, None);
        }
        if let Some(digits) = text.strip_prefix("*:") {
            return target(None, Some(port(digits).ok_or(TargetError)?));
        }
        if let Some(network) = Network::with_prefix(text) {
            return target(Some(network), None);
        }
        if let Ok(ip) = text.parse() {
            return target(Some(Network::of(ip)), None);
        }
        let (front, digits) = text.rsplit_once(':').ok_or(TargetError)?;
        let port = Some(port(digits).ok_or(TargetError)?);
        let front = match (front.strip_prefix('['), front.strip_suffix(']')) {
            (Some(_), Some(_)) => &front[1..front.len() - 1],
            // What is left has no colon of its own, or is in brackets.
            (None, None) if !front.contains(':') => front,
            _ => return Err(TargetError),
        };
        let network = front
            .parse()
            .ok()
            .map(Network::of)
            .or_else(|| Network::with_prefix(front));
        target(Some(network.ok_or(TargetError)?), port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (None, None) => f.write_str("*"),
            (None, Some(port)) => write!(f, "*:{port}"),
            (Some(network), None) => network.fmt(f),
            (Some(network), Some(port)) if network.address.is_ipv6() => write!(f, "[{network}]:{port}"),
            (Some(network), Some(port)) => write!(f, "{network}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn includes(target: &str, server: &str) -> bool {
        let read: Target = target.parse().expect(target);
        assert_eq!(
            read.to_string().parse::<Target>(),
            Ok(read),
            "{target} is shown as {read}"
        );
        read.includes(server.parse().expect(server))
    }

    #[test]
    fn servers_are_found_by_address_network_and_port_in_both_families() {
        for (target, server) in [
            ("*", "10.0.0.1:6443"),
            ("*", "[fd00::1]:6443"),
            ("*:6443", "[fd00::1]:6443"),
            ("10.0.0.1", "10.0.0.1:9345"),
            ("10.0.0.1", "[::ffff:10.0.0.1]:9345"),
            ("10.0.0.1:6443", "10.0.0.1:6443"),
            ("10.7.0.0/8", "10.0.0.1:6443"),
            ("0.0.0.0/0", "10.0.0.1:6443"),
            ("10.0.0.0/8:6443", "10.0.0.1:6443"),
            ("fd00::/8", "[fd12::1]:6443"),
            ("::/0", "[fd12::1]:6443"),
            ("[fd00::1]:6443", "[fd00::1]:6443"),
            ("[fd00::/8]:6443", "[fd00::1]:6443"),
            ("fd00::1", "[fd00::1]:6443"),
        ] {
            assert!(includes(target, server), "{target} {server}");
        }
        for (target, server) in [
            ("*:6443", "10.0.0.1:9345"),
            ("10.0.0.1", "10.0.0.2:6443"),
            ("10.0.0.0/8", "11.0.0.1:6443"),
            ("10.0.0.0/8", "[fd00::1]:6443"),
            ("0.0.0.0/0", "[fd00::1]:6443"),
            ("::/0", "10.0.0.1:6443"),
            ("fd00::/8", "[fe00::1]:6443"),
            ("[fd00::1]:6443", "[fd00::1]:6444"),
        ] {
            assert!(!includes(target, server), "{target} {server}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "",
            "*:0",
            "*:",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.1:+1",
            "10.0.0.0/+8",
            "10.0.0.1:65536",
            "[fd00::1]",
            "[fd00::1:6443",
            "api.example",
            "10.0.0",
            " 10.0.0.1",
            "[10.0.0.1",
        ] {
            assert_eq!(text.parse::<Target>(), Err(TargetError), "{text:?}");
        }
    }
}
