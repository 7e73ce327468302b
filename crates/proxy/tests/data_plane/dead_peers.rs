//! D3: peers that died are found soon, and live ones that merely do not read are left alone.

use std::time::Duration;

use jackline_core::{Ending, Event, Pace, Which};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::support::{Rig, Upstream, drop_packets, ends_by_fin, is_closed, soon};
use crate::tls::{Tls, hello};

/// More than a question that may need no answer.
fn is_strong(event: &Event) -> bool {
    matches!(event, Event::SessionStalled { again: true, .. })
}

#[tokio::test]
async fn a_path_that_swallows_an_established_sessions_data_is_suspected_within_a_second_or_two() {
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
    let start = Instant::now();
    client.write_all(b"lost").await.unwrap();
    rig.events.wait(1, is_strong).await;
    let first = rig.events.times(is_strong)[0];
    assert!(
        first - start >= Duration::from_millis(500),
        "not before the kernel has repeated it"
    );
    // The core would say so now.
    rig.close(
        upstream.address,
        Which::SilentFor(Duration::from_millis(400)),
        Pace::Reset(Duration::ZERO),
    );
    assert!(!ends_by_fin(&mut client).await);
    rig.events.closed(upstream.address, Ending::Ours).await;
}

#[tokio::test]
async fn a_handshake_that_stops_in_the_middle_is_suspected_and_its_session_can_be_freed() {
    let tls = Tls::new();
    let begun = Upstream::serving(|mut stream| async move {
        stream.read_u8().await.unwrap();
        // What comes after the first segment is lost on the way.
        stream.write_all(&[22, 3, 3, 0, 122, 2]).await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let rig = Rig::start(&[begun.address]);
    let mut client = rig.client().await;
    let hello = hello(tls.client(rustls::DEFAULT_VERSIONS, Vec::new()));
    client.write_all(&hello).await.unwrap();
    let mut answer = [0; 6];
    soon(client.read_exact(&mut answer)).await.unwrap();
    rig.events.wait(1, is_strong).await;
    rig.close(
        begun.address,
        Which::SilentFor(Duration::from_millis(400)),
        Pace::Reset(Duration::ZERO),
    );
    assert!(
        !ends_by_fin(&mut client).await,
        "it waits for an answer, though it has heard some of it"
    );
}

#[tokio::test]
async fn a_live_peer_that_does_not_read_for_longer_than_the_backstop_is_not_killed() {
    let (gate, open) = tokio::sync::watch::channel(false);
    let (heard, mut hears) = tokio::sync::mpsc::channel(1);
    let upstream = Upstream::serving(move |mut stream| {
        let (mut open, heard) = (open.clone(), heard.clone());
        async move {
            let _ = open.wait_for(|open| *open).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            heard.send(all.len()).await.unwrap();
        }
    })
    .await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    let flood = vec![7; 48 * 1024 * 1024];
    let length = flood.len();
    let writer = tokio::spawn(async move {
        client.write_all(&flood).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    rig.events
        .wait(1, |event| matches!(event, Event::SessionStalled { .. }))
        .await;
    // A user timeout that stood while it owes an answer would kill it after 30 s.
    tokio::time::sleep(Duration::from_secs(33)).await;
    assert_eq!(rig.events.count(is_closed), 0, "{:?}", rig.events.all());
    assert_eq!(
        rig.events.count(is_strong),
        0,
        "it has acknowledged all that it has room for"
    );
    gate.send_replace(true);
    assert_eq!(soon(hears.recv()).await.unwrap(), length);
    drop(soon(writer).await.unwrap());
}
