//! A client of the admin socket: one question or order over HTTP/1.1, bounded in size and time, with errors that say what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use jackline_agent::operate::{Done, SessionList};
use jackline_agent::status::Status;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::exit::Exit;

/// The answer is no longer than this: the 512 endpoints that the core knows at most, with room to spare.
const ANSWER_MAX: usize = 8 * 1024 * 1024;
/// The answer is complete by then. It takes milliseconds; but the machine may be in trouble.
const TIME: Duration = Duration::from_secs(10);
/// An order may take longer: a new process has to start, and if it hangs all is taken back.
const ORDER_TIME: Duration = Duration::from_secs(29);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// There is no socket, or nobody behind it.
    NotRunning { socket: PathBuf, stale: bool },
    /// The socket is another user's.
    Denied { socket: PathBuf },
    /// It does not do what was ordered, and says why.
    Refused { words: String, wrong: bool },
    /// Something is there, but does not answer as jackline does.
    Odd { socket: PathBuf, what: String },
}

impl ClientError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NotRunning { .. } => Exit::NotRunning,
            Self::Refused { wrong: true, .. } => Exit::Usage,
            Self::Refused { .. } => Exit::Failed,
            Self::Denied { .. } | Self::Odd { .. } => Exit::Unknown,
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRunning { socket, stale } => {
                let why = if *stale {
                    "nobody answers on"
                } else {
                    "there is no socket"
                };
                write!(
                    f,
                    "jackline is not running: {why} {}\n    \
                     Start it: systemctl start jackline (or: jackline run --server https://…).\n    \
                     If it runs with another socket, name that: jackline status --socket PATH.",
                    socket.display()
                )
            }
            Self::Denied { socket } => write!(
                f,
                "jackline could not be asked: {} is for its owner and root only\n    \
                 Ask as root: sudo jackline status.",
                socket.display()
            ),
            Self::Refused { words, .. } => write!(f, "jackline: {words}"),
            Self::Odd { socket, what } => write!(
                f,
                "jackline could not be asked over {}: {what}\n    \
                 If that is not jackline's socket, name the right one: jackline status --socket PATH.\n    \
                 If it is, see the log: journalctl -u jackline.",
                socket.display()
            ),
        }
    }
}

/// Asks for `/status`: the text as it came, and what it says.
pub(crate) fn status(socket: &Path) -> Result<(String, Status), ClientError> {
    read(socket, Method::GET, "/status", "status")
}

/// Asks for the open sessions.
pub(crate) fn sessions(socket: &Path) -> Result<(String, SessionList), ClientError> {
    read(socket, Method::GET, "/sessions", "list of sessions")
}

/// Orders something: what was done.
pub(crate) fn order(socket: &Path, path: &str) -> Result<(String, Done), ClientError> {
    read(socket, Method::POST, path, "answer to an order")
}

/// Asks for `path`: the text as it came.
pub(crate) fn text(socket: &Path, path: &str) -> Result<String, ClientError> {
    exchange(socket, Method::GET, path)
}

/// The text as it came, and what it says.
fn read<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    what: &str,
) -> Result<(String, T), ClientError> {
    let text = exchange(socket, method, path)?;
    match serde_json::from_str(&text) {
        Ok(told) => Ok((text, told)),
        Err(error) => Err(ClientError::Odd {
            socket: socket.to_owned(),
            what: format!("its answer is no {what} that this version can read ({error})"),
        }),
    }
}

fn exchange(socket: &Path, method: Method, path: &str) -> Result<String, ClientError> {
    let odd = |what: String| ClientError::Odd {
        socket: socket.to_owned(),
        what,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| odd(format!("this process got no resources: {error}")))?;
    runtime.block_on(async {
        let time = if method == Method::POST { ORDER_TIME } else { TIME };
        match tokio::time::timeout(time, ask(socket, method, path)).await {
            Ok(answer) => answer,
            Err(_) => Err(odd(format!("no answer within {} s", time.as_secs()))),
        }
    })
}

async fn ask(socket: &Path, method: Method, path: &str) -> Result<String, ClientError> {
    let odd = |what: String| ClientError::Odd {
        socket: socket.to_owned(),
        what,
    };
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| no_connection(socket, &error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| odd(format!("no HTTP ({error})")))?;
    // Ends with the runtime, which lives no longer than this one question.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method.clone())
        .uri(path)
        .header(header::HOST, "jackline")
        .body(Empty::<Bytes>::new())
        .map_err(|error| odd(error.to_string()))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| odd(format!("no answer ({error})")))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    let bytes = body
        .map_err(|error| odd(format!("no whole answer ({error})")))?
        .to_bytes();
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| odd("its answer is no text".to_owned()))?;
    match status {
        StatusCode::OK => Ok(text),
        StatusCode::FORBIDDEN => Err(ClientError::Denied {
            socket: socket.to_owned(),
        }),
        other if method == Method::POST && is_sentence(&text) => Err(ClientError::Refused {
            wrong: other == StatusCode::BAD_REQUEST,
            words: text.trim_end().to_owned(),
        }),
        other => Err(odd(format!("it answered {other}"))),
    }
}

/// Whether it is what jackline says where it does not do something: one line.
fn is_sentence(text: &str) -> bool {
    !text.trim().is_empty() && text.trim_end().lines().count() == 1
}

fn no_connection(socket: &Path, error: &io::Error) -> ClientError {
    let socket = socket.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => ClientError::NotRunning { socket, stale: false },
        io::ErrorKind::ConnectionRefused => ClientError::NotRunning { socket, stale: true },
        io::ErrorKind::PermissionDenied => ClientError::Denied { socket },
        _ => ClientError::Odd {
            socket,
            what: error.to_string(),
        },
    }
}
