//! A strict receiver of the PROXY protocol's version 2, written from its specification. Other crates' tests take it from
//! here.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Local,
    Relayed {
        client: SocketAddr,
        listener: SocketAddr,
    },
}

/// Reads the header and nothing behind it; the error says what is wrong with it.
pub(crate) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Header, String> {
    let mut front = [0; 16];
    stream
        .read_exact(&mut front)
        .await
        .map_err(|error| format!("no header: {error}"))?;
    if front[..12] != *b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A" {
        return Err(format!("another signature: {:?}", &front[..12]));
    }
    let length = usize::from(u16::from_be_bytes([front[14], front[15]]));
    let mut body = vec![0; length];
    stream
        .read_exact(&mut body)
        .await
        .map_err(|error| format!("cut off: {error}"))?;
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    match (front[12], front[13], length) {
        (0x20, 0x00, 0) => Ok(Header::Local),
        (0x21, 0x11, 12) => {
            let ip = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&body[at..at + 4]).expect("four bytes"));
            Ok(Header::Relayed {
                client: (ip(0), port(8)).into(),
                listener: (ip(4), port(10)).into(),
            })
        }
        (0x21, 0x21, 36) => {
            let ip =
                |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&body[at..at + 16]).expect("sixteen bytes"));
            Ok(Header::Relayed {
                client: (ip(0), port(32)).into(),
                listener: (ip(16), port(34)).into(),
            })
        }
        other => Err(format!("no header of TCP without extensions: {other:?}")),
    }
}
