//! The running agent as the admin socket sees it.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use jackline_admin::{Clock as AdminClock, Identity, Reading, SessionsView, SignsView, StateFileView, View};
use jackline_core::{Service, Snapshot};
use jackline_proxy::DataPlane;
use jackline_trust::Trust;
use tokio::sync::mpsc;

use crate::berth::Berth;
use crate::clock::Clock;
use crate::queue::Queue;
use crate::state::saver::Saver;
use crate::tally::Tally;
use crate::upgrade::Request;

/// What of the agent is shown.
pub(crate) struct Shown {
    pub(crate) service: Service,
    pub(crate) identity: Identity,
    pub(crate) published: Arc<ArcSwap<Snapshot>>,
    pub(crate) plane: Arc<DataPlane>,
    pub(crate) saver: Arc<Saver>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Clock,
    pub(crate) told: Arc<Tally>,
    /// One order of an operator's at a time: each is judged by what the one before has done.
    pub(crate) ordering: tokio::sync::Mutex<()>,
    /// Where a new process is asked for; `None`: not here.
    pub(crate) requests: Option<mpsc::Sender<Request>>,
    /// What was odd at start and stays so.
    pub(crate) warnings: Vec<String>,
    /// The services besides this one.
    pub(crate) further: Vec<Arc<Berth>>,
}

impl Shown {
    /// What is wrong with CA and credentials, each a sentence.
    pub(crate) fn trust_problems(&self) -> Vec<String> {
        // The trust knows the keys of the cluster's CA and credentials, and etcd has others.
        if self.service != Service::Etcd || self.trust.has_ca() {
            return self.trust.problems();
        }
        let mut problems = self.trust.file_problems();
        problems.push("ETCD'S MEMBERS ARE NOT VERIFIED, and nobody's health is asked: no CA of etcd's is known; set services.etcd.ca-file".to_owned());
        problems
    }
}

impl View for Shown {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    fn sessions(&self) -> SessionsView {
        let sessions = self.plane.sessions();
        SessionsView {
            open: sessions.open,
            opened_total: sessions.opened_total,
            closed_total: sessions.closed_total,
            refused_total: sessions.refused_total,
            over_limit_total: sessions.over_limit_total,
            endpoint_full_total: sessions.endpoint_full_total,
            hedges_total: sessions.hedges_total,
            repeats_total: sessions.repeats_total,
            bytes_upstream_total: sessions.bytes_from_clients_total,
            bytes_downstream_total: sessions.bytes_from_upstreams_total,
            by_endpoint: sessions.by_endpoint,
        }
    }

    fn state_file(&self) -> StateFileView {
        self.saver.view()
    }

    fn clock(&self) -> AdminClock {
        AdminClock {
            now: self.clock.now(),
            wall: SystemTime::now(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.trust_problems());
        let dropped = self.queue.dropped();
        if dropped > 0 {
            warnings.push(format!(
                "the node was overloaded: {dropped} observations of sessions were dropped since the start"
            ));
        }
        warnings
    }

    fn signs(&self) -> SignsView {
        SignsView {
            told: self.told.counts(),
            dropped: self.queue.dropped(),
            certificates: self.trust.ends().into_iter().collect(),
        }
    }

    fn services(&self) -> Vec<(Service, Reading)> {
        self.further.iter().map(|berth| berth.reading()).collect()
    }
}
