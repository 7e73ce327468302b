//! Why a server gave no answer that counts. Each variant is a sentence that says whose fault it is and, where
//! something can be done, what.

use std::io;
use std::time::Duration;

use jackline_core::LocalFault;
use jackline_way::WayError;
use thiserror::Error;

/// Pauses that a server asks for are believed up to this length: one broken server must not blind a source (R3).
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Words of others that go into our sentences are cut after this many characters.
const FOREIGN_WORDS_MAX: usize = 200;

/// Why one server gave no answer.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// Our own fault, or that of the way (H3).
    #[error("no way led to it: {0}")]
    Local(LocalFault),
    /// Refused, reset, unreachable.
    #[error("it could not be reached: {0}")]
    Unreached(#[source] io::Error),
    /// Nothing came in time.
    #[error("nothing came in time ({0})")]
    TimedOut(Phase),
    /// Its certificate does not verify.
    #[error("{0}")]
    Untrusted(String),
    /// No TLS, or the handshake broke.
    #[error("the TLS handshake failed: {0}; is this the right port?")]
    Handshake(String),
    /// Not HTTP, or not as it should be.
    #[error("it does not speak HTTP/1.1 as an apiserver does: {0}")]
    NotHttp(String),
    /// The head of its answer is beyond the bound.
    #[error("the head of its answer is longer than {} KiB", .0 / 1024)]
    HeadTooLarge(usize),
    /// The body is beyond the bound.
    #[error("its answer is larger than {} KiB", .0 / 1024)]
    TooLarge(usize),
    /// The connection ended in the middle of the answer.
    #[error("its answer was cut off: {0}")]
    CutOff(String),
    /// 3xx.
    #[error("it redirects to {0:?}; redirects are not followed, configure the apiserver's own address")]
    Redirect(String),
    /// A content coding that nobody asked for.
    #[error("its answer is encoded as {0:?}, which was not asked for")]
    Encoded(String),
    /// Another content type than asked for.
    #[error("its answer is {got:?}, not {wanted}")]
    ContentType {
        /// What it said.
        got: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A status other than 200.
    #[error("it answered {code}{}{}", words(.message), remedy(*.code))]
    Status {
        /// The HTTP status.
        code: u16,
        /// What it said about it, cleaned. May be empty.
        message: String,
        /// The pause that it asked for.
        retry_after: Option<Duration>,
        /// What Kubernetes says is missing, as `resource/name`: more than that a path is unknown.
        missing: Option<String>,
    },
    /// A status of not long ago, which was not asked for again.
    #[error("{words}")]
    RefusedBefore {
        /// The HTTP status.
        code: u16,
        /// The sentence that said so.
        words: String,
    },
    /// The body is not what it should be.
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
    /// Closed before the first answer: so does etcd with whom it does not know.
    #[error(
        "it closed the connection at the first question ({0}); if it goes on so, configure etcd.client-certificate \
         and etcd.client-key, of a CA that etcd trusts"
    )]
    ShutOut(String),
    /// The connection stands, and nobody is there.
    #[error("it did not answer a ping within {} s: frozen, or cut off", .0.as_secs())]
    NoPong(Duration),
    /// Not gRPC, or not as it should be.
    #[error("it does not speak gRPC as etcd does: {0}")]
    NotGrpc(String),
    /// A gRPC status other than 0.
    #[error("it answered with gRPC status {code}{}", words(.message))]
    Rpc {
        /// The gRPC status.
        code: u32,
        /// What it said about it, cleaned. May be empty.
        message: String,
    },
}

/// Where an exchange stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Phase {
    /// The TCP connect.
    #[error("while connecting")]
    Connect,
    /// The TLS handshake.
    #[error("in the TLS handshake")]
    Tls,
    /// Waiting for the head of the answer.
    #[error("after the request was sent")]
    Head,
    /// In the body of the answer.
    #[error("in the middle of its answer")]
    Body,
    /// The whole refresh was over.
    #[error("before the refresh's own deadline")]
    Deadline,
}

impl AskError {
    /// Whether no connection came about, and the fault is not ours.
    pub(crate) fn is_unreached(&self) -> bool {
        matches!(
            self,
            Self::Unreached(_) | Self::TimedOut(Phase::Connect | Phase::Tls)
        )
    }

    /// What a connect that failed means: our own fault is told apart from the network's and the server's (H3).
    pub(crate) fn from_way(error: WayError) -> Self {
        match error {
            WayError::Local(fault) => Self::Local(fault),
            WayError::Refused(error) => Self::Unreached(error),
            WayError::TimedOut => Self::TimedOut(Phase::Connect),
        }
    }

    /// What an error of hyper means before the head has come.
    pub(crate) fn from_head(error: &hyper::Error, head_max: usize) -> Self {
        if error.is_parse_too_large() {
            Self::HeadTooLarge(head_max)
        } else if error.is_parse() {
            Self::NotHttp(foreign_words(&chain(error)))
        } else {
            Self::CutOff(foreign_words(&chain(error)))
        }
    }

    /// The HTTP status, where that is what it is about.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } | Self::RefusedBefore { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The pause that the server asked for, bounded.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => retry_after.map(|pause| pause.min(RETRY_AFTER_MAX)),
            _ => None,
        }
    }

    /// Whether it is our own fault.
    pub(crate) fn local(&self) -> Option<LocalFault> {
        match self {
            Self::Local(fault) => Some(*fault),
            _ => None,
        }
    }
}

/// An error with all its causes, which hyper and rustls keep apart from their own words.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// Words of others made fit for a log line: one line, printable, bounded.
pub(crate) fn foreign_words(text: &str) -> String {
    let one_line = text
        .split_whitespace()
        .flat_map(|word| [" ", word])
        .skip(1)
        .flat_map(str::chars);
    let mut clean: String = one_line
        .filter(|c| !c.is_control())
        .take(FOREIGN_WORDS_MAX + 1)
        .collect();
    if let Some((end, _)) = clean.char_indices().nth(FOREIGN_WORDS_MAX) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

fn words(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(" ({message})")
    }
}

fn remedy(code: u16) -> &'static str {
    match code {
        401 => "; the credential is missing, expired or of another cluster: renew it",
        403 => "; the credential lacks the right: grant it (see `jackline rbac`) or configure another",
        404 => "; is this a server of this kind of cluster?",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_one_bounded_printable_line() {
        assert_eq!(foreign_words("a\r\n  b\u{1b}[31m\0c"), "a b[31mc");
        let long = foreign_words(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), FOREIGN_WORDS_MAX + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_pause_is_believed_up_to_a_bound() {
        let asked = |seconds| AskError::Status {
            code: 429,
            message: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
            missing: None,
        };
        assert_eq!(asked(7).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(asked(86_400).retry_after(), Some(RETRY_AFTER_MAX));
    }
}
