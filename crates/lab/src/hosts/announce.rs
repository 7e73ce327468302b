//! How a host that has taken an address over lets its neighbours know, who still have the old owner's link address.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

/// The discard service: nobody minds what comes there, and nobody runs it.
const DISCARD: u16 = 9;

/// Sends each of these one datagram from the address. To send it the kernel asks for their link addresses, by broadcast and
/// in the name of the address: all who knew an owner of it learn the new one.
pub(super) fn take_over(address: Ipv4Addr, neighbours: &[Ipv4Addr]) -> io::Result<()> {
    let socket = UdpSocket::bind((address, 0))?;
    for neighbour in neighbours.iter().filter(|neighbour| **neighbour != address) {
        socket.send_to(&[0], (*neighbour, DISCARD))?;
    }
    Ok(())
}
