//! One connection to a server: TCP, TLS, HTTP, each phase under its own limit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT,
};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use jackline_core::{Phase, ProbeFailure, ProbeLimits};
use jackline_trust::{Trust, TrustError};
use jackline_way::{Opening, Ways};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fault::{Fault, Kind, http_fault, io_fault, way_fault};
use crate::judge::Reply;

/// Bytes of an answer's body at the most. An apiserver's longest list of checks has some thousands.
const BODY_MAX: usize = 64 * 1024;
/// Bytes of an answer's head at the most.
const HEAD_MAX: usize = 64 * 1024;
/// Header fields of an answer at the most.
const FIELDS_MAX: usize = 100;
/// Bytes of a header's value that are looked at.
const VALUE_MAX: usize = 128;
/// How long a connection that is no longer wanted may take to say goodbye.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

const AGENT: &str = concat!("jackline-probe/", env!("CARGO_PKG_VERSION"));

/// A verified connection that speaks HTTP/1.1. Dropping it closes it.
pub(crate) struct Link {
    sender: SendRequest<Empty<Bytes>>,
    host: HeaderValue,
    /// Which trust it was made under.
    pub(crate) generation: u64,
    /// Whether a client certificate was there to be shown, or a credential was sent over it.
    pub(crate) authenticated: bool,
    /// Declared after the sender, which must be gone first for the goodbye.
    _closing: DropGuard,
}

/// Connects and shakes hands; returns the stream and how long the connect took.
pub(crate) async fn open_tls(
    endpoint: SocketAddr,
    limits: &ProbeLimits,
    (trust, ways): (&Trust, &Ways),
    config: Result<Arc<rustls::ClientConfig>, TrustError>,
) -> Result<(TlsStream<TcpStream>, Duration), Fault> {
    // Without a configuration nothing can be said of any server.
    let config = config.map_err(|error| {
        tracing::debug!(%error, "probe without TLS configuration");
        ProbeFailure::Aborted
    })?;
    let began = Instant::now();
    let tcp = ways
        .connect(endpoint, Opening::Ours, limits.connect)
        .await
        .map_err(way_fault)?;
    let connect = began.elapsed();
    // A request is a single small write: it must not wait for the acknowledgement of the handshake's last one.
    tcp.set_nodelay(true)
        .map_err(|error| io_fault(&error, Phase::Connect))?;
    let handshake = TlsConnector::from(config).connect(trust.tls_name(), tcp);
    match timeout(limits.tls, handshake).await {
        Err(_) => Err(Fault::timed_out(Phase::Tls)),
        Ok(Err(error)) => Err(io_fault(&error, Phase::Tls)),
        Ok(Ok(tls)) => Ok((tls, connect)),
    }
}

impl Link {
    /// Opens a verified connection; `present`: with the client certificate, if there is one and the server asks for it.
    pub(crate) async fn open(
        endpoint: SocketAddr,
        limits: &ProbeLimits,
        (trust, ways): (&Trust, &Ways),
        present: bool,
    ) -> Result<(Self, Duration), Fault> {
        // Before the configuration: a reload in between makes the connection older than it is, never younger.
        let generation = trust.generation();
        let host = HeaderValue::from_str(trust.server_name()).map_err(|_| ProbeFailure::Aborted)?;
        let (tls, connect) = open_tls(endpoint, limits, (trust, ways), trust.tls(present)).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .max_headers(FIELDS_MAX)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(tls))
            .await
            .map_err(|error| http_fault(&error))?;
        let unwanted = CancellationToken::new();
        let closing = unwanted.clone().drop_guard();
        tokio::spawn(async move {
            tokio::pin!(connection);
            // How it ended is told to the one who asks over it; after that nobody cares.
            if unwanted.run_until_cancelled(&mut connection).await.is_none() {
                let _ = timeout(GOODBYE_TIME, connection).await;
            }
        });
        Ok((
            Self {
                sender,
                host,
                generation,
                authenticated: false,
                _closing: closing,
            },
            connect,
        ))
    }

    /// `GET path`, with an `Authorization` header where one is given. The connection is good for another after an `Ok`.
    pub(crate) async fn ask(
        &mut self,
        path: &'static str,
        limit: Duration,
        authorization: Option<&str>,
    ) -> Result<Reply, Fault> {
        let request = self.request(path, authorization)?;
        match timeout(limit, self.exchange(request)).await {
            Err(_) => Err(Fault::timed_out(Phase::Http)),
            Ok(outcome) => outcome,
        }
    }

    fn request(
        &self,
        path: &'static str,
        authorization: Option<&str>,
    ) -> Result<Request<Empty<Bytes>>, Fault> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = hyper::Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(value) = authorization {
            let mut value = HeaderValue::from_str(value).map_err(|_| ProbeFailure::Aborted)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn exchange(&mut self, request: Request<Empty<Bytes>>) -> Result<Reply, Fault> {
        self.sender.ready().await.map_err(|error| http_fault(&error))?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|error| http_fault(&error))?;
        read(response).await
    }
}

/// Reads an answer whole, within its bounds.
async fn read(response: Response<Incoming>) -> Result<Reply, Fault> {
    let (head, mut body) = response.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > BODY_MAX {
            let status = head.status.as_u16();
            return Err(Fault::nonsense(format!(
                "answered {status} with more than {BODY_MAX} bytes: it is no apiserver"
            )));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Reply {
        status: head.status,
        content_type: value(&head.headers, &CONTENT_TYPE),
        encoding: value(&head.headers, &CONTENT_ENCODING),
        body: bytes.freeze(),
    })
}

/// An error within an answer: a connection that ends there was not simply old.
fn broken_off(error: &hyper::Error) -> Fault {
    match http_fault(error) {
        Fault { kind: Kind::Dead, .. } => Fault::refused("closed the connection in the middle of its answer"),
        other => other,
    }
}

/// A header's value in lower case, bounded; a value that is not visible ASCII is as good as none that we know.
fn value(headers: &HeaderMap, name: &HeaderName) -> String {
    let Some(value) = headers.get(name) else {
        return String::new();
    };
    let text = value.to_str().unwrap_or("?");
    text.chars()
        .take(VALUE_MAX)
        .collect::<String>()
        .to_ascii_lowercase()
}
