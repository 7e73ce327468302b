//! The metrics on TCP, for a Prometheus that cannot read a Unix socket. Only where it is configured, and nothing but the
//! metrics and the process's own health: no status, no order.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::server::{ACCEPT_PAUSE, CONNECTION_TIME, CONNECTIONS_MAX, answer, healthz, metrics, without_body};
use crate::view::View;

/// How long a client waits for a place; a collector's own time-out is ten times that.
const PLACE_TIME: Duration = Duration::from_secs(1);

/// Answers `GET /metrics` and `GET /healthz` on `listener` until `shutdown` completes; nothing else ends it.
pub async fn serve_metrics(
    listener: TcpListener,
    view: Arc<dyn View>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .layer(middleware::from_fn(without_body))
        .with_state(view);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "metrics: a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A stranger that holds all places keeps no collector of ours from coming again, and no memory of ours.
        let place = tokio::time::timeout(PLACE_TIME, Arc::clone(&places).acquire_owned()).await;
        if let Ok(Ok(place)) = place {
            let router = router.clone();
            connections.spawn(async move {
                answer(stream, router, CONNECTION_TIME).await;
                drop(place);
            });
        }
    }
}
