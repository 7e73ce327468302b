//! A stream of lines from one answer that does not end: what a watch is made of.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::ask_error::{AskError, Phase, chain, foreign_words};

/// The lines of one answer's body.
pub(crate) struct Lines {
    body: Incoming,
    /// What came and is not told yet.
    rest: BytesMut,
    /// How much of `rest` is known to hold no line's end.
    searched: usize,
    /// Keeps the connection alive as long as its lines are read.
    _driver: Option<AbortOnDropHandle<()>>,
}

impl Lines {
    pub(super) fn new(body: Incoming, driver: Option<AbortOnDropHandle<()>>) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
            searched: 0,
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
            match timeout(silence, self.body.frame())
                .await
                .map_err(|_| AskError::TimedOut(Phase::Body))?
            {
                Some(Ok(frame)) => {
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
