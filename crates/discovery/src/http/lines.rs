//! A stream of lines from one answer that does not end: what a watch is made of.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::ask_error::{AskError, Phase, chain, foreign_words};

/// The lines of one answer's body.
pub(crate) struct Lines {
    body: Incoming,
    /// What came and is not told yet.
    rest: BytesMut,
    /// How much of `rest` is known to hold no line's end.
    searched: usize,
    /// When the last bytes came.
    heard: Instant,
    /// Keeps the connection alive as long as its lines are read.
    _driver: Option<AbortOnDropHandle<()>>,
}

impl Lines {
    pub(super) fn new(body: Incoming, driver: Option<AbortOnDropHandle<()>>) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
            searched: 0,
            heard: Instant::now(),
            _driver: driver,
        }
    }

    /// The next line without its end, of at most `max` bytes, after at most `silence` without a byte.
    /// `None`: the server ended its answer as it should. Cancel-safe.
    pub(crate) async fn next(&mut self, max: usize, silence: Duration) -> Result<Option<BytesMut>, AskError> {
        loop {
            if let Some(end) = self.rest[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(self.searched + end);
                self.rest.advance(1);
                self.searched = 0;
                if line.len() > max {
                    return Err(AskError::TooLarge(max));
                }
                return Ok(Some(line));
            }
            self.searched = self.rest.len();
            if self.rest.len() > max {
                return Err(AskError::TooLarge(max));
            }
            match timeout_at(self.heard + silence, self.body.frame())
                .await
                .map_err(|_| AskError::TimedOut(Phase::Body))?
            {
                Some(Ok(frame)) => {
                    self.heard = Instant::now();
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(AskError::CutOff(foreign_words(&chain(&error)))),
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(AskError::CutOff("it ended in the middle of a line".to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::Request;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(300);

    /// Lines that come through memory, so that time can be virtual; and the server's end.
    async fn lines() -> (Lines, DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let (mut send, connection) = http1::handshake(TokioIo::new(ours)).await.expect("a handshake");
        let driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        let request = Request::get("/").body(Empty::<Bytes>::new()).expect("a request");
        let answer = tokio::spawn(async move { send.send_request(request).await });
        let mut asked = [0; 16];
        let length = theirs.read(&mut asked).await.expect("a request");
        assert!(asked[..length].starts_with(b"GET / "));
        theirs
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            .await
            .expect("a head is taken");
        let response = answer.await.expect("no panic").expect("an answer");
        (Lines::new(response.into_body(), Some(driver)), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn lines_come_whole_however_they_are_cut() {
        let (mut lines, mut server) = lines().await;
        for part in ["on", "e\ntwo\n\nth", "ree\n"] {
            server.write_all(part.as_bytes()).await.expect("it is taken");
        }
        for expected in ["one", "two", "", "three"] {
            let line = lines
                .next(10, SILENCE)
                .await
                .expect("a line")
                .expect("not the end");
            assert_eq!(line, expected.as_bytes());
        }
        drop(server);
        assert!(lines.next(10, SILENCE).await.expect("a clean end").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_an_end() {
        let (mut lines, _server) = lines().await;
        let start = Instant::now();
        let error = lines.next(10, SILENCE).await.expect_err("nothing came");
        assert!(matches!(error, AskError::TimedOut(Phase::Body)));
        assert_eq!(start.elapsed().as_secs(), SILENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_has_a_bound_whether_it_ends_or_not() {
        for long in ["12345678901", "12345678901\n"] {
            let (mut lines, mut server) = lines().await;
            server.write_all(long.as_bytes()).await.expect("it is taken");
            assert!(matches!(
                lines.next(10, SILENCE).await,
                Err(AskError::TooLarge(10))
            ));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_line_at_the_end_is_none() {
        let (mut lines, mut server) = lines().await;
        server.write_all(b"half").await.expect("it is taken");
        drop(server);
        assert!(matches!(lines.next(10, SILENCE).await, Err(AskError::CutOff(_))));
    }
}
