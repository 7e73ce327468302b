//! What apiservers and operators do to etcd, said in JSON to a member's own gateway, over TLS with a client certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::pki::Authority;
use crate::place::Place;

/// A member that takes longer has not answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Metrics are the longest answer.
const ANSWER_MAX: usize = 4 << 20;

/// Somebody who may write. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Gateway {
    tls: Arc<ClientConfig>,
    /// Whence it speaks.
    place: Place,
}

impl Gateway {
    pub(super) fn new(authority: &Authority, place: Place) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der())?;
        let (certificate, key) = authority.client("kube-apiserver-etcd-client", &[])?.into_der();
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)?;
        Ok(Self {
            tls: Arc::new(tls),
            place,
        })
    }

    /// The same one, speaking from there.
    pub(crate) fn from(&self, place: Place) -> Self {
        Self {
            place,
            ..self.clone()
        }
    }

    pub(crate) async fn put(&self, member: SocketAddr, key: &str, value: &[u8]) -> anyhow::Result<()> {
        let body = json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value)});
        self.ask(member, "/v3/kv/put", &body).await.map(drop)
    }

    /// The same, gone by itself after so many seconds; etcd makes it two at the least.
    pub(crate) async fn put_for(
        &self,
        member: SocketAddr,
        key: &str,
        value: &[u8],
        seconds: u64,
    ) -> anyhow::Result<()> {
        let lease = self
            .ask(member, "/v3/lease/grant", &json!({"TTL": seconds.to_string()}))
            .await?;
        let body =
            json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value), "lease": lease["ID"]});
        self.ask(member, "/v3/kv/put", &body).await.map(drop)
    }

    pub(crate) async fn delete(&self, member: SocketAddr, key: &str) -> anyhow::Result<()> {
        let body = json!({"key": STANDARD.encode(key)});
        self.ask(member, "/v3/kv/deleterange", &body).await.map(drop)
    }

    /// All keys that begin so, from what this member has: no quorum is asked.
    pub(crate) async fn keys(&self, member: SocketAddr, prefix: &str) -> anyhow::Result<Vec<String>> {
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let body = json!({"key": STANDARD.encode(prefix), "range_end": STANDARD.encode(end),
                          "keys_only": true, "serializable": true});
        let answer = self.ask(member, "/v3/kv/range", &body).await?;
        let keys = answer["kvs"].as_array().into_iter().flatten();
        let decoded = keys.filter_map(|kv| STANDARD.decode(kv["key"].as_str()?).ok());
        Ok(decoded
            .map(|key| String::from_utf8_lossy(&key).into_owned())
            .collect())
    }

    /// This member's id and its leader's; `None`: it does not answer, or knows none.
    pub(crate) async fn leader(&self, member: SocketAddr) -> Option<(String, String)> {
        let status = self
            .ask(member, "/v3/maintenance/status", &json!({}))
            .await
            .ok()?;
        let id = status["header"]["member_id"].as_str()?.to_owned();
        let leader = status["leader"].as_str()?.to_owned();
        (leader != "0").then_some((id, leader))
    }

    /// Whether it can write: it knows a leader and has a quorum.
    pub(crate) async fn is_healthy(&self, member: SocketAddr) -> bool {
        let health = self.exchange(member, Request::get("/health"), Bytes::new()).await;
        health.is_ok_and(|body| String::from_utf8_lossy(&body).contains("\"health\":\"true\""))
    }

    /// How many calls of each of these methods a member has begun to serve, all together.
    pub(crate) async fn calls(&self, member: SocketAddr, methods: &[&str]) -> anyhow::Result<u64> {
        let body = self
            .exchange(member, Request::get("/metrics"), Bytes::new())
            .await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let begun = text
            .lines()
            .filter(|line| line.starts_with("grpc_server_started_total{"));
        let wanted = begun.filter(|line| {
            methods
                .iter()
                .any(|method| line.contains(&format!("grpc_method=\"{method}\"")))
        });
        let counts = wanted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }

    async fn ask(&self, member: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = self
            .exchange(member, Request::post(path), Bytes::from(body.to_string()))
            .await
            .with_context(|| format!("{member}{path}"))?;
        let answer: Value = serde_json::from_slice(&body)?;
        match answer.get("error") {
            Some(error) => anyhow::bail!("{member}{path}: {error}"),
            None => Ok(answer),
        }
    }

    async fn exchange(
        &self,
        member: SocketAddr,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let whole = async {
            let stream = self.place.connect(member).await?;
            let stream = TlsConnector::from(Arc::clone(&self.tls))
                .connect(ServerName::from(member.ip()), stream)
                .await?;
            let (mut send, driver) = http1::handshake(TokioIo::new(stream)).await?;
            let _driver = AbortOnDropHandle::new(tokio::spawn(driver));
            let request = request
                .header("host", member.to_string())
                .header("connection", "close")
                .body(Full::new(body))?;
            let response = send.send_request(request).await?;
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
            Ok(body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes())
        };
        timeout(ANSWER_WITHIN, whole).await.context("no answer in time")?
    }
}
