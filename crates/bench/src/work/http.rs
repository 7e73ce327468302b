//! A client's side of a request over TLS.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::origin::{Origin, PIECE};
use crate::target::Target;
use crate::tls::Tls;

/// What a short answer has for a body, in bytes: a small object.
pub(crate) const SHORT: usize = 1_024;

/// A connection whose handshake is done.
pub(super) async fn connect(target: &Target, origin: &Origin) -> anyhow::Result<TlsStream<TcpStream>> {
    connect_to(target.address, &origin.tls).await
}

/// The same by address.
pub(crate) async fn connect_to(address: SocketAddr, tls: &Tls) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    tls.connect(stream).await
}

/// One request, and all of its answer's body; gives how long that was.
pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
    buffer: &mut Vec<u8>,
) -> anyhow::Result<usize> {
    Ok(ask_whom(stream, path, buffer).await?.0)
}

/// The same, and who answered.
pub(crate) async fn ask_whom(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
    buffer: &mut Vec<u8>,
) -> anyhow::Result<(usize, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: kubernetes\r\nuser-agent: jackline-bench\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    buffer.resize(PIECE, 0);
    let mut got = 0;
    let (length, head) = loop {
        let more = stream.read(&mut buffer[got..]).await?;
        anyhow::ensure!(more > 0, "the answer ended in its head");
        got += more;
        if let Some(head) = head_end(&buffer[..got]) {
            break (body_length(&buffer[..head])?, head);
        }
    };
    let whom = named(&buffer[..head], "server: ");
    let mut body = got - head;
    while body < length {
        let more = stream.read(&mut buffer[..]).await?;
        anyhow::ensure!(more > 0, "the answer ended in its body");
        body += more;
    }
    Ok((body, whom))
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

fn body_length(head: &[u8]) -> anyhow::Result<usize> {
    let text = String::from_utf8_lossy(head);
    let first = text.lines().next().unwrap_or_default();
    anyhow::ensure!(first.starts_with("HTTP/1.1 200"), "not 200: {first}");
    Ok(named(head, "content-length: ").parse()?)
}

fn named(head: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}
