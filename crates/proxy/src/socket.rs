//! Options of the sockets, and how they end: with a FIN, or with a reset. Why each option is set stands here.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// An idle peer that died is found within 5 + 3 × 2 s (D3).
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_RETRIES: u32 = 3;

/// The backstop for data that stays unacknowledged (D3). Long: a short one kills live peers that merely do not read.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// What tells the kernel to take its own limit.
const NO_USER_TIMEOUT: Duration = Duration::ZERO;

/// Sets what both sides need: small writes leave at once, and a dead idle peer is found. What a listening socket accepts has
/// its options, so that clients' sockets need no call each.
///
/// # Errors
/// What the kernel says; the socket works without as well.
pub(crate) fn prepare(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE_IDLE)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(KEEP_ALIVE_RETRIES);
    socket.set_tcp_keepalive(&keep_alive)
}

/// Sets or lifts the backstop. Where it is set the kernel goes by it for idle connections as well and no longer by the
/// count of keep-alive probes: a dead idle peer would be found after 30 s instead of 11. So it stands only while an answer
/// is overdue.
///
/// # Errors
/// What the kernel says.
pub(crate) fn backstop(stream: &impl AsFd, set: bool) -> io::Result<()> {
    let timeout = if set { USER_TIMEOUT } else { NO_USER_TIMEOUT };
    SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
}

/// Makes the coming close a reset.
pub(crate) fn doom(stream: &impl AsFd) {
    // Fails only on what is no socket any more.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Sends a FIN: nothing more will come from us.
///
/// # Errors
/// `NotConnected` if the peer has reset the connection.
pub(crate) fn finish(stream: impl AsFd) -> io::Result<()> {
    SockRef::from(&stream).shutdown(Shutdown::Write)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_upstreams_socket_finds_dead_peers_by_keep_alive_or_by_the_backstop() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEP_ALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEP_ALIVE_RETRIES);
        let timeout = || socket.tcp_user_timeout().unwrap().unwrap_or_default();
        assert_eq!(timeout(), NO_USER_TIMEOUT, "or keep-alive would not count");
        backstop(&stream, true).unwrap();
        assert_eq!(timeout(), USER_TIMEOUT);
        backstop(&stream, false).unwrap();
        assert_eq!(timeout(), NO_USER_TIMEOUT);
    }
}
