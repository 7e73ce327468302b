//! The handle on probes: starts them, stops them all.

use std::sync::Arc;

use jackline_core::{Service, Sink, StartProbe};
use jackline_trust::Trust;
use jackline_way::Ways;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kept::Kept;
use crate::pending::Pending;
use crate::probe::Probe;

/// Probes under way at the most: twice the endpoints that the core knows by default. One more is aborted at once.
const PROBES_MAX: usize = 1024;

/// What a [`Prober`] is built from.
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    /// Where the probes run: the control plane's runtime, with its IO and time enabled.
    pub runtime: Handle,
    /// Whose servers are tested: decides what they are asked.
    pub service: Service,
    /// How servers are reached.
    pub ways: Arc<Ways>,
}

/// Starts probes, a task each.
pub struct Prober {
    runtime: Handle,
    service: Service,
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    sink: Sink,
    kept: Arc<Kept>,
    running: TaskTracker,
    stop: CancellationToken,
}

impl Prober {
    /// Nothing runs until [`Prober::start`].
    #[must_use]
    pub fn new(config: ProbeConfig, trust: Arc<Trust>, sink: Sink) -> Self {
        Self {
            runtime: config.runtime,
            service: config.service,
            trust,
            ways: config.ways,
            sink,
            kept: Arc::default(),
            running: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Starts a probe and returns at once. Exactly one `ProbeSucceeded` or `ProbeFailed` ends it.
    pub fn start(&self, start: StartProbe) {
        let pending = Pending::new(start.endpoint, start.probe, Arc::clone(&self.sink));
        if self.running.len() >= PROBES_MAX {
            tracing::debug!(endpoint = %start.endpoint, PROBES_MAX, "too many probes under way: this one is aborted");
            return;
        }
        let probe = Probe::new(
            start,
            self.service,
            (Arc::clone(&self.trust), Arc::clone(&self.ways)),
            Arc::clone(&self.kept),
        );
        let stop = self.stop.clone();
        self.runtime.spawn(self.running.track_future(async move {
            // Owned by the task before its first poll, so that a task that never runs is told as well.
            let pending = pending;
            if let Some(outcome) = stop.run_until_cancelled(probe.run()).await {
                pending.end(outcome);
            }
        }));
    }

    /// Cancels all probes, each of which tells that it was aborted, and closes kept connections. Later starts are aborted at once.
    pub fn stop(&self) {
        self.stop.cancel();
        self.kept.close_all();
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop();
    }
}
