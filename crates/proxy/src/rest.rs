//! Sessions at rest: what one process tells another of them when it hands them over. At a quiescent point a session is its
//! descriptors, the few bytes that were received and not sent on, and flat state; nothing else of it is anywhere.
//!
//! A session in its first flight is told by what the client has sent so far. Where several upstreams race for it one of them
//! goes along; where none has it yet, its bytes are sent anew, as S4 allows.
//!
//! Who owns what at which moment stands in `docs/upgrade.md`.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::client_hello::{self, FLIGHT_MAX, Verdict};
use crate::copy::PIPE;

/// The most bytes that a session holds for one of its sides: what a pipe may hold.
pub const HELD_MAX: usize = PIPE;

/// What there is to know of a session besides its descriptors and the bytes that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Where its upstream connection leads; `None`: it has none yet.
    pub endpoint: Option<SocketAddr>,
    /// How long it has been open.
    pub age: Duration,
    /// How long ago the last byte came from the client; `None`: never.
    pub asked: Option<Duration>,
    /// How long ago the last byte came from the upstream; `None`: never.
    pub heard: Option<Duration>,
    /// A handshake has begun and not ended.
    pub handshake: bool,
    /// Bytes received from the client, and from the upstream.
    pub bytes: [u64; 2],
    /// How far it has come.
    pub stage: Stage,
}

/// How far a session has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has come from an upstream yet.
    FirstFlight {
        /// So many of the kept bytes were sent to the upstream that goes along.
        written: u32,
    },
    /// Bytes go both ways.
    Established(EstablishedState),
}

/// The copy of an established session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EstablishedState {
    /// From the client to the upstream.
    pub up: LaneState,
    /// From the upstream to the client.
    pub down: LaneState,
    /// Who sent a FIN first; `None`: nobody yet.
    pub first_end: Option<FirstEnd>,
    /// The error by which the upstream takes nothing more, as the kernel numbers it.
    pub broken: Option<i32>,
}

/// Who sent a FIN first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstEnd {
    /// The client.
    Client,
    /// The upstream.
    Upstream,
}

/// One direction of an established session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneState {
    /// The sender has sent its FIN.
    pub ended: bool,
    /// The sender has failed: what looks like its end is none.
    pub cut: bool,
    /// The FIN was carried over.
    pub over: bool,
}

/// A session at rest, lent for as long as it takes to tell of it.
#[derive(Debug)]
pub struct AtRest<'a> {
    /// What is known of it.
    pub state: SessionState,
    /// The client's connection.
    pub client: BorrowedFd<'a>,
    /// The upstream's; `None`: it has none yet.
    pub upstream: Option<BorrowedFd<'a>>,
    /// What the client has sent and the upstream has not had. In a first flight: all that the client has sent.
    pub up: &'a [u8],
    /// What the upstream has sent and the client has not had.
    pub down: &'a [u8],
}

/// Whoever tells another process of sessions at rest; called by the threads that have them, and waited for.
pub type Tell = Box<dyn FnMut(&AtRest<'_>) -> io::Result<()> + Send>;

/// A session that another process has laid to rest, whole and possible.
#[derive(Debug)]
pub struct Moved {
    pub(crate) state: SessionState,
    pub(crate) client: TcpStream,
    pub(crate) upstream: Option<TcpStream>,
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
}

impl Moved {
    /// Takes the parts together as they were received.
    ///
    /// # Errors
    /// No session can be like that: whoever told of it has a defect, or is none of ours. In words.
    pub fn new(
        state: SessionState,
        (client, upstream): (TcpStream, Option<TcpStream>),
        (up, down): (Vec<u8>, Vec<u8>),
    ) -> Result<Self, &'static str> {
        if state.endpoint.is_some() != upstream.is_some() {
            return Err("an endpoint without a connection, or a connection without an endpoint");
        }
        if up.len() > HELD_MAX || down.len() > HELD_MAX {
            return Err("it holds more than a session ever does");
        }
        match &state.stage {
            Stage::Established(_) if upstream.is_none() => {
                return Err("established, without an upstream");
            }
            Stage::Established(_) => {}
            Stage::FirstFlight { written } => {
                let written = usize::try_from(*written).unwrap_or(usize::MAX);
                if written > up.len() || up.len() > FLIGHT_MAX || !down.is_empty() {
                    return Err("a first flight that is none");
                }
                let repeatable = up.is_empty() || client_hello::judge(&up) == Verdict::Complete;
                if upstream.is_none() && !repeatable {
                    return Err("bytes that may not be sent twice, without the upstream that had them");
                }
            }
        }
        Ok(Self {
            state,
            client,
            upstream,
            up,
            down,
        })
    }
}

impl Moved {
    /// What is known of it.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// How many bytes it holds for the upstream, and for the client.
    pub fn held(&self) -> [usize; 2] {
        [self.up.len(), self.down.len()]
    }
}

/// The kernel's number of an error; one that has none is a reset.
pub(crate) fn number(error: &io::Error) -> i32 {
    let reset = rustix::io::Errno::CONNRESET.raw_os_error();
    error.raw_os_error().unwrap_or(reset)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn connection() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    fn state(endpoint: bool, stage: Stage) -> SessionState {
        SessionState {
            endpoint: endpoint.then(|| SocketAddr::from(([10, 0, 0, 1], 6443))),
            age: Duration::ZERO,
            asked: None,
            heard: None,
            handshake: false,
            bytes: [0; 2],
            stage,
        }
    }

    #[test]
    fn what_no_session_can_be_is_refused() {
        let established = Stage::Established(EstablishedState::default());
        let flight = |written| Stage::FirstFlight { written };
        let made = |endpoint, upstream: bool, stage: &Stage, up: &[u8], down: &[u8]| {
            let upstream = upstream.then(connection);
            let sockets = (connection(), upstream);
            Moved::new(
                state(endpoint, stage.clone()),
                sockets,
                (up.to_vec(), down.to_vec()),
            )
            .is_ok()
        };
        assert!(made(true, true, &established, b"held", b"held too"));
        assert!(made(false, false, &flight(0), b"", b""));
        assert!(made(true, true, &flight(2), b"GET", b""));
        assert!(!made(true, false, &established, b"", b""));
        assert!(!made(false, true, &established, b"", b""));
        assert!(!made(false, false, &established, b"", b""));
        assert!(!made(true, true, &established, &vec![0; HELD_MAX + 1], b""));
        assert!(!made(true, true, &flight(4), b"GET", b""), "more than there is");
        assert!(!made(true, true, &flight(0), b"", b"an answer"));
        assert!(
            !made(false, false, &flight(0), b"GET / HTTP/1.1", b""),
            "nobody knows who has had it"
        );
    }
}
