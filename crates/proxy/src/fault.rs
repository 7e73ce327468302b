//! Whose fault an error is: the upstream's, the downstream's, or our own (H3). Our own judge the node, never an endpoint.

use std::io;
use std::net::SocketAddr;

use jackline_core::{DialFailure, Ending};
use jackline_way::WayError;
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

/// What a failed dial means.
pub(crate) fn of_dial(error: &WayError) -> DialFailure {
    match error {
        WayError::Local(fault) => DialFailure::Local(*fault),
        WayError::TimedOut => DialFailure::TimedOut,
        WayError::Refused(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => DialFailure::Refused,
            // No route to the host, or forbidden by a packet filter.
            _ => DialFailure::Unreachable,
        },
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
    fn what_the_network_says_is_the_endpoints() {
        let refused = |errno| of_dial(&WayError::Refused(error(errno)));
        assert_eq!(refused(Errno::CONNREFUSED), DialFailure::Refused);
        assert_eq!(refused(Errno::CONNRESET), DialFailure::Refused);
        assert_eq!(refused(Errno::HOSTUNREACH), DialFailure::Unreachable);
        assert_eq!(refused(Errno::PERM), DialFailure::Unreachable);
        assert_eq!(of_dial(&WayError::TimedOut), DialFailure::TimedOut);
    }

    #[test]
    fn a_peer_that_the_kernel_gave_up_is_dead() {
        assert_eq!(ending(&error(Errno::TIMEDOUT), true), Ending::PeerDead);
        assert_eq!(ending(&error(Errno::HOSTUNREACH), false), Ending::PeerDead);
        assert_eq!(ending(&error(Errno::CONNRESET), true), Ending::Upstream);
        assert_eq!(ending(&error(Errno::CONNRESET), false), Ending::UpstreamSilent);
    }
}
