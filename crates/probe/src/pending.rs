//! The one event that each probe owes, whatever becomes of its task.

use std::net::SocketAddr;

use jackline_core::{Event, Finding, ProbeFailure, ProbeId, Sink};

/// A started probe. Dropped without an end – by a panic, a cancellation, a runtime that goes down – it tells that it was aborted.
pub(crate) struct Pending {
    endpoint: SocketAddr,
    probe: ProbeId,
    /// `None`: told already.
    sink: Option<Sink>,
}

impl Pending {
    pub(crate) fn new(endpoint: SocketAddr, probe: ProbeId, sink: Sink) -> Self {
        Self {
            endpoint,
            probe,
            sink: Some(sink),
        }
    }

    /// Tells how the probe ended.
    pub(crate) fn end(mut self, outcome: Result<Finding, ProbeFailure>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<Finding, ProbeFailure>) {
        let Some(sink) = self.sink.take() else { return };
        let (endpoint, probe) = (self.endpoint, self.probe);
        sink(match outcome {
            Ok(finding) => Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            },
            Err(failure) => Event::ProbeFailed {
                endpoint,
                probe,
                failure,
            },
        });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.tell(Err(ProbeFailure::Aborted));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn pending() -> (Pending, Arc<Mutex<Vec<Event>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let sink: Sink = Arc::new(move |event| heard.lock().unwrap().push(event));
        (
            Pending::new(([127, 0, 0, 1], 6443).into(), ProbeId(7), sink),
            told,
        )
    }

    fn aborted() -> Vec<Event> {
        vec![Event::ProbeFailed {
            endpoint: ([127, 0, 0, 1], 6443).into(),
            probe: ProbeId(7),
            failure: ProbeFailure::Aborted,
        }]
    }

    #[test]
    fn an_ended_probe_tells_once() {
        let (pending, told) = pending();
        pending.end(Err(ProbeFailure::Refused { detail: "x".into() }));
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert!(
            matches!(
                &told[0],
                Event::ProbeFailed {
                    failure: ProbeFailure::Refused { .. },
                    ..
                }
            ),
            "{told:?}"
        );
    }

    #[test]
    fn a_probe_whose_task_panics_tells_that_it_was_aborted() {
        let (pending, told) = pending();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let joined = runtime.block_on(runtime.spawn(async move {
            let _pending = pending;
            panic!("on purpose");
        }));
        assert!(joined.unwrap_err().is_panic());
        assert_eq!(*told.lock().unwrap(), aborted());
    }

    #[test]
    fn a_probe_whose_task_never_ran_tells_that_it_was_aborted() {
        let (pending, told) = pending();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.spawn(async move {
            let _pending = pending;
            std::future::pending::<()>().await;
        });
        drop(runtime);
        assert_eq!(*told.lock().unwrap(), aborted());
    }
}
