//! The naive balancer's status: the fields of jackline's that scenarios go by.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::Shared;

/// Serves until the end.
pub(super) async fn serve(shared: Arc<Shared>, socket: UnixListener) {
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            continue;
        };
        let shared = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let answer = service_fn(|_: Request<hyper::body::Incoming>| {
                let status = shared.upgrade().map(|shared| status(&shared).to_string());
                async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(status.unwrap_or_default()))))
                }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

fn status(shared: &Shared) -> Value {
    let inner = shared.lock();
    let endpoints: Vec<Value> = inner.candidates().iter().map(|address| {
        let sessions = inner.sessions.get(address).map_or(0, |sessions| sessions.open);
        let failed = inner.failed.contains(address);
        json!({
            "address": address, "standing": "listed", "health": if failed { "unreachable" } else { "ready" },
            "administration": "enabled", "reason": if failed { "the last test failed" } else { "a connect succeeded" },
            "sessions": sessions, "sources": ["list"], "last_ready": null,
        })
    }).collect();
    let open: u64 = inner.sessions.values().map(|sessions| sessions.open).sum();
    json!({
        "version": "naive", "node": shared.name,
        "state": if inner.serves { "attached" } else { "isolated" },
        "state_reason": if inner.serves { "a client is served" } else { "a client is not served" },
        "endpoints": endpoints, "sources": [],
        "sessions": { "open": open, "opened_total": inner.opened, "closed_total": inner.opened - open },
        "state_file": { "path": shared.state_file, "saved": null, "status": "saved" },
    })
}
