//! What an error says: of the server, of the network, or of this machine (H3).

use std::error::Error as StdError;
use std::io;

use jackline_core::{Phase, ProbeFailure, Untrusted};
use jackline_trust::{Cause, classify};
use jackline_way::{WayError, local_fault};

/// Links of an error's chain of causes that are looked at.
const CAUSES_MAX: usize = 16;

/// A phase that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) failure: ProbeFailure,
    pub(crate) kind: Kind,
}

/// What a failed phase leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The connection ended before the answer began: a kept one was simply old.
    Dead,
    /// The server ended TLS with an alert: it may be the client certificate that it does not like.
    Alert,
    /// Nothing.
    Plain,
}

impl From<ProbeFailure> for Fault {
    fn from(failure: ProbeFailure) -> Self {
        Self {
            failure,
            kind: Kind::Plain,
        }
    }
}

impl Fault {
    pub(crate) fn timed_out(phase: Phase) -> Self {
        ProbeFailure::TimedOut { phase }.into()
    }

    pub(crate) fn nonsense(detail: impl Into<String>) -> Self {
        ProbeFailure::Nonsense {
            detail: detail.into(),
        }
        .into()
    }

    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        ProbeFailure::Refused {
            detail: detail.into(),
        }
        .into()
    }

    fn dead(detail: &str) -> Self {
        Self {
            kind: Kind::Dead,
            ..Self::refused(detail)
        }
    }
}

/// What a connect that failed says.
pub(crate) fn way_fault(error: WayError) -> Fault {
    match error {
        WayError::Local(fault) => ProbeFailure::Local { fault }.into(),
        WayError::Refused(error) => io_fault(&error, Phase::Connect),
        WayError::TimedOut => Fault::timed_out(Phase::Connect),
    }
}

/// What an IO error of any phase says.
pub(crate) fn io_fault(error: &io::Error, phase: Phase) -> Fault {
    if let Some(tls) = jackline_trust::tls_fault(error) {
        return tls_fault(tls);
    }
    if let Some(fault) = local_fault(error) {
        return ProbeFailure::Local { fault }.into();
    }
    match (error.kind(), phase) {
        (io::ErrorKind::TimedOut, phase) => Fault::timed_out(phase),
        (io::ErrorKind::ConnectionRefused, _) => {
            Fault::refused("refused the connection: nothing listens there")
        }
        (io::ErrorKind::HostUnreachable, _) => Fault::refused("the network has no route to it"),
        (io::ErrorKind::UnexpectedEof, Phase::Tls) => {
            Fault::refused("closed the connection during the TLS handshake")
        }
        (io::ErrorKind::UnexpectedEof, _) => Fault::dead("closed the connection without an answer"),
        (
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe,
            Phase::Http,
        ) => Fault::dead("reset the connection"),
        (
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe,
            _,
        ) => Fault::refused("reset the connection"),
        _ => Fault::refused(error.to_string()),
    }
}

fn tls_fault(error: &rustls::Error) -> Fault {
    if let Some(untrusted) = classify(error) {
        let cause = match untrusted.cause {
            Cause::UnknownIssuer => Untrusted::UnknownIssuer,
            Cause::WrongName => Untrusted::WrongName,
            Cause::NotYetValid => Untrusted::NotYetValid,
            Cause::Expired => Untrusted::Expired,
            Cause::Other => Untrusted::Other,
        };
        return ProbeFailure::Untrusted {
            cause,
            detail: untrusted.detail,
        }
        .into();
    }
    match error {
        rustls::Error::AlertReceived(alert) => Fault {
            kind: Kind::Alert,
            ..Fault::nonsense(format!("ended TLS with the alert {alert:?}"))
        },
        rustls::Error::InvalidMessage(_) => {
            Fault::nonsense("does not speak TLS: something else listens there")
        }
        // No clock, no randomness: this machine's, and no kind that the core knows.
        rustls::Error::FailedToGetCurrentTime | rustls::Error::FailedToGetRandomBytes => {
            ProbeFailure::Aborted.into()
        }
        other => Fault::nonsense(format!("TLS failed: {other}")),
    }
}

/// What an error of the HTTP phase says, before or within the answer.
pub(crate) fn http_fault(error: &hyper::Error) -> Fault {
    if let Some(cause) = io_cause(error) {
        return io_fault(cause, Phase::Http);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Fault::dead("closed the connection without an answer")
    } else if error.is_parse_too_large() {
        Fault::nonsense("its answer's head is too long: it is no apiserver")
    } else if error.is_parse() {
        Fault::nonsense(format!("does not answer in HTTP: {error}"))
    } else {
        Fault::nonsense(format!("its answer cannot be read: {error}"))
    }
}

fn io_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    let chain = std::iter::from_fn(|| {
        let error = next?;
        next = error.source();
        Some(error)
    });
    chain.take(CAUSES_MAX).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn of(errno: Errno) -> ProbeFailure {
        io_fault(&errno.into(), Phase::Connect).failure
    }

    #[test]
    fn what_the_network_or_the_server_says_is_theirs() {
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::ACCESS,
        ] {
            assert!(matches!(of(errno), ProbeFailure::Refused { .. }), "{errno:?}");
        }
        assert_eq!(
            of(Errno::TIMEDOUT),
            ProbeFailure::TimedOut {
                phase: Phase::Connect
            }
        );
    }
}
