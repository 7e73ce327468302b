//! D2, D4, R4 and the shutdown: sessions are closed by endpoint, at their pace.

use std::time::Duration;

use jackline_core::{Ending, Event, Pace, Which};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{Rig, Upstream, echo, ends_by_fin, is_closed, is_opened, soon};

const NOW: Duration = Duration::ZERO;

/// Answers each `?` only when told to, and everything else at once.
async fn hesitant(answer: &tokio::sync::watch::Sender<bool>) -> Upstream {
    let answer = answer.subscribe();
    Upstream::serving(move |mut stream| {
        let mut answer = answer.clone();
        async move {
            while let Ok(byte) = stream.read_u8().await {
                if byte == b'?' {
                    let _ = answer.wait_for(|answer| *answer).await;
                }
                if stream.write_u8(byte).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

async fn clients(rig: &Rig, count: usize) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(rig.echoed_client().await);
    }
    clients
}

#[tokio::test]
async fn a_reset_at_once_meets_all_sessions_of_the_endpoint_and_no_others() {
    let (bad, good) = (Upstream::echo().await, Upstream::echo().await);
    let rig = Rig::start(&[bad.address]);
    let mut meant = clients(&rig, 10).await;
    rig.publish(&[good.address]);
    let mut others = clients(&rig, 10).await;
    rig.close(bad.address, Which::All, Pace::Reset(NOW));
    for client in &mut meant {
        assert!(!ends_by_fin(client).await, "a reset");
    }
    rig.events
        .wait(10, |event| {
            *event
                == Event::SessionClosed {
                    endpoint: bad.address,
                    ending: Ending::Ours,
                }
        })
        .await;
    for client in &mut others {
        echo(client, b"still here").await;
    }
    assert_eq!(rig.plane.sessions().by_endpoint, [(good.address, 10)].into());
}

#[tokio::test]
async fn paced_resets_are_spread_over_their_time() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let clients = clients(&rig, 20).await;
    let start = Instant::now();
    rig.close(upstream.address, Which::All, Pace::Reset(Duration::from_secs(1)));
    rig.events.wait(20, is_closed).await;
    let times: Vec<Duration> = rig.events.times(is_closed).iter().map(|at| *at - start).collect();
    let early = times
        .iter()
        .filter(|after| **after < Duration::from_millis(500))
        .count();
    assert!(early <= 12, "at most about half in the first half: {times:?}");
    assert!(times.last().unwrap() >= &Duration::from_millis(800), "{times:?}");
    drop(clients);
}

#[tokio::test]
async fn silent_are_all_that_heard_nothing_for_so_long_whether_or_not_they_asked() {
    let (answer, _) = tokio::sync::watch::channel(false);
    let upstream = hesitant(&answer).await;
    let rig = Rig::start(&[upstream.address]);
    let (mut watching, mut waiting) = (rig.echoed_client().await, rig.echoed_client().await);
    let mut busy = rig.echoed_client().await;
    waiting.write_all(b"?").await.unwrap();
    rig.events
        .wait(1, |event| matches!(event, Event::SessionStalled { .. }))
        .await;
    echo(&mut busy, b"x").await;
    let silent = Which::SilentFor(Duration::from_millis(900));
    rig.close(upstream.address, silent, Pace::Reset(NOW));
    assert!(!ends_by_fin(&mut waiting).await);
    assert!(!ends_by_fin(&mut watching).await, "a watch asks nothing");
    echo(&mut busy, b"still here").await;
    rig.events.wait(2, is_closed).await;
    assert_eq!(rig.plane.sessions().open, 1);
}

#[tokio::test]
async fn idle_sessions_part_by_fin_spread_over_the_time() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let mut clients = clients(&rig, 10).await;
    // One that was never used is quiet as well.
    clients.push(rig.client().await);
    rig.events.wait(11, is_opened).await;
    let start = Instant::now();
    rig.close(upstream.address, Which::All, Pace::Quiet(Duration::from_secs(1)));
    for client in &mut clients {
        assert!(ends_by_fin(client).await, "a FIN, no reset");
    }
    drop(clients);
    rig.events.wait(11, is_closed).await;
    let times: Vec<Duration> = rig.events.times(is_closed).iter().map(|at| *at - start).collect();
    let early = times
        .iter()
        .filter(|after| **after < Duration::from_millis(500))
        .count();
    assert!(early <= 8, "{times:?}");
}

#[tokio::test]
async fn a_session_that_waits_for_an_answer_gets_it_before_it_parts() {
    let (answer, _) = tokio::sync::watch::channel(false);
    let upstream = hesitant(&answer).await;
    let rig = Rig::start(&[upstream.address]);
    let (mut idle, mut waiting) = (rig.echoed_client().await, rig.echoed_client().await);
    waiting.write_all(b"?").await.unwrap();
    rig.events
        .wait(1, |event| matches!(event, Event::SessionStalled { .. }))
        .await;
    rig.close(
        upstream.address,
        Which::All,
        Pace::Quiet(Duration::from_secs(600)),
    );
    rig.close(upstream.address, Which::All, Pace::Quiet(Duration::from_secs(2)));
    assert!(ends_by_fin(&mut idle).await);
    drop(idle);
    rig.events.wait(1, is_closed).await;
    assert_eq!(rig.plane.sessions().open, 1);
    answer.send_replace(true);
    let mut rest = Vec::new();
    soon(waiting.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"?");
}

#[tokio::test]
async fn without_a_quiet_moment_it_parts_five_seconds_after_the_end() {
    let upstream = Upstream::mute().await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    client.write_all(b"anybody?").await.unwrap();
    rig.events
        .wait(1, |event| matches!(event, Event::SessionStalled { .. }))
        .await;
    let start = Instant::now();
    rig.close(upstream.address, Which::All, Pace::Quiet(NOW));
    assert!(ends_by_fin(&mut client).await);
    assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn kept_sessions_stay() {
    let (upstream, other) = (Upstream::echo().await, Upstream::echo().await);
    let rig = Rig::start(&[upstream.address]);
    let mut kept = clients(&rig, 10).await;
    rig.publish(&[other.address]);
    let mut lost = clients(&rig, 10).await;
    // A second of grace for the machine: the order to keep comes right behind.
    rig.close(
        upstream.address,
        Which::All,
        Pace::Reset(Duration::from_secs(600)),
    );
    rig.plane.keep_sessions(upstream.address);
    rig.close(
        other.address,
        Which::All,
        Pace::Reset(Duration::from_millis(1_500)),
    );
    for client in &mut lost {
        assert!(!ends_by_fin(client).await);
    }
    let mut still = 0;
    for client in &mut kept {
        echo(client, b"x").await;
        still += 1;
    }
    // The first of ten within ten minutes may have had its moment before it was kept: no.
    assert_eq!(still, 10);
}

#[tokio::test]
async fn stalls_and_progress_are_told_at_their_pace() {
    let (answer, _) = tokio::sync::watch::channel(false);
    let upstream = hesitant(&answer).await;
    let rig = Rig::start(&[upstream.address]);
    let mut waiting = clients(&rig, 20).await;
    let mut busy = rig.echoed_client().await;
    let start = Instant::now();
    for client in &mut waiting {
        client.write_all(b"?").await.unwrap();
    }
    let is_stalled = |event: &Event| matches!(event, Event::SessionStalled { .. });
    let is_progress = |event: &Event| matches!(event, Event::SessionsProgressed { .. });
    let mut exchanges = 0;
    while rig.events.count(is_progress) < 3 {
        echo(&mut busy, b"x").await;
        exchanges += 1;
    }
    assert!(exchanges > 10, "{exchanges}");
    let times = rig.events.times(is_progress);
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= Duration::from_millis(900)),
        "{times:?}"
    );
    rig.events.wait(1, is_stalled).await;
    let stalls = rig.events.times(is_stalled);
    assert!(stalls[0] - start >= Duration::from_millis(990));
    assert!(
        stalls
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= Duration::from_millis(200)),
        "{stalls:?}"
    );
    assert!(stalls.len() < 20, "not one for each session");
}

#[tokio::test]
async fn a_shutdown_takes_no_new_clients_and_waits_for_answers() {
    let (answer, _) = tokio::sync::watch::channel(false);
    let upstream = hesitant(&answer).await;
    let rig = Rig::start(&[upstream.address]);
    let (mut idle, mut waiting) = (rig.echoed_client().await, rig.echoed_client().await);
    waiting.write_all(b"?").await.unwrap();
    let clients = async {
        assert!(ends_by_fin(&mut idle).await);
        drop(idle);
        rig.events.wait(1, is_closed).await;
        assert!(
            TcpStream::connect(rig.address).await.is_err(),
            "nobody listens any more"
        );
        answer.send_replace(true);
        let mut rest = Vec::new();
        soon(waiting.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"?");
        drop(waiting);
    };
    tokio::join!(soon(rig.plane.finish(Duration::from_secs(50))), clients);
    assert_eq!((rig.events.count(is_opened), rig.events.count(is_closed)), (2, 2));
    assert_eq!(rig.plane.sessions().open, 0);
}

#[tokio::test]
async fn a_shutdown_ends_when_its_time_is_over() {
    let upstream = Upstream::mute().await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.client().await;
    client.write_all(b"anybody?").await.unwrap();
    rig.events.wait(1, is_opened).await;
    let start = Instant::now();
    soon(rig.plane.finish(Duration::from_secs(1))).await;
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(rig.events.count(is_closed), 1);
}

#[tokio::test]
async fn an_abort_resets_everything() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let mut clients = clients(&rig, 5).await;
    rig.plane.abort();
    for client in &mut clients {
        assert!(!ends_by_fin(client).await);
    }
    rig.events.wait(5, is_closed).await;
}

#[tokio::test]
async fn stop_accepting_leaves_sessions_alone() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let mut client = rig.echoed_client().await;
    rig.plane.stop_accepting();
    soon(async {
        // Taken by the last sweep of the backlog, or refused: in the end refused.
        while TcpStream::connect(rig.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    echo(&mut client, b"still here").await;
}
