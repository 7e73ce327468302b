//! What is carried, and what of it is measured. Each piece of work gives figures by name: `work.detail.unit`.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failover::Span;
use crate::origin::{Origin, Raw};
use crate::process::{Cpu, Process};
use crate::target::Target;

mod bulk;
mod connections;
pub(crate) mod http;
mod idle;
mod mixed;
mod requests;

/// What a run of one work gives.
pub(crate) type Figures = Vec<(String, f64)>;

/// How long and how large everything is.
#[derive(Clone, Debug)]
pub(crate) struct Length {
    pub(crate) rounds: u32,
    /// Of one measurement.
    pub(crate) time: Duration,
    /// Numbers of idle sessions.
    idle: &'static [usize],
    /// Numbers of connections with keep-alive requests.
    connections: &'static [usize],
    pub(crate) failover: Span,
    /// How often each fault is played at most.
    pub(crate) failover_rounds: u32,
}

impl Length {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        time: Duration::from_secs(4),
        idle: &[1_000, 9_000],
        connections: &[1, 32, 256],
        failover: Span::FULL,
        failover_rounds: 3,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        time: Duration::from_secs(1),
        idle: &[1_000],
        connections: &[1, 32],
        failover: Span::QUICK,
        failover_rounds: 1,
    };
}

/// A piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// So many streams at full speed.
    Bulk { streams: usize, way: Raw },
    /// A connection, a TLS handshake and one request, again and again.
    Connections,
    /// Requests on so many connections that are kept.
    Requests { connections: usize },
    /// So many sessions that do nothing.
    Idle { sessions: usize },
    /// Watches, a long list, and short requests at once.
    Mixed,
    /// Ten idle sessions: what does it cost to be there?
    Rest,
    /// The cost of a request beside so many idle sessions.
    Growth { sessions: usize },
}

impl Work {
    /// All of it.
    pub(crate) fn all(length: &Length) -> Vec<Self> {
        let mut all = Vec::new();
        for streams in [1, 8] {
            for way in [Raw::Down, Raw::Up, Raw::Both] {
                all.push(Self::Bulk { streams, way });
            }
        }
        all.push(Self::Connections);
        all.extend(
            length
                .connections
                .iter()
                .map(|&connections| Self::Requests { connections }),
        );
        all.extend(length.idle.iter().map(|&sessions| Self::Idle { sessions }));
        all.extend(length.idle.iter().map(|&sessions| Self::Growth { sessions }));
        all.extend([Self::Mixed, Self::Rest]);
        all
    }

    /// What its figures begin with.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bulk { .. } => "bulk",
            Self::Connections => "connections",
            Self::Requests { .. } => "requests",
            Self::Idle { .. } => "idle",
            Self::Mixed => "mixed",
            Self::Rest => "rest",
            Self::Growth { .. } => "growth",
        }
    }

    /// Whether it is wanted; nobody named: all are.
    pub(crate) fn is_named(&self, only: &[String]) -> bool {
        only.is_empty() || only.iter().any(|name| self.name().starts_with(name.as_str()))
    }

    /// Does it, and measures.
    pub(crate) async fn run(
        &self,
        target: &Target,
        origin: &Origin,
        length: &Length,
    ) -> anyhow::Result<Figures> {
        match *self {
            Self::Bulk { streams, way } => bulk::run(target, streams, way, length.time).await,
            Self::Connections => connections::run(target, origin, length.time).await,
            Self::Requests { connections } => requests::run(target, origin, connections, length.time).await,
            Self::Idle { sessions } => idle::run(target, sessions, length.time).await,
            Self::Mixed => mixed::run(target, origin, length.time).await,
            Self::Rest => idle::rest(target, length.time).await,
            Self::Growth { sessions } => idle::growth(target, origin, sessions, length.time).await,
        }
    }
}

/// Time and processor time from one moment on.
struct Meter {
    process: Option<Process>,
    start: Instant,
    before: Cpu,
}

impl Meter {
    fn start(target: &Target) -> Self {
        let process = target.process();
        Self {
            process,
            start: Instant::now(),
            before: process.map(Process::cpu).unwrap_or_default(),
        }
    }

    /// Seconds, and the target's processor time; `None`: there is no target in between.
    fn read(&self) -> (f64, Option<Cpu>) {
        let cpu = self.process.map(|process| process.cpu().since(self.before));
        (self.start.elapsed().as_secs_f64(), cpu)
    }
}

/// A raw stream of this kind through the target.
pub(crate) async fn raw(target: &Target, way: Raw) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&[way.word()]).await?;
    if way == Raw::Quiet {
        stream.read_u8().await?;
    }
    Ok(stream)
}
