//! HTTP's CONNECT (RFC 9110, section 9.3.6): the request, and the head of its answer.
//!
//! Not a byte beyond the head is read: what follows is the server's, and the connection is handed on as if it had been
//! made to the server itself. The head is looked at before it is read (`MSG_PEEK`), and only what belongs to it is taken.

use std::io;
use std::net::SocketAddr;

use jackline_core::ProxyFailure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest head, interim answers included.
const HEAD_MAX: usize = 16 * 1024;
/// The most header fields.
const FIELDS_MAX: usize = 64;
/// So much is looked at at a time.
const PIECE: usize = 1024;
/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// Asks the proxy at the other end of `stream` for a way to `server`. On success the next byte is the server's.
pub(crate) async fn ask(
    stream: &mut TcpStream,
    server: SocketAddr,
    authorization: Option<&str>,
) -> Result<(), ProxyFailure> {
    stream
        .write_all(request(server, authorization).as_bytes())
        .await
        .map_err(|error| ended(&error))?;
    let mut left = HEAD_MAX;
    loop {
        let head = read_head(stream, left).await?;
        left -= head.len();
        match judge(&head)? {
            100..=199 => {}
            200..=299 => return Ok(()),
            407 => return Err(ProxyFailure::Credentials),
            status @ 500..=599 => return Err(ProxyFailure::CannotReach(status)),
            status => return Err(ProxyFailure::Denied(status)),
        }
    }
}

/// The authority form of the target in request line and Host alike.
fn request(server: SocketAddr, authorization: Option<&str>) -> String {
    let mut request = format!(
        "CONNECT {server} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: jackline/{}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(value) = authorization {
        request.push_str(&format!("Proxy-Authorization: {value}\r\n"));
    }
    request.push_str("\r\n");
    request
}

/// Reads a head and nothing else.
async fn read_head(stream: &mut TcpStream, most: usize) -> Result<Vec<u8>, ProxyFailure> {
    let mut head = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        let seen = stream.peek(&mut piece).await.map_err(|error| ended(&error))?;
        if seen == 0 {
            return Err(ProxyFailure::Ended);
        }
        let before = head.len();
        head.extend_from_slice(&piece[..seen]);
        // The end may straddle two pieces.
        let from = before.saturating_sub(END.len() - 1);
        let end = head[from..].windows(END.len()).position(|window| window == END);
        if let Some(end) = end {
            head.truncate(from + end + END.len());
        }
        if head.len() > most {
            return Err(ProxyFailure::Nonsense);
        }
        let taken = head.len() - before;
        // It was seen, so it is there.
        stream
            .read_exact(&mut piece[..taken])
            .await
            .map_err(|error| ended(&error))?;
        if end.is_some() {
            return Ok(head);
        }
        if !may_be_http(&head) {
            return Err(ProxyFailure::Nonsense);
        }
    }
}

/// Whether the first bytes do not speak against it already: nobody waits for the end of what is none.
fn may_be_http(head: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let common = head.len().min(BEGINNING.len());
    head[..common] == BEGINNING[..common]
}

/// The status of an answer whose head is sound.
fn judge(head: &[u8]) -> Result<u16, ProxyFailure> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        _ => return Err(ProxyFailure::Nonsense),
    }
    let status = response.code.ok_or(ProxyFailure::Nonsense)?;
    (100..=599)
        .contains(&status)
        .then_some(status)
        .ok_or(ProxyFailure::Nonsense)
}

fn ended(_: &io::Error) -> ProxyFailure {
    ProxyFailure::Ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_the_server_twice_and_the_user_once() {
        let asked = request("[fd00::1]:6443".parse().unwrap(), Some("Basic am86eA=="));
        let lines: Vec<&str> = asked.split("\r\n").collect();
        assert_eq!(lines[0], "CONNECT [fd00::1]:6443 HTTP/1.1");
        assert_eq!(lines[1], "Host: [fd00::1]:6443");
        assert!(lines[2].starts_with("User-Agent: jackline/"));
        assert_eq!(lines[3..], ["Proxy-Authorization: Basic am86eA==", "", ""]);
        assert!(!request("10.0.0.1:6443".parse().unwrap(), None).contains("Proxy-Authorization"));
    }

    #[test]
    fn only_a_sound_head_is_an_answer() {
        assert_eq!(judge(b"HTTP/1.1 200 Connection established\r\n\r\n"), Ok(200));
        assert_eq!(judge(b"HTTP/1.0 200\r\nContent-Length: 5\r\n\r\n"), Ok(200));
        assert_eq!(judge(b"HTTP/1.1 503 \r\nServer: squid\r\n\r\n"), Ok(503));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1));
        for bad in [
            &b"HTTP/1.1 999 OK\r\n\r\n"[..],
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
            many.as_bytes(),
        ] {
            assert_eq!(
                judge(bad),
                Err(ProxyFailure::Nonsense),
                "{:?}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
