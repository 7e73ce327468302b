//! HTTP/1.1 on the admin socket: who may ask, how much, for how long. What is answered is the projections'.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics;
use crate::operate::Operate;
use crate::orders::{self, Desk};
use crate::project;
use crate::view::{Reading, View};

/// So many connections at a time; more wait in the kernel's queue.
pub(crate) const CONNECTIONS_MAX: usize = 16;
/// A request's line and headers together; hyper takes no less than this.
pub(crate) const HEAD_MAX: usize = 8 * 1024;
/// So many headers in a request.
pub(crate) const HEADERS_MAX: usize = 32;
/// A request's head is complete by then; also how long a kept connection may idle.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(5);
/// A connection ends by then, whatever it is doing.
pub(crate) const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// How long answers under way may take after the shutdown began.
const FINISH_TIME: Duration = Duration::from_secs(1);
/// The pause after an accept that failed: descriptors come back when something else is closed, not at once.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests on `listener` until `shutdown` completes; answers under way then get a second to end. Nothing else
/// ends it: no client, no lack of descriptors.
///
/// The listener's path and mode are the caller's; besides, only processes of our own user and root are answered.
pub async fn serve(
    listener: UnixListener,
    view: Arc<dyn View>,
    operate: Arc<dyn Operate>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let open = router(view).merge(orders(operate));
    let closed = refusal();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, place)) => {
                let router = if peer_may_ask(&stream) {
                    open.clone()
                } else {
                    closed.clone()
                };
                connections.spawn(async move {
                    answer(stream, router, CONNECTION_TIME).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "admin socket: a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(FINISH_TIME, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// A connection, and its place among [`CONNECTIONS_MAX`].
async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

fn peer_may_ask(stream: &UnixStream) -> bool {
    // A kernel that does not tell who is asking: the socket's mode has to do.
    stream.peer_cred().map_or(true, |peer| {
        may_ask(peer.uid(), rustix::process::geteuid().as_raw())
    })
}

/// Our own user may, and root.
fn may_ask(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// One connection, `within` this time.
pub(crate) async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    within: Duration,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(within, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin: a connection ended badly"),
        Err(_) => tracing::debug!("admin: a connection took too long"),
    }
}

fn router(view: Arc<dyn View>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(without_body))
        .with_state(view)
}

fn orders(operate: Arc<dyn Operate>) -> Router {
    Router::new()
        .route("/sessions", get(orders::sessions))
        .route("/drain", post(orders::drain))
        .route("/undrain", post(orders::undrain))
        .route("/refresh", post(orders::refresh))
        .route("/reset-state", post(orders::reset_state))
        .route("/reload", post(orders::reload))
        .route("/upgrade", post(orders::upgrade))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(without_body))
        .with_state(Desk(operate))
}

fn refusal() -> Router {
    Router::new().fallback(|| async {
        sentence(
            StatusCode::FORBIDDEN,
            "this socket answers the user that jackline runs as, and root; try sudo",
        )
    })
}

/// Indented, in the order of the schema: people read it with curl, too.
async fn status(State(view): State<Arc<dyn View>>) -> Response {
    match serde_json::to_string_pretty(&project::status(&Reading::take(&*view))) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(_) => sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the status could not be written; please report this",
        ),
    }
}

pub(crate) async fn metrics(State(view): State<Arc<dyn View>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = metrics::Format::accepted(accepted.unwrap_or_default());
    match metrics::render(Reading::take(&*view), format) {
        Ok(page) => ([(header::CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(_) => sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written; please report this",
        ),
    }
}

/// Says that the process runs and answers. Whether the node is attached is `/status`'s to say: restarting a jackline
/// because apiservers are away would only cost time.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

async fn unknown_path() -> Response {
    sentence(
        StatusCode::NOT_FOUND,
        "there is no such path; there are /status, /sessions, /metrics and /healthz to GET, and /drain, /undrain, /refresh and /reset-state to POST",
    )
}

async fn wrong_method() -> Response {
    sentence(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path answers another method: what is shown is got by GET, what is ordered by POST",
    )
}

/// Nothing here reads a body, so none is taken: refused before its first byte is read.
pub(crate) async fn without_body(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        next.run(request).await
    } else {
        sentence(
            StatusCode::PAYLOAD_TOO_LARGE,
            "requests to this socket have no body",
        )
    }
}

/// A sentence for people.
pub(crate) fn sentence(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::may_ask;

    #[test]
    fn our_own_user_and_root_may_ask_and_nobody_else() {
        assert!(may_ask(1000, 1000));
        assert!(may_ask(0, 1000));
        assert!(may_ask(0, 0));
        assert!(!may_ask(1001, 1000));
        assert!(!may_ask(65_534, 0));
    }
}
