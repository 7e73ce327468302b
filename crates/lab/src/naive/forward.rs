//! The naive data plane: one dial for each client, bytes in both directions, and little thought.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Shared;

const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Accepts until the end; `stop` ends the sessions too.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    loop {
        if let Ok((client, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(
                stop.clone()
                    .run_until_cancelled_owned(async move { session(&shared, client).await }),
            );
        }
    }
}

async fn session(shared: &Shared, mut client: TcpStream) {
    let Some(server) = shared.lock().choice() else {
        return nobody(shared, client).await;
    };
    if exhausted(shared) {
        // Its own fault, for which the server is blamed.
        if shared.habits.blames_server {
            shared.blame(server, true);
        }
        return;
    }
    let mut upstream = match timeout(DIAL_TIMEOUT, shared.place.connect(server)).await {
        Ok(Ok(upstream)) => upstream,
        _ => {
            let everybody_failed = {
                let mut inner = shared.lock();
                inner.turn += 1;
                inner.failed.insert(server);
                inner
                    .candidates()
                    .iter()
                    .all(|address| inner.failed.contains(address))
            };
            if everybody_failed {
                nobody(shared, client).await;
            }
            return;
        }
    };
    let close = enter(shared, server);
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let copied = close
        .run_until_cancelled_owned(copy_bidirectional(&mut client, &mut upstream))
        .await;
    leave(shared, server);
    let barren = matches!(copied, Some(Err(_)));
    if barren && shared.habits.blames_server {
        shared.blame(server, true);
    }
}

async fn nobody(shared: &Shared, client: TcpStream) {
    if shared.habits.hangs {
        std::future::pending::<()>().await;
    }
    drop(client);
}

fn exhausted(shared: &Shared) -> bool {
    let inner = shared.lock();
    let open: u64 = inner.sessions.values().map(|sessions| sessions.open).sum();
    inner.limit.is_some_and(|limit| open >= limit)
}

fn enter(shared: &Shared, server: SocketAddr) -> CancellationToken {
    let mut inner = shared.lock();
    inner.opened += 1;
    inner.failed.remove(&server);
    let sessions = inner.sessions.entry(server).or_default();
    sessions.open += 1;
    sessions.close.clone()
}

fn leave(shared: &Shared, server: SocketAddr) {
    if let Some(sessions) = shared.lock().sessions.get_mut(&server) {
        sessions.open = sessions.open.saturating_sub(1);
    }
}
