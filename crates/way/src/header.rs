//! The PROXY protocol's header, version 2, as its specification (`doc/proxy-protocol.txt` of HAProxy, section 2.2) has it:
//! TCP over IPv4 or IPv6, without extensions; LOCAL for connections that are our own.

use std::net::SocketAddr;

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 with the command LOCAL: the connection is the sender's own, its addresses are those of the connection itself.
const LOCAL: u8 = 0x20;
/// Version 2 with the command PROXY: the connection is relayed.
const PROXY: u8 = 0x21;
/// Family and protocol: unspecified; a receiver of LOCAL looks at neither.
const UNSPEC: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// The header of a connection of our own: a probe's, a source's.
pub(crate) fn local() -> Vec<u8> {
    with(LOCAL, UNSPEC, &[])
}

/// The header of a connection that is relayed for `client`, which connected to `listener`.
pub(crate) fn relayed(client: SocketAddr, listener: SocketAddr) -> Vec<u8> {
    let ports = [client.port().to_be_bytes(), listener.port().to_be_bytes()].concat();
    match (client, listener) {
        (SocketAddr::V4(client), SocketAddr::V4(listener)) => {
            let addresses = [client.ip().octets(), listener.ip().octets()].concat();
            with(PROXY, TCP_OVER_IPV4, &[addresses, ports].concat())
        }
        (client, listener) => {
            // Two ends of one connection are of one family; if not, IPv6 has room for both.
            let octets = |address: SocketAddr| match address {
                SocketAddr::V4(address) => address.ip().to_ipv6_mapped().octets(),
                SocketAddr::V6(address) => address.ip().octets(),
            };
            let addresses = [octets(client), octets(listener)].concat();
            with(PROXY, TCP_OVER_IPV6, &[addresses, ports].concat())
        }
    }
}

fn with(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or_else(|_| unreachable!("36 bytes at the most"));
    [
        SIGNATURE.as_slice(),
        &[command, family],
        &length.to_be_bytes(),
        body,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let signature = [
            0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
        ];
        assert_eq!(local(), [&signature[..], &[0x20, 0x00, 0x00, 0x00]].concat());
        let four = relayed(
            "127.0.0.1:258".parse().unwrap(),
            "127.0.0.2:6440".parse().unwrap(),
        );
        let body = [
            0x21, 0x11, 0x00, 0x0C, 127, 0, 0, 1, 127, 0, 0, 2, 0x01, 0x02, 0x19, 0x28,
        ];
        assert_eq!(four, [&signature[..], &body].concat());
        let six = relayed("[fd00::1]:258".parse().unwrap(), "[::1]:6440".parse().unwrap());
        let mut body = vec![0x21, 0x21, 0x00, 0x24, 0xFD];
        body.extend([0; 14]);
        body.push(1);
        body.extend([0; 15]);
        body.extend([1, 0x01, 0x02, 0x19, 0x28]);
        assert_eq!(six, [&signature[..], &body].concat());
    }
}
