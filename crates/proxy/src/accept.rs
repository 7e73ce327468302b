//! Takes connections from a listener for ever, whatever the kernel says: a fault of our own (no descriptor) pauses it, and
//! what waits in the backlog meanwhile is taken as soon as the fault is over.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::carrier::Carrier;
use crate::listen;
use crate::peer::Peer;
use crate::session;
use crate::thread::Thread;

/// The pause after a fault of our own; doubled up to the longest while it lasts.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Accepts until told to stop; then takes what is in the backlog already, and is done.
pub(crate) async fn accept(
    thread: Rc<Thread>,
    carrier: Rc<Carrier>,
    listener: Rc<TcpListener>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = PAUSE_MIN;
                admit(&thread, &carrier, stream);
            }
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
    }
    for _ in 0..listen::BACKLOG {
        let Some(Ok((stream, _))) = now(listener.accept()).await else {
            break;
        };
        admit(&thread, &carrier, stream);
    }
}

/// Serves the client, or resets it if all seats are taken.
fn admit(thread: &Rc<Thread>, carrier: &Rc<Carrier>, stream: TcpStream) {
    match thread.shared.seat() {
        // A panic in it ends this one task: runtime and listener go on.
        Some(seat) => drop(tokio::task::spawn_local(session::serve(
            Rc::clone(thread),
            Rc::clone(carrier),
            stream,
            seat,
        ))),
        None => drop(Peer::new(stream)),
    }
}

/// What is ready at once; `None`: it isn't.
async fn now(
    accept: impl Future<Output = io::Result<(TcpStream, std::net::SocketAddr)>>,
) -> Option<io::Result<(TcpStream, std::net::SocketAddr)>> {
    tokio::select! {
        biased;
        accepted = accept => Some(accepted),
        () = std::future::ready(()) => None,
    }
}
