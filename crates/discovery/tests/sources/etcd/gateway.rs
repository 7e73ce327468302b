//! What apiservers and operators do to etcd, said in JSON to a member's own gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::stand::{Identity, PATIENCE, Pki};

/// Somebody who may write.
#[derive(Clone)]
pub(super) struct Gateway {
    tls: Arc<ClientConfig>,
}

impl Gateway {
    pub(super) fn new(pki: &Pki, writer: &Identity) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(pki.ca()).unwrap();
        let (certificate, key) = writer.der();
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        Self { tls: Arc::new(tls) }
    }

    /// Writes a key, and gives the revision that made.
    pub(super) async fn put(&self, member: SocketAddr, key: &str, value: impl AsRef<[u8]>) -> u64 {
        let body = json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value)});
        revision(&self.ask(member, "/v3/kv/put", &body).await)
    }

    pub(super) async fn delete(&self, member: SocketAddr, key: &str) -> u64 {
        let body = json!({"key": STANDARD.encode(key)});
        revision(&self.ask(member, "/v3/kv/deleterange", &body).await)
    }

    /// Writes many keys without values.
    pub(super) async fn put_all(&self, member: SocketAddr, keys: &[String]) {
        let puts: Vec<Value> = keys
            .iter()
            .map(|key| json!({"requestPut": {"key": STANDARD.encode(key)}}))
            .collect();
        self.ask(member, "/v3/kv/txn", &json!({"success": puts})).await;
    }

    /// Forgets the history up to `revision`.
    pub(super) async fn compact(&self, member: SocketAddr, revision: u64) {
        let body = json!({"revision": revision.to_string(), "physical": true});
        self.ask(member, "/v3/kv/compaction", &body).await;
    }

    pub(super) async fn add_member(&self, member: SocketAddr, peer: &str) {
        self.ask(member, "/v3/cluster/member/add", &json!({"peerURLs": [peer]}))
            .await;
    }

    pub(super) async fn remove_member(&self, member: SocketAddr, id: &str) {
        self.ask(member, "/v3/cluster/member/remove", &json!({"ID": id}))
            .await;
    }

    /// This member's id and its leader's; `None`: it does not answer, or knows none.
    pub(super) async fn leader(&self, member: SocketAddr) -> Option<(String, String)> {
        let status = self
            .try_ask(member, "/v3/maintenance/status", &json!({}))
            .await
            .ok()?;
        let id = status["header"]["member_id"].as_str()?.to_owned();
        let leader = status["leader"].as_str()?.to_owned();
        (leader != "0").then_some((id, leader))
    }

    /// Whether it can write: it knows a leader and has a quorum.
    pub(super) async fn is_healthy(&self, member: SocketAddr) -> bool {
        let health = self.exchange(member, Request::get("/health"), Bytes::new()).await;
        health.is_ok_and(|body| String::from_utf8_lossy(&body).contains("\"health\":\"true\""))
    }

    /// One figure out of a member's metrics.
    pub(super) async fn metric(&self, member: SocketAddr, name: &str) -> f64 {
        let body = self
            .exchange(member, Request::get("/metrics"), Bytes::new())
            .await
            .expect("metrics");
        let text = String::from_utf8(body.to_vec()).expect("text");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        line.trim().parse().expect("a number")
    }

    async fn ask(&self, member: SocketAddr, path: &str, body: &Value) -> Value {
        self.try_ask(member, path, body)
            .await
            .unwrap_or_else(|error| panic!("{member}{path}: {error}"))
    }

    async fn try_ask(&self, member: SocketAddr, path: &str, body: &Value) -> Result<Value, String> {
        let body = self
            .exchange(member, Request::post(path), Bytes::from(body.to_string()))
            .await?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer),
        }
    }

    async fn exchange(
        &self,
        member: SocketAddr,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Bytes, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let whole = async {
            let stream = TcpStream::connect(member).await.map_err(|error| words(&error))?;
            let stream = TlsConnector::from(Arc::clone(&self.tls))
                .connect(ServerName::from(member.ip()), stream)
                .await
                .map_err(|error| words(&error))?;
            let (mut send, driver) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| words(&error))?;
            let request = request
                .header("host", member.to_string())
                .header("connection", "close")
                .body(Full::new(body))
                .map_err(|error| words(&error))?;
            let answer = async {
                let response = send.send_request(request).await?;
                Ok(response.into_body().collect().await?.to_bytes())
            };
            let (answer, _) = tokio::join!(answer, driver);
            answer.map_err(|error: hyper::Error| words(&error))
        };
        timeout(PATIENCE, whole)
            .await
            .map_err(|_| "no answer".to_owned())?
    }
}

fn revision(answer: &Value) -> u64 {
    let revision = &answer["header"]["revision"];
    revision
        .as_str()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("no revision in {answer}"))
}
