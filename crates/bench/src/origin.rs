//! The server behind all targets: on one port, TLS with a little HTTP/1.1 for whoever begins with a ClientHello, and raw
//! streams for whoever begins with one of the [`Raw`] words.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tls::Tls;

/// How much is written or read at a time, in bytes.
pub(crate) const PIECE: usize = 256 * 1024;
/// The longest head of a request.
const HEAD_MAX: usize = 8 * 1024;
/// How often a watch has a burst of events, of how many bytes.
const WATCH_PERIOD: Duration = Duration::from_millis(100);
const WATCH_BURST: usize = 3_000;
/// The first byte of a TLS record with a handshake.
const HANDSHAKE: u8 = 22;

/// What a raw stream does; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// The server sends for ever.
    Down = b'D' as isize,
    /// The server reads for ever.
    Up = b'U' as isize,
    /// Both.
    Both = b'B' as isize,
    /// The server answers the one byte with one, and is quiet.
    Quiet = b'Q' as isize,
}

impl Raw {
    /// The word on the wire.
    pub(crate) fn word(self) -> u8 {
        match self {
            Self::Down => b'D',
            Self::Up => b'U',
            Self::Both => b'B',
            Self::Quiet => b'Q',
        }
    }
}

/// A running origin.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Tls,
}

impl Origin {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let tls = Tls::new()?;
        // The longest backlog that the kernel allows: it is not the origin that is measured.
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(4096)?;
        let address = listener.local_addr()?;
        tokio::spawn(accept(listener, tls.clone()));
        Ok(Self { address, tls })
    }
}

async fn accept(listener: TcpListener, tls: Tls) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let tls = tls.clone();
        // Whatever a client does to its connection ends this one task.
        tokio::spawn(async move { serve(stream, tls).await });
    }
}

async fn serve(mut stream: TcpStream, tls: Tls) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(());
    }
    if first[0] == HANDSHAKE {
        return answer(tls.acceptor.accept(stream).await?).await;
    }
    stream.read_exact(&mut first).await?;
    let (mut from, mut to) = stream.split();
    match first[0] {
        b'D' => pour(&mut to).await,
        b'U' => swallow(&mut from).await,
        b'B' => {
            tokio::try_join!(pour(&mut to), swallow(&mut from))?;
            Ok(())
        }
        _ => {
            to.write_all(&first).await?;
            swallow(&mut from).await
        }
    }
}

/// Sends for ever.
pub(crate) async fn pour(to: &mut (impl AsyncWrite + Unpin)) -> anyhow::Result<()> {
    let piece = vec![7; PIECE];
    loop {
        to.write_all(&piece).await?;
    }
}

async fn swallow(from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<()> {
    let mut piece = vec![0; PIECE];
    while from.read(&mut piece).await? > 0 {}
    Ok(())
}

/// HTTP/1.1 with keep-alive: `/bytes/N` has a body of that length, `/watch` bursts for ever, all else says ok.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> anyhow::Result<()> {
    let body = vec![b'x'; PIECE];
    let mut head = Vec::new();
    loop {
        let Some(path) = read_head(&mut stream, &mut head).await? else {
            return Ok(());
        };
        if path == "/watch" {
            return watch(&mut stream).await;
        }
        let mut left: usize = path
            .strip_prefix("/bytes/")
            .and_then(|length| length.parse().ok())
            .unwrap_or(2);
        let start = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {left}\r\n\r\n");
        let mut out = start.into_bytes();
        let with_head = left.min(PIECE);
        out.extend_from_slice(&body[..with_head]);
        stream.write_all(&out).await?;
        left -= with_head;
        while left > 0 {
            let piece = left.min(PIECE);
            stream.write_all(&body[..piece]).await?;
            left -= piece;
        }
        stream.flush().await?;
    }
}

async fn watch(stream: &mut (impl AsyncWrite + Unpin)) -> anyhow::Result<()> {
    let burst = vec![b'w'; WATCH_BURST];
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    loop {
        stream.write_all(&burst).await?;
        stream.flush().await?;
        tokio::time::sleep(WATCH_PERIOD).await;
    }
}

/// Reads one request's head and gives its path; `None`: the client has ended.
async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    head: &mut Vec<u8>,
) -> anyhow::Result<Option<String>> {
    head.clear();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < HEAD_MAX, "a request's head is too long");
        let mut piece = [0; 2048];
        match stream.read(&mut piece).await? {
            0 => return Ok(None),
            length => head.extend_from_slice(&piece[..length]),
        }
    }
    let text = String::from_utf8_lossy(head);
    Ok(Some(text.split(' ').nth(1).unwrap_or("/").to_owned()))
}
