//! What the naive balancer knows of the servers: the list, read through the balancer itself, and its own tests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::StatusCode;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use super::Shared;

/// A poll stands for the watch.
const LEARN_EVERY: Duration = Duration::from_millis(200);

const TEST_EVERY: Duration = Duration::from_millis(250);

/// How long anything may take: far too short for a server under load, which is the point.
const TIMEOUT: Duration = Duration::from_secs(1);

const ANSWER_MAX: usize = 1 << 20;

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";

/// Reads the list through the balancer again and again: the one proof that it serves, and all that it learns but for the
/// very first list, which a supervisor tells as the node joins.
pub(super) async fn learn(shared: Arc<Shared>) {
    if shared.habits.learns {
        join(&shared).await;
    }
    let mut ticks = interval(LEARN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = timeout(TIMEOUT, ask(&shared, shared.listen, ENDPOINTS));
        let list = match answer.await {
            Ok(Ok((status, body))) if status.is_success() => Some(addresses(&body)),
            _ => None,
        };
        shared.lock().serves = list.is_some();
        if let Some(list) = list.filter(|_| shared.habits.learns) {
            obey(&shared, list);
        }
    }
}

/// The first list: of the supervisor, and where there is none (a real apiserver knows nothing of it) of the apiserver itself.
async fn join(shared: &Shared) {
    let mut ticks = interval(LEARN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shared.lock().list.is_empty() {
        ticks.tick().await;
        let servers = shared.lock().fallback.clone();
        for server in servers {
            match timeout(TIMEOUT, ask(shared, server, "/v1-k3s/apiservers")).await {
                Ok(Ok((status, body))) if status.is_success() => {
                    obey(shared, serde_json::from_slice(&body).unwrap_or_default());
                }
                Ok(Ok(_)) => {
                    if let Ok(Ok((status, body))) = timeout(TIMEOUT, ask(shared, server, ENDPOINTS)).await
                        && status.is_success()
                    {
                        obey(shared, addresses(&body));
                    }
                }
                _ => {}
            }
        }
    }
}

fn obey(shared: &Shared, told: Vec<SocketAddr>) {
    let mut inner = shared.lock();
    let gone: Vec<SocketAddr> = inner
        .list
        .iter()
        .filter(|address| !told.contains(address))
        .copied()
        .collect();
    let mut list = told;
    if !shared.habits.forgets {
        list.extend(&gone);
    } else if shared.habits.closes_removed {
        for server in gone {
            inner.close(server);
        }
    }
    if list == inner.list {
        return;
    }
    if shared.habits.remembers {
        let _ = std::fs::write(&shared.state_file, serde_json::json!(list).to_string());
    }
    // The turn stays with the server that has it, if it is in the list.
    let had = inner.choice();
    inner.turn = list
        .iter()
        .position(|address| Some(*address) == had)
        .unwrap_or_default();
    inner.list = list;
}

/// Tests each server in turn.
pub(super) async fn test(shared: Arc<Shared>) {
    let mut ticks = interval(TEST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let candidates = shared.lock().candidates();
        for server in candidates {
            let good = timeout(TIMEOUT, passes(&shared, server)).await.unwrap_or(false);
            if good {
                shared.lock().failed.remove(&server);
            } else {
                shared.blame(server, shared.habits.closes_on_failed_test);
            }
        }
    }
}

async fn passes(shared: &Shared, server: SocketAddr) -> bool {
    if !shared.habits.asks_readyz && !shared.habits.requires_trust {
        return shared.place.connect(server).await.is_ok();
    }
    let answer = ask(shared, server, "/readyz").await;
    match answer {
        Ok((status, _)) => !shared.habits.asks_readyz || status.is_success(),
        Err(_) => false,
    }
}

async fn ask(shared: &Shared, server: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = shared.place.connect(server).await?;
    let connector = TlsConnector::from(Arc::clone(&shared.tls));
    let stream = connector
        .connect(ServerName::try_from("kubernetes")?, stream)
        .await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let request = hyper::Request::get(path)
            .header("host", "kubernetes")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("reading an answer: {error}"))?;
        anyhow::Ok((status, body.to_bytes()))
    };
    // The connection ends with the exchange, and with this future.
    tokio::select! {
        answer = exchange => answer,
        _ = connection => anyhow::bail!("closed before the answer"),
    }
}

fn addresses(body: &[u8]) -> Vec<SocketAddr> {
    let endpoints: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut found = Vec::new();
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        let port = subset["ports"][0]["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        for address in subset["addresses"].as_array().into_iter().flatten() {
            let ip = address["ip"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok());
            found.extend(ip.zip(port).map(SocketAddr::from));
        }
    }
    found
}
