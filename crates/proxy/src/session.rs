//! The life of one client's connection, from accepted to closed.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackline_core::Ending;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::closing::Order;
use crate::copy::Broken;
use crate::dial::{Connected, Dialler};
use crate::fault::{self, SessionError, Side};
use crate::flight::{Flight, Settled};
use crate::peer::Peer;
use crate::shared::Seat;
use crate::socket;
use crate::thread::Thread;

/// How long each half of a parting may take: flushing to the client, and waiting for its FIN.
const PARTING: Duration = Duration::from_secs(1);
/// How much of what a client sends after our FIN is read at a time, and thrown away. In bytes.
const LEFTOVER: usize = 4 * 1024;

/// How the copying of a session came to its end.
#[derive(Debug)]
enum End {
    Copied(Result<(), Broken>),
    Ordered(Order),
}

/// Serves one client to the end.
pub(crate) async fn serve(thread: Rc<Thread>, stream: TcpStream, seat: Seat) {
    let present = thread.enter();
    let client = Peer::new(stream);
    if let Err(error) = socket::prepare(client.stream()) {
        tracing::debug!(%error, "a client's socket takes no options");
    }
    if let Err(error) = carry(&thread, &client).await {
        tracing::debug!(%error, "client reset");
    }
    // First the connection, then the place in the counts: whoever sees none left may rely on it.
    drop((client, seat, present));
}

/// # Errors
/// The client is to be reset.
async fn carry(thread: &Rc<Thread>, client: &Peer) -> Result<(), SessionError> {
    let wake = Rc::new(Notify::new());
    let connected = connect(thread, client).await?;
    let mut settled = Flight::new(thread, client, &wake, connected).run().await?;
    let end = copy(&mut settled, client, &wake).await;
    let Settled { upstream, .. } = &settled;
    upstream.ends(ending(&settled, &end));
    match end {
        End::Copied(Ok(())) => {
            upstream.peer.end_fairly();
            client.end_fairly();
            Ok(())
        }
        End::Copied(Err(Broken {
            side: Side::Downstream,
            error,
        })) => Err(SessionError::Downstream(error)),
        End::Copied(Err(Broken {
            side: Side::Upstream,
            error: source,
        })) => Err(SessionError::Upstream {
            endpoint: upstream.endpoint(),
            source,
        }),
        End::Ordered(Order::Reset) => Err(SessionError::Ours("its upstream's sessions were to be reset")),
        End::Ordered(Order::Part) => {
            part(settled, client).await;
            Ok(())
        }
    }
}

/// S3 and S6, for as long as the client stays.
async fn connect(thread: &Rc<Thread>, client: &Peer) -> Result<Connected, SessionError> {
    let mut dialler = Dialler::first(thread, client.opening());
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

async fn copy(settled: &mut Settled, client: &Peer, wake: &Notify) -> End {
    let Settled { upstream, copy } = settled;
    loop {
        upstream.mind_backstop();
        if let Some(order) = upstream.entry().take_order() {
            return End::Ordered(order);
        }
        tokio::select! {
            biased;
            () = wake.notified() => {}
            end = copy.run(client.stream(), upstream.peer.stream(), &upstream.gauge) => return End::Copied(end),
        }
    }
}

/// Who ended it, and how. The first FIN decides; an error only where there was none.
fn ending(settled: &Settled, end: &End) -> Ending {
    let heard = settled.upstream.entry().is_heard();
    match (settled.copy.first_end(), end) {
        (_, End::Ordered(_)) => Ending::Ours,
        (
            _,
            End::Copied(Err(Broken {
                side: Side::Upstream,
                error,
            })),
        ) => fault::ending(error, heard),
        (Some(Side::Upstream), _) if heard => Ending::Upstream,
        (Some(Side::Upstream), _) => Ending::UpstreamSilent,
        _ => Ending::Downstream,
    }
}

/// Ends a session gently (D2): what we hold is flushed, then both sides get a FIN. What the client sends after that is
/// thrown away: it gets no answer, and knows it, for our FIN has told it so.
async fn part(mut settled: Settled, client: &Peer) {
    let flushed = async {
        settled
            .copy
            .flush_to_client(client.stream(), &settled.upstream.gauge)
            .await
            .ok()?;
        socket::finish(client.stream()).ok()
    };
    if timeout(PARTING, flushed).await.ok().flatten().is_none() {
        return;
    }
    settled.upstream.peer.end_fairly();
    client.end_fairly();
    drop(settled);
    // Closing with unread bytes would reset the client, and what is still on its way to it would be lost.
    let _ = timeout(PARTING, until_end(client.stream())).await;
}

async fn until_end(client: &TcpStream) -> io::Result<()> {
    let mut leftover = [0; LEFTOVER];
    loop {
        client.readable().await?;
        match client.try_read(&mut leftover) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
