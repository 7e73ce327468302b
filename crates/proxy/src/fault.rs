//! Whose fault an error is: the upstream's, the downstream's, or our own (H3). Our own judge the node, never an endpoint.

use std::io;
use std::net::SocketAddr;

use jackline_core::{DialFailure, Ending, LocalFault};
use rustix::io::Errno;

/// One of the two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's.
    Downstream,
    /// The apiserver's.
    Upstream,
}

/// Why a client's connection was cut short. Told at DEBUG only: what counts goes out as an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the client is at fault: {0}")]
    Downstream(io::Error),
    #[error("upstream {endpoint} is at fault: {source}")]
    Upstream { endpoint: SocketAddr, source: io::Error },
    #[error("no upstream could be connected to within the hold time")]
    NoUpstream,
    #[error("the client gave up before an upstream was found")]
    GaveUp,
    #[error("we closed it: {0}")]
    Ours(&'static str),
}

/// What on this machine failed, if it was this machine.
pub(crate) fn local(error: &io::Error) -> Option<LocalFault> {
    match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => Some(LocalFault::Descriptors),
        Errno::ADDRNOTAVAIL => Some(LocalFault::Ports),
        Errno::NETUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT => Some(LocalFault::NoRoute),
        Errno::NOMEM | Errno::NOBUFS => Some(LocalFault::Memory),
        _ => None,
    }
}

/// What a dial's error means.
pub(crate) fn of_dial(error: &io::Error) -> DialFailure {
    if let Some(fault) = local(error) {
        return DialFailure::Local(fault);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => DialFailure::TimedOut,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => DialFailure::Refused,
        // No route to the host, or forbidden by a packet filter.
        _ => DialFailure::Unreachable,
    }
}

/// How a session ended whose upstream socket told this error.
pub(crate) fn ending(error: &io::Error, heard: bool) -> Ending {
    match Errno::from_io_error(error) {
        // The kernel gives up with what the network last told it, and that may be an unreachable host or net.
        Some(Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH) => Ending::PeerDead,
        _ if heard => Ending::Upstream,
        _ => Ending::UpstreamSilent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        errno.into()
    }

    #[test]
    fn what_fails_here_is_never_an_endpoints_fault() {
        for (errno, fault) in [
            (Errno::MFILE, LocalFault::Descriptors),
            (Errno::NFILE, LocalFault::Descriptors),
            (Errno::ADDRNOTAVAIL, LocalFault::Ports),
            (Errno::NETUNREACH, LocalFault::NoRoute),
            (Errno::NETDOWN, LocalFault::NoRoute),
            (Errno::NOMEM, LocalFault::Memory),
            (Errno::NOBUFS, LocalFault::Memory),
        ] {
            assert_eq!(of_dial(&error(errno)), DialFailure::Local(fault), "{errno:?}");
        }
    }

    #[test]
    fn what_the_network_says_is_the_endpoints() {
        assert_eq!(of_dial(&error(Errno::CONNREFUSED)), DialFailure::Refused);
        assert_eq!(of_dial(&error(Errno::CONNRESET)), DialFailure::Refused);
        assert_eq!(of_dial(&error(Errno::TIMEDOUT)), DialFailure::TimedOut);
        assert_eq!(of_dial(&error(Errno::HOSTUNREACH)), DialFailure::Unreachable);
        assert_eq!(of_dial(&error(Errno::PERM)), DialFailure::Unreachable);
    }

    #[test]
    fn a_peer_that_the_kernel_gave_up_is_dead() {
        assert_eq!(ending(&error(Errno::TIMEDOUT), true), Ending::PeerDead);
        assert_eq!(ending(&error(Errno::HOSTUNREACH), false), Ending::PeerDead);
        assert_eq!(ending(&error(Errno::CONNRESET), true), Ending::Upstream);
        assert_eq!(ending(&error(Errno::CONNRESET), false), Ending::UpstreamSilent);
    }
}
