//! A thousand sessions of random sizes, pauses, half-closes and resets in each mode, compared byte by byte both ways.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jackline_proxy::CopyMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc};

use super::rig;
use crate::support::{Chance, Rig, Upstream, is_closed, reset, soon};

const SESSIONS: u64 = 1_000;
/// How many are open at once.
const TOGETHER: usize = 64;
/// The length of what says how a session goes: its number.
const TITLE: usize = 8;

/// How a session goes; both ends draw the same from its number.
#[derive(Clone, Copy, Debug)]
struct Script {
    number: u64,
    /// What each side sends, in bytes.
    up: usize,
    down: usize,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Each side sends all it has, and a FIN.
    Fair,
    /// The client resets the connection after what it sends.
    ClientResets,
    ServerResets,
}

/// What one side has seen.
#[derive(Debug, PartialEq)]
enum Seen {
    /// All, and a FIN.
    All,
    /// A beginning of it, and a reset.
    Torn,
    /// A beginning of it, and what looks like a FIN: only for one whose own write was told the reset, for the kernel tells
    /// it once.
    Short,
}

impl Script {
    fn of(number: u64) -> Self {
        let mut chance = Chance(number * 2_654_435_761 + 1);
        let mut size = || match chance.below(10) {
            0 => 0,
            1..5 => chance.below(3_000),
            5..9 => chance.below(40_000),
            _ => chance.below(500_000),
        };
        let (up, down) = (size(), size());
        let end = match chance.below(10) {
            0 => End::ClientResets,
            1 => End::ServerResets,
            _ => End::Fair,
        };
        Self {
            number,
            up,
            down,
            end,
        }
    }

    fn text(&self, up: bool) -> Vec<u8> {
        let length = if up { self.up } else { self.down };
        Chance(self.number * 31 + 7 + u64::from(up)).bytes(length)
    }
}

/// Sends in pieces, with pauses.
async fn say(to: &mut OwnedWriteHalf, text: &[u8], chance: &mut Chance) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let piece = (1 + chance.below(90_000)).min(rest.len());
        to.write_all(&rest[..piece]).await?;
        rest = &rest[piece..];
        pause(chance).await;
    }
    Ok(())
}

/// Reads in pieces, with pauses, and compares with what should come.
async fn hear(from: &mut OwnedReadHalf, text: &[u8], chance: &mut Chance) -> Seen {
    let mut heard = 0;
    let mut piece = vec![0; 70_000];
    loop {
        let room = 1 + chance.below(piece.len());
        match from.read(&mut piece[..room]).await {
            Ok(0) if heard < text.len() => return Seen::Short,
            Ok(0) => return Seen::All,
            Ok(length) => {
                assert!(text[heard..].starts_with(&piece[..length]), "at {heard}");
                heard += length;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                return Seen::Torn;
            }
        }
        pause(chance).await;
    }
}

async fn pause(chance: &mut Chance) {
    match chance.below(12) {
        0 => tokio::time::sleep(Duration::from_millis(2)).await,
        1..3 => tokio::task::yield_now().await,
        _ => {}
    }
}

/// One side's part: speaks and listens at once, and ends as the script says.
async fn play(stream: TcpStream, script: Script, client: bool) -> Seen {
    let resets = match script.end {
        End::Fair => false,
        End::ClientResets => client,
        End::ServerResets => !client,
    };
    let (mut from, mut to) = stream.into_split();
    let listening = tokio::spawn(async move {
        let mut chance = Chance(script.number * 5 + 3);
        let seen = hear(&mut from, &script.text(!client), &mut chance).await;
        (seen, from)
    });
    let mut chance = Chance(script.number * 3 + 1 + u64::from(client));
    let said = say(&mut to, &script.text(client), &mut chance).await;
    if resets {
        // Nobody has ended so far: what the other side says is cut off with it.
        listening.abort();
        let _ = listening.await;
        reset_half(to);
        return Seen::Torn;
    }
    assert!(said.is_ok() || script.end != End::Fair, "{script:?}: {said:?}");
    let _ = to.shutdown().await;
    let (seen, _from) = listening.await.unwrap();
    assert!(
        seen != Seen::Short || said.is_err(),
        "{script:?}: a FIN comes after all of it, and not before"
    );
    seen
}

/// The reading half is gone: resets the whole.
fn reset_half(to: OwnedWriteHalf) {
    socket2::SockRef::from(to.as_ref())
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    // Dropped otherwise, it would send a FIN first.
    to.forget();
}

/// Upstreams that read a session's number and play the server's part; what they saw goes to the sender.
async fn servers(seen: mpsc::Sender<(Script, Seen)>) -> Upstream {
    Upstream::serving(move |mut stream| {
        let seen = seen.clone();
        async move {
            let mut title = [0; TITLE];
            // A client that resets at once may take its title with it.
            if stream.read_exact(&mut title).await.is_err() {
                reset(stream);
                return;
            }
            let script = Script::of(u64::from_le_bytes(title));
            let what = play(stream, script, false).await;
            seen.send((script, what)).await.unwrap();
        }
    })
    .await
}

async fn client(address: std::net::SocketAddr, script: Script) -> Seen {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&script.number.to_le_bytes()).await.unwrap();
    play(stream, script, true).await
}

/// What a side of a fair session, or of one that somebody resets, may see.
fn check(script: Script, seen: &Seen, by: &str) {
    if script.end == End::Fair {
        assert_eq!(*seen, Seen::All, "{script:?}, by the {by}");
    }
}

async fn play_all(rig: &Rig, mut servers: mpsc::Receiver<(Script, Seen)>) {
    let places = Arc::new(Semaphore::new(TOGETHER));
    let clients: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let (places, address) = (Arc::clone(&places), rig.address);
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                let script = Script::of(number);
                check(script, &client(address, script).await, "client");
                script.end
            })
        })
        .collect();
    let fair = (0..SESSIONS)
        .filter(|number| Script::of(*number).end == End::Fair)
        .count();
    let mut heard = 0;
    while heard < fair {
        let (script, seen) = soon(servers.recv()).await.unwrap();
        check(script, &seen, "server");
        heard += usize::from(script.end == End::Fair);
    }
    for client in clients {
        soon(client).await.unwrap();
    }
    assert!(fair > 700, "{fair}");
}

/// The whole play in one mode.
async fn lose_no_byte(mode: CopyMode) {
    let (seen, servers_saw) = mpsc::channel(16);
    let upstream = servers(seen).await;
    let rig = rig(mode, &upstream);
    play_all(&rig, servers_saw).await;
    // A client that resets at once may be gone before there is a session.
    soon(async {
        while rig.plane.sessions().open > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(rig.events.count(is_closed) > 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_adaptive_sessions_lose_no_byte() {
    lose_no_byte(CopyMode::Adaptive).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buffered_sessions_lose_no_byte() {
    lose_no_byte(CopyMode::Buffered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_spliced_sessions_lose_no_byte() {
    lose_no_byte(CopyMode::Spliced).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_peeked_sessions_lose_no_byte() {
    lose_no_byte(CopyMode::Peeked).await;
}
