//! The life of one client's connection from accepted to established: a task of the runtime, which ends when the
//! [`crate::carrier`] takes the session over.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

use crate::carrier::{Carried, Carrier};
use crate::dial::{Connected, Dialler};
use crate::fault::SessionError;
use crate::flight::{Flight, Settled};
use crate::peer::Peer;
use crate::shared::Seat;
use crate::thread::Thread;

/// Serves one client until it has an upstream.
pub(crate) async fn serve(thread: Rc<Thread>, carrier: Rc<Carrier>, client: Peer, seat: Seat) {
    let present = thread.enter();
    match settle(&thread, &client).await {
        Ok(settled) => {
            let handed = Carried::new(settled, client, seat, present);
            if let Err(error) = handed.and_then(|session| carrier.admit(session)) {
                tracing::debug!(%error, "client reset: its session could not be taken over");
            }
        }
        Err(error) => {
            tracing::debug!(%error, "client reset");
            // First the connection, then the place in the counts: whoever sees none left may rely on it.
            drop((client, seat, present));
        }
    }
}

/// # Errors
/// The client is to be reset.
async fn settle(thread: &Rc<Thread>, client: &Peer) -> Result<Settled, SessionError> {
    let wake = Rc::new(Notify::new());
    let connected = connect(thread, client).await?;
    Flight::new(thread, client, &wake, connected).run().await
}

/// S3 and S6, for as long as the client stays.
async fn connect(thread: &Rc<Thread>, client: &Peer) -> Result<Connected, SessionError> {
    let mut dialler = Dialler::first(thread, client.opening(&thread.shared.ways));
    let found = tokio::select! {
        biased;
        found = dialler.next() => found.ok_or(SessionError::NoUpstream),
        () = client.gone() => Err(SessionError::GaveUp),
    };
    if matches!(found, Err(SessionError::NoUpstream)) {
        thread.shared.counts.refused.fetch_add(1, Ordering::Relaxed);
    }
    found
}
