//! Bounded HTTP/1.1 exchanges with one server: a whole answer, or a stream of lines.
//!
//! No redirect is followed, no coding accepted, nothing read beyond its bound.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, LOCATION,
    RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::ask_error::{AskError, Phase, chain, foreign_words};
use crate::dial::{Access, dial};

mod lines;

pub(crate) use lines::Lines;

/// The longest head of an answer.
const HEAD_MAX: usize = 64 * 1024;

/// As much of the body of a refusal is read to learn its words, and for so long.
const REFUSAL_MAX: usize = 16 * 1024;
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);

/// What is asked for, and what is accepted as an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want<'a> {
    /// Path and query, ready for the request line.
    pub(crate) path: &'a str,
    /// The media type.
    pub(crate) media: Media,
    /// The largest body in bytes.
    pub(crate) body_max: usize,
}

/// The media types that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`.
    Json,
    /// `text/plain`: certificates.
    Text,
}

/// One connection to one server. A connection that the server closed between two exchanges is replaced by a new one.
pub(crate) struct Connection<'a> {
    address: SocketAddr,
    access: &'a Access,
    open: Option<Open>,
}

struct Open {
    send: SendRequest<Empty<Bytes>>,
    /// Reads and writes the socket; dies with the connection.
    driver: AbortOnDropHandle<()>,
}

impl<'a> Connection<'a> {
    /// Nothing is dialled before the first exchange.
    pub(crate) fn new(address: SocketAddr, access: &'a Access) -> Self {
        Self {
            address,
            access,
            open: None,
        }
    }

    /// Asks and reads the whole answer: the body of a 200 of the wanted type.
    pub(crate) async fn get(&mut self, want: Want<'_>, until: Instant) -> Result<Bytes, AskError> {
        let response = self.exchange(want, until).await?;
        let body = read_body(response.into_body(), want.body_max, until).await?;
        Ok(body)
    }

    /// Asks for a stream of lines; the connection goes with it.
    pub(crate) async fn stream(mut self, want: Want<'_>, until: Instant) -> Result<Lines, AskError> {
        let response = self.exchange(want, until).await?;
        let driver = self.open.take().map(|open| open.driver);
        Ok(Lines::new(response.into_body(), driver))
    }

    /// Sends the request and judges the head of the answer.
    async fn exchange(&mut self, want: Want<'_>, until: Instant) -> Result<Response<Incoming>, AskError> {
        let request = self.request(want)?;
        let send = self.ready(until).await?;
        let response = timeout_at(until, send.send_request(request))
            .await
            .map_err(|_| AskError::TimedOut(Phase::Head))?
            .map_err(|error| AskError::from_head(&error, HEAD_MAX))?;
        let status = response.status();
        let headers = response.headers();
        if status.is_redirection() {
            return Err(AskError::Redirect(header_words(headers, &LOCATION)));
        }
        let coding = header_words(headers, &CONTENT_ENCODING);
        if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            return Err(AskError::Encoded(coding));
        }
        if status.as_u16() != 200 {
            return Err(refusal(response, until).await);
        }
        let got = header_words(headers, &CONTENT_TYPE);
        if !want.media.matches(&got) {
            return Err(AskError::ContentType {
                got,
                wanted: want.media.name(),
            });
        }
        if response
            .body()
            .size_hint()
            .exact()
            .is_some_and(|length| length > want.body_max as u64)
        {
            return Err(AskError::TooLarge(want.body_max));
        }
        Ok(response)
    }

    fn request(&self, want: Want<'_>) -> Result<Request<Empty<Bytes>>, AskError> {
        let mut request = Request::get(want.path)
            .header(HOST, &*self.access.name.to_str())
            .header(ACCEPT, want.media.name())
            .header(ACCEPT_ENCODING, "identity")
            .header(USER_AGENT, concat!("jackline/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.access.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request
            .body(Empty::new())
            .map_err(|error| AskError::Nonsense(format!("no such request can be made: {error}")))
    }

    /// A connection that takes a request: the open one, or a new one.
    async fn ready(&mut self, until: Instant) -> Result<&mut SendRequest<Empty<Bytes>>, AskError> {
        let usable = match &mut self.open {
            Some(open) => matches!(timeout_at(until, open.send.ready()).await, Ok(Ok(()))),
            None => false,
        };
        if !usable {
            self.open = None;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(self.address, self.access, until).await?,
        };
        Ok(&mut self.open.insert(open).send)
    }
}

impl Open {
    async fn new(address: SocketAddr, access: &Access, until: Instant) -> Result<Self, AskError> {
        let stream = dial(address, access, until).await?;
        let (send, driver) = http1::Builder::new()
            .max_header_size(HEAD_MAX)
            .max_buf_size(2 * HEAD_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| AskError::from_head(&error, HEAD_MAX))?;
        // What the driver has to say reaches whoever waits for the answer.
        let driver = AbortOnDropHandle::new(tokio::spawn(async move { drop(driver.await) }));
        Ok(Self { send, driver })
    }
}

impl Media {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain",
        }
    }

    fn matches(self, got: &str) -> bool {
        got.split(';')
            .next()
            .is_some_and(|media| media.trim().eq_ignore_ascii_case(self.name()))
    }
}

/// Reads a body up to its bound.
async fn read_body(mut body: Incoming, max: usize, until: Instant) -> Result<Bytes, AskError> {
    let mut whole = Vec::new();
    while let Some(frame) = timeout_at(until, body.frame())
        .await
        .map_err(|_| AskError::TimedOut(Phase::Body))?
    {
        let frame = frame.map_err(|error| AskError::CutOff(foreign_words(&chain(&error))))?;
        if let Some(data) = frame.data_ref() {
            if whole.len() + data.len() > max {
                return Err(AskError::TooLarge(max));
            }
            whole.extend_from_slice(data);
        }
    }
    Ok(whole.into())
}

/// What a status other than 200 means, in the server's own words where it has some.
async fn refusal(response: Response<Incoming>, until: Instant) -> AskError {
    let code = response.status().as_u16();
    // A date instead of seconds is never sent by Kubernetes: such a pause is not believed.
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(seconds);
    let is_json = Media::Json.matches(&header_words(response.headers(), &CONTENT_TYPE));
    // The words are a courtesy: without them the status alone is told.
    let soon = until.min(Instant::now() + REFUSAL_WITHIN);
    let body = read_body(response.into_body(), REFUSAL_MAX, soon)
        .await
        .unwrap_or_default();
    if !is_json {
        let message = foreign_words(&String::from_utf8_lossy(&body));
        return AskError::Status {
            code,
            message,
            retry_after,
            missing: None,
        };
    }
    let status: Status = serde_json::from_slice(&body).unwrap_or_default();
    AskError::Status {
        code,
        message: foreign_words(&status.message),
        retry_after,
        missing: status.missing(),
    }
}

/// Kubernetes's answer where it gives no other.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

impl Status {
    /// What is missing, where it says so: in its details as apiservers do, or at least in their words.
    fn missing(&self) -> Option<String> {
        if self.reason != "NotFound" {
            return None;
        }
        let Details { kind, name } = &self.details;
        if !kind.is_empty() && !name.is_empty() {
            return Some(format!("{kind}/{name}"));
        }
        let (kind, rest) = self.message.split_once(" \"")?;
        let name = rest.strip_suffix("\" not found")?;
        Some(format!("{kind}/{name}"))
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim()
        .parse::<u32>()
        .ok()
        .map(|seconds| Duration::from_secs(seconds.into()))
}

fn header_words(headers: &HeaderMap, name: &hyper::header::HeaderName) -> String {
    headers
        .get(name)
        .map(|value| foreign_words(&String::from_utf8_lossy(value.as_bytes())))
        .unwrap_or_default()
}
