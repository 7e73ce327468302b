//! Where a socket is made and a child is started: in the network of this very process, or on a [`Host`] of several.
//!
//! A socket belongs for good to the network in which it was made, whichever thread uses it later. So only the making is
//! sent there; everything else in the lab need not know.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::hosts::Host;

/// A network to make things in.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    /// That of this process.
    #[default]
    Here,
    /// A host's own.
    On(Arc<Host>),
}

impl Place {
    /// Whether it is another network than that of this process.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self, Self::On(_))
    }

    /// Does this there, and waits for it: it must be something that never takes long, and it must not panic.
    ///
    /// # Errors
    /// When the host is gone.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Here => Ok(work()),
            Self::On(host) => host.within(work),
        }
    }

    /// A connection from there.
    ///
    /// # Errors
    /// As any connect.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.within(move || match to {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        })??;
        socket.connect(to).await
    }

    /// A listener there. Called within a tokio runtime.
    ///
    /// # Errors
    /// As any bind.
    pub(crate) fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let listener = self.within(move || StdListener::bind(at))??;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }
}
