//! The driver's queue: where every part of jackline drops what happened. Never blocks, never grows without bound.
//!
//! All kinds share one queue, so that their order is kept; what happens when the core falls behind hangs on the kind:
//!
//! | kind | which | bound |
//! |---|---|---|
//! | ending | ends work that the core asked for, or is an operator's word | never dropped; the core has one probe of an endpoint and one refresh of a source under way, and of a watch's reports only the newest waits |
//! | counted | a session's beginning and end | [`COUNTED_MAX`] wait, more are dropped: the core's counts are off, the data plane's table is not |
//! | evidence | what sessions and dials show | [`EVIDENCE_MAX`] wait, more are dropped: a core that far behind learns nothing from one more |
//!
//! The driver is woken for each event, but for those that every session has and that decide nothing at once: after one of
//! them the next wait for the end of a [`LULL`], or for something that wakes it. A wake-up for each beginning and end of a
//! session would cost as much as carrying it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackline_core::{Ending, Event};
use tokio::sync::Notify;

use crate::lines;

/// So many pieces of evidence wait.
pub(crate) const EVIDENCE_MAX: usize = 8192;
/// So many beginnings and ends of sessions wait: each descriptor that a process may usually have, a few times over.
pub(crate) const COUNTED_MAX: usize = 65_536;

/// How long events that are routine may wait after others of their kind.
const LULL: Duration = Duration::from_millis(10);

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Notify,
    /// How often somebody has asked for the next event: the pulse of who empties it.
    asked: AtomicU64,
}

#[derive(Default)]
struct Inner {
    events: VecDeque<Event>,
    evidence: usize,
    counted: usize,
    dropped: u64,
    /// A routine event was taken: nobody is woken for another one before the lull is over.
    lull: bool,
}

impl Inner {
    /// What waits of a kind that may be dropped, and how much of it may wait.
    const fn waiting(&mut self, kind: Kind) -> Option<(&mut usize, usize)> {
        match kind {
            Kind::Ending => None,
            Kind::Counted => Some((&mut self.counted, COUNTED_MAX)),
            Kind::Evidence => Some((&mut self.evidence, EVIDENCE_MAX)),
        }
    }
}

impl Queue {
    /// Takes `event` in. Callable from any thread, also with locks held; never blocks.
    pub(crate) fn push(&self, event: Event) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some((waiting, most)) = inner.waiting(kind(&event)) {
            if *waiting >= most {
                inner.dropped += 1;
                let first = inner.dropped == 1;
                drop(guard);
                if first {
                    tracing::warn!(
                        target: "jackline",
                        event = lines::OVERLOADED,
                        "the node is overloaded: observations of sessions are dropped; `jackline status` counts them"
                    );
                }
                return;
            }
            *waiting += 1;
        } else if let Some(older) = inner.events.iter_mut().find(|older| replaces(&event, older)) {
            // A watch's report is whole: only the newest counts (M1).
            *older = event;
            return;
        }
        let waits = inner.lull && is_routine(&event);
        inner.events.push_back(event);
        drop(guard);
        if !waits {
            self.arrived.notify_one();
        }
    }

    /// The oldest event; waits for one. For one caller at a time; cancelling it loses nothing.
    pub(crate) async fn next(&self) -> Event {
        self.asked.fetch_add(1, Ordering::Relaxed);
        loop {
            let arrived = self.arrived.notified();
            if let Some(event) = self.take() {
                return event;
            }
            if self.lock().lull {
                let over = tokio::select! {
                    () = arrived => false,
                    () = tokio::time::sleep(LULL) => true,
                };
                // Woken before, it goes on after what came: the wake-up may be of an event that was taken already.
                self.lock().lull &= !over;
            } else {
                arrived.await;
            }
        }
    }

    /// The oldest event, if there is one.
    pub(crate) fn take(&self) -> Option<Event> {
        let mut inner = self.lock();
        let event = inner.events.pop_front()?;
        if let Some((waiting, _)) = inner.waiting(kind(&event)) {
            *waiting -= 1;
        }
        inner.lull |= is_routine(&event);
        Some(event)
    }

    /// How often [`Queue::next`] was called: the driver does it once a second at the least, so that a number which stands
    /// still means a driver that hangs.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many events were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happens to an event when the core falls behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ending,
    Counted,
    Evidence,
}

const fn kind(event: &Event) -> Kind {
    match event {
        Event::DialFailed { .. }
        | Event::HedgeWon { .. }
        | Event::SessionAnswered { .. }
        | Event::SessionsProgressed { .. }
        | Event::SessionStalled { .. }
        | Event::LocalFaultSeen { .. }
        | Event::DeadlineReached => Kind::Evidence,
        Event::SessionOpened { .. } | Event::SessionClosed { .. } => Kind::Counted,
        Event::SourceReported { .. }
        | Event::SourceFailed { .. }
        | Event::NodeReported { .. }
        | Event::WatchEnded { .. }
        | Event::ProbeSucceeded { .. }
        | Event::ProbeFailed { .. }
        | Event::DrainRequested { .. }
        | Event::UndrainRequested { .. }
        | Event::RefreshRequested
        | Event::ResetRequested
        | Event::MembershipRestored { .. }
        | Event::TrustReloaded { .. } => Kind::Ending,
    }
}

/// Whether it is what every session has, and decides nothing at once.
const fn is_routine(event: &Event) -> bool {
    matches!(
        event,
        Event::SessionOpened { .. }
            | Event::SessionAnswered { .. }
            | Event::SessionsProgressed { .. }
            | Event::SessionClosed {
                ending: Ending::Downstream | Ending::Ours,
                ..
            }
    )
}

/// Whether `newer` makes `older`, which still waits, worthless: a later report of the same watch. Reports at position 0
/// end a refresh and stay.
fn replaces(newer: &Event, older: &Event) -> bool {
    match (newer, older) {
        (
            Event::SourceReported {
                source,
                refresh,
                position,
                ..
            },
            Event::SourceReported {
                source: same_source,
                refresh: same_refresh,
                position: before,
                ..
            },
        ) => source == same_source && refresh == same_refresh && *before > 0 && before < position,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use jackline_core::{Ending, Event, ProbeFailure, ProbeId, RefreshId, Report, SourceId};

    use super::{COUNTED_MAX, EVIDENCE_MAX, LULL, Queue};

    fn evidence() -> Event {
        Event::SessionsProgressed {
            endpoint: SocketAddr::from(([10, 0, 0, 1], 6443)),
        }
    }

    fn ending(probe: usize) -> Event {
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 6443));
        Event::ProbeFailed {
            endpoint,
            probe: ProbeId(probe as u64),
            failure: ProbeFailure::Aborted,
        }
    }

    fn report(refresh: u64, position: u32, note: &str) -> Event {
        let report = Report {
            note: note.into(),
            ..Report::default()
        };
        Event::SourceReported {
            source: SourceId(0),
            refresh: RefreshId(refresh),
            position,
            report,
        }
    }

    #[test]
    fn above_the_bound_evidence_is_dropped_and_endings_never_are() {
        let queue = Queue::default();
        for number in 0..2 * EVIDENCE_MAX {
            queue.push(evidence());
            queue.push(ending(number));
        }
        assert_eq!(queue.dropped(), EVIDENCE_MAX as u64);
        let mut endings = 0;
        let mut pieces = 0;
        while let Some(event) = queue.take() {
            if event == evidence() {
                pieces += 1;
            } else {
                assert_eq!(event, ending(endings), "in order");
                endings += 1;
            }
        }
        assert_eq!((pieces, endings), (EVIDENCE_MAX, 2 * EVIDENCE_MAX));
        queue.push(evidence());
        assert_eq!(queue.take(), Some(evidence()), "there is room again");
    }

    #[test]
    fn beginnings_and_ends_of_sessions_have_far_more_room() {
        let queue = Queue::default();
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 6443));
        for _ in 0..=COUNTED_MAX {
            queue.push(Event::SessionClosed {
                endpoint,
                ending: Ending::Downstream,
            });
        }
        assert_eq!(queue.dropped(), 1);
        queue.push(evidence());
        assert_eq!(queue.dropped(), 1, "each kind has room of its own");
    }

    #[test]
    fn of_a_watchs_reports_only_the_newest_waits() {
        let queue = Queue::default();
        for event in [
            report(1, 0, "first"),
            report(1, 1, "old"),
            ending(1),
            report(2, 1, "other"),
            report(1, 2, "new"),
        ] {
            queue.push(event);
        }
        let rest: Vec<Event> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(
            rest,
            [
                report(1, 0, "first"),
                report(1, 2, "new"),
                ending(1),
                report(2, 1, "other")
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_every_session_has_waits_for_the_end_of_a_lull_and_a_suspicion_does_not() {
        let queue = Arc::new(Queue::default());
        let start = tokio::time::Instant::now();
        queue.push(evidence());
        queue.next().await;
        assert_eq!(start.elapsed(), Duration::ZERO, "the first is taken at once");
        let later = Arc::clone(&queue);
        tokio::spawn(async move {
            tokio::time::sleep(LULL / 10).await;
            later.push(evidence());
        });
        queue.next().await;
        assert!(start.elapsed() >= LULL, "the next waits: {:?}", start.elapsed());
        let second = tokio::time::Instant::now();
        let later = Arc::clone(&queue);
        tokio::spawn(async move {
            tokio::time::sleep(LULL / 10).await;
            later.push(ending(1));
        });
        assert_eq!(queue.next().await, ending(1));
        assert!(second.elapsed() < LULL, "what ends work wakes the driver");
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = Arc::new(Queue::default());
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { (queue.next().await, queue.next().await) }
        });
        tokio::task::yield_now().await;
        queue.push(ending(1));
        queue.push(ending(2));
        assert_eq!(waiting.await.expect("woken"), (ending(1), ending(2)));
    }
}
