//! A TLS server whose every byte is in the test's hands, and which remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The how-manieth connection.
    pub(crate) connection: usize,
    /// Its head, lower case.
    pub(crate) head: String,
    /// The name in the TLS hello.
    pub(crate) sni: Option<String>,
    /// Whether a client certificate was shown.
    pub(crate) certificate: bool,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What the server does with a request.
pub(crate) enum Act {
    /// Answers and waits for another request.
    Say(Vec<u8>),
    /// Says this and ends the connection in order.
    SayAndClose(Vec<u8>),
    /// Says this and resets the connection.
    SayAndReset(Vec<u8>),
    /// Says this and then nothing any more.
    SayAndFreeze(Vec<u8>),
    /// Says this, then the second over and over, as often as is given, with a pause.
    Repeat(Vec<u8>, Vec<u8>, u64, Duration),
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    /// Connections of which the client's end was seen.
    ended: AtomicUsize,
    end: Notify,
    /// Bytes written by [`Act::Repeat`].
    repeated: AtomicU64,
    /// Told to close all connections that wait for a request.
    hang_up: Notify,
}

/// An answer with a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Act {
    Act::Say(bytes(status, headers, body))
}

pub(crate) fn bytes(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn ok() -> Act {
    answer("200 OK", "Content-Type: text/plain; charset=utf-8\r\n", "ok")
}

pub(crate) fn unauthorized() -> Act {
    let body = r#"{"kind":"Status","status":"Failure","message":"Unauthorized","code":401}"#;
    answer("401 Unauthorized", "Content-Type: application/json\r\n", body)
}

/// A server that asks for a token.
pub(crate) fn wants_token(asked: &Asked) -> Act {
    if asked.header("authorization").is_some() {
        ok()
    } else {
        unauthorized()
    }
}

/// A server that asks for a client certificate.
pub(crate) fn wants_certificate(asked: &Asked) -> Act {
    if asked.certificate { ok() } else { unauthorized() }
}

impl Server {
    pub(crate) async fn start(
        config: Arc<ServerConfig>,
        act: impl Fn(&Asked) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            end: Notify::new(),
            repeated: AtomicU64::new(0),
            hang_up: Notify::new(),
        });
        let acceptor = TlsAcceptor::from(config);
        let act = Arc::new(act);
        let mut tasks = JoinSet::new();
        let of_loop = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, shared, act) = (acceptor.clone(), Arc::clone(&of_loop), Arc::clone(&act));
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(async move {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        serve(tls, number, &shared, act.as_ref()).await;
                    }
                    shared.ended.fetch_add(1, Ordering::SeqCst);
                    shared.end.notify_waiters();
                });
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn ended(&self, count: usize) {
        let wait = async {
            loop {
                let next = self.shared.end.notified();
                tokio::pin!(next);
                next.as_mut().enable();
                if self.shared.ended.load(Ordering::SeqCst) >= count {
                    return;
                }
                next.await;
            }
        };
        tokio::time::timeout(super::bench::DEADLINE, wait)
            .await
            .expect("the connections end");
    }

    /// Closes the connections that wait for a request.
    pub(crate) fn hang_up(&self) {
        self.shared.hang_up.notify_waiters();
    }
}

async fn serve(
    mut tls: TlsStream<TcpStream>,
    connection: usize,
    shared: &Shared,
    act: &(impl Fn(&Asked) -> Act + Sync),
) {
    loop {
        let head = tokio::select! {
            head = read_head(&mut tls) => head,
            () = shared.hang_up.notified() => None,
        };
        let Some(head) = head else { break };
        let state = tls.get_ref().1;
        let asked = Asked {
            connection,
            head,
            sni: state.server_name().map(ToOwned::to_owned),
            certificate: state.peer_certificates().is_some(),
        };
        shared.asked.lock().unwrap().push(asked.clone());
        if perform(&mut tls, act(&asked), shared).await.is_none() {
            break;
        }
    }
    let _ = tls.shutdown().await;
}

/// `None`: the connection is over.
async fn perform(tls: &mut TlsStream<TcpStream>, act: Act, shared: &Shared) -> Option<()> {
    match act {
        Act::Say(bytes) => say(tls, &bytes).await,
        Act::SayAndClose(bytes) => {
            say(tls, &bytes).await?;
            None
        }
        Act::SayAndReset(bytes) => {
            say(tls, &bytes).await?;
            tls.get_ref().0.set_zero_linger().unwrap();
            None
        }
        Act::SayAndFreeze(bytes) => {
            say(tls, &bytes).await?;
            // Ends when the client does.
            let mut rest = [0; 64];
            while tls.read(&mut rest).await.is_ok_and(|count| count > 0) {}
            None
        }
        Act::Repeat(first, again, times, pause) => {
            say(tls, &first).await?;
            for _ in 0..times {
                say(tls, &again).await?;
                shared.repeated.fetch_add(again.len() as u64, Ordering::SeqCst);
                if pause > Duration::ZERO {
                    tokio::time::sleep(pause).await;
                }
            }
            Some(())
        }
    }
}

async fn say(tls: &mut TlsStream<TcpStream>, bytes: &[u8]) -> Option<()> {
    tls.write_all(bytes).await.ok()?;
    tls.flush().await.ok()
}

async fn read_head(tls: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.ok()?);
        assert!(head.len() < 8192, "a probe's request is short");
    }
    Some(String::from_utf8(head).unwrap().to_ascii_lowercase())
}
