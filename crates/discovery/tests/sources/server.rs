//! TLS servers in this process that answer as a script says, and what apiservers write.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::stand::{Identity, Pki};

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
