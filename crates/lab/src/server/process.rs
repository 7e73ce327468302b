//! What runs on a server between a start and an end: it begins, renews its lease, accepts, stops or dies.
//!
//! What it answers is the business of `api` and `supervisor`; how a connection is served that of `connection`.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::etcd::scribe::Scribe;
use crate::locked::lock;
use crate::pki::Identity;
use crate::place::Place;
use crate::plan::Role;
use crate::plane::Cluster;
use crate::server::asked::Tally;
use crate::server::condition::Condition;
use crate::server::connection;
use crate::server::gate::Gate;
use crate::server::links::{Links, Parked};
use crate::server::{Shutdown, SlowSpec};
use crate::supervisor::AGENTS_MAX;

/// After an error of `accept` (no descriptors left) the next one waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server is, whatever runs on it: it survives restarts.
pub(crate) struct Machine {
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) condition: watch::Sender<Condition>,
    pub(crate) accepted: AtomicU64,
    pub(crate) requests: AtomicU64,
    /// The same, by what they were for.
    pub(crate) asked: Mutex<Tally>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It does not listen yet.
    Starting,
    /// It answers, and is not ready.
    Accepting,
    /// It is in the list.
    Ready,
}

pub(crate) struct Process {
    pub(crate) machine: Arc<Machine>,
    pub(crate) address: SocketAddr,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) identity: Mutex<Arc<Identity>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) links: Links,
    /// The supervisor's places for agents' requests.
    pub(crate) agents: Semaphore,
    /// It was asked to stop: `/readyz` fails.
    pub(crate) stopping: CancellationToken,
    /// It accepts nothing more and ends its connections.
    pub(crate) closing: CancellationToken,
    /// It is no more; every task of it ends.
    pub(crate) dead: CancellationToken,
    /// A list that it tells instead of the store's, until it is ready.
    pub(crate) told: watch::Sender<Option<Vec<SocketAddr>>>,
    /// Its turns at real etcd, and what it has to write there.
    turns: watch::Sender<Vec<SocketAddr>>,
    scribe: Option<Scribe>,
    phase: Mutex<Phase>,
    /// After [`Process::stopping`]: it is off the list.
    left: CancellationToken,
    connections: TaskTracker,
}

/// What a process is started with.
pub(crate) struct Launch {
    pub(crate) machine: Arc<Machine>,
    pub(crate) address: SocketAddr,
    pub(crate) place: Place,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) told: Option<Vec<SocketAddr>>,
}

impl Process {
    /// Binds the address and begins.
    pub(crate) fn launch(launch: Launch) -> io::Result<Arc<Self>> {
        let etcd = launch
            .cluster
            .etcd
            .get()
            .filter(|_| launch.machine.role.serves_api());
        let lasts = launch.cluster.timing.lease;
        let scribe = etcd.map(|etcd| etcd.scribe(launch.address, &launch.place, lasts));
        let process = Arc::new(Self {
            links: Links::bind(launch.address, &launch.place)?,
            machine: launch.machine,
            address: launch.address,
            cluster: launch.cluster,
            identity: Mutex::new(launch.identity),
            gate: Arc::new(Gate::new()),
            agents: Semaphore::new(AGENTS_MAX),
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
            dead: CancellationToken::new(),
            told: watch::Sender::new(launch.told),
            turns: watch::Sender::new(Vec::new()),
            scribe,
            phase: Mutex::new(Phase::Starting),
            left: CancellationToken::new(),
            connections: TaskTracker::new(),
        });
        let life = Arc::clone(&process).live();
        tokio::spawn(process.dead.clone().run_until_cancelled_owned(life));
        let writing = Arc::clone(&process).write();
        tokio::spawn(process.dead.clone().run_until_cancelled_owned(writing));
        Ok(process)
    }

    async fn live(self: Arc<Self>) {
        let working = async {
            if let Err(error) = self.begin().await {
                tracing::warn!(server = %self.machine.name, %error, "cannot listen");
            } else if self.machine.role.serves_api() {
                self.stay_listed().await;
            }
            std::future::pending::<()>().await;
        };
        self.stopping.run_until_cancelled(working).await;
        // A frozen process hears of it when it thaws; one without etcd must wait for it.
        self.gate.open().await;
        if self.phase() == Phase::Ready && self.machine.role.serves_api() {
            self.cluster.store.leave(self.address, std::time::Instant::now());
            if let Some(scribe) = &self.scribe {
                scribe.leave().await;
            }
        }
        self.left.cancel();
    }

    async fn begin(self: &Arc<Self>) -> io::Result<()> {
        let started = Instant::now();
        sleep_until(started + self.cluster.timing.boot.accepts).await;
        self.gate.until(|shut| !shut.frozen).await;
        let listener = self.links.listen()?;
        self.enter(Phase::Accepting);
        tokio::spawn(
            self.dead
                .clone()
                .run_until_cancelled_owned(Arc::clone(self).accept(listener)),
        );
        if !self.machine.role.serves_api() {
            self.enter(Phase::Ready);
            return Ok(());
        }
        sleep_until(started + self.cluster.timing.boot.ready).await;
        Ok(())
    }

    /// Renews the lease and rewrites the list, on and on. Others' leases are judged as of the moment when this turn was due:
    /// on a machine that is short of CPU all turns come late together, and nobody is to be struck off for that.
    async fn stay_listed(&self) {
        let mut due = Instant::now();
        loop {
            if self.gate.state().any() {
                self.gate.open().await;
                due = Instant::now();
            }
            if self.machine.condition.borrow().unlisted {
                self.cluster.store.leave(self.address, due.into_std());
            } else {
                self.cluster.store.reconcile(
                    self.address,
                    due.into_std(),
                    (Instant::now() + self.cluster.timing.lease).into_std(),
                );
                self.turns.send_replace(self.cluster.store.api_addresses());
            }
            self.told.send_if_modified(|told| told.take().is_some());
            self.enter(Phase::Ready);
            due = Instant::now() + self.cluster.timing.renew;
            sleep_until(due).await;
        }
    }

    /// Writes to real etcd at each turn. Etcd that hangs holds up nothing else.
    async fn write(self: Arc<Self>) {
        let Some(scribe) = &self.scribe else { return };
        let mut turns = self.turns.subscribe();
        let writing = async {
            while turns.changed().await.is_ok() {
                let servers = turns.borrow_and_update().clone();
                scribe.renew(&servers).await;
            }
        };
        self.stopping.run_until_cancelled(writing).await;
    }

    async fn accept(self: Arc<Self>, listener: Arc<TcpListener>) {
        loop {
            self.gate.until(|shut| !shut.frozen).await;
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = self.gate.until(|shut| shut.frozen) => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    self.machine.accepted.fetch_add(1, Ordering::Relaxed);
                    if let Some(link) = self.links.admit(stream) {
                        let served = connection::serve(Arc::clone(&self), link);
                        self.connections
                            .spawn(self.dead.clone().run_until_cancelled_owned(served));
                    }
                }
                Err(error) => {
                    tracing::debug!(server = %self.machine.name, %error, "cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A connection that has become something else than HTTP: it is one of the process's connections still.
    pub(crate) fn attend(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.connections
            .spawn(self.dead.clone().run_until_cancelled_owned(connection));
    }

    /// Ends it cleanly; returns once it is gone.
    pub(crate) async fn stop(&self, shutdown: Shutdown) -> Option<Parked> {
        self.stopping.cancel();
        self.announce();
        let stopping = async {
            self.left.cancelled().await;
            if let Shutdown::Delayed(delay) = shutdown {
                sleep(delay).await;
                self.gate.open().await;
            }
            self.closing.cancel();
            self.links.close_listener();
            self.announce();
            self.connections.close();
            let _ = timeout(self.cluster.timing.finish, self.connections.wait()).await;
        };
        self.dead.run_until_cancelled(stopping).await;
        self.die()
    }

    /// Ends it at once.
    pub(crate) fn die(&self) -> Option<Parked> {
        let parked = if self.dead.is_cancelled() {
            None
        } else {
            self.links.die()
        };
        self.dead.cancel();
        self.announce();
        parked
    }

    fn enter(&self, phase: Phase) {
        *lock(&self.phase) = phase;
        self.announce();
    }

    pub(crate) fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    /// Whether it answers requests.
    pub(crate) fn is_answering(&self) -> bool {
        self.phase() >= Phase::Accepting
            && !self.gate.state().any()
            && !self.closing.is_cancelled()
            && !self.dead.is_cancelled()
    }

    /// A slow server's pause before an answer; one that becomes quick again makes nobody wait any longer.
    pub(crate) async fn pause(&self, which: impl Fn(&SlowSpec) -> &Range<Duration>) {
        let mut condition = self.machine.condition.subscribe();
        let pause = condition
            .borrow()
            .slow
            .as_ref()
            .map(|slow| self.cluster.draw(which(slow)));
        if let Some(pause) = pause {
            let quick = condition.wait_for(|condition| condition.slow.is_none());
            // Either way it is over; the sender is this machine's own and cannot have gone.
            let _ = timeout(pause, quick).await;
        }
    }

    /// Whether what is written through it is lost.
    pub(crate) fn loses_writes(&self) -> bool {
        self.machine.condition.borrow().loses_writes
    }

    /// Whether a client is served the API and told that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.machine.role.serves_api()
            && self.phase() == Phase::Ready
            && self.is_answering()
            && !self.stopping.is_cancelled()
            && self.machine.condition.borrow().failing.is_empty()
    }

    /// Something about it has changed: those who wait look again.
    pub(crate) fn announce(&self) {
        self.cluster.board.update(&self.machine.name, || self.is_ready());
    }

    /// The list that it tells.
    pub(crate) fn list(&self) -> Vec<SocketAddr> {
        if !self.machine.role.serves_api() {
            return self.cluster.store.api_addresses();
        }
        let told = self.told.borrow().clone();
        told.unwrap_or_else(|| self.cluster.store.servers())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.dead.cancel();
    }
}
