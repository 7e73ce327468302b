//! Apiserver stand-ins: TLS from a CA made on the spot, `/readyz`, EndpointSlices, and a long download.
//!
//! Only what these tests need of a control plane; the lab has a larger one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

type Body = BoxBody<Bytes, Infallible>;

/// How long the download is: far more than the sockets between jackline and a client with [`crate::caller::WINDOW`]
/// hold, so that jackline has bytes in hand for as long as the client does not read on.
pub(crate) const LENGTH: usize = 16 << 20;

/// Between two lines of [`ticks`].
const TICK: Duration = Duration::from_millis(5);

/// The download: no block of it looks like another.
pub(crate) static DOWNLOAD: LazyLock<Bytes> = LazyLock::new(|| {
    let byte = |position: usize| (position.wrapping_mul(2_654_435_761) >> 8).to_le_bytes()[0];
    (0..LENGTH).map(byte).collect()
});

/// A cluster: a CA, and the endpoints that every server of it tells.
pub(crate) struct Cluster {
    ca: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca_der: CertificateDer<'static>,
    told: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a CA");
        Self {
            ca_pem: certificate.pem(),
            ca_der: certificate.der().clone(),
            ca: Issuer::new(params, key),
            told: Arc::default(),
        }
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn ca_der(&self) -> CertificateDer<'static> {
        self.ca_der.clone()
    }

    /// What the servers list from now on.
    pub(crate) fn tell(&self, endpoints: &[SocketAddr]) {
        *self.told.lock().expect("not poisoned") = endpoints.to_vec();
    }

    /// A server on a free port of 127.0.0.1.
    pub(crate) async fn server(&self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.server_on(listener)
    }

    /// A server on a socket that is bound already.
    pub(crate) fn server_on(&self, listener: TcpListener) -> Server {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["kubernetes".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let tls =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring speaks TLS 1.2 and 1.3")
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .expect("key and certificate fit");
        let address = listener.local_addr().expect("an address");
        let answers = Answers {
            told: Arc::clone(&self.told),
        };
        let task = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), answers));
        Server { address, task }
    }
}

/// A running server. Dropped, it is gone with all its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Answers {
    told: Arc<Mutex<Vec<SocketAddr>>>,
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, answers: Answers) {
    // Aborted with this task, as a killed process's connections are.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(connection(stream, tls.clone(), answers.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, answers: Answers) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let answers = answers.clone();
        async move { Ok::<_, Infallible>(answers.to(&request)) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Answers {
    fn to(&self, request: &Request<Incoming>) -> Response<Body> {
        let watching = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch="));
        match request.uri().path() {
            "/readyz" => text(StatusCode::OK, "ok"),
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices" if watching => {
                Response::new(silence())
            }
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices" => {
                text(StatusCode::OK, &self.slices().to_string())
            }
            "/ticks" => Response::new(ticks()),
            "/download" => Response::new(Full::from(DOWNLOAD.clone()).boxed()),
            path => text(
                StatusCode::NOT_FOUND,
                &json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                         "reason": "NotFound", "message": format!("no {path} here") })
                .to_string(),
            ),
        }
    }

    /// A slice for each endpoint: they have ports of their own.
    fn slices(&self) -> serde_json::Value {
        let told = self.told.lock().expect("not poisoned").clone();
        let slice = |(number, address): (usize, &SocketAddr)| {
            json!({
                "metadata": {
                    "name": format!("kubernetes-{number}"), "namespace": "default", "resourceVersion": "7",
                    "labels": { "kubernetes.io/service-name": "kubernetes" },
                },
                "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
                "endpoints": [{ "addresses": [address.ip().to_string()], "conditions": { "ready": true } }],
                "ports": [{ "name": "https", "port": address.port(), "protocol": "TCP" }],
            })
        };
        let items: Vec<_> = told.iter().enumerate().map(slice).collect();
        json!({ "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
                "metadata": { "resourceVersion": "7" }, "items": items })
    }
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Full::from(text.to_owned()).boxed());
    *response.status_mut() = status;
    let kind = if text.starts_with('{') {
        "application/json"
    } else {
        "text/plain"
    };
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(kind),
    );
    response
}

/// A watch on which something happens all the time: numbers, a line each, counted on for ever.
fn ticks() -> Body {
    let frames = futures_util::stream::unfold(0u64, |number| async move {
        tokio::time::sleep(TICK).await;
        let line = Bytes::from(format!("{number}\n"));
        Some((Ok::<_, Infallible>(Frame::data(line)), number + 1))
    });
    BodyExt::boxed(StreamBody::new(frames))
}

/// A watch on which nothing happens.
fn silence() -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move { sender.closed().await });
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let bytes: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
    });
    BodyExt::boxed(StreamBody::new(frames))
}
