//! One dial to one endpoint, and what counts as silence there.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jackline_core::EndpointView;
use jackline_way::{Opening, WayError, Ways};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::socket;

/// The least silence after which another candidate is dialled beside a silent one (S3).
const SILENCE_MIN: Duration = Duration::from_millis(200);
/// The least silence after which a first flight is repeated (S4).
pub(super) const ANSWER_MIN: Duration = Duration::from_millis(300);
/// How many times the usual is silence.
const USUAL_TIMES: u32 = 3;
/// A dial that nothing came of for so long is over.
pub(super) const DIAL_LIMIT: Duration = Duration::from_secs(3);

/// An endpoint whose turn will come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) endpoint: SocketAddr,
    pub(super) silence: Duration,
    pub(super) patience: Duration,
}

impl Candidate {
    pub(super) fn new(view: &EndpointView) -> Self {
        Self {
            endpoint: view.address,
            silence: SILENCE_MIN
                .max(view.connect_usual.saturating_mul(USUAL_TIMES))
                .min(DIAL_LIMIT),
            patience: ANSWER_MIN.max(view.answer_usual.saturating_mul(USUAL_TIMES)),
        }
    }
}

/// A dial that is under way. Dropped, its socket is closed.
pub(super) struct Attempt {
    pub(super) candidate: Candidate,
    pub(super) started: Instant,
    connect: Pin<Box<dyn Future<Output = Result<TcpStream, WayError>>>>,
}

impl Attempt {
    pub(super) fn start(candidate: Candidate, opening: Opening, ways: &Arc<Ways>, now: Instant) -> Self {
        let ways = Arc::clone(ways);
        Self {
            candidate,
            started: now,
            connect: Box::pin(async move {
                let stream = ways.connect(candidate.endpoint, opening, DIAL_LIMIT).await?;
                if let Err(error) = socket::prepare(&stream) {
                    tracing::debug!(%error, "an upstream's socket takes no options");
                }
                Ok(stream)
            }),
        }
    }

    /// Whether it has been silent for so long that another one may be dialled beside it (S3).
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now >= self.started + self.candidate.silence
    }
}

/// Waits for any of the dials to end; for ever if there are none.
pub(super) async fn landed(attempts: &mut [Attempt]) -> (usize, Result<TcpStream, WayError>) {
    std::future::poll_fn(|context| {
        for (index, attempt) in attempts.iter_mut().enumerate() {
            if let Poll::Ready(result) = attempt.connect.as_mut().poll(context) {
                return Poll::Ready((index, result));
            }
        }
        Poll::Pending
    })
    .await
}
