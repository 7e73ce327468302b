//! A session as a message: flat, strict, bounded.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use jackline_core::Service;
use jackline_proxy::{AtRest, EstablishedState, FirstEnd, HELD_MAX, LaneState, Moved, SessionState, Stage};
use serde::{Deserialize, Serialize};

use super::wire::{Message, Wire, WireError};

/// What is told of one session. Times are microseconds, and ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    pub(crate) service: Service,
    endpoint: Option<SocketAddr>,
    age: u64,
    asked: Option<u64>,
    heard: Option<u64>,
    handshake: bool,
    /// Received so far from the client, and from the upstream.
    bytes: [u64; 2],
    /// How many bytes follow for the upstream, and for the client.
    held: [u32; 2],
    stage: ToldStage,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum ToldStage {
    FirstFlight {
        written: u32,
    },
    Established {
        up: ToldLane,
        down: ToldLane,
        /// Whether it was the upstream that ended first.
        ended_by_upstream: Option<bool>,
        broken: Option<i32>,
    },
}

/// One direction: ended, cut, over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ToldLane(bool, bool, bool);

impl Told {
    fn of(service: Service, session: &AtRest<'_>) -> Self {
        let state = &session.state;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            service,
            endpoint: state.endpoint,
            age: micros(state.age),
            asked: state.asked.map(micros),
            heard: state.heard.map(micros),
            handshake: state.handshake,
            bytes: state.bytes,
            held: [length(session.up), length(session.down)],
            stage: match &state.stage {
                Stage::FirstFlight { written } => ToldStage::FirstFlight { written: *written },
                Stage::Established(copy) => ToldStage::Established {
                    up: copy.up.into(),
                    down: copy.down.into(),
                    ended_by_upstream: copy.first_end.map(|end| end == FirstEnd::Upstream),
                    broken: copy.broken,
                },
            },
        }
    }

    fn state(&self) -> SessionState {
        SessionState {
            endpoint: self.endpoint,
            age: Duration::from_micros(self.age),
            asked: self.asked.map(Duration::from_micros),
            heard: self.heard.map(Duration::from_micros),
            handshake: self.handshake,
            bytes: self.bytes,
            stage: match &self.stage {
                ToldStage::FirstFlight { written } => Stage::FirstFlight { written: *written },
                ToldStage::Established {
                    up,
                    down,
                    ended_by_upstream,
                    broken,
                } => Stage::Established(EstablishedState {
                    up: (*up).into(),
                    down: (*down).into(),
                    first_end: ended_by_upstream.map(|upstream| match upstream {
                        true => FirstEnd::Upstream,
                        false => FirstEnd::Client,
                    }),
                    broken: *broken,
                }),
            },
        }
    }
}

impl From<LaneState> for ToldLane {
    fn from(lane: LaneState) -> Self {
        Self(lane.ended, lane.cut, lane.over)
    }
}

impl From<ToldLane> for LaneState {
    fn from(ToldLane(ended, cut, over): ToldLane) -> Self {
        Self { ended, cut, over }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Tells of a session over `wire`.
pub(super) fn tell(wire: &Wire, service: Service, session: &AtRest<'_>) -> Result<(), WireError> {
    let mut beside = vec![session.client];
    beside.extend(session.upstream);
    wire.say(&Message::Session(Told::of(service, session)), &beside)?;
    wire.say_bytes(session.up)?;
    wire.say_bytes(session.down)
}

/// Hears the rest of a session that was told of, and takes it together.
pub(super) fn hear(
    wire: &Wire,
    told: &Told,
    beside: Vec<OwnedFd>,
    deadline: Instant,
) -> Result<Moved, WireError> {
    let odd = |words: &str| WireError::Odd(words.to_owned());
    let held = told
        .held
        .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if held.iter().any(|bytes| *bytes > HELD_MAX) {
        return Err(odd("a session that holds more than any does"));
    }
    let mut sockets = beside.into_iter().map(TcpStream::from);
    let client = sockets
        .next()
        .ok_or_else(|| odd("a session without its client"))?;
    let upstream = sockets.next();
    for socket in std::iter::once(&client).chain(&upstream) {
        socket.set_nonblocking(true)?;
    }
    let up = wire.hear_bytes(held[0], deadline)?;
    let down = wire.hear_bytes(held[1], deadline)?;
    Moved::new(told.state(), (client, upstream), (up, down)).map_err(odd)
}
