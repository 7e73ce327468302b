//! One data plane thread from start to end: it accepts, carries out orders, and wakes for the table's moments.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::CloseSessions;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::accept::{self, Door};
use crate::carrier::{Carrier, Watch};
use crate::copy::{CopyMode, Pipes, Tools};
use crate::jitter::Jitter;
use crate::plane::OpenSession;
use crate::rest::{Moved, Tell};
use crate::shared::Shared;
use crate::thread::Thread;

mod resting;

/// How many orders may wait for a thread. They are rare and quickly done.
pub(crate) const ORDERS_MAX: usize = 1024;
/// The table's moments are served at most this often.
const TICK_GAP: Duration = Duration::from_millis(10);
/// How much longer than asked a shutdown may take, for partings that are under way.
const PARTINGS: Duration = Duration::from_secs(1);

/// What a thread is told.
pub(crate) enum Command {
    Close(Arc<CloseSessions>),
    Keep(SocketAddr),
    StopAccepting,
    /// Say that the thread is alive, by dropping this.
    Answer(oneshot::Sender<()>),
    /// Tell of so many sessions at most.
    List(usize, oneshot::Sender<Vec<OpenSession>>),
    /// Lay everything to rest.
    Rest(oneshot::Sender<io::Result<()>>),
    /// Go on with all that is at rest.
    GoOn,
    /// Close whatever is at rest, without a word to anybody.
    LetGo,
    /// Tell of every session at rest; gives the teller back, and how many there are.
    Tell(Tell, oneshot::Sender<(Tell, io::Result<u64>)>),
    /// Take in a session that another process has laid to rest.
    Adopt(Box<Moved>, oneshot::Sender<io::Result<()>>),
    /// Give descriptors of the listeners.
    Listeners(oneshot::Sender<io::Result<Vec<TcpListener>>>),
    /// End within this time; dropping the sender tells that it is done.
    Finish(Duration, oneshot::Sender<()>),
    Abort,
}

/// What a thread needs to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) seed: u64,
    pub(crate) copy: CopyMode,
    /// It begins at rest.
    pub(crate) at_rest: bool,
    pub(crate) commands: mpsc::Receiver<Command>,
}

/// What a thread waits for besides orders; made where it can still be said that it cannot be had.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) doors: Vec<Door>,
    pub(crate) watch: Watch,
}

/// The thread's whole life. When this returns, every session of it has ended, and the core knows it.
pub(crate) fn run(runtime: &Runtime, sockets: Sockets, start: Start) {
    let Sockets { doors, watch } = sockets;
    let pipes = Pipes::for_one_of(start.shared.bytes.len());
    let carrier = Rc::new(Carrier::new(watch, Tools::new(start.copy, pipes)));
    let jitter = Jitter::new(start.seed.wrapping_add(start.index as u64));
    let thread = Rc::new(Thread::new(start.shared, start.index, jitter));
    let tasks = LocalSet::new();
    let work = Work::new(Rc::clone(&thread), Rc::clone(&carrier), doors);
    let _done = tasks.block_on(runtime, work.obey(start.at_rest, start.commands));
    // Whatever is left is dropped with the tasks and the carrier, inside the runtime that its sockets belong to: reset, unless it
    // is at rest.
    let _inside = runtime.enter();
    drop((tasks, carrier, thread.early.take()));
}

/// What a thread has in hand.
struct Work {
    thread: Rc<Thread>,
    carrier: Rc<Carrier>,
    /// Empty once nobody is to be accepted any more.
    doors: Vec<Rc<Door>>,
    stop: watch::Sender<bool>,
    /// By when all is to have ended, and whom to tell.
    end: Option<(Instant, oneshot::Sender<()>)>,
}

impl Work {
    fn new(thread: Rc<Thread>, carrier: Rc<Carrier>, doors: Vec<Door>) -> Self {
        Self {
            thread,
            carrier,
            doors: doors.into_iter().map(Rc::new).collect(),
            stop: watch::Sender::new(false),
            end: None,
        }
    }

    /// Carries out commands until there is nothing left to do. Gives what is to be dropped once all tasks are gone.
    async fn obey(
        mut self,
        at_rest: bool,
        mut commands: mpsc::Receiver<Command>,
    ) -> Option<oneshot::Sender<()>> {
        if at_rest {
            self.thread.rest(true);
            // It has no session yet.
            let _ = self.carrier.rest();
        } else {
            self.accept();
        }
        let carrier = Rc::clone(&self.carrier);
        tokio::task::spawn_local(supervise("carrying", move || {
            let carrier = Rc::clone(&carrier);
            async move { carrier.run().await }
        }));
        let mut ticked = Instant::now();
        loop {
            let thread = Rc::clone(&self.thread);
            // At rest nothing is due: what would be done is another's to do, or done later.
            let tick = thread.table.next_tick().filter(|_| !thread.is_at_rest());
            let tick = tick.map(|due| due.max(ticked + TICK_GAP));
            let by = self.end.as_ref().map(|(by, _)| *by);
            let soonest = tick.into_iter().chain(by).min();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Abort) | None => return None,
                    Some(command) => self.take(command).await,
                },
                () = thread.table.changed.notified() => {}
                () = thread.idle.notified() => {}
                // Told when the last of the accepting tasks is over.
                () = self.stop.closed(), if self.end.is_some() && !self.stop.is_closed() => {}
                () = tokio::time::sleep_until(soonest.unwrap_or(ticked)), if soonest.is_some() => {}
            }
            let now = Instant::now();
            if tick.is_some_and(|tick| tick <= now) && !thread.is_at_rest() {
                ticked = now;
                thread
                    .table
                    .tick(&|key| self.carrier.sample(key), now)
                    .iter()
                    .for_each(|stalled| thread.shared.stalled(stalled));
            }
            let over = |by: Instant| now >= by || thread.clients() == 0 && self.stop.is_closed();
            if self.end.as_ref().is_some_and(|(by, _)| over(*by)) {
                return self.end.map(|(_, done)| done);
            }
        }
    }

    /// Carries out one. Whoever asked may have gone away, so that answers reach nobody.
    async fn take(&mut self, command: Command) {
        let (thread, now) = (&self.thread, Instant::now());
        match command {
            Command::Close(order) => thread.table.order(&order, &thread.jitter, now),
            Command::Keep(endpoint) => thread.table.keep(endpoint),
            Command::StopAccepting => self.stop_accepting(),
            Command::Answer(sender) => drop(sender),
            Command::List(most, reply) => drop(reply.send(self.carrier.list(most, now))),
            Command::Rest(reply) => drop(reply.send(self.rest().await)),
            Command::GoOn => self.go_on(),
            Command::LetGo => {
                drop(thread.early.take());
                self.carrier.let_go();
            }
            Command::Tell(mut tell, reply) => {
                let told = resting::tell(thread, &self.carrier, &mut tell, now);
                drop(reply.send((tell, told)));
            }
            Command::Adopt(session, reply) => {
                drop(reply.send(resting::adopt(thread, &self.carrier, *session, now)));
            }
            Command::Listeners(reply) => {
                let own = self.doors.iter().map(|door| door.listener.try_clone());
                drop(reply.send(own.collect()));
            }
            Command::Finish(within, done) => {
                self.stop_accepting();
                self.thread.table.say_farewell(within, now);
                self.end = Some((now + within + PARTINGS, done));
            }
            // Seen before.
            Command::Abort => {}
        }
    }

    fn accept(&self) {
        for door in &self.doors {
            let (thread, carrier) = (Rc::clone(&self.thread), Rc::clone(&self.carrier));
            let (door, stopped) = (Rc::clone(door), self.stop.subscribe());
            tokio::task::spawn_local(supervise("accepting", move || {
                let (thread, carrier, door) = (Rc::clone(&thread), Rc::clone(&carrier), Rc::clone(&door));
                accept::accept(thread, carrier, door, stopped.clone())
            }));
        }
    }

    fn stop_accepting(&mut self) {
        self.doors.clear();
        self.stop.send_replace(true);
    }

    async fn rest(&self) -> io::Result<()> {
        self.thread.rest(true);
        self.thread.early.all_at_rest().await;
        self.carrier.rest()
    }

    fn go_on(&self) {
        if !self.thread.is_at_rest() {
            return;
        }
        self.thread.rest(false);
        self.carrier.go_on();
        resting::go_on(&self.thread, &self.carrier);
        self.accept();
    }
}

/// Runs it to its end; if it panics, which it must not, it begins anew.
async fn supervise<F: Future<Output = ()> + 'static>(what: &'static str, begin: impl Fn() -> F) {
    loop {
        match tokio::task::spawn_local(begin()).await {
            Err(error) if error.is_panic() => tracing::error!("{what} panicked; it begins anew"),
            _ => return,
        }
    }
}
