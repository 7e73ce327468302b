//! Every byte arrives, in order and once; so do the ends.

use std::sync::atomic::{AtomicBool, Ordering};

use jackline_core::{Ending, Event};
use jackline_proxy::ProxyConfig;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Chance, Rig, Upstream, config, drop_packets, echo, ends_by_fin, is_closed, is_opened, reset, soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_of_random_sizes_lose_no_byte() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let clients = (0..200u64).map(|seed| {
        let address = rig.address;
        tokio::spawn(async move {
            let mut chance = Chance(seed * 7919 + 1);
            let length = chance.below(300_000);
            let sent = chance.bytes(length);
            let client = tokio::net::TcpStream::connect(address).await.unwrap();
            let (mut from, mut to) = client.into_split();
            let message = sent.clone();
            let writer = tokio::spawn(async move {
                let mut rest = &message[..];
                while !rest.is_empty() {
                    let piece = (1 + chance.below(60_000)).min(rest.len());
                    to.write_all(&rest[..piece]).await.unwrap();
                    rest = &rest[piece..];
                    tokio::task::yield_now().await;
                }
                to.shutdown().await.unwrap();
                to
            });
            let mut received = Vec::new();
            from.read_to_end(&mut received).await.unwrap();
            writer.await.unwrap();
            assert!(received == sent, "session {seed} of {length} bytes");
            length
        })
    });
    let mut bytes = 0;
    for client in clients.collect::<Vec<_>>() {
        bytes += soon(client).await.unwrap();
    }
    rig.events.wait(200, is_closed).await;
    assert_eq!(rig.events.count(is_opened), 200);
    assert_eq!(rig.events.count(is_closed), 200);
    let sessions = rig.plane.sessions();
    assert_eq!(
        (sessions.open, sessions.opened_total, sessions.closed_total),
        (0, 200, 200)
    );
    let bytes = u64::try_from(bytes).unwrap();
    assert_eq!(sessions.bytes_from_clients_total, bytes);
    assert_eq!(sessions.bytes_from_upstreams_total, bytes);
}

#[tokio::test]
async fn a_client_that_has_said_all_still_hears_all() {
    let sent = Chance(3).bytes(1_000_000);
    let answer = sent.clone();
    let upstream = Upstream::serving(move |mut stream| {
        let answer = answer.clone();
        async move {
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await.unwrap();
            assert_eq!(question, b"all of it?");
            stream.write_all(&answer).await.unwrap();
        }
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    client.write_all(b"all of it?").await.unwrap();
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    soon(client.read_to_end(&mut received)).await.unwrap();
    assert!(received == sent);
    rig.events.closed(upstream.address, Ending::Downstream).await;
}

#[tokio::test]
async fn a_server_that_has_said_all_still_hears_all() {
    let (heard, mut hears) = tokio::sync::mpsc::channel(1);
    let upstream = Upstream::serving(move |mut stream| {
        let heard = heard.clone();
        async move {
            stream.write_all(b"that is all").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            heard.send(rest).await.unwrap();
        }
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    let mut greeting = Vec::new();
    soon(client.read_to_end(&mut greeting)).await.unwrap();
    assert_eq!(
        greeting, b"that is all",
        "the server speaks first, and its FIN arrives"
    );
    let sent = Chance(4).bytes(1_000_000);
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(soon(hears.recv()).await.unwrap() == sent);
    rig.events.closed(upstream.address, Ending::Upstream).await;
    assert_eq!(
        rig.events
            .count(|event| matches!(event, Event::SessionAnswered { .. })),
        0,
        "nobody had asked"
    );
}

#[tokio::test]
async fn a_clients_reset_reaches_the_server() {
    let (told, mut tells) = tokio::sync::mpsc::channel(1);
    let upstream = Upstream::serving(move |mut stream| {
        let told = told.clone();
        async move {
            stream.write_all(b"x").await.unwrap();
            told.send(ends_by_fin(&mut stream).await).await.unwrap();
        }
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    soon(client.read_u8()).await.unwrap();
    reset(client);
    assert!(!soon(tells.recv()).await.unwrap(), "a reset, no FIN");
    rig.events.closed(upstream.address, Ending::Downstream).await;
}

#[tokio::test]
async fn a_clients_reset_is_seen_while_the_server_takes_nothing() {
    let (gate, open) = tokio::sync::watch::channel(false);
    let upstream = Upstream::serving(move |stream| {
        let mut open = open.clone();
        async move {
            // Holds the connection and reads nothing.
            let _ = open.wait_for(|open| *open).await;
            drop(stream);
        }
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    let flood = vec![1; 64 * 1024 * 1024];
    tokio::select! {
        _ = client.write_all(&flood) => panic!("all of it was taken"),
        () = rig.events.wait(1, |event| matches!(event, Event::SessionStalled { .. })) => {}
    }
    reset(client);
    rig.events.closed(upstream.address, Ending::Downstream).await;
    gate.send(true).unwrap();
}

#[tokio::test]
async fn a_servers_reset_reaches_the_client_after_what_it_said() {
    let upstream = Upstream::serving(|mut stream| async move {
        stream.write_all(b"last words").await.unwrap();
        let mut ack = [0];
        stream.read_exact(&mut ack).await.unwrap();
        reset(stream);
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    let mut words = [0; 10];
    soon(client.read_exact(&mut words)).await.unwrap();
    assert_eq!(&words, b"last words");
    client.write_all(b"!").await.unwrap();
    assert!(!ends_by_fin(&mut client).await);
    rig.events.closed(upstream.address, Ending::Upstream).await;
}

#[tokio::test]
async fn a_slow_reader_gets_everything_and_costs_no_memory() {
    let upstream = Upstream::serving(|mut stream| async move {
        stream.write_all(&Chance(5).bytes(8_000_000)).await.unwrap();
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    // What was read from the server stays near what the client and the kernels took.
    let mut received = vec![0; 10_000];
    soon(client.read_exact(&mut received)).await.unwrap();
    soon(client.read_to_end(&mut received)).await.unwrap();
    assert!(received == Chance(5).bytes(8_000_000));
}

#[tokio::test]
async fn an_idle_peer_that_died_is_found_by_keep_alive() {
    let upstream = Upstream::serving(|mut stream| async move {
        let byte = stream.read_u8().await.unwrap();
        stream.write_u8(byte).await.unwrap();
        drop_packets(&SockRef::from(&stream));
        std::future::pending::<()>().await;
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    client.write_all(b"x").await.unwrap();
    soon(client.read_u8()).await.unwrap();
    assert!(
        !ends_by_fin(&mut client).await,
        "a dead peer's sessions are reset"
    );
    rig.events.closed(upstream.address, Ending::PeerDead).await;
    let stalls = rig
        .events
        .count(|event| matches!(event, Event::SessionStalled { .. }));
    assert_eq!(stalls, 0, "it was keep-alive that found it: nothing was asked");
}

#[tokio::test]
async fn a_panic_in_one_session_harms_only_itself() {
    let upstream = Upstream::echo().await;
    let first = AtomicBool::new(true);
    let rig = Rig::with_sink(
        ProxyConfig {
            allow_loopback: true,
            threads: 1,
            ..config()
        },
        &[upstream.address],
        move |event| {
            let answered = matches!(event, Event::SessionAnswered { .. });
            assert!(
                !answered || !first.swap(false, Ordering::SeqCst),
                "a panic that this test wants"
            );
        },
    );
    let mut before = rig.client().await;
    rig.events.wait(1, is_opened).await;
    let mut harmed = rig.client().await;
    harmed.write_all(b"x").await.unwrap();
    assert!(!ends_by_fin(&mut harmed).await, "its peers are told");
    rig.events.wait(1, is_closed).await;
    for client in [&mut before, &mut rig.client().await] {
        echo(client, b"still here").await;
    }
    assert_eq!(rig.plane.sessions().open, 2);
    assert_eq!(rig.events.count(is_closed), 1);
}
