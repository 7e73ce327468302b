//! Recognises a complete TLS ClientHello, strictly: the only bytes that may ever be sent to a second server (S4).
//!
//! A ClientHello asks for nothing yet, so that a server that got it in vain has done nothing. That holds only if the
//! bytes are exactly one such message: nothing behind it, and no early data announced, which would be a request already.
//! Whatever is not clearly that is [`Verdict::Other`]. What the message says is nobody's business here.

use std::borrow::Cow;

/// The longest flight that is recognised, record headers included, in bytes.
pub(crate) const FLIGHT_MAX: usize = 16 * 1024;

/// `handshake` among the content types of records.
const RECORD_HANDSHAKE: u8 = 22;
/// The first byte of every version from SSL 3.0 to TLS 1.3.
const VERSION_MAJOR: u8 = 3;
/// The highest second byte of a version that a client puts there (TLS 1.3 itself stays at 3).
const VERSION_MINOR_MAX: u8 = 4;
/// The most that one record carries, in bytes.
const RECORD_MAX: usize = 1 << 14;
/// `client_hello` among the handshake messages.
const MESSAGE_CLIENT_HELLO: u8 = 1;
/// Type and length before a handshake message's body, in bytes.
const MESSAGE_HEAD: usize = 4;
/// `early_data` among the extensions.
const EXTENSION_EARLY_DATA: usize = 42;

/// What the bytes are that a client has sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They may become a ClientHello.
    Incomplete,
    /// They are one, whole, and nothing else.
    Complete,
    /// They are something else, and stay so whatever follows.
    Other,
}

/// Judges all that a client has sent so far.
pub(crate) fn judge(bytes: &[u8]) -> Verdict {
    match whole_message(bytes) {
        None => Verdict::Other,
        Some(None) => Verdict::Incomplete,
        Some(Some(body)) => match is_hello_without_early_data(&body) {
            Some(true) => Verdict::Complete,
            _ => Verdict::Other,
        },
    }
}

/// The body of the one handshake message in `bytes`; `Some(None)`: not all of it is there; `None`: they are none.
fn whole_message(bytes: &[u8]) -> Option<Option<Cow<'_, [u8]>>> {
    if bytes.len() > FLIGHT_MAX {
        return None;
    }
    let mut message: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut announced = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        if wanted(&message)?.is_some_and(|wanted| announced >= wanted) {
            // The message is over, or will be at the end of the last record: nothing may follow.
            return None;
        }
        let (payload, length, behind) = record(rest)?;
        announced += length.unwrap_or(0);
        if message.is_empty() {
            message = Cow::Borrowed(payload);
        } else {
            message.to_mut().extend_from_slice(payload);
        }
        rest = behind;
    }
    let Some(wanted) = wanted(&message)? else {
        return Some(None);
    };
    if announced > wanted || message.len() > wanted {
        return None;
    }
    if message.len() < wanted {
        return Some(None);
    }
    Some(Some(match message {
        Cow::Borrowed(message) => Cow::Borrowed(&message[MESSAGE_HEAD..]),
        Cow::Owned(mut message) => Cow::Owned(message.split_off(MESSAGE_HEAD)),
    }))
}

/// How long the message that starts so is, its head included; `Some(None)`: not told yet; `None`: it is no ClientHello.
fn wanted(message: &[u8]) -> Option<Option<usize>> {
    if message.first().is_some_and(|kind| *kind != MESSAGE_CLIENT_HELLO) {
        return None;
    }
    let Some(length) = message.get(1..MESSAGE_HEAD) else {
        return Some(None);
    };
    let wanted = MESSAGE_HEAD + number(length);
    (wanted <= FLIGHT_MAX).then_some(Some(wanted))
}

/// The first record in `bytes`: as much of its payload as is there, its length if that is there, and what follows it.
type Record<'a> = (&'a [u8], Option<usize>, &'a [u8]);

/// Takes the first record off `bytes`; `None`: it is no handshake record.
fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let fits = |at: usize, fit: &dyn Fn(u8) -> bool| bytes.get(at).is_none_or(|byte| fit(*byte));
    if !fits(0, &|kind| kind == RECORD_HANDSHAKE)
        || !fits(1, &|major| major == VERSION_MAJOR)
        || !fits(2, &|minor| minor <= VERSION_MINOR_MAX)
    {
        return None;
    }
    let Some(length) = bytes.get(3..5).map(number) else {
        return Some((&[], None, &[]));
    };
    if length == 0 || length > RECORD_MAX {
        return None;
    }
    let payload = &bytes[5..];
    let (payload, behind) = payload.split_at(length.min(payload.len()));
    Some((payload, Some(length), behind))
}

/// Whether the body is a well-formed ClientHello that announces no early data; `None`: it is not well-formed.
fn is_hello_without_early_data(body: &[u8]) -> Option<bool> {
    let mut body = Reader(body);
    let version = body.take(2)?;
    if version[0] != VERSION_MAJOR || version[1] > VERSION_MINOR_MAX {
        return None;
    }
    let _random = body.take(32)?;
    if body.vector(1)?.len() > 32 {
        return None;
    }
    let suites = body.vector(2)?;
    if suites.is_empty() || suites.len() % 2 != 0 {
        return None;
    }
    if body.vector(1)?.is_empty() {
        return None;
    }
    if body.0.is_empty() {
        // TLS 1.2 and older may leave the extensions out.
        return Some(true);
    }
    let mut extensions = Reader(body.vector(2)?);
    if !body.0.is_empty() {
        return None;
    }
    let mut early_data = false;
    while !extensions.0.is_empty() {
        early_data |= number(extensions.take(2)?) == EXTENSION_EARLY_DATA;
        extensions.vector(2)?;
    }
    Some(!early_data)
}

/// Takes pieces off the front of a slice, never beyond its end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (piece, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(piece)
    }

    /// A piece whose length stands before it in `width` bytes.
    fn vector(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = number(self.take(width)?);
        self.take(length)
    }
}

/// Up to three bytes, big-endian.
fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests;
