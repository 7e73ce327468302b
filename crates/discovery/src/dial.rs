//! One TCP connection and one TLS handshake with one server, each phase under its own limit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use jackline_trust::Trust;
use jackline_way::{Opening, Ways, local_fault};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ask_error::{AskError, Phase, foreign_words};

/// Beyond this a connect is given up, so that black holes make room for others: a lost SYN is sent again after 1 s.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);

/// Beyond this a handshake is.
const TLS_LIMIT: Duration = Duration::from_secs(5);

/// A watch's peer that died without a word is found by the kernel after 20 + 3 × 5 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// How a server is approached: by what it is verified, and what is presented once it is.
#[derive(Clone)]
pub(crate) struct Access {
    /// How it is reached.
    pub(crate) ways: Arc<Ways>,
    /// Verifies the server, and may carry a client certificate.
    pub(crate) tls: Arc<ClientConfig>,
    /// The name that the certificate must be good for; SNI and Host say it too (H1).
    pub(crate) name: ServerName<'static>,
    /// The value of the Authorization header. Only sent after the handshake, to a verified server.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Access {
    /// As the node's own credential may, to servers that verify against the cluster's CA.
    ///
    /// # Errors
    /// In words, with what to do, where there is no CA or the files are no good.
    pub(crate) fn of_node(trust: &Trust, ways: &Arc<Ways>) -> Result<Self, String> {
        if !trust.has_ca() {
            return Err(
                "without the cluster's CA no answer can be believed and no credential shown; \
                        configure cluster.ca-file or cluster.kubeconfig"
                    .to_owned(),
            );
        }
        let tls = trust.tls(true).map_err(|error| error.to_string())?;
        let authorization = match trust
            .credential()
            .as_ref()
            .and_then(|credential| credential.authorization())
        {
            Some(value) => Some(sensitive(value)?),
            None => None,
        };
        Ok(Self {
            ways: Arc::clone(ways),
            tls,
            name: trust.tls_name(),
            authorization,
        })
    }
}

/// A header value that no log shows.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        "the credential cannot be sent in a header: it should be one line of visible ASCII".to_owned()
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Connects and shakes hands.
pub(crate) async fn dial(
    address: SocketAddr,
    access: &Access,
    until: Instant,
) -> Result<TlsStream<TcpStream>, AskError> {
    let within = CONNECT_LIMIT.min(until.saturating_duration_since(Instant::now()));
    let stream = access
        .ways
        .connect(address, Opening::Ours, within)
        .await
        .map_err(AskError::from_way)?;
    // Both only make things better: a kernel that refuses them costs nothing but speed.
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    let shake = TlsConnector::from(Arc::clone(&access.tls)).connect(access.name.clone(), stream);
    timeout_at(until.min(Instant::now() + TLS_LIMIT), shake)
        .await
        .map_err(|_| AskError::TimedOut(Phase::Tls))?
        .map_err(handshake_error)
}

/// Tells a certificate that does not verify from a peer that does not speak TLS.
fn handshake_error(error: std::io::Error) -> AskError {
    if let Some(fault) = local_fault(&error) {
        return AskError::Local(fault);
    }
    match jackline_trust::tls_fault(&error) {
        Some(tls) => match jackline_trust::classify(tls) {
            Some(untrusted) => AskError::Untrusted(untrusted.detail),
            None => AskError::Handshake(foreign_words(&tls.to_string())),
        },
        None => AskError::Handshake(foreign_words(&error.to_string())),
    }
}
