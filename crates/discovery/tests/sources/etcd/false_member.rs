//! A member made up in this process: TLS and HTTP/2 as they should be, and for the rest what a script says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jackline_discovery::RegistrationAddress;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::stand::Pki;

/// What the member does about one call.
pub(super) struct Say {
    /// HTTP status and content type.
    pub(super) head: (u16, &'static str),
    /// The bytes of the answer, piece by piece.
    pub(super) pieces: Vec<Vec<u8>>,
    /// Pieces that come later, while the sender lives.
    pub(super) later: Option<UnboundedReceiver<Vec<u8>>>,
    pub(super) end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With this gRPC status.
    Status(&'static str),
    /// Without any.
    Bare,
    /// Never.
    Never,
}

/// It lives as long as this.
pub(super) struct FalseMember {
    pub(super) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl FalseMember {
    /// `script` is given the path of each call.
    pub(super) async fn start(pki: &Pki, script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let mut config = pki.server_config(&pki.identity_as("127.0.0.1", |_| {}));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let answer = service_fn(move |request: Request<Incoming>| {
                        let answer = answer(script(request.uri().path()));
                        // The client's side of a stream stays open as long as it is held.
                        async move { Ok::<_, Infallible>((answer, request).0) }
                    });
                    let serving = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer);
                    // The client may go at any time: that is its right.
                    let _ = serving.await;
                });
            }
        });
        Self {
            address,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(super) fn endpoint(&self) -> RegistrationAddress {
        format!("https://{}", self.address).parse().expect("an address")
    }
}

fn answer(say: Say) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let Say {
        head: (status, media),
        pieces,
        later,
        end,
    } = say;
    let data = |piece: Vec<u8>| Ok(Frame::data(Bytes::from(piece)));
    let now = futures_util::stream::iter(pieces).map(data);
    let later = futures_util::stream::unfold(later, |later| async {
        let mut later = later?;
        let piece = later.recv().await?;
        Some((piece, Some(later)))
    });
    let trailers = match end {
        End::Status(status) => vec![Ok(Frame::trailers(HeaderMap::from_iter([(
            "grpc-status".parse().expect("a name"),
            HeaderValue::from_static(status),
        )])))],
        End::Bare | End::Never => Vec::new(),
    };
    let all = now
        .chain(later.map(data))
        .chain(futures_util::stream::iter(trailers));
    let body = match end {
        End::Never => UnsyncBoxBody::new(StreamBody::new(all.chain(futures_util::stream::pending()))),
        _ => UnsyncBoxBody::new(StreamBody::new(all)),
    };
    let response = Response::builder().status(status).header("content-type", media);
    response.body(body).expect("an answer")
}

impl Say {
    /// As etcd answers: one message, and a good end.
    pub(super) fn good(message: &[u8]) -> Self {
        Self {
            head: (200, "application/grpc"),
            pieces: vec![framed(message)],
            later: None,
            end: End::Status("0"),
        }
    }

    /// As etcd answers, and then does not end.
    pub(super) fn open(messages: &[Vec<u8>], later: Option<UnboundedReceiver<Vec<u8>>>) -> Self {
        Self {
            pieces: messages.iter().map(|message| framed(message)).collect(),
            later,
            end: End::Never,
            ..Self::good(b"")
        }
    }
}

/// A message behind its head.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// A protobuf field that is a number.
pub(super) fn number(tag: u8, value: u64) -> Vec<u8> {
    [vec![tag << 3], varint(value)].concat()
}

/// A protobuf field that is text, bytes or a message.
pub(super) fn bytes(tag: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let length = u64::try_from(value.len()).expect("short");
    [vec![tag << 3 | 2], varint(length), value.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        let digit = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            digits.push(digit);
            return digits;
        }
        digits.push(digit | 0x80);
    }
}
