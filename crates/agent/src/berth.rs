//! The place of a service besides the API. What keeps it from starting – a port that another program has – is told in `status`, and tried again;
//! it keeps nobody else from anything.

use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jackline_admin::status::StateFileStatus;
use jackline_admin::{Clock as AdminClock, Identity, Reading, SessionsView, SignsView, StateFileView};
use jackline_core::{Policy, Service, Snapshot};
use jackline_proxy::DataPlane;
use jackline_trust::Trust;

use crate::engine::{Engine, Ground};
use crate::lines;
use crate::reins::Reins;
use crate::view::Shown;
use crate::wiring::plan::Plan;

/// How long after a failed start the next one is made.
const RETRY: Duration = Duration::from_secs(10);

/// One further service.
pub(crate) struct Berth {
    plan: Plan,
    /// Listeners that the service manager has handed over for it.
    given: Vec<TcpListener>,
    ground: Ground,
    identity: Identity,
    cluster: Arc<Trust>,
    state: Mutex<State>,
}

enum State {
    /// Not started yet, and why.
    Waiting(String),
    Running(Box<(Engine, Arc<Shown>)>),
    /// The process ends: whoever starts now, starts for nothing.
    Ended,
}

impl Berth {
    /// `identity` is the process's; `cluster` verifies what sources ask of the cluster's servers.
    pub(crate) fn new(
        plan: Plan,
        given: Vec<TcpListener>,
        ground: Ground,
        identity: Identity,
        cluster: Arc<Trust>,
    ) -> Self {
        Self {
            plan,
            given,
            ground,
            identity,
            cluster,
            state: Mutex::new(State::Waiting("it is about to start".to_owned())),
        }
    }

    /// Tries to start it, now and every ten seconds until it has started or the process ends.
    pub(crate) fn open(self: Arc<Self>) {
        if self.try_start() {
            return;
        }
        tokio::spawn(async move {
            let stop = self.ground.stop.clone();
            while stop
                .run_until_cancelled(tokio::time::sleep(RETRY))
                .await
                .is_some()
            {
                if self.try_start() {
                    return;
                }
            }
        });
    }

    /// Whether it runs, or is to run no more.
    fn try_start(&self) -> bool {
        let service = self.plan.service.name();
        // A defect in one service's start is no reason for another's not to.
        let started = catch_unwind(AssertUnwindSafe(|| self.start())).unwrap_or_else(|_| {
            Err("jackline has a defect there; please report this with the log".to_owned())
        });
        match started {
            Ok((engine, shown)) => {
                let listen = &shown.identity.listen;
                tracing::info!(target: "jackline", event = lines::SERVICE_STARTS, service, ?listen, "the service starts");
                let problems = shown.trust_problems().into_iter().chain(engine.note());
                for warning in shown.warnings.iter().cloned().chain(problems) {
                    tracing::warn!(target: "jackline", event = lines::WARNING, service, "{warning}");
                }
                let mut state = self.state();
                if matches!(*state, State::Waiting(_)) {
                    *state = State::Running(Box::new((engine, shown)));
                }
                true
            }
            Err(words) => {
                let mut state = self.state();
                let State::Waiting(before) = &mut *state else {
                    return true;
                };
                if *before != words {
                    tracing::error!(target: "jackline", event = lines::SERVICE_FAILS, service, "the service does not start: {words}; everything else goes on, and it is tried again");
                    *before = words;
                }
                false
            }
        }
    }

    fn start(&self) -> Result<(Engine, Arc<Shown>), String> {
        // The remedy names the flag of the API's listener.
        let words =
            |error: &dyn std::error::Error| error.to_string().replace("--listen", self.plan.listen_key);
        let given = self.given.iter().map(TcpListener::try_clone);
        let given: io::Result<Vec<TcpListener>> = given.collect();
        let given = given.map_err(|error| words(&error))?;
        let bound = jackline_proxy::bind_beside(&self.plan.proxy, given).map_err(|error| words(&error))?;
        let identity = Identity {
            listen: bound.addresses().to_vec(),
            ..self.identity.clone()
        };
        let warnings = bound.warnings().to_vec();
        let engine = Engine::start(self.plan.clone(), &self.ground, bound, Some(&self.cluster))
            .map_err(|error| words(&error))?;
        let shown = Arc::new(engine.show(identity, warnings));
        Ok((engine, shown))
    }

    /// As the admin socket sees it.
    pub(crate) fn reading(&self) -> (Service, Reading) {
        let reading = match &*self.state() {
            State::Running(running) => Reading::take(&*running.1),
            State::Waiting(words) => self.waiting(words),
            State::Ended => self.waiting("the process ends"),
        };
        (self.plan.service, reading)
    }

    /// What of it is shown and ordered, if it runs.
    pub(crate) fn shown(&self) -> Option<Arc<Shown>> {
        match &*self.state() {
            State::Running(running) => Some(Arc::clone(&running.1)),
            State::Waiting(_) | State::Ended => None,
        }
    }

    /// The reading of a service that does not run: it knows nothing.
    fn waiting(&self, words: &str) -> Reading {
        let plan = &self.plan;
        let now = self.ground.clock.now();
        let nothing = Policy::new(plan.settings.clone(), plan.seed, now).snapshot();
        Reading {
            identity: Identity {
                listen: Vec::new(),
                ..self.identity.clone()
            },
            snapshot: Arc::new(Snapshot {
                state_since: self.identity.started,
                state_reason: "the service has not started".to_owned(),
                ..Snapshot::clone(&nothing)
            }),
            sessions: SessionsView::default(),
            state_file: StateFileView {
                path: crate::state::path(&plan.state_dir),
                saved: None,
                status: StateFileStatus::Empty,
                note: None,
                last_ready: Default::default(),
            },
            clock: AdminClock {
                now,
                wall: SystemTime::now(),
            },
            warnings: vec![format!("{words}; it is tried again every {} s", RETRY.as_secs())],
            signs: SignsView::default(),
            services: Vec::new(),
        }
    }

    /// Its driver's reins, if it runs.
    pub(crate) fn reins(&self) -> Option<Arc<Reins>> {
        match &*self.state() {
            State::Running(running) => Some(Arc::clone(&running.0.reins)),
            State::Waiting(_) | State::Ended => None,
        }
    }

    pub(crate) fn service(&self) -> Service {
        self.plan.service
    }

    /// Its data plane, if it runs.
    pub(crate) fn plane(&self) -> Option<Arc<DataPlane>> {
        match &*self.state() {
            State::Running(running) => Some(Arc::clone(&running.0.plane)),
            State::Waiting(_) | State::Ended => None,
        }
    }

    /// Ends the trying, and gives what runs.
    pub(crate) fn close(&self) -> Option<Engine> {
        match std::mem::replace(&mut *self.state(), State::Ended) {
            State::Running(running) => Some(running.0),
            State::Waiting(_) | State::Ended => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
