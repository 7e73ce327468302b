//! One server of the control plane: what can be done to it, and what can be seen of it.
//!
//! A [`Server`] is the machine; what runs on it between a start and an end is a process of its own.

pub(crate) mod asked;
mod condition;
mod connection;
mod gate;
pub(crate) mod links;
mod orders;
pub(crate) mod process;
mod sight;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::locked::lock;
use crate::objects::{Key, node};
use crate::pki::{Authority, Identity};
use crate::place::Place;
use crate::plan::{Anonymous, PlannedServer, Role};
use crate::plane::{Cluster, PlaneError};
use crate::server::condition::Condition;
use crate::server::links::Parked;
pub use crate::server::orders::{Shutdown, SlowSpec, StartAs};
use crate::server::process::{Launch, Machine, Process};

/// A server. Clones mean the same one.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    machine: Arc<Machine>,
    agentless: bool,
    cluster: Arc<Cluster>,
    state: Mutex<State>,
}

struct State {
    address: SocketAddr,
    place: Place,
    authority: Authority,
    identity: Arc<Identity>,
    process: Option<Arc<Process>>,
    /// What is left of a process that died while it was cut off.
    parked: Option<Parked>,
    /// Who else is there, for [`StartAs::DeadList`].
    others: Vec<std::sync::Weak<Inner>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(process) = lock(&self.state).process.take() {
            process.die();
        }
    }
}

impl Server {
    pub(crate) fn new(
        planned: &PlannedServer,
        address: SocketAddr,
        place: Place,
        authority: &Authority,
        cluster: &Arc<Cluster>,
    ) -> Result<Self, PlaneError> {
        let state = State {
            address,
            place,
            authority: authority.clone(),
            identity: Arc::new(Identity::issue(authority, &planned.name, address.ip())?),
            process: None,
            parked: None,
            others: Vec::new(),
        };
        let machine = Machine {
            name: planned.name.as_str().into(),
            role: planned.role,
            condition: watch::Sender::new(Condition::default()),
            accepted: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            asked: Mutex::default(),
        };
        let inner = Inner {
            machine: Arc::new(machine),
            agentless: planned.agentless,
            cluster: Arc::clone(cluster),
            state: Mutex::new(state),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(crate) fn introduce(&self, others: &[Self]) {
        let others = others
            .iter()
            .filter(|other| !Arc::ptr_eq(&other.inner, &self.inner));
        lock(&self.inner.state).others = others.map(|other| Arc::downgrade(&other.inner)).collect();
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.machine.name
    }

    /// What runs on it.
    #[must_use]
    pub fn role(&self) -> Role {
        self.inner.machine.role
    }

    /// Where it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        lock(&self.inner.state).address
    }

    // --- what can be done to it ---

    /// Starts it: it accepts connections after 0.8 s and is ready after 2.0 s. Does nothing if it runs. Called within
    /// a tokio runtime.
    ///
    /// # Errors
    /// When its address cannot be bound.
    pub fn start(&self, start: StartAs) -> Result<(), PlaneError> {
        let told = match start {
            StartAs::Fresh => None,
            StartAs::EmptyList => Some(Vec::new()),
            StartAs::ShortList(servers) => Some(servers),
            StartAs::DeadList => Some(self.dead()),
        };
        let mut state = lock(&self.inner.state);
        let started = self.launch(&mut state, Arc::clone(&self.inner.cluster), None, told)?;
        if let (true, false) = (started, self.inner.agentless) {
            self.register(state.address.ip());
        }
        Ok(())
    }

    /// `false`: it runs already.
    fn launch(
        &self,
        state: &mut State,
        cluster: Arc<Cluster>,
        identity: Option<Identity>,
        told: Option<Vec<SocketAddr>>,
    ) -> Result<bool, PlaneError> {
        if state
            .process
            .as_ref()
            .is_some_and(|process| !process.dead.is_cancelled())
        {
            return Ok(false);
        }
        state.parked = None;
        let address = state.address;
        let identity = identity.map_or_else(|| Arc::clone(&state.identity), Arc::new);
        let launch = Launch {
            machine: Arc::clone(&self.inner.machine),
            address,
            place: state.place.clone(),
            cluster,
            identity,
            told,
        };
        state.process = Some(Process::launch(launch).map_err(|source| PlaneError::Bind { address, source })?);
        Ok(true)
    }

    /// Its Node, as its kubelet writes it.
    fn register(&self, address: IpAddr) {
        let roles: &[&str] = match self.role() {
            Role::Server => &["control-plane", "etcd"],
            Role::EtcdOnly => &["etcd"],
            Role::ControlPlaneOnly => &["control-plane"],
        };
        // A store that is full of other things holds no Node of ours: then there is none, as for an agentless one.
        let _ = self
            .inner
            .cluster
            .store
            .put(&Key::node(self.name()), node(self.name(), Some(address), roles));
    }

    /// Other apiservers that do not run; an address that nobody has where all do.
    fn dead(&self) -> Vec<SocketAddr> {
        let (own, others) = {
            let state = lock(&self.inner.state);
            (state.address, state.others.clone())
        };
        let others = others
            .iter()
            .filter_map(|other| other.upgrade().map(|inner| Self { inner }));
        let dead: Vec<SocketAddr> = others
            .filter(|other| other.role().serves_api() && !other.is_running())
            .map(|other| other.address())
            .collect();
        // TEST-NET-1 is nobody's.
        if dead.is_empty() {
            vec![SocketAddr::from(([192, 0, 2, 1], own.port()))]
        } else {
            dead
        }
    }

    /// Stops it cleanly and returns once it is gone. Does nothing if it does not run. One that is frozen or cut off hears
    /// of it when it is back.
    pub async fn stop(&self, shutdown: Shutdown) {
        if let Some(process) = self.process() {
            let parked = process.stop(shutdown).await;
            self.keep(parked);
        }
    }

    /// Ends it as a dead process ends: the kernel closes its sockets at once (FIN, or RST where it had not read all).
    /// It leaves the list when its lease has run out, if another server is alive. Of one that is cut off nobody hears
    /// anything until it starts again.
    pub fn kill(&self) {
        if let Some(process) = self.process() {
            let parked = process.die();
            self.keep(parked);
        }
    }

    fn keep(&self, parked: Option<Parked>) {
        if let Some(parked) = parked {
            lock(&self.inner.state).parked = Some(parked);
        }
    }

    /// It takes no more connections and goes on with those that it has, as one does that has begun to stop; it does not stop.
    pub fn close_listener(&self) {
        if let Some(process) = self.process() {
            process.links.close_listener();
        }
    }

    /// Freezes it as SIGSTOP does: its kernel accepts and acknowledges, and nobody answers. Its lease runs out.
    pub fn freeze(&self) {
        self.shut(|shut| shut.frozen = true);
    }

    /// Lets a frozen server go on where it was.
    pub fn thaw(&self) {
        self.shut(|shut| shut.frozen = false);
    }

    /// Cuts it off from the network, etcd too: every packet to it vanishes, and it sends nothing. Its lease runs out.
    /// Does nothing if it does not run.
    ///
    /// # Errors
    /// When the kernel refuses the filter; nothing is cut off then.
    pub fn black_hole(&self) -> Result<(), PlaneError> {
        let Some(process) = self.process() else {
            return Ok(());
        };
        let cut = process.links.cut_off();
        if let Err(source) = cut {
            process.links.reconnect();
            return Err(PlaneError::Filter {
                name: self.name().to_owned(),
                source,
            });
        }
        self.shut(|shut| shut.cut_off = true);
        Ok(())
    }

    /// Connects a black-holed server again.
    pub fn restore(&self) {
        if let Some(process) = self.process() {
            process.links.reconnect();
            self.shut(|shut| shut.cut_off = false);
        }
        lock(&self.inner.state).parked = None;
    }

    /// Takes it away from etcd, or lets it find back: without etcd it answers nothing, and its lease runs out. Its sockets
    /// are as they were.
    pub(crate) fn lose_etcd(&self, lost: bool) {
        self.shut(|shut| shut.cut_off = lost);
    }

    /// Puts its machine into another place, at the same address: what is started from now on runs there.
    pub(crate) fn move_to(&self, place: Place) {
        lock(&self.inner.state).place = place;
    }

    fn shut(&self, change: impl FnOnce(&mut gate::Shut)) {
        if let Some(process) = self.process() {
            process.gate.change(change);
            process.links.wake();
            process.announce();
        }
    }

    /// Puts a new machine of this name and role to a new address and starts it; nobody is left at the old one. A server
    /// that still runs is killed first.
    ///
    /// # Errors
    /// When the new address cannot be bound or no certificate can be made.
    pub fn replace_at(&self, address: Ipv4Addr) -> Result<(), PlaneError> {
        self.kill();
        {
            let mut state = lock(&self.inner.state);
            state.identity = Arc::new(Identity::issue(&state.authority, self.name(), address.into())?);
            state.address = SocketAddr::from((address, state.address.port()));
        }
        self.start(StartAs::Fresh)
    }

    /// Puts another cluster's server to this address and starts it: its certificate is of `authority`, it has a store of
    /// its own and knows none of our credentials. A server that still runs is killed first. [`Server::kill`] or
    /// [`Server::stop`] and then [`Server::start`] bring our own back.
    ///
    /// # Errors
    /// When its address cannot be bound or no certificate can be made.
    pub fn foreign(&self, authority: &Authority) -> Result<(), PlaneError> {
        self.kill();
        let cluster = Arc::new(Cluster::new(
            authority,
            Anonymous::Refused,
            self.inner.cluster.timing,
            0,
        ));
        let mut state = lock(&self.inner.state);
        let identity = Identity::issue(authority, self.name(), state.address.ip())?;
        self.launch(&mut state, cluster, Some(identity), None)?;
        Ok(())
    }

    /// From the next handshake on it presents a certificate of this authority, also across restarts, and the cluster takes
    /// client certificates of the new authority and of the old ones.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn present_ca(&self, authority: &Authority) -> Result<(), PlaneError> {
        let mut state = lock(&self.inner.state);
        let identity = Arc::new(Identity::issue(authority, self.name(), state.address.ip())?);
        state.authority = authority.clone();
        state.identity = Arc::clone(&identity);
        self.inner.cluster.trust_clients_of(authority);
        if let Some(process) = &state.process {
            *lock(&process.identity) = identity;
        }
        Ok(())
    }

    fn process(&self) -> Option<Arc<Process>> {
        lock(&self.inner.state)
            .process
            .clone()
            .filter(|process| !process.dead.is_cancelled())
    }

    /// Our own process, not another cluster's.
    fn own(&self) -> Option<Arc<Process>> {
        self.process()
            .filter(|process| Arc::ptr_eq(&process.cluster, &self.inner.cluster))
    }
}
