//! The door: takes the core's orders, runs each as a task of its own, and holds it to its deadline.

use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Event, RefreshSource, Sink, SourceId};
use jackline_trust::Trust;
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::refresh::{Slot, Voice, failure};
use crate::source::{Question, Source};

/// No refresh lasts longer, whatever the order says.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// A source stops this much before the refresh's end, so that it can still tell what each server said.
const TELLING_TIME: Duration = Duration::from_millis(50);

/// All sources of this process.
pub struct Discovery {
    places: Vec<Place>,
    sink: Sink,
}

struct Place {
    slot: Arc<Slot>,
    source: Arc<Source>,
}

impl Discovery {
    /// Prepares every source; asks nothing yet.
    ///
    /// `sink` is called from any thread and with a lock held: it must only enqueue, and never call back.
    pub fn new(config: Config, trust: Arc<Trust>, sink: Sink) -> Self {
        let places = (0..=u16::MAX)
            .zip(config.sources)
            .map(|(index, source)| Place {
                slot: Slot::new(SourceId(index), Arc::clone(&sink)),
                source: Arc::new(Source::new(source, Arc::clone(&trust), &config.ways)),
            })
            .collect();
        Self { places, sink }
    }

    /// Carries out one order; returns at once. Exactly one event ends it: a report at position 0, a Node's report or a
    /// failure. An older refresh of the same source that still asks ends as superseded; its open watch lives on until
    /// the new refresh has its answer.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn refresh(&self, order: RefreshSource) {
        let Some(place) = self.places.get(usize::from(order.source.0)) else {
            let (source, refresh) = (order.source, order.refresh);
            let failure = failure(format!("no source has number {}", source.0));
            (self.sink)(Event::SourceFailed {
                source,
                refresh,
                failure,
            });
            return;
        };
        tracing::debug!(
            source = order.source.0,
            refresh = order.refresh.0,
            targets = order.targets.len(),
            "refresh"
        );
        let source = Arc::clone(&place.source);
        place.slot.start(order.refresh, |voice| run(source, order, voice));
    }
}

impl Drop for Discovery {
    /// Ends all refreshes and watches; each is told.
    fn drop(&mut self) {
        for place in &self.places {
            place.slot.stop("jackline is shutting down");
        }
    }
}

/// One refresh, and the watch that it may leave open.
async fn run(source: Arc<Source>, order: RefreshSource, voice: Voice) {
    let timeout = order.timeout.min(TIMEOUT_MAX);
    let end = Instant::now() + timeout;
    let deadline = end - TELLING_TIME.min(timeout / 10);
    let RefreshSource {
        ask,
        targets,
        breadth,
        ..
    } = order;
    let question = Question {
        ask,
        targets,
        breadth,
        deadline,
    };
    match timeout_at(end, source.ask(&question, &voice)).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(watch))) => {
            let reason = watch.follow(&voice).await;
            voice.end_watch(&reason);
        }
        Ok(Err(failure)) => voice.fail(failure),
        Err(_) => voice.fail(failure(format!("no answer within {timeout:?}"))),
    }
}
