//! The copy in each of its modes: every byte, every end, and what is held meanwhile.

use std::time::Duration;

use jackline_core::{Ending, Event};
use jackline_proxy::{CopyMode, ProxyConfig};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Chance, Rig, Upstream, config, echo, ends_by_fin, is_closed, reset, soon};

mod exactness;

/// All ways in which bytes are moved.
const MODES: [CopyMode; 4] = [
    CopyMode::Adaptive,
    CopyMode::Buffered,
    CopyMode::Spliced,
    CopyMode::Peeked,
];

fn rig(mode: CopyMode, upstream: &Upstream) -> Rig {
    let config = ProxyConfig {
        allow_loopback: true,
        copy: mode,
        ..config()
    };
    Rig::with(config, &[upstream.address])
}

/// An upstream that waits for a byte, sends all of this, and its FIN.
async fn telling(bytes: Vec<u8>) -> Upstream {
    Upstream::serving(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            stream.read_u8().await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_u8().await;
        }
    })
    .await
}

async fn asking(rig: &Rig) -> TcpStream {
    let mut client = rig.client().await;
    client.write_all(b"?").await.unwrap();
    client
}

#[tokio::test]
async fn a_reader_that_takes_a_little_at_a_time_gets_all() {
    let sent = Chance(11).bytes(3_000_000);
    let upstream = telling(sent.clone()).await;
    for mode in MODES {
        let rig = rig(mode, &upstream);
        let mut client = asking(&rig).await;
        let mut received = Vec::new();
        let mut piece = [0; 4_000];
        loop {
            // A pipe is drained in part, and again, and again.
            match soon(client.read(&mut piece)).await.unwrap() {
                0 => break,
                length => received.extend_from_slice(&piece[..length]),
            }
            tokio::task::yield_now().await;
        }
        assert!(received == sent, "{mode:?}");
    }
}

#[tokio::test]
async fn a_reader_of_one_byte_a_second_is_waited_for() {
    let sent = Chance(12).bytes(6_000_000);
    let upstream = telling(sent.clone()).await;
    let readers = MODES.map(async |mode| {
        let rig = rig(mode, &upstream);
        let mut client = asking(&rig).await;
        let mut received = Vec::new();
        for _ in 0..4 {
            received.push(soon(client.read_u8()).await.unwrap());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let taken = rig.plane.sessions().bytes_from_upstreams_total;
        assert!(
            taken < 6_000_000,
            "{mode:?}: it is not read ahead of the reader: {taken}"
        );
        soon(client.read_to_end(&mut received)).await.unwrap();
        assert!(received == sent, "{mode:?}");
    });
    let [one, two, three, four] = readers;
    tokio::join!(one, two, three, four);
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_for_a_while_is_live_all_the_same() {
    let (gate, open) = tokio::sync::watch::channel(false);
    let (heard, mut hears) = tokio::sync::mpsc::channel(1);
    let upstream = Upstream::serving(move |mut stream| {
        let (mut open, heard) = (open.clone(), heard.clone());
        async move {
            let _ = open.wait_for(|open| *open).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            heard.send(all).await.unwrap();
        }
    })
    .await;
    let sent = Chance(13).bytes(48_000_000);
    for mode in MODES {
        gate.send_replace(false);
        let rig = rig(mode, &upstream);
        let mut client = rig.client().await;
        let all = sent.clone();
        let writer = tokio::spawn(async move {
            client.write_all(&all).await.unwrap();
            client.shutdown().await.unwrap();
            client
        });
        // Its window is zero by then, and it owes an answer.
        rig.events
            .wait(1, |event| matches!(event, Event::SessionStalled { .. }))
            .await;
        assert!(!writer.is_finished(), "{mode:?}: more than the kernels hold");
        gate.send_replace(true);
        assert!(soon(hears.recv()).await.unwrap() == sent, "{mode:?}");
        drop(soon(writer).await.unwrap());
        rig.events.closed(upstream.address, Ending::Downstream).await;
    }
}

#[tokio::test]
async fn many_small_segments_for_a_reader_who_is_late() {
    // More segments than a pipe has slots, each with a few bytes: a full pipe is no drained socket.
    let pieces: Vec<Vec<u8>> = (0..3_000).map(|seed| Chance(seed + 1).bytes(40)).collect();
    let sent = pieces.concat();
    let upstream = Upstream::serving(move |mut stream| {
        let pieces = pieces.clone();
        async move {
            stream.set_nodelay(true).unwrap();
            stream.read_u8().await.unwrap();
            for piece in pieces {
                stream.write_all(&piece).await.unwrap();
            }
        }
    })
    .await;
    for mode in MODES {
        let rig = rig(mode, &upstream);
        let client = asking(&rig).await;
        SockRef::from(&client).set_recv_buffer_size(4096).unwrap();
        rig.events
            .wait(1, |event| matches!(event, Event::SessionAnswered { .. }))
            .await;
        let mut client = client;
        let mut received = Vec::new();
        soon(client.read_to_end(&mut received)).await.unwrap();
        assert!(received == sent, "{mode:?}");
    }
}

#[tokio::test]
async fn each_side_may_end_first_in_each_mode() {
    for mode in MODES {
        let told = telling(Chance(14).bytes(700_000)).await;
        let rig = rig(mode, &told);
        let mut client = asking(&rig).await;
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        soon(client.read_to_end(&mut received)).await.unwrap();
        assert!(
            received == Chance(14).bytes(700_000),
            "{mode:?}: the client ended first"
        );
        rig.events.closed(told.address, Ending::Downstream).await;

        let rig = self::rig(mode, &told);
        let mut client = asking(&rig).await;
        let mut received = Vec::new();
        soon(client.read_to_end(&mut received)).await.unwrap();
        assert!(
            received == Chance(14).bytes(700_000),
            "{mode:?}: the server ended first"
        );
        drop(client);
        rig.events.closed(told.address, Ending::Upstream).await;
    }
}

#[tokio::test]
async fn a_clients_reset_is_seen_in_each_mode_though_the_server_takes_nothing() {
    let (_gate, open) = tokio::sync::watch::channel(false);
    let upstream = Upstream::serving(move |stream| {
        let mut open = open.clone();
        async move {
            let _ = open.wait_for(|open| *open).await;
            drop(stream);
        }
    })
    .await;
    for mode in MODES {
        let rig = rig(mode, &upstream);
        let mut client = rig.client().await;
        let flood = vec![1; 64 * 1024 * 1024];
        tokio::select! {
            _ = client.write_all(&flood) => panic!("all of it was taken"),
            () = rig.events.wait(1, |event| matches!(event, Event::SessionStalled { .. })) => {}
        }
        reset(client);
        rig.events.closed(upstream.address, Ending::Downstream).await;
        rig.events.wait(1, is_closed).await;
    }
}

#[tokio::test]
async fn a_servers_reset_is_no_fin_though_we_hear_of_it_by_writing() {
    let (gate, open) = tokio::sync::watch::channel(false);
    let upstream = Upstream::serving(move |mut stream| {
        let mut open = open.clone();
        async move {
            let _ = open.wait_for(|open| *open).await;
            stream.write_all(b"last words").await.unwrap();
            reset(stream);
        }
    })
    .await;
    for mode in MODES {
        gate.send_replace(false);
        let rig = rig(mode, &upstream);
        let mut client = rig.client().await;
        let flood = vec![1; 64 * 1024 * 1024];
        tokio::select! {
            _ = client.write_all(&flood) => panic!("all of it was taken"),
            () = rig.events.wait(1, |event| matches!(event, Event::SessionStalled { .. })) => {}
        }
        // The kernel tells the reset to our write, which comes first, and to our read an end.
        gate.send_replace(true);
        assert!(!ends_by_fin(&mut client).await, "{mode:?}");
        rig.events.wait(1, is_closed).await;
    }
}

/// Descriptors of this process that are pipes.
fn pipes() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

#[tokio::test]
async fn quiet_sessions_hold_no_pipe_however_much_they_have_moved() {
    let upstream = Upstream::echo().await;
    let rig = rig(CopyMode::Adaptive, &upstream);
    let mut clients = Vec::new();
    for seed in 1..30 {
        let mut client = rig.echoed_client().await;
        let sent = Chance(seed).bytes(400_000);
        let (mut from, mut to) = client.split();
        let mut received = vec![0; sent.len()];
        let (written, read) = tokio::join!(to.write_all(&sent), soon(from.read_exact(&mut received)));
        written.unwrap();
        read.unwrap();
        assert!(received == sent);
        clients.push(client);
    }
    // Other tests of this process have theirs; two are kept on each of two threads, of two ends each.
    assert!(pipes() < 29 * 2, "{} ends of pipes", pipes());
    for client in &mut clients {
        echo(client, b"still here").await;
    }
}
