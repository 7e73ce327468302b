//! One data plane thread from start to end: it accepts, carries out orders, and wakes for the table's moments.

use std::net::SocketAddr;
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
use crate::shared::Shared;
use crate::thread::Thread;

/// How many orders may wait for a thread. They are rare and quickly done.
pub(crate) const ORDERS_MAX: usize = 1024;
/// The table's moments are served at most this often.
const TICK_GAP: Duration = Duration::from_millis(10);
/// How much longer than asked a shutdown may take, for partings that are under way.
const PARTINGS: Duration = Duration::from_secs(1);

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    Close(Arc<CloseSessions>),
    Keep(SocketAddr),
    StopAccepting,
    /// Say that the thread is alive, by dropping this.
    Answer(oneshot::Sender<()>),
    /// Tell of so many sessions at most.
    List(usize, oneshot::Sender<Vec<OpenSession>>),
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
    let accepts = (doors, Rc::clone(&carrier));
    let _done = tasks.block_on(runtime, obey(thread, accepts, start.commands));
    // Whatever is left is dropped with the tasks and the carrier, inside the runtime that its sockets belong to: reset.
    let _inside = runtime.enter();
    drop((tasks, carrier));
}

/// Carries out commands until there is nothing left to do. Gives what is to be dropped once all tasks are gone.
async fn obey(
    thread: Rc<Thread>,
    (doors, carrier): (Vec<Door>, Rc<Carrier>),
    mut commands: mpsc::Receiver<Command>,
) -> Option<oneshot::Sender<()>> {
    let (stop, stopped) = watch::channel(false);
    for door in doors {
        let (thread, carrier) = (Rc::clone(&thread), Rc::clone(&carrier));
        let (door, stopped) = (Rc::new(door), stopped.clone());
        tokio::task::spawn_local(supervise("accepting", move || {
            let (thread, carrier, door) = (Rc::clone(&thread), Rc::clone(&carrier), Rc::clone(&door));
            accept::accept(thread, carrier, door, stopped.clone())
        }));
    }
    drop(stopped);
    let carries = Rc::clone(&carrier);
    tokio::task::spawn_local(supervise("carrying", move || {
        let carrier = Rc::clone(&carries);
        async move { carrier.run().await }
    }));
    let mut end: Option<(Instant, oneshot::Sender<()>)> = None;
    let mut ticked = Instant::now();
    loop {
        let tick = thread.table.next_tick().map(|due| due.max(ticked + TICK_GAP));
        let soonest = [tick, end.as_ref().map(|(by, _)| *by)]
            .into_iter()
            .flatten()
            .min();
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Close(order)) => thread.table.order(&order, &thread.jitter, Instant::now()),
                Some(Command::Keep(endpoint)) => thread.table.keep(endpoint),
                Some(Command::StopAccepting) => {
                    stop.send_replace(true);
                }
                Some(Command::Answer(sender)) => drop(sender),
                Some(Command::List(most, reply)) => {
                    // Whoever asked may have gone away.
                    let _ = reply.send(carrier.list(most, Instant::now()));
                }
                Some(Command::Finish(within, done)) => {
                    let now = Instant::now();
                    stop.send_replace(true);
                    thread.table.say_farewell(within, now);
                    end = Some((now + within + PARTINGS, done));
                }
                Some(Command::Abort) | None => return None,
            },
            () = thread.table.changed.notified() => {}
            () = thread.idle.notified() => {}
            // Told when the last of the accepting tasks is over.
            () = stop.closed(), if end.is_some() && !stop.is_closed() => {}
            () = tokio::time::sleep_until(soonest.unwrap_or(ticked)), if soonest.is_some() => {}
        }
        let now = Instant::now();
        if tick.is_some_and(|tick| tick <= now) {
            ticked = now;
            thread
                .table
                .tick(&|key| carrier.sample(key), now)
                .iter()
                .for_each(|stalled| thread.shared.stalled(stalled));
        }
        let over = |by: Instant| now >= by || thread.clients() == 0 && stop.is_closed();
        if end.as_ref().is_some_and(|(by, _)| over(*by)) {
            return end.map(|(_, done)| done);
        }
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
