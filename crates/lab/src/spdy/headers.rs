//! A stream's headers: name and value pairs, compressed across the whole connection with a dictionary that both sides know
//! (SPDY/3.1, section 2.6.10).
//!
//! What the client sends is inflated. What is sent has no headers, and goes as blocks that are not compressed.

use std::io;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// DEFLATE refers back this far.
const WINDOW: usize = 32 << 10;
/// Bytes of one stream's headers.
const BLOCK_MAX: usize = 64 << 10;
/// Headers of one stream.
const HEADERS_MAX: usize = 64;

/// What zlib puts first: two bytes, and the dictionary's checksum where one is used.
const ZLIB_HEAD: usize = 2;
const ZLIB_CHECKSUM: usize = 4;
const ZLIB_HAS_DICTIONARY: u8 = 0x20;

/// An empty block that is not compressed: what came before it is whole.
const FLUSH: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// The dictionary's first part: each word behind its length in four bytes.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age \
    allow authorization cache-control connection content-base content-encoding content-language content-length \
    content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since \
    if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate \
    proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning \
    www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin";

/// Its second part, as it is.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
    203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct \
    Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,\
    application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8\
    charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in WORDS.split(' ').map(|word| word.replace('_', " ")) {
        bytes.extend([0, 0, 0, u8::try_from(word.len()).unwrap_or(0)]);
        bytes.extend(word.bytes());
    }
    bytes.extend(TAIL.bytes());
    bytes
}

/// The headers of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    pairs: Vec<(String, String)>,
}

impl Headers {
    /// The value of a header, whose name may be in any case.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn read(mut block: &[u8]) -> Option<Self> {
        let count = number(&mut block)?;
        if count > HEADERS_MAX {
            return None;
        }
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((text(&mut block)?, text(&mut block)?));
        }
        Some(Self { pairs })
    }
}

fn number(block: &mut &[u8]) -> Option<usize> {
    let (bytes, rest) = block.split_first_chunk::<4>()?;
    *block = rest;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

fn text(block: &mut &[u8]) -> Option<String> {
    let length = number(block)?;
    let (bytes, rest) = block.split_at_checked(length)?;
    *block = rest;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Reads the headers of one connection's streams, in their order.
pub(super) struct Inflater {
    state: Box<DecompressorOxide>,
    /// A ring of what was inflated last; at first the dictionary is in it.
    window: Vec<u8>,
    at: usize,
    begun: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        let mut window = dictionary();
        let at = window.len();
        window.resize(WINDOW, 0);
        Self {
            state: Box::default(),
            window,
            at,
            begun: false,
        }
    }

    /// # Errors
    /// When the block cannot be inflated, is too large, or is no list of headers. Nothing can be read after it.
    pub(super) fn headers(&mut self, block: &[u8]) -> io::Result<Headers> {
        let wrong = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "not SPDY/3.1: a stream's headers cannot be read",
            )
        };
        let inflated = self.inflate(block).ok_or_else(wrong)?;
        Headers::read(&inflated).ok_or_else(wrong)
    }

    fn inflate(&mut self, block: &[u8]) -> Option<Vec<u8>> {
        let mut input = block;
        if !self.begun {
            let checksum = match input.get(1)? & ZLIB_HAS_DICTIONARY {
                0 => 0,
                _ => ZLIB_CHECKSUM,
            };
            input = input.get(ZLIB_HEAD + checksum..)?;
            self.begun = true;
        }
        let mut inflated = Vec::new();
        loop {
            let (status, read, written) = decompress(
                &mut self.state,
                input,
                &mut self.window,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            inflated.extend_from_slice(self.window.get(self.at..self.at + written)?);
            self.at = (self.at + written) % WINDOW;
            input = input.get(read..)?;
            match status {
                _ if inflated.len() > BLOCK_MAX => return None,
                TINFLStatus::NeedsMoreInput => return Some(inflated),
                TINFLStatus::HasMoreOutput => {}
                _ => return None,
            }
        }
    }
}

/// Writes the headers of the answers to one connection's streams: none.
#[derive(Default)]
pub(super) struct Replies {
    begun: bool,
}

impl Replies {
    pub(super) fn next(&mut self) -> Vec<u8> {
        // zlib's two bytes, without a dictionary; then the number of headers, nought, in a block that is not compressed.
        let head: &[u8] = if self.begun { &[] } else { &[0x78, 0x01] };
        self.begun = true;
        [head, &[0, 4, 0, 0xfb, 0xff], &[0; 4], &FLUSH].concat()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    // Made with zlib 1.2.13 at level 9 with the dictionary, each ended by a flush.
    pub(crate) const FIRST_BLOCK: &[u8] =
        b"\x78\xf9\xe3\xc6\xa7\xc2\x02\xa6\x23\x46\x70\x3a\x2b\x29\x4a\x4d\xcc\x85\x16\x25\xac\xa9\xa0\x80\x06\x00\x00\x00\xff\xff";
    const SECOND_BLOCK: &[u8] = b"\x02\xa5\x47\x0c\x29\x50\x29\x93\x08\x29\xb0\x8b\x40\x89\x9b\xc9\xc2\x00\x48\x72\x16\x41\xa2\x37\x13\x94\xec\x19\x0d\x00\x00\x00\x00\xff\xff";

    #[test]
    fn headers_are_read_across_streams() {
        let mut inflater = Inflater::new();
        let first = inflater.headers(FIRST_BLOCK).expect("readable");
        assert_eq!(first.pairs, [("streamtype".to_owned(), "error".to_owned())]);
        let second = inflater.headers(SECOND_BLOCK).expect("readable");
        let values = ["streamType", "port", "requestID", "other"].map(|name| second.value(name));
        assert_eq!(values, [Some("data"), Some("80"), Some("0"), None]);
    }

    #[test]
    fn the_dictionary_is_the_specifications() {
        let bytes = dictionary();
        assert_eq!(bytes.len(), 1_423);
        // Adler-32, by which zlib names it.
        let (mut low, mut high) = (1_u32, 0_u32);
        for byte in &bytes {
            low = (low + u32::from(*byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        assert_eq!(high << 16 | low, 0xe3c6_a7c2);
    }

    #[test]
    fn our_answers_can_be_read() {
        let (mut replies, mut reader) = (Replies::default(), Inflater::new());
        for _ in 0..2 {
            assert_eq!(
                reader.headers(&replies.next()).expect("readable"),
                Headers::default()
            );
        }
    }

    #[test]
    fn rubbish_is_refused() {
        for block in [
            b"".as_slice(),
            b"\x78",
            b"\x78\x01",
            b"\x78\x01\xff\xff\xff\xff",
            &FIRST_BLOCK[..20],
        ] {
            assert!(Inflater::new().headers(block).is_err(), "{block:?}");
        }
        // More than a block may hold: zeros in blocks that are not compressed.
        let mut long = vec![0x78, 0x01];
        for _ in 0..3 {
            long.extend([0, 0xff, 0x7f, 0x00, 0x80]);
            long.extend(vec![0; 0x7fff]);
        }
        assert!(Inflater::new().headers(&long).is_err());
    }
}
