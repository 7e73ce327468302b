//! Real ClientHellos from rustls, and everything that is none.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;

fn hello_with(versions: &[&'static SupportedProtocolVersion], alpn: Vec<Vec<u8>>) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn;
    let mut client = ClientConnection::new(Arc::new(config), "kubernetes".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    hello
}

fn hello() -> Vec<u8> {
    hello_with(
        rustls::DEFAULT_VERSIONS,
        vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    )
}

/// The same handshake message in records of at most `size` bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let pieces = hello[5..].chunks(size);
    pieces
        .flat_map(|piece| {
            let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
            [&[22, 3, 1], &length[..], piece].concat()
        })
        .collect()
}

/// The same with one more extension.
fn with_extension(hello: &[u8], kind: u16) -> Vec<u8> {
    let mut body = hello[9..].to_vec();
    let mut at = 34;
    at += 1 + usize::from(body[at]);
    at += 2 + number(&body[at..at + 2]);
    at += 1 + usize::from(body[at]);
    let extensions = number(&body[at..at + 2]) + 4;
    body[at..at + 2].copy_from_slice(&u16::try_from(extensions).unwrap().to_be_bytes());
    body.extend_from_slice(&kind.to_be_bytes());
    body.extend_from_slice(&[0, 0]);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&[22, 3, 1], &length[..], &message].concat()
}

#[test]
fn real_hellos_of_both_versions_are_complete() {
    for versions in [
        rustls::DEFAULT_VERSIONS,
        &[&rustls::version::TLS12],
        &[&rustls::version::TLS13],
    ] {
        assert_eq!(judge(&hello_with(versions, Vec::new())), Verdict::Complete);
    }
}

#[test]
fn every_beginning_of_a_hello_is_incomplete() {
    for flight in [hello(), in_records(&hello(), 1), in_records(&hello(), 100)] {
        for length in 0..flight.len() {
            assert_eq!(
                judge(&flight[..length]),
                Verdict::Incomplete,
                "{length} of {}",
                flight.len()
            );
        }
        assert_eq!(judge(&flight), Verdict::Complete);
    }
}

#[test]
fn nothing_may_follow() {
    for flight in [hello(), in_records(&hello(), 50)] {
        for more in [&[0][..], &[22], &[23, 3, 3, 0, 1, 0], &flight] {
            assert_eq!(judge(&[&flight, more].concat()), Verdict::Other);
        }
    }
    // A second message in the same record.
    let mut longer = hello();
    let length = u16::try_from(longer.len() - 5 + 1).unwrap().to_be_bytes();
    longer[3..5].copy_from_slice(&length);
    assert_eq!(judge(&longer), Verdict::Other, "announced already");
    longer.push(0);
    assert_eq!(judge(&longer), Verdict::Other);
}

#[test]
fn early_data_is_never_a_flight() {
    assert_eq!(
        judge(&with_extension(&hello(), 43_690)),
        Verdict::Complete,
        "the test's own extension is well-formed"
    );
    assert_eq!(judge(&with_extension(&hello(), 42)), Verdict::Other);
}

#[test]
fn sixteen_kibibytes_and_no_more() {
    let sized = |size: usize| {
        let bare = hello_with(rustls::DEFAULT_VERSIONS, vec![vec![b'a'; 255]; 50]).len();
        let mut alpn = vec![vec![b'a'; 255]; 50];
        let mut missing = size - bare;
        while missing > 0 {
            let name = (missing - 1).min(if missing == 257 { 200 } else { 255 });
            alpn.push(vec![b'a'; name]);
            missing -= name + 1;
        }
        let hello = hello_with(rustls::DEFAULT_VERSIONS, alpn);
        assert_eq!(hello.len(), size);
        hello
    };
    assert_eq!(judge(&sized(FLIGHT_MAX)), Verdict::Complete);
    assert_eq!(judge(&sized(FLIGHT_MAX + 1)), Verdict::Other);
}

#[test]
fn what_other_clients_say_first_is_known_at_once() {
    for first in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0",
        b"SSH-2.0",
        &[0],
        &[21, 3, 3, 0, 2, 1, 0],
    ] {
        assert_eq!(judge(first), Verdict::Other);
        assert_eq!(judge(&first[..1]), Verdict::Other);
    }
    assert_eq!(judge(&[22, 3, 1, 0, 0]), Verdict::Other, "an empty record");
    assert_eq!(
        judge(&[22, 3, 1, 64, 1]),
        Verdict::Other,
        "a record longer than records may be"
    );
    assert_eq!(judge(&[22, 3, 1, 0, 4, 2]), Verdict::Other, "a ServerHello");
    assert_eq!(
        judge(&[22, 3, 1, 0, 4, 1, 0, 64, 0]),
        Verdict::Other,
        "a hello longer than flights may be"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        judge(&bytes);
    }

    /// What is no flight does not become one by going on: the copy may take over for good.
    #[test]
    fn other_stays_other(at in 0usize..300, byte: u8, cut in 0usize..600) {
        let mut flight = hello();
        let at = at % flight.len();
        flight[at] = byte;
        let cut = cut % flight.len();
        if judge(&flight[..cut]) == Verdict::Other {
            prop_assert_eq!(judge(&flight), Verdict::Other);
        }
    }

    #[test]
    fn however_it_is_cut_into_records_it_is_the_same(size in 1usize..600, kind in 100u16..) {
        let flight = with_extension(&hello(), kind);
        prop_assert_eq!(judge(&in_records(&flight, size)), Verdict::Complete);
    }
}
