//! A plain HTTPS client: one connection at a time, HTTP/1.1 or HTTP/2, with or without credentials, nothing hidden.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jackline_lab::{ControlPlane, Credentials};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::LONG;

/// Who a client is.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    Anonymous,
    Kubelet(&'a Credentials),
    KubeProxy(&'a Credentials),
}

/// The HTTP version that is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// An open connection.
pub(crate) struct Connection {
    sender: Sender,
    /// Ends when the connection does.
    pub(crate) driver: JoinHandle<hyper::Result<()>>,
    /// The local port.
    pub(crate) port: u16,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) headers: hyper::HeaderMap,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub(crate) fn node(plane: &ControlPlane, name: &str) -> Credentials {
    plane
        .credentials(name, "https://127.0.0.1:6440")
        .expect("credentials")
}

/// A TLS configuration that verifies to this CA.
pub(crate) fn tls(ca_pem: &[u8], who: As<'_>, http: Http) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.expect("PEM")).expect("a CA");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = builder.with_root_certificates(roots);
    let pair = match who {
        As::Anonymous => None,
        As::Kubelet(files) => Some((files.kubelet_certificate.as_path(), files.kubelet_key.as_path())),
        As::KubeProxy(files) => Some((
            files.kube_proxy_certificate.as_path(),
            files.kube_proxy_key.as_path(),
        )),
    };
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).expect("a key"))
                .expect("a pair")
        }
    };
    config.alpn_protocols = vec![if http == Http::One {
        b"http/1.1".to_vec()
    } else {
        b"h2".to_vec()
    }];
    config
}

/// Connects; the server must prove to be of this CA under the name `kubernetes`.
pub(crate) async fn connect_to(address: SocketAddr, config: ClientConfig) -> std::io::Result<Connection> {
    let two = config.alpn_protocols[0] == b"h2";
    let tcp = TcpStream::connect(address).await?;
    let port = tcp.local_addr()?.port();
    let name = ServerName::try_from("kubernetes").expect("a name");
    let io = TokioIo::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?);
    let (sender, driver) = if two {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
            .await
            .map_err(std::io::Error::other)?;
        (Sender::Two(sender), tokio::spawn(connection))
    } else {
        let (sender, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
        (Sender::One(sender), tokio::spawn(connection))
    };
    Ok(Connection { sender, driver, port })
}

/// Connects to a server of the cluster.
pub(crate) async fn connect(plane: &ControlPlane, server: &str, who: As<'_>, http: Http) -> Connection {
    let address = plane.server(server).expect("a server").address();
    let config = tls(plane.authority().pem().as_bytes(), who, http);
    timeout(LONG, connect_to(address, config))
        .await
        .expect("in time")
        .expect("connected")
}

impl Connection {
    /// Sends; the answer's head is awaited, its body is not.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub(crate) async fn try_get(&mut self, path: &str) -> hyper::Result<Answer> {
        whole(self.send(request(Method::GET, path, &[], "")).await?).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        timeout(LONG, self.try_get(path))
            .await
            .expect("in time")
            .expect("an answer")
    }

    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let answer = async { whole(self.send(request(method, path, headers, body)).await?).await };
        timeout(LONG, answer).await.expect("in time").expect("an answer")
    }

    /// Begins a stream of lines.
    pub(crate) async fn lines(&mut self, path: &str) -> Lines {
        let answer = timeout(LONG, self.send(request(Method::GET, path, &[], "")))
            .await
            .expect("in time")
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        Lines {
            body: answer.into_body(),
            rest: Vec::new(),
        }
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(plane: &ControlPlane, server: &str, who: As<'_>, path: &str) -> Answer {
    connect(plane, server, who, Http::One).await.get(path).await
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://kubernetes{path}"));
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "kubernetes");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request")
}

async fn whole(answer: Response<Incoming>) -> hyper::Result<Answer> {
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await?.to_bytes();
    Ok(Answer {
        status: head.status,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        headers: head.headers,
    })
}

/// A stream of lines of JSON.
pub(crate) struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    /// The next line; `None` at the stream's proper end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.within(LONG).await.expect("in time")
    }

    /// `Err`: nothing came.
    pub(crate) async fn within(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Value>, tokio::time::error::Elapsed> {
        timeout(limit, async {
            loop {
                if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.rest.drain(..=end).collect();
                    return Some(serde_json::from_slice(&line).expect("JSON"));
                }
                let frame = self.body.frame().await?.expect("the stream does not break off");
                if let Ok(data) = frame.into_data() {
                    self.rest.extend_from_slice(&data);
                }
            }
        })
        .await
    }
}

/// Bytes that this local port has sent to this peer and the peer's kernel has not acknowledged.
///
/// The kernel hands one local port to several connections when their peers differ, and all servers of the lab share
/// one port number: the peer's whole address decides.
pub(crate) fn unacknowledged(port: u16, peer: SocketAddr) -> u64 {
    let IpAddr::V4(address) = peer.ip() else {
        panic!("the lab's servers have IPv4 addresses, not {peer}");
    };
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let ends = format!(":{port:04X}");
    let peer = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.octets()), peer.port());
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields[1].ends_with(&ends) && fields[2] == peer {
            let (sent, _) = fields[4].split_once(':').expect("two queues");
            return u64::from_str_radix(sent, 16).expect("hexadecimal");
        }
    }
    panic!("no connection from port {port}");
}
