//! One connection of one process: TLS, then HTTP/1.1 or HTTP/2, and how it ends when the process stops.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::api::auth::Caller;
use crate::api::{self, Body};
use crate::locked::lock;
use crate::server::asked::Sort;
use crate::server::links::{GatedStream, Link};
use crate::server::process::Process;

/// A handshake takes no longer.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A stopping server waits this long for the first request of a connection that has brought none, as Go's does.
const NEWCOMER_GRACE: Duration = Duration::from_secs(5);
/// Requests at a time on one HTTP/2 connection, as Go's servers allow.
const STREAMS_MAX: u32 = 250;

/// Serves a connection until it ends.
pub(crate) async fn serve(process: Arc<Process>, link: Arc<Link>) {
    let accepted = Instant::now();
    let stream = GatedStream {
        link,
        gate: Arc::clone(&process.gate),
    };
    let acceptor = TlsAcceptor::from(Arc::clone(&lock(&process.identity).tls));
    let stream = match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::debug!(server = %process.machine.name, %error, "TLS handshake failed");
        }
        Err(_) => return tracing::debug!(server = %process.machine.name, "no TLS handshake came"),
    };
    let (_, session) = stream.get_ref();
    let h2 = session.alpn_protocol() == Some(b"h2");
    let caller = Arc::new(Caller::of(&process.cluster, session.peer_certificates()));
    let first = Arc::new(First::default());
    let service = {
        let (process, first) = (Arc::clone(&process), Arc::clone(&first));
        service_fn(move |request| {
            first.came();
            answer(Arc::clone(&process), Arc::clone(&caller), request)
        })
    };
    let io = TokioIo::new(stream);
    if h2 {
        let mut builder = http2::Builder::new(Streams(process.dead.clone()));
        builder
            .max_concurrent_streams(STREAMS_MAX)
            .timer(TokioTimer::new());
        let connection = builder.serve_connection(io, service);
        let finish = |connection: Pin<&mut _>| http2::Connection::graceful_shutdown(connection);
        drive(connection, finish, &process.closing, async {}).await;
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new());
        let newcomer = async {
            tokio::select! {
                () = first.wait() => {}
                () = sleep_until(accepted + NEWCOMER_GRACE) => {}
            }
        };
        let connection = builder.serve_connection(io, service).with_upgrades();
        let finish = |connection: Pin<&mut _>| http1::UpgradeableConnection::graceful_shutdown(connection);
        drive(connection, finish, &process.closing, newcomer).await;
    }
}

async fn answer(
    process: Arc<Process>,
    caller: Arc<Caller>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    process.machine.requests.fetch_add(1, Ordering::Relaxed);
    *lock(&process.machine.asked)
        .entry(Sort::of(&request))
        .or_default() += 1;
    Ok(api::answer(&process, &caller, request).await)
}

/// Drives it to its end. Once the process closes and `newcomer` is over, it is told to finish what it has begun.
async fn drive<C: Future>(
    connection: C,
    finish: impl FnOnce(Pin<&mut C>),
    closing: &CancellationToken,
    newcomer: impl Future<Output = ()>,
) {
    let mut connection = pin!(connection);
    let last = async {
        closing.cancelled().await;
        newcomer.await;
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = last => {}
    }
    finish(connection.as_mut());
    let _ = connection.await;
}

/// Whether a connection's first request has come.
#[derive(Default)]
struct First {
    came: AtomicBool,
    told: Notify,
}

impl First {
    fn came(&self) {
        self.came.store(true, Ordering::Release);
        self.told.notify_one();
    }

    async fn wait(&self) {
        if !self.came.load(Ordering::Acquire) {
            self.told.notified().await;
        }
    }
}

/// Runs the requests of an HTTP/2 connection; they die with the process.
#[derive(Clone)]
struct Streams(CancellationToken);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        tokio::spawn(self.0.clone().run_until_cancelled_owned(future));
    }
}
