//! Endings: exactly one for each refresh, one for each watch, in the right order.

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::*;

fn slot() -> (Arc<Slot>, UnboundedReceiver<Event>) {
    let (send, events) = unbounded_channel();
    let sink: Sink = Arc::new(move |event| drop(send.send(event)));
    (Slot::new(SourceId(3), sink), events)
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
    timeout(Duration::from_secs(30), events.recv())
        .await
        .expect("an event in time")
        .expect("an open sink")
}

fn watched() -> Report {
    Report {
        mode: Mode::Watch,
        ..Report::default()
    }
}

fn failed_with(event: &Event, id: u64, words: &str) -> bool {
    matches!(event, Event::SourceFailed { source: SourceId(3), refresh: RefreshId(r), failure }
        if *r == id && failure.reason.contains(words))
}

fn watch_ended_with(event: &Event, id: u64, words: &str) -> bool {
    matches!(event, Event::WatchEnded { refresh: RefreshId(r), reason, .. } if *r == id && reason.contains(words))
}

#[tokio::test]
async fn a_panic_ends_the_refresh() {
    let (slot, mut events) = slot();
    slot.start(RefreshId(1), |_voice| async move {
        let _held = _voice;
        panic!("on purpose");
    });
    assert!(failed_with(&next(&mut events).await, 1, "without an answer"));
    drop(slot);
    assert!(events.recv().await.is_none(), "one ending only");
}

#[tokio::test]
async fn a_panic_of_the_watch_ends_the_watch() {
    let (slot, mut events) = slot();
    slot.start(RefreshId(1), |voice| async move {
        voice.report(watched());
        panic!("on purpose");
    });
    assert!(matches!(
        next(&mut events).await,
        Event::SourceReported { position: 0, .. }
    ));
    assert!(watch_ended_with(&next(&mut events).await, 1, "without an answer"));
    drop(slot);
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn a_newer_refresh_supersedes_one_that_still_asks() {
    let (slot, mut events) = slot();
    slot.start(RefreshId(1), |voice| async move {
        pending::<()>().await;
        drop(voice);
    });
    slot.start(RefreshId(2), |voice| async move {
        voice.report(Report::default());
    });
    assert!(failed_with(
        &next(&mut events).await,
        1,
        "superseded by refresh 2"
    ));
    let event = next(&mut events).await;
    assert!(
        matches!(
            event,
            Event::SourceReported {
                refresh: RefreshId(2),
                position: 0,
                ..
            }
        ),
        "{event:?}"
    );
    drop(slot);
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn an_open_watch_stays_until_the_newer_refresh_has_its_answer() {
    let (slot, mut events) = slot();
    let (change, mut changes) = unbounded_channel::<()>();
    slot.start(RefreshId(1), |voice| async move {
        voice.report(watched());
        while changes.recv().await.is_some() {
            voice.report(watched());
        }
    });
    assert!(matches!(
        next(&mut events).await,
        Event::SourceReported { position: 0, .. }
    ));
    let (answer, answered) = tokio::sync::oneshot::channel::<()>();
    slot.start(RefreshId(2), |voice| async move {
        answered.await.expect("the test answers");
        voice.report(watched());
        pending::<()>().await;
    });
    change.send(()).expect("the watch lives");
    let event = next(&mut events).await;
    assert!(
        matches!(
            event,
            Event::SourceReported {
                refresh: RefreshId(1),
                position: 1,
                ..
            }
        ),
        "{event:?}"
    );
    answer.send(()).expect("it still asks");
    let event = next(&mut events).await;
    assert!(
        matches!(
            event,
            Event::SourceReported {
                refresh: RefreshId(2),
                position: 0,
                ..
            }
        ),
        "{event:?}"
    );
    assert!(watch_ended_with(
        &next(&mut events).await,
        1,
        "replaced by refresh 2"
    ));
    slot.stop("shut down");
    assert!(watch_ended_with(&next(&mut events).await, 2, "shut down"));
}

#[tokio::test]
async fn a_failed_refresh_leaves_the_older_watch_alone() {
    let (slot, mut events) = slot();
    slot.start(RefreshId(1), |voice| async move {
        voice.report(watched());
        pending::<()>().await;
    });
    assert!(matches!(next(&mut events).await, Event::SourceReported { .. }));
    slot.start(RefreshId(2), |voice| async move {
        voice.fail(failure("nobody answered".to_owned()))
    });
    assert!(failed_with(&next(&mut events).await, 2, "nobody answered"));
    slot.stop("shut down");
    assert!(
        watch_ended_with(&next(&mut events).await, 1, "shut down"),
        "it was still open"
    );
}

#[tokio::test]
async fn further_answers_count_their_positions_and_supersession_after_the_first_is_silent() {
    let (slot, mut events) = slot();
    slot.start(RefreshId(1), |voice| async move {
        assert!(voice.report(Report::default()));
        assert!(voice.report(Report::default()));
        pending::<()>().await;
    });
    for at in 0..2 {
        assert!(matches!(next(&mut events).await, Event::SourceReported { position, .. } if position == at));
    }
    slot.start(RefreshId(2), |voice| async move {
        voice.fail(failure("no".to_owned()))
    });
    assert!(
        failed_with(&next(&mut events).await, 2, "no"),
        "refresh 1 has had its ending"
    );
}
