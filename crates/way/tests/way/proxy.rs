//! A stand-in for a CONNECT proxy, on loopback: opens ways, or fails in whatever manner the test wants. Other crates' tests
//! take it from here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The longest head that is read.
const HEAD_MAX: usize = 16 * 1024;

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Connects to where the request wants, says so, and carries bytes; 502 where it cannot.
    Open,
    /// The same, with these bytes behind the head, in one write.
    OpenSaying(&'static [u8]),
    /// Says this, and waits for the other side's end.
    Say(Vec<u8>),
    /// Says this and ends the connection.
    SayAndEnd(Vec<u8>),
    /// Says this, again and again, until the other side has had enough.
    SayForEver(Vec<u8>),
    /// Says this a byte at a time, with this pause between two of them.
    Drip(Vec<u8>, Duration),
    /// Says nothing.
    Nothing,
}

/// An answer of a proxy that opens no way.
pub(crate) fn refusal(status: u16) -> Act {
    let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry");
    Act::SayAndEnd(head.into_bytes())
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    act: Arc<Mutex<Act>>,
    tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(act: Act) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), act)
    }

    pub(crate) fn on(listener: TcpListener, act: Act) -> Self {
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let act = Arc::new(Mutex::new(act));
        let (heads, acts) = (Arc::clone(&asked), Arc::clone(&act));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (heads, acts) = (Arc::clone(&heads), Arc::clone(&acts));
                connections.spawn(async move {
                    // The other side may end at any time: that is its affair.
                    let _ = serve(stream, &heads, &acts).await;
                });
            }
        });
        Self {
            address,
            asked,
            act,
            tasks,
        }
    }

    /// As the configuration writes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it does this.
    pub(crate) fn does(&self, act: Act) {
        *self.act.lock().expect("whole") = act;
    }

    /// The heads of all requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }

    /// How often it was asked for a way to `server`.
    pub(crate) fn asked_for(&self, server: SocketAddr) -> usize {
        let line = format!("CONNECT {server} HTTP/1.1\r\n");
        self.asked().iter().filter(|head| head.starts_with(&line)).count()
    }

    /// Dies: its port refuses, and what it carried is cut.
    pub(crate) async fn die(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve(mut stream: TcpStream, heads: &Mutex<Vec<String>>, acts: &Mutex<Act>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().expect("whole").push(head);
    let act = acts.lock().expect("whole").clone();
    match act {
        Act::Open => open(stream, &target, b"").await,
        Act::OpenSaying(more) => open(stream, &target, more).await,
        Act::Say(bytes) => {
            stream.write_all(&bytes).await?;
            until_end(&mut stream).await
        }
        Act::SayAndEnd(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Act::SayForEver(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Act::Drip(bytes, pause) => {
            let mut pace = tokio::time::interval(pause);
            for byte in bytes {
                pace.tick().await;
                stream.write_u8(byte).await?;
            }
            until_end(&mut stream).await
        }
        Act::Nothing => until_end(&mut stream).await,
    }
}

async fn open(mut stream: TcpStream, target: &str, more: &[u8]) -> std::io::Result<()> {
    let Ok(mut upstream) = TcpStream::connect(target).await else {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    let head = b"HTTP/1.1 200 Connection established\r\nVia: a stand-in\r\n\r\n";
    stream.write_all(&[head.as_slice(), more].concat()).await?;
    copy_bidirectional(&mut stream, &mut upstream).await?;
    Ok(())
}

async fn until_end(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
