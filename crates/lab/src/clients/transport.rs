//! How a request gets onto a connection, and which one: HTTP/2 on one, HTTP/1.1 on kept ones, or each on a new one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use jiff::Timestamp;
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Kind, Setting};
use crate::locked::lock;

/// client-go pings a connection that was silent for this long …
const PING_EVERY: Duration = Duration::from_secs(30);

/// … and takes it for dead when the ping is not answered within this.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// Kept idle HTTP/1.1 connections of one client, as client-go keeps them for a host.
const IDLE_MAX: usize = 25;

/// Bytes of an answer.
const ANSWER_MAX: usize = 1 << 20;

/// The one name that every serving certificate of a cluster carries.
const SERVER_NAME: &str = "kubernetes";

/// Where the nodes' Leases are.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

const PATH: &str = "/api/v1/namespaces/default/endpoints/kubernetes";

/// Why a request got no answer.
pub(super) struct Failure {
    pub(super) why: String,
    /// When it was written, if that was on a connection kept from earlier requests on which nothing else was under way.
    pub(super) written_on_idle: Option<Instant>,
}

/// The connections of one client.
pub(super) struct Transport {
    setting: Setting,
    /// HTTP/2's one connection. The lock is held while it is dialled: everybody waits for the same dial, and shares
    /// its failure.
    shared: tokio::sync::Mutex<Shared>,
    idle: Mutex<Vec<Held<http1::SendRequest<Full<Bytes>>>>>,
}

#[derive(Default)]
struct Shared {
    held: Option<Held<http2::SendRequest<Full<Bytes>>>>,
    /// When the last dial failed, and why.
    failed: Option<(Instant, String)>,
}

/// A connection in hand. Dropped without having been `lost`, it counts as closed by the client.
pub(super) struct Held<S> {
    sender: S,
    id: usize,
    ours: Arc<AtomicBool>,
    lost: bool,
    /// One clone for each request under way on it, and this one.
    under_way: Arc<()>,
}

/// The one connection of HTTP/2, for one request.
struct Lent {
    sender: http2::SendRequest<Full<Bytes>>,
    id: usize,
    /// It was kept from earlier requests, and none is under way on it.
    idle: bool,
    _under_way: Arc<()>,
}

impl<S> Drop for Held<S> {
    fn drop(&mut self) {
        if !self.lost {
            self.ours.store(true, Ordering::Release);
        }
    }
}

impl Transport {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            setting,
            shared: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// Sends a request and reads its answer; `anew`: on a new connection, whatever is kept.
    pub(super) async fn send(&self, id: usize, anew: bool) -> Result<(), Failure> {
        match self.setting.kind {
            Kind::Http2 | Kind::Kubelet => self.send_shared(id, anew).await,
            _ => self.send_exclusive(id, anew).await,
        }
    }

    async fn send_shared(&self, id: usize, anew: bool) -> Result<(), Failure> {
        let mut lent = self.lend(anew).await.map_err(final_failure)?;
        let written = Instant::now();
        let idle = lent.idle;
        let failed = |why| Failure {
            why,
            written_on_idle: idle.then_some(written),
        };
        lent.sender.ready().await.map_err(|error| failed(chain(&error)))?;
        self.setting.ledger.written(id, lent.id);
        let request = match self.setting.kind {
            Kind::Kubelet => renewal(&self.setting, id),
            _ => get(&self.setting, &format!("https://{SERVER_NAME}{PATH}?id={id}")),
        };
        let request = request.map_err(failed)?;
        let response = lent
            .sender
            .send_request(request)
            .await
            .map_err(|error| failed(chain(&error)))?;
        judge(response).await
    }

    /// The one connection, dialled if need be.
    async fn lend(&self, anew: bool) -> Result<Lent, String> {
        let waiting = Instant::now();
        let mut shared = self.shared.lock().await;
        if let Some((failed, why)) = &shared.failed
            && *failed >= waiting
        {
            return Err(why.clone());
        }
        let usable = shared
            .held
            .as_ref()
            .filter(|held| !anew && !held.sender.is_closed());
        if let Some(held) = usable {
            return Ok(held.lend(Arc::strong_count(&held.under_way) == 1));
        }
        if let Some(mut old) = shared.held.take() {
            old.lost = true;
        }
        match dial_http2(&self.setting).await {
            Ok(held) => {
                let lent = held.lend(false);
                shared.held = Some(held);
                Ok(lent)
            }
            Err(why) => {
                shared.failed = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    async fn send_exclusive(&self, id: usize, anew: bool) -> Result<(), Failure> {
        let kept = if anew { None } else { self.take_idle().await };
        let was_kept = kept.is_some();
        let mut held = match kept {
            Some(held) => held,
            None => dial_http1(&self.setting).await.map_err(final_failure)?,
        };
        let written = Instant::now();
        self.setting.ledger.written(id, held.id);
        let request = get(&self.setting, &format!("{PATH}?id={id}")).map_err(final_failure)?;
        let response = match held.sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => {
                held.lost = true;
                return Err(Failure {
                    why: chain(&error),
                    written_on_idle: was_kept.then_some(written),
                });
            }
        };
        let judged = judge(response).await;
        // An answer that we do not like is no fault of the connection.
        held.lost = judged.is_err() && held.sender.is_closed();
        self.keep(held);
        judged
    }

    async fn take_idle(&self) -> Option<Held<http1::SendRequest<Full<Bytes>>>> {
        loop {
            let mut held = lock(&self.idle).pop()?;
            if held.sender.ready().await.is_ok() {
                return Some(held);
            }
            // Closed while idle and noticed in time: nothing was written on it.
            held.lost = true;
        }
    }

    fn keep(&self, held: Held<http1::SendRequest<Full<Bytes>>>) {
        if self.setting.kind == Kind::Http1 && !held.sender.is_closed() {
            let mut idle = lock(&self.idle);
            if idle.len() < IDLE_MAX {
                idle.push(held);
            }
        }
    }
}

/// A failure after which nothing may be sent again: there was no connection, or there was an answer.
fn final_failure(why: String) -> Failure {
    Failure {
        why,
        written_on_idle: None,
    }
}

/// A request for something that every credential of a node may read.
pub(super) fn get(setting: &Setting, uri: &str) -> Result<Request<Full<Bytes>>, String> {
    let mut builder = Request::get(uri).header("user-agent", "jackline-lab");
    if !setting.kind.shares() {
        builder = builder.header("host", SERVER_NAME);
    }
    if setting.kind == Kind::Fresh {
        builder = builder.header("connection", "close");
    }
    if let Some(authorization) = setting.identity.authorization(setting.kind) {
        builder = builder.header("authorization", authorization);
    }
    builder.body(Full::default()).map_err(|error| error.to_string())
}

/// The renewal of the node's Lease, as a kubelet writes it.
fn renewal(setting: &Setting, id: usize) -> Result<Request<Full<Bytes>>, String> {
    let name = &setting.name;
    let uri = format!("https://{SERVER_NAME}{LEASES}/{name}?id={id}");
    let lease = json!({
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": { "name": name, "namespace": "kube-node-lease" },
        "spec": { "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": Timestamp::now().to_string() },
    });
    Request::put(uri)
        .header("user-agent", "jackline-lab")
        .header("content-type", "application/json")
        .body(Full::from(lease.to_string()))
        .map_err(|error| error.to_string())
}

/// Only a whole 2xx is the answer of an apiserver: an etcd-only server's 503 is none.
async fn judge(response: Response<Incoming>) -> Result<(), Failure> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    if !status.is_success() {
        return Err(final_failure(format!("answered {status}")));
    }
    body.map(|_| ())
        .map_err(|error| final_failure(format!("the answer broke off: {error}")))
}

/// TCP and TLS to the node's listener.
async fn connect(setting: &Setting) -> Result<TlsStream<TcpStream>, String> {
    let tls = setting
        .identity
        .tls(setting.kind)
        .map_err(|error| error.to_string())?;
    let connecting = setting.place.connect(setting.listener);
    let stream = connecting.await.map_err(|error| format!("connecting: {error}"))?;
    let _ = stream.set_nodelay(true);
    let name = ServerName::try_from(SERVER_NAME).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(tls));
    connector
        .connect(name, stream)
        .await
        .map_err(|error| format!("TLS handshake: {error}"))
}

/// A new HTTP/1.1 connection.
pub(super) async fn dial_http1(setting: &Setting) -> Result<Held<http1::SendRequest<Full<Bytes>>>, String> {
    let stream = connect(setting).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| chain(&error))?;
    Ok(hold(setting, sender, connection))
}

async fn dial_http2(setting: &Setting) -> Result<Held<http2::SendRequest<Full<Bytes>>>, String> {
    let stream = connect(setting).await?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| chain(&error))?;
    Ok(hold(setting, sender, connection))
}

/// Books the connection, and its end when it comes.
fn hold<S, C>(setting: &Setting, sender: S, connection: C) -> Held<S>
where
    C: Future<Output = hyper::Result<()>> + Send + 'static,
{
    let ledger = Arc::clone(&setting.ledger);
    let id = ledger.opened(setting.node, setting.kind);
    let ours = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ours);
    tokio::spawn(async move {
        let end = connection.await;
        let cut = match end {
            _ if flag.load(Ordering::Acquire) => None,
            Ok(()) => Some("closed".to_owned()),
            Err(error) => Some(chain(&error)),
        };
        ledger.closed(id, cut);
    });
    Held {
        sender,
        id,
        ours,
        lost: false,
        under_way: Arc::new(()),
    }
}

impl Held<http2::SendRequest<Full<Bytes>>> {
    fn lend(&self, idle: bool) -> Lent {
        Lent {
            sender: self.sender.clone(),
            id: self.id,
            idle,
            _under_way: Arc::clone(&self.under_way),
        }
    }
}

impl Held<http1::SendRequest<Full<Bytes>>> {
    pub(super) fn id(&self) -> usize {
        self.id
    }

    pub(super) fn sender(&mut self) -> &mut http1::SendRequest<Full<Bytes>> {
        &mut self.sender
    }

    /// The other side closed it.
    pub(super) fn lost(&mut self) {
        self.lost = true;
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
