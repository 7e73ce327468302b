//! Carries a thread's established sessions. Dials and first flights are tasks of the runtime; from the first answer on a
//! session is a few plain fields here, and its two sockets are watched by one epoll set of the thread's own.
//!
//! So an idle session costs no task, no buffer and no wake-up, and at a quiescent point it is two descriptors and flat
//! state. The runtime sees one descriptor, the set's own, and wakes this when anything in it has news.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::carried::Carried;
use self::carried::Verdict;
use self::slots::Slots;
use crate::copy::{Broken, Readiness, Tools};
use crate::fault::Side;
use crate::parting;
use crate::plane::OpenSession;
use crate::rest::AtRest;
use crate::tcp_info::Sample;

mod carried;
mod slots;

/// How many of the set's events are taken at a time.
const EVENTS_MAX: usize = 256;
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// The set in which a thread's sessions are watched, known to the thread's runtime.
pub(crate) type Watch = AsyncFd<OwnedFd>;

/// A set for one thread. To be called inside its runtime.
///
/// # Errors
/// No descriptor can be had.
#[expect(
    deprecated,
    reason = "deprecated for types that lie about their descriptor, which an OwnedFd cannot; what replaces it is `unsafe`"
)]
pub(crate) fn watch() -> io::Result<Watch> {
    AsyncFd::with_interest(epoll::create(CreateFlags::CLOEXEC)?, Interest::READABLE)
}

/// Sessions that have an order, though the kernel says nothing of their sockets. One may stand in it twice, or be over by the
/// time that it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Summons {
    keys: RefCell<Vec<usize>>,
    told: Notify,
}

impl Summons {
    /// The session at this key is to be looked at.
    pub(crate) fn call(&self, key: usize) {
        self.keys.borrow_mut().push(key);
        self.told.notify_one();
    }
}

/// One thread's established sessions.
#[derive(Debug)]
pub(crate) struct Carrier {
    watch: Watch,
    sessions: RefCell<Slots<Carried>>,
    tools: RefCell<Tools>,
    summons: Rc<Summons>,
    /// Sessions that have more to do at once.
    again: RefCell<Vec<usize>>,
    /// Nothing is to be moved: the sessions are at rest.
    at_rest: Cell<bool>,
    /// The time, read once for each batch of events.
    now: Cell<Instant>,
}

impl Carrier {
    pub(crate) fn new(watch: Watch, tools: Tools) -> Self {
        Self {
            watch,
            sessions: RefCell::default(),
            tools: RefCell::new(tools),
            summons: Rc::default(),
            again: RefCell::default(),
            at_rest: Cell::new(false),
            now: Cell::new(Instant::now()),
        }
    }

    /// Takes a session over. What it holds already is moved on at once, unless all is at rest.
    ///
    /// # Errors
    /// Its sockets cannot be watched: the session has ended.
    pub(crate) fn admit(&self, mut session: Carried) -> io::Result<()> {
        if self.at_rest.get() {
            session.rest()?;
        }
        let key = self.sessions.borrow_mut().insert(session);
        let watched = self.enlist(key);
        if watched.is_err() {
            self.sessions.borrow_mut().remove(key);
            return watched;
        }
        if self.at_rest.get() {
            return Ok(());
        }
        self.now.set(Instant::now());
        self.turn(key, None);
        self.resume();
        Ok(())
    }

    /// The sessions that it carries, `most` of them at most.
    pub(crate) fn list(&self, most: usize, now: Instant) -> Vec<OpenSession> {
        let sessions = self.sessions.borrow();
        sessions
            .iter()
            .filter_map(|one| one.told(now))
            .take(most)
            .collect()
    }

    /// Lays all to rest: from now on no byte is moved, none is in a pipe, and a close says nothing to the peers.
    ///
    /// # Errors
    /// What some session holds cannot be had.
    pub(crate) fn rest(&self) -> io::Result<()> {
        self.at_rest.set(true);
        self.sessions.borrow_mut().iter_mut().try_for_each(Carried::rest)
    }

    /// Goes on with whatever is at rest.
    pub(crate) fn go_on(&self) {
        self.at_rest.set(false);
        let sessions = self.sessions.borrow();
        sessions.iter().for_each(Carried::go_on);
        self.again.borrow_mut().extend(sessions.keys());
        self.summons.told.notify_one();
    }

    /// Closes every session at rest; another process has them.
    pub(crate) fn let_go(&self) {
        if self.at_rest.get() {
            drop(self.sessions.take());
        }
    }

    /// Looks at each session at rest.
    ///
    /// # Errors
    /// The first that `look` gives.
    pub(crate) fn each<E>(
        &self,
        now: Instant,
        mut look: impl FnMut(&AtRest<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sessions = self.sessions.borrow();
        sessions
            .iter()
            .try_for_each(|session| look(&session.at_rest(now)))
    }

    /// Moves bytes for ever. To be started again if it panics; its sessions are still there then.
    pub(crate) async fn run(&self) {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            if self.at_rest.get() {
                self.summons.told.notified().await;
                continue;
            }
            let (mut news, busy) = (None, !self.again.borrow().is_empty());
            if busy {
                // Others come first: dials, orders, and whoever has news.
                tokio::task::yield_now().await;
            } else {
                tokio::select! {
                    biased;
                    ready = self.watch.readable() => match ready {
                        Ok(ready) => news = Some(ready),
                        Err(error) => tracing::error!(%error, "the sessions' sockets cannot be watched"),
                    },
                    () = self.summons.told.notified() => {}
                }
            }
            if self.at_rest.get() {
                continue;
            }
            let more = (busy || news.is_some()) && self.take_events(&mut events);
            if let Some(mut news) = news.filter(|_| !more) {
                // Whatever came since is told anew.
                news.clear_ready();
            }
            self.now.set(Instant::now());
            for event in events.drain(..) {
                let (key, side) = named(event.data);
                self.turn(key, Some((side, event.flags)));
            }
            for key in self.again.take() {
                self.turn(key, None);
            }
            for key in self.summons.keys.take() {
                self.obey(key);
            }
        }
    }

    /// What the upstream of the session at this key has not acknowledged; `None`: the session is over.
    pub(crate) fn sample(&self, key: usize) -> Option<Sample> {
        self.sessions.borrow().at(key)?.sample()
    }

    /// Asks the set without waiting. `true`: there may be more.
    fn take_events(&self, events: &mut Vec<Event>) -> bool {
        if let Err(error) = epoll::wait(self.watch.get_ref(), spare_capacity(events), Some(&AT_ONCE)) {
            // EINTR at most: asked again.
            tracing::debug!(%error, "the sessions' sockets could not be asked");
            return true;
        }
        events.len() == EVENTS_MAX
    }

    /// Edge-triggered: no system call is spent on what a session waits for at the moment. Of room the kernel tells only
    /// from the first time on that there was none ([`Self::mind_room`]): a fresh socket has room, and to be told so would be
    /// a wake-up for each session.
    fn enlist(&self, key: usize) -> io::Result<()> {
        let sessions = self.sessions.borrow();
        let Some(session) = sessions.at(key) else {
            return Ok(());
        };
        let set = self.watch.get_ref();
        for side in [Side::Downstream, Side::Upstream] {
            epoll::add(set, session.socket(side), name(key, side), news())?;
        }
        session.is_carried(&self.summons, key);
        Ok(())
    }

    /// One session's turn. A panic in it, which must not be, ends this one session: its peers are reset.
    fn turn(&self, key: usize, news: Option<(Side, EventFlags)>) {
        let mut sessions = self.sessions.borrow_mut();
        let Some(session) = sessions.at_mut(key) else {
            return;
        };
        let turn = AssertUnwindSafe(|| {
            if let Some((side, flags)) = news {
                session.note(side, readiness(flags));
            }
            let failed =
                news.is_some_and(|(side, flags)| side == Side::Downstream && flags.contains(EventFlags::ERR));
            let verdict = session.turn(&mut self.tools.borrow_mut(), self.now.get(), failed);
            self.mind_room(key, session, verdict)
        });
        match catch_unwind(turn) {
            Ok(Verdict::Stay) => {}
            Ok(Verdict::Again) => self.again.borrow_mut().push(key),
            Ok(Verdict::Over(end)) => {
                let session = sessions.remove(key);
                drop(sessions);
                if let Some(session) = session {
                    session.end(end);
                }
            }
            Err(panic) => {
                let session = sessions.remove(key);
                drop(sessions);
                told(&*panic);
                drop(session);
            }
        }
    }

    /// Has the kernel tell of room where a socket has none. It looks at once, so that room that is there by now is told.
    fn mind_room(&self, key: usize, session: &mut Carried, verdict: Verdict) -> Verdict {
        if matches!(verdict, Verdict::Over(_)) {
            return verdict;
        }
        while let Some(side) = session.wants_room() {
            let all = news() | EventFlags::OUT;
            if let Err(error) =
                epoll::modify(self.watch.get_ref(), session.socket(side), name(key, side), all)
            {
                // It would wait for ever.
                let error = error.into();
                return Verdict::Over(Err(Broken { side, error }));
            }
        }
        verdict
    }

    /// The session at this key was summoned.
    fn obey(&self, key: usize) {
        let mut sessions = self.sessions.borrow_mut();
        let Some(session) = sessions.at(key) else { return };
        let Some(order) = session.heed() else { return };
        let session = sessions.remove(key);
        drop(sessions);
        if let Some(session) = session {
            // They outlive the session's key, and their news would be taken for another's. Closing takes out the rest.
            for socket in [session.client(), session.upstream()] {
                let _ = epoll::delete(self.watch.get_ref(), socket);
            }
            if let Some(parting) = session.obey(order) {
                drop(tokio::task::spawn_local(parting::part(parting)));
            }
        }
    }

    fn resume(&self) {
        if !self.again.borrow().is_empty() {
            self.summons.told.notify_one();
        }
    }
}

/// What the kernel tells of every session's sockets.
fn news() -> EventFlags {
    EventFlags::IN | EventFlags::RDHUP | EventFlags::ET
}

/// What an event says.
fn readiness(flags: EventFlags) -> Readiness {
    let failed = EventFlags::HUP | EventFlags::ERR;
    let closing = flags.intersects(failed | EventFlags::RDHUP);
    Readiness {
        readable: closing || flags.contains(EventFlags::IN),
        writable: flags.intersects(failed | EventFlags::OUT),
        closing,
    }
}

/// The name of a session's socket in the set.
fn name(key: usize, side: Side) -> EventData {
    let key = u64::try_from(key).unwrap_or(u64::MAX);
    EventData::new_u64(key << 1 | u64::from(side == Side::Upstream))
}

fn named(data: EventData) -> (usize, Side) {
    let name = data.u64();
    let side = if name & 1 == 1 {
        Side::Upstream
    } else {
        Side::Downstream
    };
    (usize::try_from(name >> 1).unwrap_or(usize::MAX), side)
}

fn told(panic: &(dyn Any + Send)) {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(what, "a session panicked and was ended; the others go on");
}
