//! Laid to rest, taken over by another data plane or gone on with: no session is lost, no byte is wrong. Both data planes are in
//! this process; what is between two processes is the agent's, and tested there.

use std::net::{SocketAddr, TcpStream as Plain};
use std::sync::{Arc, Mutex};

use jackline_core::Ending;
use jackline_proxy::{AtRest, Moved, SessionState, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Chance, Reserved, Rig, Upstream, echo, is_closed, soon};
use crate::tls::{Tls, hello};

/// How much each bulk client sends and has back.
const BULK: usize = 6 << 20;
/// How often everything moves on.
const MOVES: usize = 10;

/// Tells of all that is at rest, with descriptors of the test's own.
async fn told(rig: &Rig) -> Vec<Moved> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&all);
    let tell = Box::new(move |session: &AtRest<'_>| {
        let client = Plain::from(session.client.try_clone_to_owned()?);
        let upstream = session.upstream.map(|fd| fd.try_clone_to_owned()).transpose()?;
        let moved = Moved::new(
            session.state.clone(),
            (client, upstream.map(Plain::from)),
            (session.up.to_vec(), session.down.to_vec()),
        );
        into.lock().unwrap().push(moved.map_err(std::io::Error::other)?);
        Ok(())
    });
    let count = soon(rig.plane.tell_at_rest(tell)).await.unwrap();
    let moved = std::mem::take(&mut *all.lock().unwrap());
    assert_eq!(u64::try_from(moved.len()).unwrap(), count);
    moved
}

/// Hands everything to a new data plane that knows these endpoints; the old one is no more.
async fn move_on(old: Rig, endpoints: &[SocketAddr]) -> Rig {
    let listeners = soon(old.plane.listeners()).await.unwrap();
    let new = Rig::successor(listeners, endpoints);
    soon(old.plane.rest()).await.unwrap();
    for (index, session) in told(&old).await.into_iter().enumerate() {
        soon(new.plane.adopt(index, session)).await.unwrap();
    }
    old.plane.let_go();
    new.plane.go_on();
    new
}

/// Sends and receives all of it at the same time, and compares.
async fn bulk(client: TcpStream, seed: u64) {
    let sent = Chance(seed).bytes(BULK);
    let (mut from, mut to) = client.into_split();
    let send = sent.clone();
    let sending = tokio::spawn(async move {
        to.write_all(&send).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    soon(from.read_to_end(&mut received)).await.unwrap();
    sending.await.unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_every_kind_move_ten_times_and_no_byte_is_lost() {
    let upstream = Upstream::echo().await;
    let mut rig = Rig::start(&[upstream.address]);
    let mut idle = rig.echoed_client().await;
    let mut speechless = rig.client().await;
    let mut half = rig.echoed_client().await;
    half.write_all(b"last words").await.unwrap();
    let mut bulks = Vec::new();
    for seed in 1..=4 {
        bulks.push(tokio::spawn(bulk(rig.client().await, seed)));
    }
    for round in 0..MOVES {
        rig = move_on(rig, &[upstream.address]).await;
        echo(&mut idle, format!("round {round}").as_bytes()).await;
        // Who comes meanwhile has waited in the backlog.
        rig.echoed_client().await;
    }
    half.shutdown().await.unwrap();
    let mut words = Vec::new();
    soon(half.read_to_end(&mut words)).await.unwrap();
    assert_eq!(words, b"last words");
    echo(&mut speechless, b"at last").await;
    for bulk in bulks {
        soon(bulk).await.unwrap();
    }
    let told = soon(rig.plane.list(10)).await;
    let client = idle.local_addr().unwrap();
    let one = told.iter().find(|one| one.client == client).expect("it is told");
    assert_eq!(one.bytes_from_client, 4 + 7 * 10, "counted on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_reader_has_not_had_goes_along() {
    let upstream = Upstream::echo().await;
    let mut rig = Rig::start(&[upstream.address]);
    let sent = Chance(7).bytes(BULK);
    let (mut from, mut to) = rig.client().await.into_split();
    let send = sent.clone();
    let sending = tokio::spawn(async move {
        to.write_all(&send).await.unwrap();
        to.shutdown().await.unwrap();
    });
    // It reads nothing until both ways are full: whatever then lies in a pipe or a buffer has to go along.
    let mut held = 0;
    while held == 0 {
        soon(rig.plane.rest()).await.unwrap();
        held = told(&rig).await.iter().map(holds).sum();
        rig.plane.go_on();
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        rig = move_on(rig, &[upstream.address]).await;
    }
    let mut received = Vec::new();
    soon(from.read_to_end(&mut received)).await.unwrap();
    soon(sending).await.unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    drop(rig);
}

fn holds(session: &Moved) -> usize {
    let [up, down] = session.held();
    up + down
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_flight_that_nobody_has_answered_goes_along_and_is_answered_by_another() {
    let tls = Tls::new();
    let (frozen, good) = (Reserved::frozen(), tls.upstream().await);
    let rig = Rig::start(&[frozen.address()]);
    let client = rig.client().await;
    let conversation = tokio::spawn(async move {
        tls.converse(client, rustls::DEFAULT_VERSIONS).await;
    });
    let whole = |state: &SessionState| matches!(state.stage, Stage::FirstFlight { written: 1.. });
    loop {
        soon(rig.plane.rest()).await.unwrap();
        if told(&rig).await.iter().any(|session| whole(session.state())) {
            break;
        }
        rig.plane.go_on();
        tokio::task::yield_now().await;
    }
    let new = move_on(rig, &[frozen.address(), good.address]).await;
    soon(conversation).await.unwrap();
    new.events.closed(good.address, Ending::Downstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_in_pieces_goes_on_in_the_other_process() {
    let tls = Tls::new();
    let (frozen, good) = (Reserved::frozen(), tls.upstream().await);
    let mut rig = Rig::start(&[frozen.address(), good.address]);
    let mut client = rig.client().await;
    let hello = hello(tls.client(rustls::DEFAULT_VERSIONS, Vec::new()));
    for piece in hello.chunks(hello.len() / 4) {
        client.write_all(piece).await.unwrap();
        rig = move_on(rig, &[frozen.address(), good.address]).await;
    }
    let mut byte = [0];
    soon(client.read_exact(&mut byte)).await.unwrap();
    assert_eq!(byte, [22], "the good server's hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_goes_on_as_if_nothing_had_been() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let mut idle = rig.echoed_client().await;
    let bulk = tokio::spawn(bulk(rig.client().await, 3));
    for _ in 0..MOVES {
        soon(rig.plane.rest()).await.unwrap();
        // As far as a successor may get: it has all, and is gone.
        drop(told(&rig).await);
        rig.plane.go_on();
        echo(&mut idle, b"still here").await;
    }
    soon(bulk).await.unwrap();
    assert!(rig.events.count(is_closed) <= 1, "the bulk's own end at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_rest_a_close_says_nothing_to_either_side() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.echoed_client().await;
    soon(rig.plane.rest()).await.unwrap();
    let kept = told(&rig).await;
    // The whole data plane goes, as at the exit of its process.
    drop(rig);
    let new = Rig::start(&[upstream.address]);
    soon(new.plane.rest()).await.unwrap();
    for session in kept {
        soon(new.plane.adopt(0, session)).await.unwrap();
    }
    new.plane.go_on();
    echo(&mut client, b"no reset, no FIN").await;
}
