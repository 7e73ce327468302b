//! The running data plane as others hold it: orders go in, counts come out. The work is the threads'.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use jackline_core::CloseSessions;
use tokio::sync::{mpsc, oneshot};

use crate::copy::CopyMode;
use crate::rest::{Moved, Tell};
use crate::shared::{Bytes, Shared};
use crate::worker::{Command, ORDERS_MAX, Start};

/// The running data plane. Dropped, it ends as by [`DataPlane::abort`].
#[derive(Debug)]
pub struct DataPlane {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    commands: mpsc::Sender<Command>,
    thread: JoinHandle<()>,
}

/// Counts of sessions at one moment. Totals count from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Sessions that are open: downstream–upstream pairs.
    pub open: u64,
    /// Sessions that were opened.
    pub opened_total: u64,
    /// Sessions that ended.
    pub closed_total: u64,
    /// Clients that were closed with a reset without ever having an upstream: nobody connected, or the limit was reached.
    pub refused_total: u64,
    /// Of these, those that came above the limit of sessions.
    pub over_limit_total: u64,
    /// Dials that passed an endpoint by because it had as many sessions as one may have.
    pub endpoint_full_total: u64,
    /// Second dials that were started on silence (S3).
    pub hedges_total: u64,
    /// First flights that were sent to one more endpoint (S4).
    pub repeats_total: u64,
    /// Bytes received from clients.
    pub bytes_from_clients_total: u64,
    /// Bytes received from upstreams.
    pub bytes_from_upstreams_total: u64,
    /// Open sessions by endpoint; endpoints without one are left out.
    pub by_endpoint: BTreeMap<SocketAddr, u64>,
}

/// One open session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// The client's address.
    pub client: SocketAddr,
    /// The endpoint that serves it.
    pub endpoint: SocketAddr,
    /// How long it has been open.
    pub open_for: Duration,
    /// Bytes received from the client.
    pub bytes_from_client: u64,
    /// Bytes received from the upstream.
    pub bytes_from_upstream: u64,
}

impl DataPlane {
    pub(crate) fn start(
        shared: Arc<Shared>,
        seed: u64,
        (copy, at_rest): (CopyMode, bool),
        threads: impl Iterator<Item = (SyncSender<Start>, JoinHandle<()>)>,
    ) -> Self {
        let mut started = Vec::new();
        for (index, (start, thread)) in threads.enumerate() {
            let (commands, received) = mpsc::channel(ORDERS_MAX);
            let told = start.send(Start {
                shared: Arc::clone(&shared),
                index,
                seed,
                copy,
                at_rest,
                commands: received,
            });
            if told.is_err() {
                // It waits for nothing else, so that it can only have been killed by a panic before its first word.
                tracing::error!(index, "a data plane thread died before it started");
                continue;
            }
            started.push(Worker { commands, thread });
        }
        Self {
            shared,
            workers: started,
        }
    }

    /// Closes sessions as [`jackline_core::Action::CloseSessions`] says. Returns at once.
    pub fn close_sessions(&self, order: &CloseSessions) {
        tracing::debug!(endpoint = %order.endpoint, which = ?order.which, pace = ?order.pace, reason = order.reason, "sessions are to be closed");
        let order = Arc::new(order.clone());
        self.tell(|| Command::Close(Arc::clone(&order)));
    }

    /// Forgets every unfinished [`Self::close_sessions`] of this endpoint: its sessions stay.
    pub fn keep_sessions(&self, endpoint: SocketAddr) {
        self.tell(|| Command::Keep(endpoint));
    }

    /// Closes the listeners, after what waits in their backlog was taken. Open sessions go on.
    pub fn stop_accepting(&self) {
        self.tell(|| Command::StopAccepting);
    }

    /// Completes when every thread has taken an order: none of them hangs. One that is gone has none to take.
    pub async fn answered(&self) {
        for Worker { commands, .. } in &self.workers {
            let (sender, answered) = oneshot::channel();
            if commands.send(Command::Answer(sender)).await.is_ok() {
                // Dropped, not sent: either way it was taken.
                let _ = answered.await;
            }
        }
    }

    /// Counts of sessions now.
    pub fn sessions(&self) -> Sessions {
        let counts = &self.shared.counts;
        let by_endpoint = self.shared.ledgers.open();
        let sum =
            |bytes: fn(&Bytes) -> &AtomicU64| self.shared.bytes.iter().map(|one| read(bytes(one))).sum();
        Sessions {
            open: by_endpoint.values().sum(),
            opened_total: read(&counts.opened),
            closed_total: read(&counts.closed),
            refused_total: read(&counts.refused),
            over_limit_total: read(&counts.over_limit),
            endpoint_full_total: read(&counts.endpoint_full),
            hedges_total: read(&counts.hedges),
            repeats_total: read(&counts.repeats),
            bytes_from_clients_total: sum(|bytes| &bytes.from_clients),
            bytes_from_upstreams_total: sum(|bytes| &bytes.from_upstreams),
            by_endpoint,
        }
    }

    /// Established sessions now, `most` of each thread at most. One that is in its first flight is not among them: it is
    /// over in milliseconds.
    pub async fn list(&self, most: usize) -> Vec<OpenSession> {
        let mut replies = Vec::new();
        self.tell(|| {
            let (reply, told) = oneshot::channel();
            replies.push(told);
            Command::List(most, reply)
        });
        let mut sessions = Vec::new();
        for told in replies {
            // A thread that is no more has no sessions.
            sessions.extend(told.await.unwrap_or_default());
        }
        sessions
    }

    /// Lays everything to rest: nobody is accepted, no byte is moved, and whatever becomes of this process from now on is not told
    /// to any peer. Clients wait, in the backlog or with their sessions, until [`Self::go_on`] or for another process.
    ///
    /// # Errors
    /// Some thread cannot: everything goes on.
    pub async fn rest(&self) -> io::Result<()> {
        for Worker { commands, .. } in &self.workers {
            let (reply, rested) = oneshot::channel();
            let told = commands.send(Command::Rest(reply)).await;
            let rested = match told {
                Ok(()) => rested.await.unwrap_or_else(|_| Err(gone())),
                Err(_) => Err(gone()),
            };
            if let Err(error) = rested {
                self.go_on();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Goes on with all that is at rest, and accepts.
    pub fn go_on(&self) {
        self.tell(|| Command::GoOn);
    }

    /// Closes all that is at rest, without a word to any peer: another process has it. What was being parted from before is parted
    /// from; [`Self::sessions`] tells when that is over. At once, for a connection ends only when everybody has closed it.
    pub fn let_go(&self) {
        self.tell(|| Command::LetGo);
    }

    /// Has `tell` told of every session at rest, by the threads that have them, one thread after the other. Gives how many.
    ///
    /// # Errors
    /// The first error of `tell`, or a thread is gone.
    pub async fn tell_at_rest(&self, tell: Tell) -> io::Result<u64> {
        let (mut tell, mut told) = (tell, 0);
        for Worker { commands, .. } in &self.workers {
            let (reply, done) = oneshot::channel();
            commands
                .send(Command::Tell(tell, reply))
                .await
                .map_err(|_| gone())?;
            let (back, count) = done.await.map_err(|_| gone())?;
            tell = back;
            told += count?;
        }
        Ok(told)
    }

    /// Takes in a session that another process has laid to rest; it stays at rest until [`Self::go_on`]. `index` spreads them over
    /// the threads.
    ///
    /// # Errors
    /// Its sockets cannot be watched, or there is no thread.
    pub async fn adopt(&self, index: usize, session: Moved) -> io::Result<()> {
        let worker = index.checked_rem(self.workers.len()).ok_or_else(gone)?;
        let (reply, adopted) = oneshot::channel();
        self.workers[worker]
            .commands
            .send(Command::Adopt(Box::new(session), reply))
            .await
            .map_err(|_| gone())?;
        adopted.await.map_err(|_| gone())?
    }

    /// The listeners, through descriptors of the caller's own; none once [`Self::stop_accepting`] was called.
    ///
    /// # Errors
    /// No descriptor can be had.
    pub async fn listeners(&self) -> io::Result<Vec<TcpListener>> {
        let first = self.workers.first().ok_or_else(gone)?;
        let (reply, told) = oneshot::channel();
        let asked = first.commands.send(Command::Listeners(reply)).await;
        asked.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Ends the data plane gently: stops accepting, closes each session at a quiet moment of its own, parts from the rest
    /// at the end of `within`, and resets what is left a second later. Returns when all have ended.
    pub async fn finish(&self, within: Duration) {
        let mut ends = Vec::new();
        self.tell(|| {
            let (done, end) = oneshot::channel();
            ends.push(end);
            Command::Finish(within, done)
        });
        for end in ends {
            // The thread drops its half when it is done, and when it is no more.
            let _ = end.await;
        }
    }

    /// Ends the data plane at once: every session is reset.
    pub fn abort(&self) {
        self.tell(|| Command::Abort);
    }

    fn tell(&self, mut command: impl FnMut() -> Command) {
        for Worker { commands, thread } in &self.workers {
            // Full only if the thread has not run for a thousand orders; one that is gone has nothing to obey with.
            if let Err(error) = commands.try_send(command()) {
                let name = thread.thread().name();
                tracing::debug!(%error, thread = name, "a data plane thread takes no orders");
            }
        }
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.abort();
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread of the data plane is gone")
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
