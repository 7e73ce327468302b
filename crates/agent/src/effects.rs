//! Carries out the core's actions, and decides nothing. What takes time is started, not waited for; what is started
//! ends in an event, also when it panics or is cancelled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackline_core::{Action, Announcement, Event, Level, ProbeFailure, Record, Sink, SourceFailure, Subject};
use jackline_discovery::Discovery;
use jackline_probe::Prober;
use jackline_proxy::DataPlane;
use jackline_trust::Trust;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::driver::Effects;
use crate::lines;
use crate::state::saver::Saver;
use crate::tally::Tally;

/// How often files of CA and credentials are looked at.
const WATCH_PERIOD: Duration = Duration::from_secs(10);

/// The real effects.
pub(crate) struct Shell {
    pub(crate) discovery: Discovery,
    pub(crate) prober: Prober,
    pub(crate) plane: Arc<DataPlane>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) saver: Arc<Saver>,
    pub(crate) clock: Clock,
    pub(crate) sink: Sink,
    pub(crate) runtime: Handle,
    /// The sources' names, by their numbers.
    pub(crate) sources: Vec<String>,
    pub(crate) told: Arc<Tally>,
}

impl Effects for Shell {
    /// Those who start work answer for its ending; that they start it at all is answered for here.
    fn carry_out(&self, action: Action) {
        let owed = ending(&action);
        if catch_unwind(AssertUnwindSafe(|| self.perform(action))).is_err() {
            tracing::error!(target: "jackline", event = lines::DEFECT, "an action panicked; please report this with the journal");
            owed.into_iter().for_each(|event| (self.sink)(event));
        }
    }
}

impl Shell {
    fn perform(&self, action: Action) {
        match action {
            Action::RefreshSource(order) => self.discovery.refresh(order),
            Action::StartProbe(order) => self.prober.start(order),
            Action::CloseSessions(order) => self.plane.close_sessions(&order),
            Action::KeepSessions { endpoint } => self.plane.keep_sessions(endpoint),
            Action::PersistMembership { records } => self.persist(records),
            Action::ReloadTrust => {
                let (trust, sink) = (Arc::clone(&self.trust), Arc::clone(&self.sink));
                let owed = Owed {
                    sink,
                    event: Some(Event::TrustReloaded { changed: false }),
                };
                self.runtime.spawn_blocking(move || {
                    owed.pay(Event::TrustReloaded {
                        changed: trust.reload(),
                    })
                });
            }
            Action::Announce(announcement) => {
                self.told.count(announcement.notice);
                announce(&announcement, &self.sources);
            }
        }
    }

    /// Has `records` written, as those of the cluster that is trusted now.
    pub(crate) fn persist(&self, records: Vec<Record>) {
        let cluster = self.trust.fingerprints();
        self.saver
            .save(records, cluster, self.clock.now(), SystemTime::now());
    }
}

/// The event by which the core learns that work was not even started; `None`: it waits for none.
fn ending(action: &Action) -> Option<Event> {
    match action {
        Action::RefreshSource(order) => Some(Event::SourceFailed {
            source: order.source,
            refresh: order.refresh,
            failure: SourceFailure {
                reason: "the source could not be asked: jackline has a defect there; please report this"
                    .to_owned(),
                ..SourceFailure::default()
            },
        }),
        Action::StartProbe(order) => Some(Event::ProbeFailed {
            endpoint: order.endpoint,
            probe: order.probe,
            failure: ProbeFailure::Aborted,
        }),
        Action::ReloadTrust => Some(Event::TrustReloaded { changed: false }),
        Action::CloseSessions(_)
        | Action::KeepSessions { .. }
        | Action::PersistMembership { .. }
        | Action::Announce(_) => None,
    }
}

/// An event that is owed. Told when this is dropped, unless another one was told in its place.
struct Owed {
    sink: Sink,
    event: Option<Event>,
}

impl Owed {
    fn pay(mut self, event: Event) {
        self.event = Some(event);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            (self.sink)(event);
        }
    }
}

/// Reads CA and credentials again whenever one of their files changes by itself. Never ends.
pub(crate) async fn watch_trust(trust: Arc<Trust>, sink: Sink) {
    loop {
        tokio::time::sleep(WATCH_PERIOD).await;
        let (trust, sink) = (Arc::clone(&trust), Arc::clone(&sink));
        let look = move || {
            // A file that is as it was has been looked at: that is no reload, and no event.
            if trust.changed_on_disk() && trust.reload() {
                sink(Event::TrustReloaded { changed: true });
            }
        };
        // A panic was told by the hook; the next look is due all the same.
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

/// A line of the log at a level that is known only now.
macro_rules! line {
    ($level:expr, $($line:tt)+) => {
        match $level {
            Level::Debug => tracing::debug!(target: "jackline", $($line)+),
            Level::Info => tracing::info!(target: "jackline", $($line)+),
            Level::Warn => tracing::warn!(target: "jackline", $($line)+),
            Level::Error => tracing::error!(target: "jackline", $($line)+),
        }
    };
}

/// One line of the log, with its kind and who it is about as fields of their own.
fn announce(announcement: &Announcement, sources: &[String]) {
    let (text, event) = (announcement.text.as_str(), announcement.notice.name());
    match &announcement.subject {
        Subject::Node => line!(announcement.level, event, "{text}"),
        Subject::Endpoint(endpoint) => line!(announcement.level, event, %endpoint, "{text}"),
        Subject::Source(id) => {
            let source = sources.get(usize::from(id.0)).map_or("?", String::as_str);
            line!(announcement.level, event, source, "{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use jackline_core::{Action, Event, Sink};
    use jackline_trust::{Trust, TrustConfig};

    use super::{Owed, ending, watch_trust};

    fn told() -> (Sink, Arc<Mutex<Vec<Event>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink: Sink = {
            let told = Arc::clone(&told);
            Arc::new(move |event| told.lock().expect("unpoisoned").push(event))
        };
        (sink, told)
    }

    #[test]
    fn an_event_that_is_owed_is_told_once_however_the_work_ends() {
        let (sink, told) = told();
        let owed = || Owed {
            sink: Arc::clone(&sink),
            event: Some(Event::TrustReloaded { changed: false }),
        };
        owed().pay(Event::TrustReloaded { changed: true });
        drop(owed());
        let panics = owed();
        std::thread::spawn(move || {
            let _panics = panics;
            panic!("the work died");
        })
        .join()
        .expect_err("a panic");
        let changed = |changed| Event::TrustReloaded { changed };
        assert_eq!(
            *told.lock().expect("unpoisoned"),
            [changed(true), changed(false), changed(false)]
        );
    }

    #[test]
    fn work_that_is_not_even_started_has_its_ending() {
        assert_eq!(
            ending(&Action::ReloadTrust),
            Some(Event::TrustReloaded { changed: false })
        );
        assert_eq!(ending(&Action::PersistMembership { records: Vec::new() }), None);
    }

    fn write_ca(path: &PathBuf) {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        fs::write(path, params.self_signed(&key).expect("a certificate").pem()).expect("written");
    }

    #[tokio::test(start_paused = true)]
    async fn a_ca_file_that_changes_by_itself_is_read_again_and_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ca.crt");
        write_ca(&path);
        let trust = Arc::new(Trust::load(TrustConfig {
            ca_file: Some(path.clone()),
            ..TrustConfig::default()
        }));
        let before = trust.fingerprints();
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let sink: Sink = Arc::new(move |event| sender.send(event).expect("somebody listens"));
        let watching = tokio::spawn(watch_trust(Arc::clone(&trust), sink));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(events.try_recv().is_err(), "nothing changed, nothing is told");
        write_ca(&path);
        let event = tokio::time::timeout(Duration::from_secs(60), events.recv())
            .await
            .expect("in time");
        assert_eq!(event, Some(Event::TrustReloaded { changed: true }));
        assert_ne!(trust.fingerprints(), before);
        watching.abort();
    }
}
