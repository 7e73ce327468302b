//! SPDY/3.1, the server's side, as far as kubectl speaks it: streams that the client opens on an upgraded connection.
//!
//! What is left out: streams that a server opens, pushed streams, priorities, and flow control, which kubectl's library
//! does not do either (a stream that nobody reads holds up its connection).

mod frame;
mod headers;

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::mpsc;

use frame::Frame;
pub(crate) use headers::Headers;
use headers::{Inflater, Replies};

/// Streams of one connection at a time.
const STREAMS_MAX: usize = 64;
/// Streams that were opened and are not taken yet.
pub(crate) const WAITING_MAX: usize = 8;
/// Pieces of one stream that are not read yet.
const PIECES_MAX: usize = 16;
/// Frames that are not written yet.
const FRAMES_MAX: usize = 64;

/// A stream that the client opened.
pub(crate) struct Stream {
    pub(crate) headers: Headers,
    pub(crate) input: Input,
    pub(crate) output: Output,
}

/// What the client sends on a stream.
pub(crate) struct Input {
    pieces: mpsc::Receiver<Bytes>,
}

impl Input {
    /// The next piece; `None`: the client has finished, or is gone.
    pub(crate) async fn read(&mut self) -> Option<Bytes> {
        self.pieces.recv().await
    }
}

/// What is sent to the client on a stream.
pub(crate) struct Output {
    stream: u32,
    frames: mpsc::Sender<Bytes>,
}

/// The client is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Output {
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), Gone> {
        for piece in bytes.chunks(frame::DATA_MAX) {
            let frame = frame::data(self.stream, false, piece);
            self.frames.send(frame).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Nothing more will be sent; what the client sends can still be read.
    pub(crate) async fn finish(self) -> Result<(), Gone> {
        let last = frame::data(self.stream, true, &[]);
        self.frames.send(last).await.map_err(|_| Gone)
    }
}

/// Serves a connection until the client ends it, and hands its streams on.
///
/// # Errors
/// When the connection breaks, or what comes is not SPDY.
pub(crate) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin,
    opened: mpsc::Sender<Stream>,
) -> io::Result<()> {
    let (mut reader, mut writer) = split(io);
    let (frames, mut outgoing) = mpsc::channel::<Bytes>(FRAMES_MAX);
    let write = async {
        while let Some(frame) = outgoing.recv().await {
            writer.write_all(&frame).await?;
            writer.flush().await?;
        }
        Ok(())
    };
    let mut reading = Reading {
        inputs: BTreeMap::new(),
        inflater: Inflater::new(),
        replies: Replies::default(),
        frames,
        opened,
    };
    let read = async {
        while let Some(frame) = frame::read(&mut reader).await? {
            if !reading.take(frame).await? {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        result = read => result,
        result = write => result,
    }
}

/// What the reader of a connection holds.
struct Reading {
    /// Streams on which the client has not finished.
    inputs: BTreeMap<u32, mpsc::Sender<Bytes>>,
    inflater: Inflater,
    replies: Replies,
    frames: mpsc::Sender<Bytes>,
    opened: mpsc::Sender<Stream>,
}

impl Reading {
    /// `false`: the client ends the connection.
    async fn take(&mut self, frame: Frame) -> io::Result<bool> {
        match frame {
            Frame::Open { stream, fin, block } => self.open(stream, fin, &block).await?,
            Frame::Data { stream, fin, bytes } => {
                if let (Some(input), false) = (self.inputs.get(&stream), bytes.is_empty()) {
                    // Whoever took the stream may have had enough.
                    let _ = input.send(bytes).await;
                }
                if fin {
                    self.inputs.remove(&stream);
                }
            }
            Frame::Reset { stream } => drop(self.inputs.remove(&stream)),
            Frame::Ping { number } => self.send(frame::ping(number)).await,
            Frame::GoAway => return Ok(false),
            Frame::Other => {}
        }
        Ok(true)
    }

    async fn open(&mut self, stream: u32, fin: bool, block: &[u8]) -> io::Result<()> {
        // The block must be read even for a stream that is refused: the compression goes on from it.
        let headers = self.inflater.headers(block)?;
        if self.inputs.len() >= STREAMS_MAX {
            self.send(frame::refuse(stream)).await;
            return Ok(());
        }
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        if !fin {
            self.inputs.insert(stream, sender);
        }
        let reply = frame::reply(stream, &self.replies.next());
        self.send(reply).await;
        let opened = Stream {
            headers,
            input: Input { pieces },
            output: Output {
                stream,
                frames: self.frames.clone(),
            },
        };
        if self.opened.send(opened).await.is_err() {
            self.inputs.remove(&stream);
            self.send(frame::refuse(stream)).await;
        }
        Ok(())
    }

    async fn send(&self, frame: Bytes) {
        // Its receiver ends with the connection, and this with it.
        let _ = self.frames.send(frame).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::timeout;

    use super::*;

    /// Nothing here takes this long.
    const LONG: Duration = Duration::from_secs(30);

    /// A client's first stream, as kubectl's library opens it: number 1, one header.
    fn opening() -> Vec<u8> {
        let mut frame = vec![0x80, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        frame.extend(headers::tests::FIRST_BLOCK);
        frame[7] = u8::try_from(frame.len() - 8).expect("short");
        frame
    }

    #[tokio::test]
    async fn a_stream_carries_bytes_both_ways_and_each_way_ends_for_itself() {
        let (mut client, server) = duplex(64 << 10);
        let (opened, mut streams) = mpsc::channel(WAITING_MAX);
        let serving = tokio::spawn(serve(server, opened));
        client.write_all(&opening()).await.expect("written");
        let mut stream = timeout(LONG, streams.recv())
            .await
            .expect("in time")
            .expect("opened");
        assert_eq!(stream.headers.value("streamType"), Some("error"));
        let mut reply = [0_u8; 8];
        client.read_exact(&mut reply).await.expect("a reply");
        assert_eq!(reply[..4], [0x80, 3, 0, 2]);
        let mut rest = vec![0; usize::from(reply[7])];
        client.read_exact(&mut rest).await.expect("its block");
        // The client sends and finishes; the server goes on.
        client
            .write_all(&frame::data(1, false, b"ping"))
            .await
            .expect("written");
        client
            .write_all(&frame::data(1, true, b""))
            .await
            .expect("written");
        assert_eq!(stream.input.read().await.as_deref(), Some(b"ping".as_slice()));
        assert_eq!(stream.input.read().await, None);
        stream.output.write(b"pong").await.expect("written");
        stream.output.finish().await.expect("finished");
        let mut told = [0_u8; 20];
        client.read_exact(&mut told).await.expect("two frames");
        assert_eq!(
            told,
            *b"\x00\x00\x00\x01\x00\x00\x00\x04pong\x00\x00\x00\x01\x01\x00\x00\x00"
        );
        // A ping comes back as it is, and the end is the client's.
        let ping = frame::ping(7);
        client.write_all(&ping).await.expect("written");
        let mut back = vec![0; ping.len()];
        client.read_exact(&mut back).await.expect("the ping");
        assert_eq!(back, ping);
        drop(client);
        let ended = timeout(LONG, serving).await.expect("in time").expect("no panic");
        assert!(ended.is_ok(), "{ended:?}");
    }

    #[tokio::test]
    async fn what_is_not_spdy_ends_the_connection() {
        for rubbish in [
            b"GET / HTTP/1.1\r\n\r\n".as_slice(),
            &[0x80, 2, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1],
        ] {
            let (mut client, server) = duplex(1024);
            let (opened, _streams) = mpsc::channel(WAITING_MAX);
            client.write_all(rubbish).await.expect("written");
            drop(client);
            assert!(serve(server, opened).await.is_err(), "{rubbish:?}");
        }
    }
}
