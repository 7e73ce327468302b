//! A naive balancer, for canaries only: what jackline would be without its rules. A scenario that it passes proves nothing.
//!
//! In its default habits it imitates the embedded balancer of K3s before December 2024: the list of servers is read only
//! through the balancer itself and obeyed as told, a connect is all the health there is, one dial for each client, the next
//! server's turn after a failed one. It runs in the lab's own process and tells the same status over the same socket.

mod forward;
mod learn;
mod resolve;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clients::{Identity, Kind};
use crate::locked::lock;
use crate::node::NodeConfig;
use crate::options::Naive;
use crate::place::Place;

/// A running naive balancer; dropped, it and its sessions end.
pub(crate) struct NaiveBalancer {
    shared: Arc<Shared>,
    tasks: JoinSet<Option<()>>,
    stop: DropGuard,
}

/// What its tasks share.
struct Shared {
    name: String,
    habits: Naive,
    place: Place,
    listen: SocketAddr,
    state_file: PathBuf,
    tls: Arc<rustls::ClientConfig>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// As last told, in that order.
    list: Vec<SocketAddr>,
    /// Where the registration address led at the start: the last resort.
    fallback: Vec<SocketAddr>,
    /// Whose turn it is, in list and fallback.
    turn: usize,
    /// Nobody is sent to a server with a failure, even if there is no other.
    strict: bool,
    /// Servers with a failure held against them.
    failed: BTreeSet<SocketAddr>,
    /// Whether a client would be served, through this very balancer.
    serves: bool,
    sessions: BTreeMap<SocketAddr, Sessions>,
    opened: u64,
    /// More sessions than this are not to be had: the naive form of running out of descriptors.
    limit: Option<u64>,
}

/// The sessions with one server.
#[derive(Default)]
struct Sessions {
    open: u64,
    /// Cancelled, it ends them all; the next ones get another.
    close: CancellationToken,
}

impl NaiveBalancer {
    /// # Errors
    /// When its addresses cannot be bound or its files not be read.
    pub(crate) async fn start(habits: &Naive, config: &NodeConfig) -> anyhow::Result<Self> {
        let state_file = config.state_dir.join("naive.json");
        let remembered = if habits.remembers {
            remembered(&state_file)
        } else {
            None
        };
        let fallback = if remembered.is_none() || habits.resolves_again || !habits.remembers {
            resolve::registration(&config.servers, &config.dns_servers).await
        } else {
            resolve::literal(&config.servers)
        };
        let place = config.place.clone();
        let listener = place
            .listen(config.listen)
            .context("binding the naive balancer")?;
        let _ = std::fs::remove_file(&config.socket);
        let socket = UnixListener::bind(&config.socket).context("binding the naive balancer's socket")?;
        let list = remembered.unwrap_or_default();
        let shared = Arc::new(Shared {
            name: config.name.clone(),
            habits: habits.clone(),
            place,
            listen: config.listen,
            state_file,
            tls: Arc::new(Identity::read(&config.credentials)?.tls(Kind::Fresh)?),
            inner: Mutex::new(Inner {
                list,
                fallback,
                strict: habits.requires_trust,
                ..Inner::default()
            }),
        });
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let accept = forward::accept(Arc::clone(&shared), listener, stop.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(accept));
        tasks.spawn(
            stop.clone()
                .run_until_cancelled_owned(learn::learn(Arc::clone(&shared))),
        );
        tasks.spawn(
            stop.clone()
                .run_until_cancelled_owned(learn::test(Arc::clone(&shared))),
        );
        tasks.spawn(
            stop.clone()
                .run_until_cancelled_owned(tell::serve(Arc::clone(&shared), socket)),
        );
        Ok(Self {
            shared,
            tasks,
            stop: stop.drop_guard(),
        })
    }

    /// Ends it and returns once its listener and its socket are closed.
    pub(crate) async fn stop(mut self) {
        drop(self.stop);
        while self.tasks.join_next().await.is_some() {}
    }

    /// Allows so many more sessions than there are; `None`: any number. Says the limit.
    pub(crate) fn limit_sessions(&self, spare: Option<u64>) -> u64 {
        let mut inner = self.shared.lock();
        let open: u64 = inner.sessions.values().map(|sessions| sessions.open).sum();
        inner.limit = spare.map(|spare| open + spare);
        inner.limit.unwrap_or(u64::MAX)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Holds a failure against a server; with a habit for it, its sessions end.
    fn blame(&self, server: SocketAddr, close: bool) {
        let mut inner = self.lock();
        inner.failed.insert(server);
        if close {
            inner.close(server);
        }
    }
}

impl Inner {
    fn candidates(&self) -> Vec<SocketAddr> {
        let mut candidates = self.list.clone();
        candidates.extend(
            self.fallback
                .iter()
                .filter(|address| !self.list.contains(address)),
        );
        candidates
    }

    /// Whose turn it is; one without a failure before one with.
    fn choice(&self) -> Option<SocketAddr> {
        let candidates = self.candidates();
        let turns = (0..candidates.len()).map(|step| candidates[(self.turn + step) % candidates.len()]);
        let good = turns.clone().find(|address| !self.failed.contains(address));
        good.or_else(|| turns.clone().next().filter(|_| !self.strict))
    }

    fn close(&mut self, server: SocketAddr) {
        if let Some(sessions) = self.sessions.get_mut(&server) {
            std::mem::take(&mut sessions.close).cancel();
        }
    }
}

fn remembered(file: &PathBuf) -> Option<Vec<SocketAddr>> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}
