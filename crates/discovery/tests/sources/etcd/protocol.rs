//! What real members never say, or not when asked to: broken answers, endless ones, and each way in which a watch can end.

use jackline_core::Mode;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::false_member::{End, FalseMember, Say, bytes, framed, number};
use super::{LIST, asked, lease, refused, stand, watch_end};
use crate::server::{Reply, Server};
use crate::stand::{Pki, Stand, listed};

/// Cluster 7 at revision 42.
fn header() -> Vec<u8> {
    bytes(1, [number(1, 7), number(3, 42)].concat())
}

/// The answer to a read of these keys.
fn found(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut answer = header();
    for (key, value) in pairs {
        answer.extend(bytes(2, [bytes(1, key), bytes(5, value)].concat()));
    }
    answer
}

fn created() -> Vec<u8> {
    [header(), number(3, 1)].concat()
}

/// A watch's event: `put` or else deleted.
fn event(put: bool, key: &str, value: &str) -> Vec<u8> {
    let kv = bytes(2, [bytes(1, key), bytes(5, value)].concat());
    let kind = number(1, u64::from(!put));
    [header(), bytes(11, [kind, kv].concat())].concat()
}

/// A member with one lease, 10.0.0.1, whose watch says what `watch` does.
async fn member(pki: &Pki, watch: impl Fn() -> Say + Send + Sync + 'static) -> FalseMember {
    FalseMember::start(pki, move |path| match path {
        "/etcdserverpb.Watch/Watch" => watch(),
        "/etcdserverpb.KV/Txn" => Say::good(&at_once()),
        "/etcdserverpb.Cluster/MemberList" => Say::good(&header()),
        other => panic!("a call of {other}"),
    })
    .await
}

/// The answer to the reads of the leases and of the two lists at once.
fn at_once() -> Vec<u8> {
    let ranges = [found(&[(&lease("10.0.0.1"), "")]), found(&[]), found(&[])];
    let responses = ranges.map(|range| bytes(3, bytes(1, range)));
    [header(), responses.concat()].concat()
}

/// The source with its watch open, and where to send what the watch is to say.
async fn opened(pki: &Pki) -> (Stand, UnboundedSender<Vec<u8>>, FalseMember) {
    let (send, later) = unbounded_channel();
    let later = std::sync::Mutex::new(Some(later));
    let member = member(pki, move || {
        Say::open(
            &[created(), created(), created()],
            later.lock().expect("never poisoned").take(),
        )
    })
    .await;
    let mut stand = stand(pki, &[member.endpoint()]);
    let report = asked(&mut stand, 1).await;
    assert_eq!((report.verified, report.mode), (true, Mode::Watch), "{report:?}");
    assert_eq!(listed(&report), ["10.0.0.1"]);
    (stand, send, member)
}

#[tokio::test]
async fn a_member_that_answers_no_transaction_is_asked_for_the_parts() {
    let pki = Pki::new();
    let member = FalseMember::start(&pki, |path| match path {
        "/etcdserverpb.KV/Txn" => Say {
            end: End::Status("12"),
            ..Say::good(&[])
        },
        "/etcdserverpb.KV/Range" => Say::good(&found(&[(&lease("10.0.0.1"), "")])),
        "/etcdserverpb.Cluster/MemberList" => Say::good(&header()),
        _ => Say {
            end: End::Status("12"),
            ..Say::good(&[])
        },
    })
    .await;
    let mut stand = stand(&pki, &[member.endpoint()]);
    let report = asked(&mut stand, 1).await;
    assert_eq!((report.verified, report.mode), (true, Mode::Poll), "{report:?}");
    assert_eq!(listed(&report), ["10.0.0.1"]);
}

#[tokio::test]
async fn a_broken_answer_fails_the_read_with_words_of_its_own() {
    fn say(change: impl FnOnce(&mut Say)) -> Say {
        let mut say = Say::good(&found(&[]));
        change(&mut say);
        say
    }
    type Case = (fn() -> Say, &'static str);
    let cases: [Case; 11] = [
        (|| say(|say| say.head = (404, "text/plain")), "HTTP status 404"),
        (|| say(|say| say.head = (200, "text/html")), "text/html"),
        (|| say(|say| say.pieces = vec![vec![1, 0, 0, 0, 0]]), "compressed"),
        (
            || say(|say| say.pieces = vec![framed(&[0xff; 9])]),
            "makes no sense",
        ),
        (|| say(|say| say.pieces = vec![framed(b"")]), "does not say whose"),
        (|| say(|say| say.pieces.clear()), "without a message"),
        (|| say(|say| say.pieces.push(framed(b""))), "two messages"),
        (
            || say(|say| say.pieces.push(vec![0, 0])),
            "in the middle of a message",
        ),
        (|| say(|say| say.end = End::Bare), "without a status"),
        (|| say(|say| say.end = End::Status("13")), "gRPC status 13"),
        // Its length alone is enough: nothing more is waited for.
        (
            || say(|say| (say.pieces, say.end) = (vec![vec![0, 0xff, 0xff, 0xff, 0xff]], End::Never)),
            "larger than 256 KiB",
        ),
    ];
    let pki = Pki::new();
    for (said, words) in cases {
        let member = FalseMember::start(&pki, move |_| said()).await;
        let mut stand = stand(&pki, &[member.endpoint()]);
        let reason = refused(&mut stand, 1).await;
        assert!(reason.contains(words), "{words}: {reason}");
    }
}

#[tokio::test]
async fn an_apiserver_is_no_member() {
    let pki = Pki::new();
    let server = Server::start_as(&pki, &pki.identity_as("127.0.0.1", |_| {}), |_| {
        Reply::Json(200, "{}".to_owned())
    })
    .await;
    let endpoint = format!("https://{}", server.address).parse().expect("an address");
    let reason = refused(&mut stand(&pki, &[endpoint]), 1).await;
    assert!(
        reason.contains("is this etcd's client port?") && server.paths().is_empty(),
        "{reason}"
    );
}

#[tokio::test]
async fn a_watch_says_each_change_and_progress_is_none() {
    let pki = Pki::new();
    let (mut stand, send, _member) = opened(&pki).await;
    send.send(framed(&header())).unwrap();
    send.send(framed(&event(true, &lease("10.0.0.2"), ""))).unwrap();
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1", "10.0.0.2"]);
    send.send(framed(&event(false, &lease("10.0.0.1"), ""))).unwrap();
    let (refresh, position, report) = stand.report().await;
    assert_eq!(
        (refresh, position, listed(&report)),
        (1, 2, vec!["10.0.0.2".to_owned()])
    );
    send.send(framed(&event(true, LIST, "rubbish"))).unwrap();
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (report.verified, listed(&report)),
        (false, vec!["10.0.0.2".to_owned()])
    );
}

#[tokio::test]
async fn a_compacted_history_ends_the_watch() {
    let pki = Pki::new();
    let (mut stand, send, _member) = opened(&pki).await;
    send.send(framed(&[header(), number(4, 1), number(5, 99)].concat()))
        .unwrap();
    let (refresh, reason) = watch_end(&mut stand).await;
    assert_eq!(refresh, 1);
    assert!(
        reason.contains("before revision 99 is gone (compacted)"),
        "{reason}"
    );
    assert!(stand.finish().await.is_empty(), "it ends once");
}

#[tokio::test]
async fn whatever_else_a_member_says_in_a_watch_ends_it() {
    let cancelled = [header(), number(4, 1), bytes(6, "mvcc: denied\nby someone")].concat();
    for (said, words) in [
        (framed(&cancelled), "cancelled it (mvcc: denied by someone)"),
        (framed(&[0xff; 9]), "makes no sense"),
        (vec![0, 0, 0xff, 0xff, 0xff], "larger than 1024 KiB"),
        (vec![7, 0, 0, 0, 0], "compressed"),
        (framed(&header()).repeat(3_000), "floods"),
    ] {
        let pki = Pki::new();
        let (mut stand, send, _member) = opened(&pki).await;
        send.send(said).unwrap();
        let (_, reason) = watch_end(&mut stand).await;
        assert!(reason.contains(words), "{words}: {reason}");
    }
}

#[tokio::test]
async fn a_member_that_goes_ends_its_watch() {
    let pki = Pki::new();
    let (mut stand, _send, member) = opened(&pki).await;
    drop(member);
    let (_, reason) = watch_end(&mut stand).await;
    assert!(reason.contains("broke"), "{reason}");
}

#[tokio::test]
async fn a_watch_that_is_not_to_be_had_makes_it_a_polled_source() {
    type Case = (fn() -> Say, &'static str);
    let cases: [Case; 3] = [
        (
            || Say::open(&[created(), created()], None),
            "nothing came in time",
        ),
        (
            || Say {
                end: End::Status("14"),
                pieces: Vec::new(),
                ..Say::good(b"")
            },
            "gRPC status 14",
        ),
        (
            || {
                Say::open(
                    &[created(), [header(), number(4, 1), number(5, 43)].concat()],
                    None,
                )
            },
            "before revision 43 is gone",
        ),
    ];
    for (said, words) in cases {
        let pki = Pki::new();
        let member = member(&pki, said).await;
        let report = asked(&mut stand(&pki, &[member.endpoint()]), 1).await;
        assert_eq!((report.verified, report.mode), (true, Mode::Poll), "{report:?}");
        assert_eq!(listed(&report), ["10.0.0.1"]);
        assert!(
            report.note.starts_with("no watch: ") && report.note.contains(words),
            "{words}: {}",
            report.note
        );
    }
}

#[tokio::test]
async fn what_changes_while_the_watch_opens_is_not_lost() {
    let pki = Pki::new();
    let member = member(&pki, || {
        let early = event(true, &lease("10.0.0.2"), "");
        Say::open(&[created(), early, created(), created()], None)
    })
    .await;
    let report = asked(&mut stand(&pki, &[member.endpoint()]), 1).await;
    assert_eq!(listed(&report), ["10.0.0.1", "10.0.0.2"]);
}
