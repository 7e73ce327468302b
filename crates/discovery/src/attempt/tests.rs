//! Who is asked when, in virtual time, and what is told of it.

use std::sync::{Arc, Mutex};

use jackline_core::{Event, RefreshId, SourceId};

use super::*;
use crate::refresh::Slot;

fn target(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 6443))
}

fn targets(count: u8) -> Vec<SocketAddr> {
    (1..=count).map(target).collect()
}

/// What became of each attempt, with the time since the start in milliseconds.
type Log = Arc<Mutex<Vec<(u8, u128)>>>;

/// `behaviour` says after how many milliseconds a server answers, and whether well.
fn attempts(count: u8, limit: u64, log: &Log, behaviour: fn(u8) -> (u64, bool)) -> Attempts<'static, u8> {
    let start = Instant::now();
    let log = Arc::clone(log);
    Attempts::new(
        &targets(count),
        start + Duration::from_millis(limit),
        move |target, until| {
            let SocketAddr::V4(v4) = target else {
                unreachable!("IPv4 only")
            };
            let last = v4.ip().octets()[3];
            log.lock().unwrap().push((last, start.elapsed().as_millis()));
            async move {
                let (after, good) = behaviour(last);
                let answer = async {
                    tokio::time::timeout(Duration::from_millis(after), pending::<()>())
                        .await
                        .is_err()
                };
                timeout_at(until, answer)
                    .await
                    .map_err(|_| AskError::TimedOut(Phase::Head))?;
                if good {
                    Ok(last)
                } else {
                    Err(AskError::Nonsense("no".to_owned()))
                }
            }
        },
    )
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_the_next_at_once() {
    let log = Log::default();
    let mut attempts = attempts(3, 10_000, &log, |last| (10, last == 3));
    assert_eq!(attempts.next().await, Some((target(3), 3)));
    assert_eq!(*log.lock().unwrap(), [(1, 0), (2, 10), (3, 20)]);
}

#[tokio::test(start_paused = true)]
async fn silence_starts_the_next_beside_the_first_which_may_still_win() {
    let log = Log::default();
    let mut attempts = attempts(3, 10_000, &log, |last| {
        (if last == 1 { 400 } else { 5_000 }, true)
    });
    assert_eq!(attempts.next().await, Some((target(1), 1)));
    assert_eq!(*log.lock().unwrap(), [(1, 0), (2, 250)]);
}

#[tokio::test(start_paused = true)]
async fn three_are_under_way_at_most_and_silent_ones_make_room_in_time() {
    let log = Log::default();
    let mut attempts = attempts(6, 10_000, &log, |last| {
        (if last == 6 { 10 } else { 1_000_000 }, true)
    });
    assert_eq!(attempts.next().await, Some((target(6), 6)));
    let starts: Vec<u128> = log.lock().unwrap().iter().map(|(_, at)| *at).collect();
    // Two waves share ten seconds.
    assert_eq!(starts, [0, 250, 500, 5_000, 5_250, 5_500]);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_all_and_tells_who_was_silent() {
    let log = Log::default();
    let mut attempts = attempts(2, 1_000, &log, |_| (1_000_000, true));
    attempts.share = Duration::from_secs(100);
    assert_eq!(attempts.next().await, None);
    let failure = attempts.into_failure("the list");
    assert_eq!(failure.tried.len(), 2);
    assert!(
        failure.reason.contains("10.0.0.2:6443: nothing came in time"),
        "{}",
        failure.reason
    );
    assert_eq!(failure.local, None);
}

/// Those above 100 leave a watch open.
impl Answer for u8 {
    fn is_empty(&self) -> bool {
        false
    }

    fn report(&self, answered_by: SocketAddr) -> Report {
        let mode = if *self > 100 { Mode::Watch } else { Mode::Poll };
        Report {
            answered_by: Some(answered_by),
            mode,
            ..Report::default()
        }
    }
}

/// Of four servers the first refuses, the second and the third answer, and the fourth does so late: the first answer,
/// how long all of it took, and what was reported.
async fn relayed(value: u8) -> (Option<u8>, Duration, Vec<Report>) {
    let heard: Arc<Mutex<Vec<Report>>> = Arc::default();
    let sink = Arc::clone(&heard);
    let slot = Slot::new(
        SourceId(0),
        Arc::new(move |event| {
            if let Event::SourceReported { report, .. } = event {
                sink.lock().unwrap().push(report);
            }
        }),
    );
    let start = Instant::now();
    let (done, ended) = tokio::sync::oneshot::channel();
    slot.start(RefreshId(1), |voice| async move {
        let ask = move |target: SocketAddr, _| async move {
            let SocketAddr::V4(v4) = target else {
                unreachable!("IPv4 only")
            };
            let last = v4.ip().octets()[3];
            let answers_at = start + Duration::from_millis(if last == 4 { 3_000 } else { 10 });
            let _ = timeout_at(answers_at, pending::<()>()).await;
            match last {
                1 => Err(AskError::Nonsense("no".to_owned())),
                _ => Ok(value),
            }
        };
        let attempts = Attempts::new(&targets(4), start + Duration::from_secs(10), ask);
        let first = relay(attempts, Breadth::Every, &voice, "the list").await;
        let _ = done.send((first.ok(), start.elapsed()));
    });
    let (first, took) = ended.await.unwrap();
    let heard = heard.lock().unwrap().clone();
    (first, took, heard)
}

#[tokio::test(start_paused = true)]
async fn where_all_are_to_be_heard_a_late_one_is() {
    let (first, took, heard) = relayed(1).await;
    assert_eq!((first, heard.len()), (Some(1), 3));
    assert_eq!(took, Duration::from_secs(3));
    assert_eq!(heard[0].tried, [target(1)], "H6: who gave no answer is told too");
}

#[tokio::test(start_paused = true)]
async fn a_late_one_does_not_keep_an_open_watch_waiting() {
    let (first, took, heard) = relayed(101).await;
    assert_eq!((first, heard.len()), (Some(101), 2));
    assert!(took < Duration::from_millis(1_100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn every_server_is_asked_once_and_a_second_mention_is_not() {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let twice = [target(1), target(1), target(2)];
    let mut attempts = Attempts::new(
        &twice,
        Instant::now() + Duration::from_secs(1),
        move |target, _| {
            seen.lock().unwrap().push((0, 0));
            async move { Ok::<_, AskError>(target) }
        },
    );
    let mut answers = Vec::new();
    while let Some((_, answer)) = attempts.next().await {
        answers.push(answer);
    }
    assert_eq!(answers, [target(1), target(2)]);
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_shortest_pause_asked_for_counts_and_only_shared_local_faults_are_ours() {
    let fail = |last: u8| -> AskError {
        let pause = |seconds| Some(Duration::from_secs(seconds));
        match last {
            1 => AskError::Status {
                code: 429,
                message: String::new(),
                retry_after: pause(9),
                missing: None,
            },
            2 => AskError::Status {
                code: 503,
                message: String::new(),
                retry_after: pause(4),
                missing: None,
            },
            _ => AskError::Local(jackline_core::LocalFault::Descriptors),
        }
    };
    let failure_of = async |who: &[SocketAddr]| {
        let mut attempts = Attempts::new(who, Instant::now() + Duration::from_secs(9), move |target, _| {
            let SocketAddr::V4(v4) = target else {
                unreachable!("IPv4 only")
            };
            let error = fail(v4.ip().octets()[3]);
            async move { Err::<(), _>(error) }
        });
        assert_eq!(attempts.next().await, None);
        attempts.into_failure("the list")
    };
    let all = failure_of(&targets(3)).await;
    assert_eq!((all.retry_after, all.local), (Some(Duration::from_secs(4)), None));
    let ours = failure_of(&[target(3)]).await;
    assert_eq!(ours.local, Some(jackline_core::LocalFault::Descriptors));
    let none = failure_of(&[]).await;
    assert!(none.reason.contains("no server is known"), "{}", none.reason);
}
