//! What a node says of itself: `GET /status` over its Unix socket, read as a stranger would, from the JSON alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A node that takes longer to tell how it is, is taken to be silent.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// A status is a few kilobytes.
const STATUS_MAX: usize = 1 << 20;

/// The part of the status that scenarios go by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) state: String,
    pub(crate) state_reason: String,
    pub(crate) trust: Trust,
    pub(crate) warnings: Vec<String>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) sources: Vec<Source>,
    pub(crate) sessions: Sessions,
    pub(crate) state_file: StateFile,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Trust {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) standing: String,
    pub(crate) health: String,
    #[serde(default)]
    pub(crate) administration: String,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) avoided: bool,
    #[serde(default)]
    pub(crate) sessions: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) mode: String,
    #[serde(default)]
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) note: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sessions {
    pub(crate) open: u64,
    pub(crate) opened_total: u64,
    pub(crate) refused_total: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StateFile {
    pub(crate) status: String,
}

impl Status {
    pub(crate) fn attached(&self) -> bool {
        self.state == "attached"
    }

    /// The source of this kind; where there are several, the first.
    pub(crate) fn source(&self, kind: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.kind == kind)
    }

    pub(crate) fn endpoint(&self, address: SocketAddr) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.address == address)
    }

    /// `127.0.0.2:6443 listed ready (why), …`, for what a check got.
    pub(crate) fn sketch(&self) -> String {
        let endpoints: Vec<String> = self
            .endpoints
            .iter()
            .map(|e| format!("{} {} {} ({})", e.address, e.standing, e.health, e.reason))
            .collect();
        let sources = self.sources.iter().filter_map(|source| {
            let error = source.error.as_ref()?;
            Some(format!("; source {} {}: {error}", source.name, source.state))
        });
        format!(
            "{} [{}]{}",
            self.state,
            endpoints.join(", "),
            sources.collect::<String>()
        )
    }
}

/// Asks one node again and again over one connection.
pub(crate) struct StatusReader {
    socket: PathBuf,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl StatusReader {
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            sender: None,
        }
    }

    /// # Errors
    /// When nobody answers at the socket, or something else than a status.
    pub(crate) async fn read(&mut self) -> anyhow::Result<Status> {
        let kept = self.sender.is_some();
        let mut result = timeout(STATUS_TIMEOUT, self.exchange()).await;
        if kept && matches!(result, Ok(Err(_))) {
            // A kept connection may be closed at any time: that is no silence.
            self.sender = None;
            result = timeout(STATUS_TIMEOUT, self.exchange()).await;
        }
        match result {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => {
                self.sender = None;
                Err(error)
            }
            Err(_) => {
                self.sender = None;
                Err(anyhow::anyhow!("no answer within {} s", STATUS_TIMEOUT.as_secs()))
            }
        }
    }

    async fn exchange(&mut self) -> anyhow::Result<Status> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = UnixStream::connect(&self.socket).await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let Some(sender) = self.sender.as_mut() else {
            anyhow::bail!("no connection")
        };
        sender.ready().await?;
        let request = hyper::Request::get("/status")
            .header("host", "jackline")
            .body(Empty::new())?;
        let response = sender.send_request(request).await?;
        anyhow::ensure!(
            response.status().is_success(),
            "GET /status answered {}",
            response.status()
        );
        let body = Limited::new(response.into_body(), STATUS_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("reading the status: {error}"))?;
        Ok(serde_json::from_slice(&body.to_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_the_lab_does_not_know_are_no_error() {
        let status: Status = serde_json::from_str(
            r#"{"version":"9","node":"n","state":"attached","since":"x","novelty":[1],
                "endpoints":[{"address":"127.0.0.2:6443","standing":"listed","health":"ready","administration":"enabled",
                              "reason":"readyz ok","sessions":3,"sources":["kubernetes"],"last_ready":null}],
                "sessions":{"open":3,"opened_total":4,"closed_total":1}}"#,
        )
        .expect("parses");
        assert!(status.attached());
        let address = "127.0.0.2:6443".parse().expect("an address");
        assert_eq!(status.endpoint(address).map(|e| e.sessions), Some(3));
        assert_eq!(
            status.sketch(),
            "attached [127.0.0.2:6443 listed ready (readyz ok)]"
        );
    }
}
