//! Listens to a node's page as a browser would: its files once, then its server-sent events, again and again.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::board::{Board, Line};

/// The files of the page.
pub(super) const PATHS: [&str; 4] = ["/", "/page.js", "/page.css", "/icon.svg"];

/// A file of the page, and an event: a status is a few kilobytes.
const BYTES_MAX: usize = 1 << 20;
/// A node that listens answers by then.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The pause before a node is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// A file of the page, with all the headers that the node gave it, its security policy among them.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

/// The files of the page at this address.
///
/// # Errors
/// When it does not give them.
pub(super) async fn files(page: SocketAddr) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in PATHS {
        let (response, _connection) = get(page, path, None).await?;
        let headers = response.headers().clone();
        let body = Limited::new(response.into_body(), BYTES_MAX).collect();
        let body = timeout(ANSWER_TIME, body).await.context("a page that hangs")?;
        let body = body.map_err(|error| anyhow::anyhow!("reading {path}: {error}"))?;
        files.push(File {
            path,
            headers,
            bytes: body.to_bytes(),
        });
    }
    Ok(files)
}

/// Writes to the board what the node's page tells. Never ends: a node that is silent is asked again.
pub(super) async fn listen(node: String, page: SocketAddr, board: Board) {
    let mut seen = None;
    let mut silent = false;
    loop {
        if let Err(error) = hear(&node, page, &board, &mut seen, &mut silent).await {
            // The page ends each connection after ten minutes; only a node that does not come back is news.
            if TcpStream::connect(page).await.is_err() && !silent {
                silent = true;
                board.say("bad", &format!("{node} tells nothing: {error:#}"));
            }
        }
        sleep(PAUSE).await;
    }
}

async fn hear(
    node: &str,
    page: SocketAddr,
    board: &Board,
    seen: &mut Option<String>,
    silent: &mut bool,
) -> anyhow::Result<()> {
    let (response, _connection) = get(page, "/events", seen.as_deref()).await?;
    *silent = false;
    let mut body = response.into_body();
    let mut reader = Reader::default();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        for event in reader.read(&bytes)? {
            if let Some(id) = event.id {
                *seen = Some(id);
            }
            match event.name.as_str() {
                "node" => board.node(node, &event.data),
                "change" => {
                    let line: Line = serde_json::from_str(&event.data).context("a line of a timeline")?;
                    let text = format!("{node}: {}", line.text);
                    board.line(Line { text, ..line });
                }
                _ => {}
            }
        }
    }
    anyhow::bail!("its stream has ended")
}

async fn get(
    page: SocketAddr,
    path: &str,
    seen: Option<&str>,
) -> anyhow::Result<(Response<Incoming>, AbortOnDropHandle<()>)> {
    let asked = async {
        let stream = TcpStream::connect(page).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let mut request = Request::get(path).header("host", page.to_string());
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = response.status();
        anyhow::ensure!(status.is_success(), "GET {path} answered {status}");
        Ok((response, connection))
    };
    timeout(ANSWER_TIME, asked).await.context("no answer in time")?
}

/// A server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    id: Option<String>,
    data: String,
}

/// Puts events together from bytes as they come, by <https://html.spec.whatwg.org/#event-stream-interpretation>, as far as
/// the node's page uses it: lines end in LF.
#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    event: Event,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<Event>> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                anyhow::ensure!(self.rest.len() < BYTES_MAX, "an event that is too large");
                self.rest.push(*byte);
                continue;
            }
            let line =
                String::from_utf8(std::mem::take(&mut self.rest)).context("an event that is no text")?;
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    events.push(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.name),
                "id" => self.event.id = Some(value.to_owned()),
                "data" => {
                    anyhow::ensure!(
                        self.event.data.len() + value.len() < BYTES_MAX,
                        "an event that is too large"
                    );
                    if !self.event.data.is_empty() {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                // A comment keeps the connection alive.
                _ => {}
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_however_they_are_cut() {
        let told = b":\n\nevent: node\ndata: {\"a\":1}\n\nevent: change\nid: 7\ndata:one\ndata: two\n\nevent: nothing\n\n";
        for size in [1, 3, 1_000] {
            let mut reader = Reader::default();
            let events: Vec<Event> = told
                .chunks(size)
                .flat_map(|part| reader.read(part).expect("events"))
                .collect();
            assert_eq!(events.len(), 2, "{events:?}");
            assert_eq!(
                (events[0].name.as_str(), events[0].data.as_str()),
                ("node", "{\"a\":1}")
            );
            assert_eq!(
                (events[1].id.as_deref(), events[1].data.as_str()),
                (Some("7"), "one\ntwo")
            );
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut reader = Reader::default();
        assert!(reader.read(&vec![b'x'; BYTES_MAX + 1]).is_err());
        let mut reader = Reader::default();
        let line = format!("data: {}\n", "x".repeat(BYTES_MAX / 2));
        assert!(reader.read(line.as_bytes()).is_ok());
        assert!(reader.read(line.as_bytes()).is_err());
    }
}
