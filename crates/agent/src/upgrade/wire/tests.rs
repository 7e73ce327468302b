//! Hostile and broken messages: each is an error in words, none a panic, and descriptors come across.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use jackline_proxy::{AtRest, EstablishedState, SessionState, Stage};
use proptest::prelude::*;

use super::super::told;
use super::*;

fn pair() -> (Wire, Wire) {
    let (own, other) = Wire::pair().expect("a pair");
    (own, Wire::over(other).expect("an end"))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    (near, listener.accept().expect("accepted").0)
}

#[test]
fn messages_and_descriptors_come_across() {
    let (old, new) = pair();
    let (mut near, far) = connection();
    let thing = Message::Thing(Thing::Listener { managers: true });
    old.say(&thing, &[far.as_fd()]).expect("said");
    let (message, mut beside) = new.hear(soon()).expect("heard");
    assert_eq!((message, beside.len()), (thing, 1));
    let mut sent = TcpStream::from(beside.remove(0));
    sent.write_all(b"x").expect("it is the very socket");
    let mut byte = [0];
    near.read_exact(&mut byte).expect("read");
    drop(old);
    assert!(matches!(new.hear(soon()), Err(WireError::Gone)));
}

#[test]
fn a_session_with_bytes_comes_across_whole() {
    let (old, new) = pair();
    let ((_client, ours), (theirs, _upstream)) = (connection(), connection());
    let up: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[1]).collect();
    let state = SessionState {
        endpoint: Some("[fd00::1]:6443".parse().expect("an address")),
        age: Duration::from_secs(70),
        asked: Some(Duration::from_millis(5)),
        heard: None,
        handshake: true,
        bytes: [7, u64::MAX],
        stage: Stage::Established(EstablishedState {
            broken: Some(104),
            ..EstablishedState::default()
        }),
    };
    let sender = std::thread::spawn({
        let (state, up) = (state.clone(), up.clone());
        move || {
            let session = AtRest {
                state,
                client: ours.as_fd(),
                upstream: Some(theirs.as_fd()),
                up: &up,
                down: b"down",
            };
            told::tell(&old, jackline_core::Service::Api, &session).expect("told");
        }
    });
    let (Message::Session(told), beside) = new.hear(soon()).expect("heard") else {
        panic!("no session")
    };
    let moved = told::hear(&new, &told, beside, soon()).expect("whole");
    sender.join().expect("sent");
    assert_eq!((moved.state(), moved.held()), (&state, [up.len(), 4]));
}

#[test]
fn who_says_nothing_is_late_and_what_is_too_long_is_odd() {
    let (old, new) = pair();
    let late = new.hear(Instant::now() + Duration::from_millis(10));
    assert!(matches!(late, Err(WireError::Late(_))), "{late:?}");
    assert!(
        old.send(&vec![b'x'; PACKET_MAX + 1], &[]).is_err(),
        "not even said"
    );
    rustix::net::send(&old.0, &vec![b' '; PACKET_MAX + 1], SendFlags::empty()).expect("sent");
    assert!(matches!(new.hear(soon()), Err(WireError::Odd(_))));
    let (near, _far) = connection();
    let crowd = [near.as_fd(); DESCRIPTORS_MAX + 1];
    assert!(old.say(&Message::Offered, &crowd).is_err());
}

#[test]
fn bytes_that_were_not_told_of_are_refused() {
    let (old, new) = pair();
    old.say_bytes(b"12345").expect("said");
    assert!(matches!(new.hear_bytes(4, soon()), Err(WireError::Odd(_))));
}

#[test]
fn an_unknown_message_field_or_variant_is_refused() {
    for text in [
        "",
        "{}",
        "null",
        "\"yours\" ",
        "{\"offer\":{}}",
        "{\"offer\":{\"version\":-1}}",
        "{\"offer\":{\"version\":1,\"more\":1}}",
        "{\"later\":{}}",
        "{\"session\":{\"service\":\"api\"}}",
        "{\"all\":{\"sessions\":1e99}}",
    ] {
        let known: Result<Message, _> = serde_json::from_slice(text.as_bytes());
        assert!(known.is_err() || text.starts_with("\"yours\""), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_a_message_or_an_error(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..8)) {
        let (old, new) = pair();
        for packet in &packets {
            old.send(packet, &[]).expect("sent");
        }
        drop(old);
        for _ in &packets {
            if let Ok((Message::Session(told), beside)) = new.hear(soon()) {
                let _ = told::hear(&new, &told, beside, soon());
            }
        }
    }

    #[test]
    fn a_mangled_session_is_a_session_or_an_error(at in 0usize..400, byte in any::<u8>()) {
        let mut text = br#"{"session":{"service":"api","endpoint":"10.0.0.1:6443","age":1,"asked":null,"heard":5,"handshake":false,"bytes":[1,2],"held":[3,0],"stage":{"established":{"up":[false,true,false],"down":[false,false,false],"ended_by_upstream":true,"broken":null}}}}"#.to_vec();
        let at = at % text.len();
        text[at] = byte;
        let (old, new) = pair();
        let ((near, _a), (far, _b)) = (connection(), connection());
        old.send(&text, &[near.as_fd(), far.as_fd()]).expect("sent");
        old.say_bytes(b"abc").expect("sent");
        drop(old);
        if let Ok((Message::Session(told), beside)) = new.hear(soon()) {
            let _ = told::hear(&new, &told, beside, soon());
        }
    }
}
