//! gRPC over one HTTP/2 connection to one member: calls with one answer, and a stream of answers. All that is read has
//! its bound before it is read.
//!
//! What the messages say is others' business; why this is no library: `docs/decisions/0007-etcd-client.md`.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, TE, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use prost::Message;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ask_error::{AskError, Phase, chain, foreign_words};
use crate::dial::{Access, dial};

mod fault;

use fault::{GRPC_STATUS, closed_at_once, cut_off, judge_status, shut_out};

/// A peer that says nothing for so long is pinged …
const PING_AFTER: Duration = Duration::from_secs(5);

/// … and given up if it does not even answer that: a frozen or cut-off member is noticed within 8 s.
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// So much of one answer, and of all together, may be under way unread.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The longest head or trailer of an answer.
const HEAD_MAX: u32 = 16 * 1024;

/// A message's head: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// How long an answer is waited for, told to the member too.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A member that knows no leader is to say so at once, and to end watches: etcd's own word for it.
const HAS_LEADER: HeaderName = HeaderName::from_static("hasleader");

/// One connection. All that it started ends with it, and with the streams taken from it.
pub(super) struct Channel {
    send: SendRequest<Outgoing>,
    authority: String,
    life: DropGuard,
}

/// How one call is to be made.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// The method's path.
    pub(super) method: &'static str,
    /// Whether an answer is wanted only from a member that knows a leader.
    pub(super) with_leader: bool,
    /// The largest answer in bytes.
    pub(super) answer_max: usize,
}

/// The answers of a stream.
pub(super) struct Messages {
    body: Incoming,
    buffer: BytesMut,
    /// When something came last.
    heard: Instant,
    /// Absent where the connection belongs to somebody else.
    life: Option<DropGuard>,
}

/// What we send: its message or messages, after which a stream is left open.
struct Outgoing {
    bytes: Option<Bytes>,
    stays_open: bool,
}

/// Starts what the connection needs, and ends it with the connection.
#[derive(Clone)]
struct Tied(CancellationToken);

impl Channel {
    /// Dials. `authority` is the member's own `host:port`.
    pub(super) async fn open(
        address: SocketAddr,
        access: &Access,
        authority: &str,
        until: Instant,
    ) -> Result<Self, AskError> {
        let stream = dial(address, access, until).await.map_err(shut_out)?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(AskError::NotGrpc(
                "HTTP/2 is not what it agreed to; is this etcd's client port?".to_owned(),
            ));
        }
        let token = CancellationToken::new();
        let life = token.clone().drop_guard();
        let handshake = Builder::new(Tied(token.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_ANSWERED_WITHIN)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_MAX)
            .handshake(TokioIo::new(stream));
        let (send, driver) = timeout_at(until, handshake)
            .await
            .map_err(|_| AskError::TimedOut(Phase::Head))?
            .map_err(|error| AskError::NotGrpc(foreign_words(&chain(&error))))?;
        // What the driver has to say reaches whoever waits for an answer.
        tokio::spawn(token.run_until_cancelled_owned(async move { drop(driver.await) }));
        Ok(Self {
            send,
            authority: authority.to_owned(),
            life,
        })
    }

    /// Asks and reads the one answer.
    pub(super) async fn call<A: Message + Default>(
        &self,
        call: Call,
        request: &impl Message,
        until: Instant,
    ) -> Result<A, AskError> {
        let outgoing = Outgoing {
            bytes: Some(framed(std::iter::once(request))),
            stays_open: false,
        };
        let exchange = async {
            let mut messages = self.send(call, outgoing, Some(until)).await?;
            let Some(answer) = messages.next(call.answer_max).await? else {
                return Err(AskError::NotGrpc("an answer without a message".to_owned()));
            };
            match messages.next(call.answer_max).await? {
                Some(_) => Err(AskError::NotGrpc(
                    "two messages where one was asked for".to_owned(),
                )),
                None => decoded(answer),
            }
        };
        timeout_at(until, exchange)
            .await
            .map_err(|_| AskError::TimedOut(Phase::Head))?
    }

    /// Opens a stream with `requests`; the connection goes with it.
    pub(super) async fn stream(
        self,
        call: Call,
        requests: &[impl Message],
        until: Instant,
    ) -> Result<Messages, AskError> {
        let outgoing = Outgoing {
            bytes: Some(framed(requests)),
            stays_open: true,
        };
        let mut messages = timeout_at(until, self.send(call, outgoing, None))
            .await
            .map_err(|_| AskError::TimedOut(Phase::Head))??;
        messages.life = Some(self.life);
        Ok(messages)
    }

    /// Sends, and judges the head of the answer.
    async fn send(&self, call: Call, body: Outgoing, until: Option<Instant>) -> Result<Messages, AskError> {
        let mut request = Request::post(format!("https://{}{}", self.authority, call.method))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .header(USER_AGENT, concat!("jackline/", env!("CARGO_PKG_VERSION")));
        if call.with_leader {
            request = request.header(HAS_LEADER, "true");
        }
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            request = request.header(GRPC_TIMEOUT, format!("{}m", left.as_millis().max(1)));
        }
        let request = request
            .body(body)
            .map_err(|error| AskError::Nonsense(format!("no such request can be made: {error}")))?;
        let response = self
            .send
            .clone()
            .send_request(request)
            .await
            .map_err(|error| closed_at_once(&error))?;
        judge_head(&response)?;
        Ok(Messages {
            body: response.into_body(),
            buffer: BytesMut::new(),
            heard: Instant::now(),
            life: None,
        })
    }
}

fn judge_head<B>(response: &Response<B>) -> Result<(), AskError> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let media = headers
        .get(CONTENT_TYPE)
        .map(|value| foreign_words(&String::from_utf8_lossy(value.as_bytes())))
        .unwrap_or_default();
    if status != 200 || !media.starts_with("application/grpc") {
        return Err(AskError::NotGrpc(format!("HTTP status {status}, {media:?}")));
    }
    // A refusal may come without a body, all in the head.
    if headers.contains_key(GRPC_STATUS) {
        judge_status(headers)?;
    }
    Ok(())
}

impl Messages {
    /// The next message of at most `max` bytes; `None`: the stream ended well. A longer one is not read.
    pub(super) async fn next(&mut self, max: usize) -> Result<Option<Bytes>, AskError> {
        loop {
            if let Some(message) = self.taken(max)? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else {
                return Err(AskError::CutOff("it ended without a status".to_owned()));
            };
            let frame = frame.map_err(|error| cut_off(&error, self.heard.elapsed()))?;
            self.heard = Instant::now();
            match frame.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(other) => {
                    judge_status(other.trailers_ref().unwrap_or(&HeaderMap::new()))?;
                    if !self.buffer.is_empty() {
                        return Err(AskError::CutOff("in the middle of a message".to_owned()));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// A whole message out of what has come; an error as soon as its length shows that it is too long.
    fn taken(&mut self, max: usize) -> Result<Option<Bytes>, AskError> {
        let Some(mut prefix) = self.buffer.get(..PREFIX) else {
            return Ok(None);
        };
        let (compressed, length) = (prefix.get_u8(), prefix.get_u32());
        if compressed != 0 {
            return Err(AskError::NotGrpc(
                "a compressed message, which was not asked for".to_owned(),
            ));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > max {
            return Err(AskError::TooLarge(max));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

/// A message of others.
pub(super) fn decoded<A: Message + Default>(bytes: Bytes) -> Result<A, AskError> {
    A::decode(bytes).map_err(|error| AskError::Nonsense(foreign_words(&error.to_string())))
}

/// Messages of ours, one after the other, each behind its head.
fn framed<'a, M: Message + 'a>(messages: impl IntoIterator<Item = &'a M>) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        let encoded = message.encode_to_vec();
        bytes.put_u8(0);
        // Our own requests are some dozens of bytes long.
        bytes.put_u32(u32::try_from(encoded.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&encoded);
    }
    bytes.freeze()
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // Nothing more will ever come, so nobody needs to be woken.
            None if self.stays_open => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.stays_open
    }
}

impl<F> hyper::rt::Executor<F> for Tied
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        tokio::spawn(
            self.0
                .clone()
                .run_until_cancelled_owned(async move { drop(task.await) }),
        );
    }
}
