//! One refresh's right to speak. Whatever becomes of the work – an answer, a failure, a panic, a newer refresh –
//! the core hears exactly one ending, and every watch that was announced is heard to end.
//!
//! All of one source's events leave under one lock, so their order is the order in which they became true. The sink
//! is called with that lock held: it must only enqueue (as [`Sink`] demands).

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackline_core::{Event, Mode, NodeListing, RefreshId, Report, Sink, SourceFailure, SourceId};
use std::net::SocketAddr;
use tokio::task::AbortHandle;

/// One source's place: at most one refresh that asks, and at most one watch that an answered refresh left open.
pub(crate) struct Slot {
    source: SourceId,
    sink: Sink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asking: Option<Open>,
    watching: Option<Open>,
}

/// A refresh that may still speak.
struct Open {
    refresh: RefreshId,
    /// How many reports it gave; the next one's position.
    reports: u32,
    /// Whether its ending is out; what follows are further answers.
    ended: bool,
    /// Absent for the moment between its beginning and its task's.
    task: Option<AbortHandle>,
}

/// Held by the work itself; what it leaves unsaid is said when it is dropped.
pub(crate) struct Voice {
    slot: Arc<Slot>,
    refresh: RefreshId,
}

impl Slot {
    pub(crate) fn new(source: SourceId, sink: Sink) -> Arc<Self> {
        Arc::new(Self {
            source,
            sink,
            state: Mutex::default(),
        })
    }

    /// Starts `work` as the source's refresh. An older one that still asks is cancelled and ends as superseded; an
    /// open watch stays until the new refresh has its answer.
    pub(crate) fn start<F>(self: &Arc<Self>, refresh: RefreshId, work: impl FnOnce(Voice) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        {
            let mut state = self.lock();
            if let Some(older) = state.asking.take() {
                if !older.ended {
                    self.tell_failure(
                        older.refresh,
                        failure(format!("superseded by refresh {}", refresh.0)),
                    );
                }
                older.abort();
            }
            state.asking = Some(Open {
                refresh,
                reports: 0,
                ended: false,
                task: None,
            });
        }
        let voice = Voice {
            slot: Arc::clone(self),
            refresh,
        };
        let task = tokio::spawn(work(voice)).abort_handle();
        let mut state = self.lock();
        match state.open(refresh) {
            Some(open) => open.task = Some(task),
            // It is over already, or another thread superseded it in this very moment.
            None => task.abort(),
        }
    }

    /// Stops everything; each refresh under way and each watch ends with `reason`.
    pub(crate) fn stop(&self, reason: &str) {
        let mut state = self.lock();
        if let Some(asking) = state.asking.take() {
            if !asking.ended {
                self.tell_failure(asking.refresh, failure(reason.to_owned()));
            }
            asking.abort();
        }
        if let Some(watching) = state.watching.take() {
            self.tell_watch_end(watching.refresh, reason.to_owned());
            watching.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A sink that panicked left the state as it was before or after one event: both are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_failure(&self, refresh: RefreshId, failure: SourceFailure) {
        (self.sink)(Event::SourceFailed {
            source: self.source,
            refresh,
            failure,
        });
    }

    fn tell_watch_end(&self, refresh: RefreshId, reason: String) {
        (self.sink)(Event::WatchEnded {
            source: self.source,
            refresh,
            reason,
        });
    }
}

impl State {
    fn open(&mut self, refresh: RefreshId) -> Option<&mut Open> {
        [&mut self.asking, &mut self.watching]
            .into_iter()
            .flatten()
            .find(|open| open.refresh == refresh)
    }
}

impl Open {
    fn abort(self) {
        if let Some(task) = self.task {
            task.abort();
        }
    }
}

impl Voice {
    /// Gives an answer. The first one ends the refresh and the older watch; with [`Mode::Watch`] this refresh becomes
    /// the source's watch. Returns whether it was heard: `false` once the refresh was superseded.
    pub(crate) fn report(&self, report: Report) -> bool {
        let slot = &*self.slot;
        let mut state = slot.lock();
        let Some(open) = state.open(self.refresh) else {
            return false;
        };
        let position = open.reports;
        let first = !open.ended;
        let watches = report.mode == Mode::Watch;
        open.reports = open.reports.saturating_add(1);
        open.ended = true;
        (slot.sink)(Event::SourceReported {
            source: slot.source,
            refresh: self.refresh,
            position,
            report,
        });
        if first {
            if let Some(older) = state.watching.take() {
                slot.tell_watch_end(older.refresh, format!("replaced by refresh {}", self.refresh.0));
                older.abort();
            }
            if watches {
                state.watching = state.asking.take();
            }
        }
        true
    }

    /// Tells about one Node, and ends the refresh.
    pub(crate) fn report_node(
        &self,
        name: String,
        node: Option<NodeListing>,
        answered_by: Option<SocketAddr>,
    ) {
        let slot = &*self.slot;
        let mut state = slot.lock();
        if let Some(asking) = state
            .asking
            .take_if(|asking| asking.refresh == self.refresh && !asking.ended)
        {
            let (source, refresh) = (slot.source, asking.refresh);
            (slot.sink)(Event::NodeReported {
                source,
                refresh,
                name,
                node,
                answered_by,
            });
        }
    }

    /// Ends the refresh without an answer. Nothing, if it has given one.
    pub(crate) fn fail(self, failure: SourceFailure) {
        self.slot.finish(self.refresh, failure, "its refresh failed");
    }

    /// Tells that the watch is over. Nothing, if this refresh opened none or another one replaced it.
    pub(crate) fn end_watch(self, reason: &str) {
        self.slot.finish(self.refresh, failure(reason.to_owned()), reason);
    }
}

impl Slot {
    /// Ends whatever of this refresh is still open, and tells it.
    fn finish(&self, refresh: RefreshId, failure: SourceFailure, watch_reason: &str) {
        let mut state = self.lock();
        if let Some(asking) = state.asking.take_if(|asking| asking.refresh == refresh) {
            if !asking.ended {
                self.tell_failure(refresh, failure);
            }
        } else if state
            .watching
            .take_if(|watching| watching.refresh == refresh)
            .is_some()
        {
            self.tell_watch_end(refresh, watch_reason.to_owned());
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let died = "the task that asked ended without an answer (a defect of jackline, or its shutdown)";
        self.slot.finish(self.refresh, failure(died.to_owned()), died);
    }
}

/// A failure with nothing but words.
pub(crate) fn failure(reason: String) -> SourceFailure {
    SourceFailure {
        reason,
        ..SourceFailure::default()
    }
}

#[cfg(test)]
mod tests;
