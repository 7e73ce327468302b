//! Whose fault a failed connect is: the server's, the proxy's, or this machine's (H3).

use std::io;

use jackline_core::{LocalFault, ProxyFailure, ProxyFault};
use rustix::io::Errno;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// Something on this machine, or the proxy on the way: nothing against the server, unless by comparison
    /// ([`ProxyFailure::may_be_the_servers`]).
    #[error("{0}")]
    Local(LocalFault),
    /// The server, or the network, refused.
    #[error(transparent)]
    Refused(io::Error),
    /// Neither took the connection nor refused it in time.
    #[error("the connect timed out")]
    TimedOut,
}

impl WayError {
    /// What an error of the kernel means on the way to the server itself.
    pub(crate) fn of_server(error: io::Error) -> Self {
        match local_fault(&error) {
            Some(fault) => Self::Local(fault),
            None if error.kind() == io::ErrorKind::TimedOut => Self::TimedOut,
            None => Self::Refused(error),
        }
    }

    pub(crate) const fn of_proxy(at: Option<std::net::SocketAddr>, how: ProxyFailure) -> Self {
        Self::Local(LocalFault::Proxy(ProxyFault { at, how }))
    }
}

/// Which fault of this very machine `error` is, if it is one. The one table for all who dial, accept and ask.
pub fn local_fault(error: &io::Error) -> Option<LocalFault> {
    match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => Some(LocalFault::Descriptors),
        // A connect binds by itself: both say that no local port is free.
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => Some(LocalFault::Ports),
        Errno::NETUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT => Some(LocalFault::NoRoute),
        Errno::NOMEM | Errno::NOBUFS => Some(LocalFault::Memory),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_here_is_never_an_endpoints_fault() {
        for (errno, fault) in [
            (Errno::MFILE, LocalFault::Descriptors),
            (Errno::NFILE, LocalFault::Descriptors),
            (Errno::ADDRNOTAVAIL, LocalFault::Ports),
            (Errno::ADDRINUSE, LocalFault::Ports),
            (Errno::NETUNREACH, LocalFault::NoRoute),
            (Errno::NETDOWN, LocalFault::NoRoute),
            (Errno::AFNOSUPPORT, LocalFault::NoRoute),
            (Errno::NOMEM, LocalFault::Memory),
            (Errno::NOBUFS, LocalFault::Memory),
        ] {
            assert_eq!(local_fault(&errno.into()), Some(fault), "{errno:?}");
        }
    }

    #[test]
    fn what_the_network_or_the_server_says_is_theirs() {
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::ACCESS,
            Errno::PERM,
        ] {
            assert!(
                matches!(WayError::of_server(errno.into()), WayError::Refused(_)),
                "{errno:?}"
            );
        }
        assert!(matches!(
            WayError::of_server(Errno::TIMEDOUT.into()),
            WayError::TimedOut
        ));
    }
}
