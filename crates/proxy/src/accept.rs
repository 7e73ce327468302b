//! Takes connections from a listener for ever, whatever the kernel says: a fault of our own (no descriptor) pauses it, and
//! what waits in the backlog meanwhile is taken as soon as the fault is over. Of all threads one accepts at a time: who has
//! the listener's [`crate::baton`].

use std::io;
use std::net;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{SocketFlags, accept_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::carrier::Carrier;
use crate::listen;
use crate::peer::Peer;
use crate::session;
use crate::thread::Thread;

/// The pause after a fault of our own; doubled up to the longest while it lasts.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// So many are accepted before sessions have their turn.
const AT_ONCE: usize = 16;

/// One thread's share of a listening socket.
#[derive(Debug)]
pub(crate) struct Door {
    /// Which of the listeners it is.
    pub(crate) number: usize,
    pub(crate) listener: net::TcpListener,
}

/// Accepts until told to stop; then takes what is in the backlog already, and is done. Laid to rest, it is done at once: who
/// waits in the backlog goes on waiting.
pub(crate) async fn accept(
    thread: Rc<Thread>,
    carrier: Rc<Carrier>,
    door: Rc<Door>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        biased;
        () = thread.laid_to_rest() => return,
        _ = stop.wait_for(|stop| *stop) => {}
        () = for_ever(&thread, &carrier, &door) => {}
    }
    for _ in 0..listen::BACKLOG {
        let Ok(stream) = now(&door.listener) else { break };
        admit(&thread, &carrier, stream);
    }
}

async fn for_ever(thread: &Rc<Thread>, carrier: &Rc<Carrier>, door: &Door) {
    let Some(baton) = thread.shared.batons.get(door.number) else {
        return;
    };
    let mut pause = PAUSE_MIN;
    loop {
        let held = baton.taken_by(thread.index()).await;
        let to = loop {
            // Watched only now, and looked at anew: it may have had clients meanwhile.
            let taken = match watched(&door.listener) {
                Ok(watched) => until_relieved(thread, carrier, &watched, &mut pause).await,
                Err(error) => Err(error),
            };
            match taken {
                Ok(to) => break to,
                Err(error) => {
                    if let Some(fault) = jackline_way::local_fault(&error) {
                        thread.shared.local_fault(fault);
                    }
                    // Anything else is a client that left the backlog; the pause keeps an unknown error from spinning.
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(pause).await;
                    pause = PAUSE_MAX.min(pause * 2);
                }
            }
        };
        held.pass(to);
    }
}

/// Accepts until another thread is to; gives which.
///
/// # Errors
/// The kernel gives no connection though one waits.
async fn until_relieved(
    thread: &Rc<Thread>,
    carrier: &Rc<Carrier>,
    listener: &AsyncFd<BorrowedFd<'_>>,
    pause: &mut Duration,
) -> io::Result<usize> {
    let mut together = 0;
    loop {
        let mut ready = listener.readable().await?;
        match now(*listener.get_ref()) {
            Ok(stream) => {
                *pause = PAUSE_MIN;
                admit(thread, carrier, stream);
                if let Some(relief) = thread.relief() {
                    return Ok(relief);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return Err(error),
        }
        together += 1;
        if together % AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[expect(
    deprecated,
    reason = "deprecated for types that lie about their descriptor, which a listener cannot; what replaces it is `unsafe`"
)]
fn watched(listener: &net::TcpListener) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::with_interest(listener.as_fd(), Interest::READABLE)
}

/// Whoever waits in the backlog.
fn now(listener: impl AsFd) -> io::Result<net::TcpStream> {
    Ok(accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?.into())
}

/// Serves the client, or resets it if all seats are taken.
fn admit(thread: &Rc<Thread>, carrier: &Rc<Carrier>, stream: net::TcpStream) {
    let client = Peer::new(stream).into_runtime();
    match (client, thread.shared.seat()) {
        // A panic in it ends this one task: runtime and listener go on.
        (Ok(client), Some(seat)) => session::begin(thread, carrier, client, seat),
        (Ok(client), None) => drop(client),
        (Err(error), _) => tracing::debug!(%error, "client closed: its socket cannot be watched"),
    }
}
