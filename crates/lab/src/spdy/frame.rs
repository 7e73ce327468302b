//! Frames: how they are read and written (SPDY/3.1, section 2.2).

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A longer frame is refused; kubectl's are 32 KiB at most.
const FRAME_MAX: usize = 1 << 20;
/// Bytes of one frame of data that is sent.
pub(super) const DATA_MAX: usize = 32 << 10;

const VERSION: u16 = 3;
const CONTROL: u16 = 0x8000;
const FIN: u8 = 0x01;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;

/// The status of a stream that is refused.
const REFUSED_STREAM: u32 = 3;
/// A SYN_STREAM's fields before its headers: stream, associated stream, priority, slot.
const OPENING: usize = 10;

/// A frame that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The client opens a stream; `block` are its compressed headers.
    Open {
        stream: u32,
        fin: bool,
        block: Bytes,
    },
    Data {
        stream: u32,
        fin: bool,
        bytes: Bytes,
    },
    Reset {
        stream: u32,
    },
    Ping {
        number: u32,
    },
    GoAway,
    /// Of no account here: settings, window updates, later headers.
    Other,
}

/// The next frame; `None`: the client ended the connection between two.
///
/// # Errors
/// When the connection breaks, or what comes is not SPDY/3.1.
pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0_u8; 8];
    match reader.read_exact(&mut head[..1]).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    };
    reader.read_exact(&mut head[1..]).await?;
    let [a, b, c, d, flags, high, middle, low] = head;
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if length > FRAME_MAX {
        return Err(wrong("a frame of more than 1 MiB"));
    }
    let mut payload = BytesMut::zeroed(length);
    let (first, second) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let fin = flags & FIN != 0;
    if first & CONTROL == 0 {
        reader.read_exact(&mut payload).await?;
        return Ok(Some(Frame::Data {
            stream: u32::from(first) << 16 | u32::from(second),
            fin,
            bytes: payload.freeze(),
        }));
    }
    if first != CONTROL | VERSION {
        return Err(wrong("another version than 3"));
    }
    reader.read_exact(&mut payload).await?;
    control(second, fin, payload.freeze()).map(Some)
}

fn control(kind: u16, fin: bool, payload: Bytes) -> io::Result<Frame> {
    let number = || {
        let first = payload
            .first_chunk::<4>()
            .ok_or_else(|| wrong("a frame that is too short"))?;
        Ok::<_, io::Error>(u32::from_be_bytes(*first))
    };
    Ok(match kind {
        SYN_STREAM if payload.len() >= OPENING => Frame::Open {
            stream: number()? & 0x7fff_ffff,
            fin,
            block: payload.slice(OPENING..),
        },
        SYN_STREAM => return Err(wrong("a SYN_STREAM that is too short")),
        RST_STREAM => Frame::Reset {
            stream: number()? & 0x7fff_ffff,
        },
        PING => Frame::Ping { number: number()? },
        GOAWAY => Frame::GoAway,
        _ => Frame::Other,
    })
}

pub(super) fn data(stream: u32, fin: bool, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + bytes.len());
    frame.put_u32(stream);
    put_length(&mut frame, if fin { FIN } else { 0 }, bytes.len());
    frame.put_slice(bytes);
    frame.freeze()
}

/// The answer to a stream that was opened, with its compressed headers.
pub(super) fn reply(stream: u32, block: &[u8]) -> Bytes {
    let mut payload = stream.to_be_bytes().to_vec();
    payload.extend_from_slice(block);
    put_control(SYN_REPLY, &payload)
}

pub(super) fn ping(number: u32) -> Bytes {
    put_control(PING, &number.to_be_bytes())
}

pub(super) fn refuse(stream: u32) -> Bytes {
    put_control(
        RST_STREAM,
        &[stream.to_be_bytes(), REFUSED_STREAM.to_be_bytes()].concat(),
    )
}

fn put_control(kind: u16, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + payload.len());
    frame.put_u16(CONTROL | VERSION);
    frame.put_u16(kind);
    put_length(&mut frame, 0, payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// Flags and length share four bytes. Nothing that is sent comes near the 16 MiB that a length can tell.
fn put_length(frame: &mut BytesMut, flags: u8, length: usize) {
    frame.put_u8(flags);
    frame.put_uint(length as u64, 3);
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not SPDY/3.1: {what}"))
}
