//! Options of the sockets, and how they end: with a FIN, or with a reset. Why each option is set stands here.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

/// An idle peer that died is found within 5 + 3 × 2 s (D3).
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_RETRIES: u32 = 3;

/// The backstop for data that stays unacknowledged (D3). Long: a short one kills live peers that merely do not read.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sets what both sides need: small writes leave at once, and a dead idle peer is found.
///
/// # Errors
/// What the kernel says; the socket works without as well.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    prepare_socket(&SockRef::from(stream))
}

fn prepare_socket(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE_IDLE)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(KEEP_ALIVE_RETRIES);
    socket.set_tcp_keepalive(&keep_alive)
}

/// Connects to an upstream. Dropping the future closes the socket at once.
///
/// # Errors
/// What the kernel says; [`crate::fault::of_dial`] knows what it means.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    prepare_socket(&SockRef::from(&socket))?;
    SockRef::from(&socket).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let stream = socket.connect(address).await?;
    if address.ip().is_loopback() && stream.local_addr()? == address {
        // Nobody listens there, and the kernel happened to draw that very port for us: we are talking to ourselves.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// Makes the coming close a reset.
pub(crate) fn doom(stream: &TcpStream) {
    // Fails only on what is no socket any more.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Sends a FIN: nothing more will come from us.
///
/// # Errors
/// `NotConnected` if the peer has reset the connection.
pub(crate) fn finish(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).shutdown(Shutdown::Write)
}
