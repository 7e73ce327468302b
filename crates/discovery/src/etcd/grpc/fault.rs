//! What went wrong with an answer: gRPC's own status, or a connection that broke, in words that tell whose fault it is.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName};

use super::PING_ANSWERED_WITHIN;
use crate::ask_error::{AskError, chain, foreign_words};

/// gRPC's own header lines.
pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// How the TLS library tells that a connection ended without the farewell that is due.
const NO_FAREWELL: &str = "close_notify";

/// How it tells that the other side refused us.
const ALERT: &str = "received fatal alert";

/// The status that ends every answer.
pub(super) fn judge_status(trailers: &HeaderMap) -> Result<(), AskError> {
    let code = trailers.get(GRPC_STATUS).and_then(|value| value.to_str().ok());
    let Some(code) = code.and_then(|digits| digits.parse().ok()) else {
        return Err(AskError::NotGrpc("an answer without a status".to_owned()));
    };
    if code == 0 {
        return Ok(());
    }
    let message = trailers
        .get(GRPC_MESSAGE)
        .map(|value| foreign_words(&percent_decoded(value.as_bytes())))
        .unwrap_or_default();
    Err(AskError::Rpc { code, message })
}

/// What it means that a connection broke before the head of an answer. With TLS 1.3 a member that wants another
/// certificate says so only now, and closes; which of the two arrives first is chance.
pub(super) fn closed_at_once(error: &hyper::Error) -> AskError {
    let words = chain(error);
    let closed = [ALERT, "broken pipe", "reset", NO_FAREWELL];
    match error.is_canceled() || closed.iter().any(|sign| words.contains(sign)) {
        true => AskError::ShutOut(foreign_words(&words)),
        false => AskError::NotGrpc(foreign_words(&words)),
    }
}

/// What it means that a stream broke after `silence`. The HTTP/2 library gives all of these one type.
pub(super) fn cut_off(error: &hyper::Error, silence: Duration) -> AskError {
    let words = chain(error);
    if words.contains("broken pipe") && silence >= PING_ANSWERED_WITHIN {
        AskError::NoPong(PING_ANSWERED_WITHIN)
    } else if words.contains(NO_FAREWELL) {
        AskError::CutOff("the connection ended without a word".to_owned())
    } else {
        AskError::CutOff(foreign_words(&words))
    }
}

/// With TLS 1.2 a member that wants another certificate says so in the handshake already.
pub(super) fn shut_out(error: AskError) -> AskError {
    match error {
        AskError::Handshake(words) if words.contains(ALERT) => AskError::ShutOut(words),
        other => other,
    }
}

/// A `grpc-message`, in which odd bytes are written as `%XX`.
fn percent_decoded(text: &[u8]) -> String {
    let hex = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let pair = |after: &[u8]| Some(hex(*after.first()?)? << 4 | hex(*after.get(1)?)?);
        match (first, pair(after)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_in_the_servers_words_made_fit_for_a_line() {
        let mut trailers = HeaderMap::new();
        assert!(matches!(judge_status(&trailers), Err(AskError::NotGrpc(_))));
        trailers.insert(GRPC_STATUS, "0".parse().expect("a value"));
        assert!(judge_status(&trailers).is_ok());
        trailers.insert(GRPC_STATUS, "14".parse().expect("a value"));
        trailers.insert(
            GRPC_MESSAGE,
            "etcdserver: no%20leader%0A%zz%".parse().expect("a value"),
        );
        let error = judge_status(&trailers).expect_err("a refusal").to_string();
        assert_eq!(
            error,
            "it answered with gRPC status 14 (etcdserver: no leader %zz%)"
        );
        trailers.insert(GRPC_STATUS, "-1".parse().expect("a value"));
        assert!(matches!(judge_status(&trailers), Err(AskError::NotGrpc(_))));
    }
}
