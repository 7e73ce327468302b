//! Questions to an apiserver, straight or through a balancer: one request on one new connection, over verified TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::clients::{Identity, Kind};
use crate::place::Place;

/// Bytes of an answer.
const ANSWER_MAX: usize = 4 << 20;

/// The one name that every serving certificate carries.
const SERVER_NAME: &str = "kubernetes";

/// Where to ask, from where, and as whom.
#[derive(Clone)]
pub(super) struct Api {
    place: Place,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    /// No answer within this is none.
    limit: Duration,
}

/// An answer of an apiserver.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Something to be written.
pub(super) struct Content {
    pub(super) media: &'static str,
    pub(super) text: String,
}

impl Content {
    pub(super) fn json(value: &Value) -> Self {
        Self {
            media: "application/json",
            text: value.to_string(),
        }
    }

    pub(super) fn merge_patch(value: &Value) -> Self {
        Self {
            media: "application/merge-patch+json",
            text: value.to_string(),
        }
    }

    pub(super) fn yaml(text: impl Into<String>) -> Self {
        Self {
            media: "application/yaml",
            text: text.into(),
        }
    }
}

impl Answer {
    /// The JSON in it.
    ///
    /// # Errors
    /// When it is no 2xx, or no JSON: with what it says.
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        anyhow::ensure!(
            self.status.is_success(),
            "answered {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        serde_json::from_slice(&self.body).context("an answer is no JSON")
    }
}

impl Api {
    /// With the client certificate of an identity.
    ///
    /// # Errors
    /// When the certificate is of no use.
    pub(super) fn new(
        place: Place,
        address: SocketAddr,
        identity: &Identity,
        limit: Duration,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            place,
            address,
            tls: Arc::new(identity.tls(Kind::Fresh)?),
            limit,
        })
    }

    /// # Errors
    /// When there is no answer; one that we do not like is an answer.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// # Errors
    /// As [`Api::get`].
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        content: Option<Content>,
    ) -> anyhow::Result<Answer> {
        timeout(self.limit, self.exchange(method, path, content))
            .await
            .with_context(|| format!("no answer within {} ms", self.limit.as_millis()))?
    }

    async fn exchange(&self, method: Method, path: &str, content: Option<Content>) -> anyhow::Result<Answer> {
        let stream = self.place.connect(self.address).await.context("connecting")?;
        let _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector
            .connect(ServerName::try_from(SERVER_NAME)?, stream)
            .await
            .context("TLS handshake")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with this exchange.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", SERVER_NAME)
            .header("user-agent", "jackline-lab")
            .header("accept", "application/json, */*")
            .header("connection", "close");
        let body = content.map_or_else(String::new, |content| {
            request = std::mem::take(&mut request).header("content-type", content.media);
            content.text
        });
        let response = sender
            .send_request(request.body(Full::new(Bytes::from(body)))?)
            .await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }
}
