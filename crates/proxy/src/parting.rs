//! Ends a session gently (D2): what we hold is flushed, then both sides get a FIN. What the client sends after that is thrown
//! away: it gets no answer, and knows it, for our FIN has told it so.

use std::io;
use std::net;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peer::{Peer, Upstream};
use crate::shared::Seat;
use crate::socket;
use crate::thread::Present;

/// How long each half of a parting may take: flushing to the client, and waiting for its FIN.
const PARTING: Duration = Duration::from_secs(1);
/// How much of what a client sends after our FIN is read at a time, and thrown away. In bytes.
const LEFTOVER: usize = 4 * 1024;

/// A session that is to be parted from.
#[derive(Debug)]
pub(crate) struct Parting {
    pub(crate) client: Peer,
    /// What the client has not had yet.
    pub(crate) unsent: Vec<u8>,
    pub(crate) upstream: Upstream<net::TcpStream>,
    pub(crate) seat: Seat,
    pub(crate) present: Present,
}

/// Takes leave of both.
pub(crate) async fn part(parting: Parting) {
    let Parting {
        mut client,
        unsent,
        upstream,
        seat,
        present,
    } = parting;
    let flushed = async {
        client.stream_mut().write_all(&unsent).await?;
        socket::finish(client.stream())
    };
    if matches!(timeout(PARTING, flushed).await, Ok(Ok(()))) {
        upstream.peer.end_fairly();
        client.end_fairly();
        drop(upstream);
        // Closing with unread bytes would reset the client, and what is still on its way to it would be lost.
        let _ = timeout(PARTING, until_end(client.stream())).await;
    }
    // First the connection, then the place in the counts: whoever sees none left may rely on it.
    drop((client, seat, present));
}

async fn until_end(client: &TcpStream) -> io::Result<()> {
    let mut leftover = [0; LEFTOVER];
    loop {
        client.readable().await?;
        match client.try_read(&mut leftover) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
