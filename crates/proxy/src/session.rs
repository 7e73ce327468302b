//! The life of one client's connection from accepted to established: a task of the runtime, which ends when the
//! [`crate::carrier`] takes the session over, or when it is laid to rest on its way.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::carrier::{Carried, Carrier};
use crate::dial::{Connected, Dialler};
use crate::early::{Early, EarlySession};
use crate::fault::SessionError;
use crate::flight::{Begun, Contender, Flight, Outcome};
use crate::peer::Peer;
use crate::shared::Seat;
use crate::thread::Thread;

/// Serves a client that has just come, in a task of its own, until it has an upstream.
pub(crate) fn begin(thread: &Rc<Thread>, carrier: &Rc<Carrier>, client: Peer, seat: Seat) {
    let session = EarlySession::new(client, seat, thread.enter());
    go_on(thread, carrier, session);
}

/// Serves one from where it is.
pub(crate) fn go_on(thread: &Rc<Thread>, carrier: &Rc<Carrier>, session: EarlySession) {
    let (thread, carrier) = (Rc::clone(thread), Rc::clone(carrier));
    let under_way = Early::begin(&thread);
    // A panic in it ends this one task: runtime and listener go on.
    drop(tokio::task::spawn_local(async move {
        serve(&thread, &carrier, session).await;
        drop(under_way);
    }));
}

async fn serve(thread: &Rc<Thread>, carrier: &Carrier, session: EarlySession) {
    let EarlySession {
        begun,
        client,
        wake,
        seat,
        present,
    } = session;
    let outcome = match contender(thread, &client, &wake, begun).await {
        Ok((kept, Some(first))) => Flight::new(thread, &client, &wake, kept, first).run().await,
        Ok((kept, None)) => Ok(Outcome::Rests(Begun {
            kept,
            contender: None,
        })),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(Outcome::Settled(settled)) => {
            let handed = Carried::new(settled, client, seat, present);
            if let Err(error) = handed.and_then(|session| carrier.admit(session)) {
                tracing::debug!(%error, "client reset: its session could not be taken over");
            }
        }
        Ok(Outcome::Rests(begun)) => thread.early.lay_to_rest(EarlySession {
            begun,
            client,
            wake,
            seat,
            present,
        }),
        Err(error) => {
            tracing::debug!(%error, "client reset");
            // First the connection, then the place in the counts: whoever sees none left may rely on it.
            drop((client, seat, present));
        }
    }
}

/// The upstream for this client's flight, and what of it there is already; no upstream: it was laid to rest before one took it.
async fn contender(
    thread: &Rc<Thread>,
    client: &Peer,
    wake: &Rc<tokio::sync::Notify>,
    begun: Begun,
) -> Result<(Vec<u8>, Option<Contender>), SessionError> {
    let Begun { kept, contender } = begun;
    if contender.is_some() {
        return Ok((kept, contender));
    }
    let connected = connect(thread, client).await?;
    let contender = connected.map(|connected| Contender::new(thread, connected, wake));
    Ok((kept, contender))
}

/// S3 and S6, for as long as the client stays. `None`: laid to rest meanwhile.
async fn connect(thread: &Rc<Thread>, client: &Peer) -> Result<Option<Connected>, SessionError> {
    let mut dialler = Dialler::first(thread, client.opening(&thread.shared.ways));
    let found = tokio::select! {
        biased;
        () = thread.laid_to_rest() => return Ok(None),
        found = dialler.next() => found.ok_or(SessionError::NoUpstream),
        () = client.gone() => Err(SessionError::GaveUp),
    };
    if matches!(found, Err(SessionError::NoUpstream)) {
        thread.shared.counts.refused.fetch_add(1, Ordering::Relaxed);
    }
    found.map(Some)
}
