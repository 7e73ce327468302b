//! An upstream that takes part in a first flight: it is sent what the client has sent, and listened to for its first word.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dial::Connected;
use crate::peer::Upstream;
use crate::thread::Thread;

/// How much is read at a time: a flight, or the beginning of an answer. In bytes.
const PIECE: usize = 4 * 1024;

/// An upstream that the first flight was, or is being, sent to.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) upstream: Upstream,
    pub(super) connected: Instant,
    pub(super) patience: Duration,
    /// How much of the flight it has been sent.
    pub(crate) written: usize,
    /// When it had been sent all of it.
    pub(super) asked: Option<Instant>,
}

/// What a contender does.
#[derive(Debug)]
pub(super) enum Word {
    /// It has taken all that the client has sent.
    Taken,
    /// Its first word.
    Bytes(Vec<u8>),
    /// It ended the connection instead.
    End(io::Result<()>),
}

impl Contender {
    /// Opens the session with an upstream that has just taken the connection.
    pub(crate) fn new(thread: &Rc<Thread>, connected: Connected, wake: &Rc<Notify>) -> Self {
        let patience = connected.patience;
        let upstream = Upstream::open(thread, connected, wake);
        Self {
            upstream,
            connected: Instant::now(),
            patience,
            written: 0,
            asked: None,
        }
    }

    /// One that another process has sent so much of the client's flight; it has all the patience once more.
    pub(crate) fn resumed(upstream: Upstream, patience: Duration, written: usize, flight: usize) -> Self {
        let now = Instant::now();
        Self {
            upstream,
            connected: now,
            patience,
            written,
            asked: (written == flight).then_some(now),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, flight: &[u8]) -> Poll<Word> {
        if self.written < flight.len() {
            match self.poll_send(context, flight) {
                Poll::Ready(Ok(())) => return Poll::Ready(Word::Taken),
                Poll::Ready(Err(error)) => return Poll::Ready(Word::End(Err(error))),
                Poll::Pending => {}
            }
        }
        match ready!(poll_read(context, self.upstream.peer.stream())) {
            Ok(bytes) if bytes.is_empty() => Poll::Ready(Word::End(Ok(()))),
            Ok(bytes) => Poll::Ready(Word::Bytes(bytes)),
            Err(error) => Poll::Ready(Word::End(Err(error))),
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>, flight: &[u8]) -> Poll<io::Result<()>> {
        let stream = self.upstream.peer.stream();
        while self.written < flight.len() {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_write(&flight[self.written..]) {
                Ok(sent) => self.written += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.upstream.gauge.asked();
        self.asked = Some(Instant::now());
        Poll::Ready(Ok(()))
    }
}

/// Sends each contender what it has not had of the flight, and waits for the first to do something; for ever if there
/// are none.
pub(super) async fn first_word(contenders: &mut [Contender], flight: &[u8]) -> (usize, Word) {
    std::future::poll_fn(|context| {
        for (index, contender) in contenders.iter_mut().enumerate() {
            if let Poll::Ready(word) = contender.poll(context, flight) {
                return Poll::Ready((index, word));
            }
        }
        Poll::Pending
    })
    .await
}

/// What a stream has to say, at most a piece; empty: its FIN.
pub(super) fn poll_read(context: &mut Context<'_>, stream: &TcpStream) -> Poll<io::Result<Vec<u8>>> {
    loop {
        ready!(stream.poll_read_ready(context))?;
        let mut bytes = vec![0; PIECE];
        match stream.try_read(&mut bytes) {
            Ok(length) => {
                bytes.truncate(length);
                return Poll::Ready(Ok(bytes));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}
