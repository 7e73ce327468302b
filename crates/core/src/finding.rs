//! What a probe finds, or why it finds nothing.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::local_fault::LocalFault;

/// How deep a probe reached (H1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// The kernel accepted a connection.
    Tcp,
    /// A TLS handshake succeeded; the chain was not verified for want of a CA.
    Tls,
    /// A TLS handshake with a verified chain; no more could be asked for want of a credential.
    Verified,
    /// TLS verified to the cluster's CA, and an answer to `GET /readyz`.
    Readyz,
    /// TLS verified to etcd's CA, and an answer to `GET /health`.
    Health,
    /// TLS verified to the cluster's CA, and an answer to `GET /ping`.
    Ping,
}

impl Depth {
    /// Whether the server's chain was verified.
    pub const fn is_verified(self) -> bool {
        match self {
            Self::Tcp | Self::Tls => false,
            Self::Verified | Self::Readyz | Self::Health | Self::Ping => true,
        }
    }
}

/// What a probe that succeeded found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// How deep it went.
    pub depth: Depth,
    /// What the server said.
    pub answer: Answer,
    /// How long the TCP connect took; `None` on a kept connection.
    pub connect: Option<Duration>,
    /// How long all of it took.
    pub total: Duration,
    /// Whether a node credential was presented.
    pub authenticated: bool,
}

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// 200 to the question that the depth is named by; or, where none was asked, all that the depth can show.
    Ready,
    /// 401 or 403 even with what credential there is: the HTTP stack lives, readiness is unknown.
    Alive,
    /// 5xx.
    NotReady {
        /// The HTTP status.
        status: u16,
        /// The names of the failed checks (`[-]name failed`), at most 32 (H2).
        failed: Vec<String>,
    },
    /// 503 "apiserver disabled": an etcd-only server. Useless as upstream, precious as source (H6).
    NoApi,
}

/// Why a probe got no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProbeFailure {
    /// Refused, reset, or no route told by the network (not by this machine).
    Refused {
        /// In words.
        detail: String,
    },
    /// Nothing came in time.
    TimedOut {
        /// Where it stuck.
        phase: Phase,
    },
    /// The certificate does not verify (H8).
    Untrusted {
        /// In which way.
        cause: Untrusted,
        /// In words, with both times where it is a matter of time.
        detail: String,
    },
    /// It spoke, but not as an apiserver speaks (no TLS, no HTTP, too long, a redirect).
    Nonsense {
        /// In words.
        detail: String,
    },
    /// Our own fault; says nothing about the endpoint (H3).
    Local {
        /// What.
        fault: LocalFault,
    },
    /// The probe was cancelled or its task died; says nothing about the endpoint.
    Aborted,
}

/// The phase in which a probe stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The TCP connect.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The HTTP answer.
    Http,
}

/// In which way a certificate fails to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Untrusted {
    /// The chain does not lead to the cluster's CA.
    UnknownIssuer,
    /// It is good for other names only.
    WrongName,
    /// It is not valid yet: a matter of clock.
    NotYetValid,
    /// It is not valid any more: a matter of renewal or of clock.
    Expired,
    /// Anything else.
    Other,
}
