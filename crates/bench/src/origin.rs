//! The server behind all targets: on one port, TLS with a little HTTP/1.1 for whoever begins with a ClientHello, and raw
//! streams for whoever begins with one of the [`Raw`] words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::tls::Tls;

/// How much is written or read at a time, in bytes.
pub(crate) const PIECE: usize = 256 * 1024;
/// The longest head of a request.
const HEAD_MAX: usize = 8 * 1024;
/// How often a watch has a burst of events, of how many bytes.
const WATCH_PERIOD: Duration = Duration::from_millis(100);
const WATCH_BURST: usize = 3_000;
/// How long a server that leaves says so before it takes no more connections, and then ends those that it has.
const ANNOUNCED: Duration = Duration::from_secs(1);
const GOING: Duration = Duration::from_secs(2);
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
    leaving: watch::Sender<Leave>,
}

/// How far an origin is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Leave {
    /// It serves.
    No,
    /// It says that it is not ready, and still takes connections.
    Announced,
    /// It takes no more, and ends each connection after the answer that is under way.
    Going,
}

/// What a connection knows of the server.
#[derive(Clone)]
struct Served {
    /// Named in each answer.
    name: Arc<str>,
    leaving: watch::Receiver<Leave>,
}

impl Origin {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::named("origin", Tls::new()?, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// One that tells its name in each answer.
    pub(crate) async fn named(name: &str, tls: Tls, listen: SocketAddr) -> anyhow::Result<Self> {
        // The longest backlog that the kernel allows: it is not the origin that is measured.
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(listen)?;
        let listener = socket.listen(4096)?;
        let address = listener.local_addr()?;
        let (leaving, heard) = watch::channel(Leave::No);
        let served = Served {
            name: name.into(),
            leaving: heard,
        };
        tokio::spawn(accept(listener, tls.clone(), served));
        Ok(Self {
            address,
            tls,
            leaving,
        })
    }

    /// Leaves as an apiserver does: not ready first, then no new connections, then none at all.
    pub(crate) async fn leave(self) {
        self.leaving.send_replace(Leave::Announced);
        tokio::time::sleep(ANNOUNCED).await;
        self.leaving.send_replace(Leave::Going);
        tokio::time::sleep(GOING).await;
    }
}

async fn accept(listener: TcpListener, tls: Tls, served: Served) {
    let mut leaving = served.leaving.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = leaving.wait_for(|leave| *leave == Leave::Going) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let (tls, served) = (tls.clone(), served.clone());
        // Whatever a client does to its connection ends this one task.
        tokio::spawn(async move { serve(stream, tls, served).await });
    }
}

async fn serve(mut stream: TcpStream, tls: Tls, served: Served) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(());
    }
    if first[0] == HANDSHAKE {
        return answer(tls.acceptor.accept(stream).await?, served).await;
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
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, mut served: Served) -> anyhow::Result<()> {
    let body = vec![b'x'; PIECE];
    let mut head = Vec::new();
    let mut leaving = served.leaving.clone();
    while *leaving.borrow() < Leave::Going {
        let path = tokio::select! {
            path = read_head(&mut stream, &mut head) => path?,
            _ = leaving.wait_for(|leave| *leave == Leave::Going) => break,
        };
        let Some(path) = path else { return Ok(()) };
        if path == "/watch" {
            return watch_for_ever(&mut stream, &mut served).await;
        }
        let good = path != "/readyz" || *leaving.borrow() == Leave::No;
        let status = if good {
            "200 OK"
        } else {
            "500 Internal Server Error"
        };
        let mut left: usize = path
            .strip_prefix("/bytes/")
            .and_then(|length| length.parse().ok())
            .unwrap_or(2);
        let name = &served.name;
        let start = format!("HTTP/1.1 {status}\r\nserver: {name}\r\ncontent-length: {left}\r\n\r\n");
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
    stream.shutdown().await?;
    Ok(())
}

async fn watch_for_ever(stream: &mut (impl AsyncWrite + Unpin), served: &mut Served) -> anyhow::Result<()> {
    let burst = vec![b'w'; WATCH_BURST];
    let start = format!("HTTP/1.1 200 OK\r\nserver: {}\r\n\r\n", served.name);
    stream.write_all(start.as_bytes()).await?;
    while *served.leaving.borrow() < Leave::Going {
        stream.write_all(&burst).await?;
        stream.flush().await?;
        tokio::time::sleep(WATCH_PERIOD).await;
    }
    stream.shutdown().await?;
    Ok(())
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
