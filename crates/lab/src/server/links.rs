//! The sockets of one process: its listener and every connection that it accepted, so that each can be acted upon.
//!
//! A connection's task owns its [`Link`]; here is only a weak hand on it. When a socket is closed is the task's business,
//! except when the process dies: then its kernel would not wait for the tasks.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::locked::lock;
use crate::place::Place;
use crate::server::gate::Gate;

/// Connections that wait to be accepted, as Go's listeners have it on a usual kernel.
const BACKLOG: i32 = 4_096;
/// Connections open at a time; more are closed as soon as they are accepted.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;

/// The classic BPF program `ret 0`: no packet passes.
fn drop_all() -> [SockFilter; 1] {
    const BPF_RET_K: u16 = 0x06;
    [SockFilter::new(BPF_RET_K, 0, 0, 0)]
}

pub(crate) struct Links {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Bound from the start, so that a taken address is told at once; connections are refused until it listens.
    bound: Option<Socket>,
    listener: Option<Arc<TcpListener>>,
    links: BTreeMap<u64, Weak<Link>>,
    next: u64,
    cut_off: bool,
}

/// One accepted connection.
pub(crate) struct Link {
    stream: TcpStream,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

/// Sockets that outlive their process because its machine is cut off: nobody hears of its death.
pub(crate) struct Parked {
    listener: Option<Arc<TcpListener>>,
    links: Vec<Arc<Link>>,
}

impl Drop for Parked {
    /// The machine comes back and knows nothing of its old connections.
    fn drop(&mut self) {
        for link in &self.links {
            let _ = SockRef::from(&link.stream).set_linger(Some(Duration::ZERO));
        }
        if let Some(listener) = &self.listener {
            stop_listening(listener);
        }
    }
}

impl Links {
    pub(crate) fn bind(address: SocketAddr, place: &Place) -> io::Result<Self> {
        let socket = place.within(move || bound(address))??;
        let inner = Inner {
            bound: Some(socket),
            listener: None,
            links: BTreeMap::new(),
            next: 0,
            cut_off: false,
        };
        Ok(Self {
            inner: Mutex::new(inner),
        })
    }

    /// Begins to listen.
    pub(crate) fn listen(&self) -> io::Result<Arc<TcpListener>> {
        let mut inner = lock(&self.inner);
        let socket = inner.bound.take().ok_or(io::ErrorKind::NotConnected)?;
        if inner.cut_off {
            socket.attach_filter(&drop_all())?;
        }
        socket.listen(BACKLOG)?;
        let listener = Arc::new(TcpListener::from_std(socket.into())?);
        inner.listener = Some(Arc::clone(&listener));
        Ok(listener)
    }

    /// No new connections from now on; those that wait to be accepted are reset, as on a real kernel.
    pub(crate) fn close_listener(&self) {
        let mut inner = lock(&self.inner);
        inner.bound = None;
        if let Some(listener) = inner.listener.take() {
            stop_listening(&listener);
        }
    }

    /// Takes a connection in; `None`: there are too many.
    pub(crate) fn admit(&self, stream: TcpStream) -> Option<Arc<Link>> {
        let mut inner = lock(&self.inner);
        inner.links.retain(|_, link| link.strong_count() > 0);
        if inner.links.len() >= CONNECTIONS_MAX {
            return None;
        }
        let _ = stream.set_nodelay(true);
        if inner.cut_off {
            let _ = SockRef::from(&stream).attach_filter(&drop_all());
        }
        let link = Arc::new(Link {
            stream,
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        });
        inner.next += 1;
        let number = inner.next;
        inner.links.insert(number, Arc::downgrade(&link));
        Some(link)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        lock(&self.inner)
            .links
            .values()
            .filter(|link| link.strong_count() > 0)
            .count()
    }

    /// Wakes every connection: the gate has changed.
    pub(crate) fn wake(&self) {
        for link in lock(&self.inner).live() {
            link.reader.wake();
            link.writer.wake();
        }
    }

    /// Lets every packet to these sockets, and to those that they will accept, vanish.
    pub(crate) fn cut_off(&self) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let filter = drop_all();
        if let Some(listener) = &inner.listener {
            SockRef::from(&**listener).attach_filter(&filter)?;
        }
        for link in inner.live() {
            SockRef::from(&link.stream).attach_filter(&filter)?;
        }
        inner.cut_off = true;
        Ok(())
    }

    /// Ends [`Links::cut_off`].
    pub(crate) fn reconnect(&self) {
        let mut inner = lock(&self.inner);
        inner.cut_off = false;
        if let Some(listener) = &inner.listener {
            let _ = SockRef::from(&**listener).detach_filter();
        }
        for link in inner.live() {
            let _ = SockRef::from(&link.stream).detach_filter();
        }
    }

    /// What a kernel does with the sockets of a process that has died: nothing that it held answers from now on. On a machine that
    /// is cut off nobody hears of it; its sockets are parked.
    pub(crate) fn die(&self) -> Option<Parked> {
        let mut inner = lock(&self.inner);
        if inner.cut_off {
            return Some(Parked {
                listener: inner.listener.take(),
                links: inner.live(),
            });
        }
        for link in inner.live() {
            let _ = SockRef::from(&link.stream).shutdown(Shutdown::Both);
        }
        drop(inner);
        self.close_listener();
        None
    }
}

impl Inner {
    fn live(&self) -> Vec<Arc<Link>> {
        self.links.values().filter_map(Weak::upgrade).collect()
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The accept loop holds the socket a moment longer: only this frees its address now.
fn stop_listening(listener: &TcpListener) {
    let _ = SockRef::from(listener).shutdown(Shutdown::Both);
}

/// A connection as the process sees it: silent while the gate is shut.
pub(crate) struct GatedStream {
    pub(crate) link: Arc<Link>,
    pub(crate) gate: Arc<Gate>,
}

impl GatedStream {
    fn held(&self, waker: &AtomicWaker, context: &Context<'_>) -> bool {
        if !self.gate.state().any() {
            return false;
        }
        waker.register(context.waker());
        // It may have opened in between, and woken nobody.
        self.gate.state().any()
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held(&self.link.reader, context) {
            return Poll::Pending;
        }
        loop {
            ready!(self.link.stream.poll_read_ready(context))?;
            match self.link.stream.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held(&self.link.writer, context) {
            return Poll::Pending;
        }
        loop {
            ready!(self.link.stream.poll_write_ready(context))?;
            match self.link.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// All that is there goes in one write: a server's flight of TLS leaves in packets as large as the way takes them, as
    /// that of a real one.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held(&self.link.writer, context) {
            return Poll::Pending;
        }
        loop {
            ready!(self.link.stream.poll_write_ready(context))?;
            match self.link.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held(&self.link.writer, context) {
            return Poll::Pending;
        }
        match SockRef::from(&self.link.stream).shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}
