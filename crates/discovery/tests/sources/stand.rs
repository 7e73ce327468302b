//! The stand: a CA, TLS servers that answer as a script says, and the events that come out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackline_core::{Ask, Breadth, Event, RefreshId, RefreshSource, Report, Sink, SourceFailure, SourceId};
use jackline_discovery::{Config, Discovery, SourceConfig};
use jackline_trust::{Trust, TrustConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// Far longer than anything takes, also on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Each stand is a cluster with a CA name of its own.
static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// A CA, and the files that a node would have.
pub(crate) struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A server's certificate and key.
pub(crate) struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("cluster {}", CLUSTERS.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity_as("kubernetes", |_| {})
    }

    pub(crate) fn identity_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A node with the CA and a client certificate.
    pub(crate) fn trust(&self) -> Arc<Trust> {
        let node = self.identity_as("node-1", |_| {});
        Arc::new(Trust::load(TrustConfig {
            ca_file: Some(self.file("ca.crt", self.pem())),
            client_certificate: Some(self.file("node.crt", node.certificate.pem())),
            client_key: Some(self.file("node.key", node.key.serialize_pem())),
            ..TrustConfig::default()
        }))
    }

    /// A node with the CA and no credential.
    pub(crate) fn anonymous(&self) -> Arc<Trust> {
        Arc::new(Trust::load(TrustConfig {
            ca_file: Some(self.file("ca.crt", self.pem())),
            ..TrustConfig::default()
        }))
    }

    fn server_config(&self, identity: &Identity) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![identity.certificate.der().clone()],
                PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap(),
            )
            .unwrap()
    }
}

/// One request that a server saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) authorization: Option<String>,
    pub(crate) certificate: bool,
}

/// What a server does about a request.
pub(crate) enum Reply {
    /// A JSON answer with its length; the connection stays open.
    Json(u16, String),
    /// The same with further header lines, each ended by CRLF.
    With(u16, String, Vec<u8>),
    /// These bytes as they are, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes as they are, then nothing any more.
    Hang(Vec<u8>),
    /// These bytes, then those again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// 200 and a chunk for each line, until the sender is dropped.
    Watch(Feed),
}

/// Where a watch's lines come from.
pub(crate) type Feed = Arc<tokio::sync::Mutex<UnboundedReceiver<String>>>;

pub(crate) fn feed() -> (UnboundedSender<String>, Feed) {
    let (send, lines) = unbounded_channel();
    (send, Arc::new(tokio::sync::Mutex::new(lines)))
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A TLS server on loopback that lives as long as this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<Mutex<Vec<Seen>>>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    pub(crate) async fn start(pki: &Pki, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_as(pki, &pki.identity(), script).await
    }

    pub(crate) async fn start_as(
        pki: &Pki,
        identity: &Identity,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(pki.server_config(identity)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let script: Script = Arc::new(script);
        let seen = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, seen) = (acceptor.clone(), Arc::clone(&script), Arc::clone(&seen));
                connections.spawn(async move {
                    // The client may go at any time: that is its right.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = converse(stream, &script, &seen).await;
                    }
                });
            }
        });
        Self {
            address,
            log,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap()
            .iter()
            .map(|seen| seen.path.clone())
            .collect()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }
}

type Stream = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;

async fn converse(mut stream: Stream, script: &Script, log: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    loop {
        let Some(seen) = read_request(&mut stream).await? else {
            return Ok(());
        };
        log.lock().unwrap().push(seen.clone());
        match script(&seen) {
            Reply::Json(status, body) => {
                stream
                    .write_all(&answer(status, "", body.as_bytes(), true))
                    .await?
            }
            Reply::With(status, headers, body) => {
                stream.write_all(&answer(status, &headers, &body, false)).await?
            }
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Reply::Hang(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                // Until the client goes.
                while stream.read(&mut [0; 64]).await? > 0 {}
                return Ok(());
            }
            Reply::Endless(head, chunk) => {
                stream.write_all(&head).await?;
                loop {
                    stream.write_all(&chunk).await?;
                }
            }
            Reply::Watch(feed) => {
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                stream.flush().await?;
                let mut lines = feed.lock().await;
                while let Some(line) = lines.recv().await {
                    stream
                        .write_all(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).as_bytes())
                        .await?;
                    stream.flush().await?;
                }
                stream.write_all(b"0\r\n\r\n").await?;
            }
        }
        stream.flush().await?;
    }
}

fn answer(status: u16, headers: &str, body: &[u8], json: bool) -> Vec<u8> {
    let json = if json {
        "Content-Type: application/json\r\n"
    } else {
        ""
    };
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\n{json}{headers}Content-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

async fn read_request(stream: &mut Stream) -> std::io::Result<Option<Seen>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).expect("a request in ASCII");
    let header = |name: &str| {
        let found = text.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        });
        found.map(|(_, value)| value.to_owned())
    };
    assert_eq!(
        header("accept-encoding").as_deref(),
        Some("identity"),
        "no coding is asked for"
    );
    Ok(Some(Seen {
        path: text.split(' ').nth(1).expect("a request line").to_owned(),
        host: header("host").expect("a host"),
        authorization: header("authorization"),
        certificate: stream.get_ref().1.peer_certificates().is_some(),
    }))
}

/// One source under test, and what it says.
pub(crate) struct Stand {
    pub(crate) discovery: Discovery,
    pub(crate) events: UnboundedReceiver<Event>,
}

impl Stand {
    pub(crate) fn new(source: SourceConfig, trust: Arc<Trust>) -> Self {
        let (send, events) = unbounded_channel();
        let sink: Sink = Arc::new(move |event| drop(send.send(event)));
        Self {
            discovery: Discovery::new(
                Config {
                    sources: vec![source],
                },
                trust,
                sink,
            ),
            events,
        }
    }

    pub(crate) fn order(&self, refresh: u64, targets: &[SocketAddr]) {
        self.discovery.refresh(order(refresh, targets));
    }

    pub(crate) async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event in time")
            .expect("an open sink")
    }

    /// The next event, which is a report.
    pub(crate) async fn report(&mut self) -> (u64, u32, Report) {
        match self.next().await {
            Event::SourceReported {
                refresh,
                position,
                report,
                ..
            } => (refresh.0, position, report),
            other => panic!("not a report: {other:?}"),
        }
    }

    /// Asks once and expects a failure.
    pub(crate) async fn refused(&mut self, refresh: u64, targets: &[SocketAddr]) -> SourceFailure {
        self.order(refresh, targets);
        match self.next().await {
            Event::SourceFailed {
                refresh: told,
                failure,
                ..
            } if told.0 == refresh => failure,
            other => panic!("not this refresh's failure: {other:?}"),
        }
    }

    /// Ends the source and returns what it still says.
    pub(crate) async fn finish(self) -> Vec<Event> {
        let Self {
            discovery,
            mut events,
        } = self;
        drop(discovery);
        let mut rest = Vec::new();
        while let Some(event) = timeout(PATIENCE, events.recv()).await.expect("all tasks end") {
            rest.push(event);
        }
        rest
    }
}

pub(crate) fn order(refresh: u64, targets: &[SocketAddr]) -> RefreshSource {
    RefreshSource {
        source: SourceId(0),
        refresh: RefreshId(refresh),
        ask: Ask::Everything,
        targets: targets.to_vec(),
        breadth: Breadth::First,
        timeout: Duration::from_secs(30),
    }
}

/// What a report lists, as text.
pub(crate) fn listed(report: &Report) -> Vec<String> {
    let port = |port: Option<u16>| port.map_or(String::new(), |port| format!(":{port}"));
    report
        .endpoints
        .iter()
        .map(|listing| format!("{}{}", listing.ip, port(listing.port)))
        .collect()
}

/// A loopback address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// A server that accepts connections and never says a word.
pub(crate) async fn silent() -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    (address, AbortOnDropHandle::new(task))
}

/// An EndpointSliceList with one slice of these addresses at port 6443.
pub(crate) fn slices(addresses: &[&str]) -> String {
    let slice = slice("kubernetes", "IPv4", addresses);
    format!(r#"{{"kind":"EndpointSliceList","metadata":{{"resourceVersion":"42"}},"items":[{slice}]}}"#)
}

pub(crate) fn slice(name: &str, family: &str, addresses: &[&str]) -> String {
    let endpoints: Vec<String> = addresses
        .iter()
        .map(|ip| format!(r#"{{"addresses":["{ip}"]}}"#))
        .collect();
    format!(
        r#"{{"metadata":{{"name":"{name}"}},"addressType":"{family}","endpoints":[{}],"ports":[{{"name":"https","port":6443}}]}}"#,
        endpoints.join(",")
    )
}

/// A Kubernetes Status.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Reply {
    let body = format!(
        r#"{{"kind":"Status","status":"Failure","code":{code},"reason":"{reason}","message":"{message}"}}"#
    );
    Reply::Json(code, body)
}
