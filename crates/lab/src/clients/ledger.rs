//! Every request and every connection of every client: when it began, how it ended. What it means is judged later.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Kind;
use crate::locked::lock;

/// More requests than this are not recorded: an hour of sixteen clients at 10 a second is 576,000.
const REQUESTS_MAX: usize = 600_000;

/// More connections than this are not recorded.
const CONNECTIONS_MAX: usize = 600_000;

/// One request of one client. A watch is a request from when it is asked for until it is answered or refused.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: usize,
    pub(crate) node: usize,
    pub(crate) kind: Kind,
    pub(crate) began: Instant,
    /// When it was answered, failed or given up; `None`: it is under way.
    pub(crate) ended: Option<Instant>,
    /// The connection that it was written on last; `None`: it got none.
    pub(crate) connection: Option<usize>,
    /// Why it got no answer; `None` with an end: it got one.
    pub(crate) failure: Option<String>,
    pub(crate) resent: bool,
    /// A server had been ready all the time from its beginning to its end.
    pub(crate) ready_throughout: bool,
}

impl Request {
    pub(crate) fn answered(&self) -> bool {
        self.ended.is_some() && self.failure.is_none()
    }

    pub(crate) fn took(&self) -> Option<Duration> {
        self.ended
            .map(|ended| ended.saturating_duration_since(self.began))
    }
}

/// One connection of one client, from the first byte of TCP to its end.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: usize,
    pub(crate) node: usize,
    pub(crate) kind: Kind,
    /// When the TLS handshake was over.
    pub(crate) opened: Instant,
    pub(crate) ended: Option<Instant>,
    /// Why it ended; `None` with an end: the client closed it itself.
    pub(crate) cut: Option<String>,
}

#[derive(Default)]
struct Books {
    requests: Vec<Request>,
    connections: Vec<Connection>,
}

/// The books of all clients of a scenario.
#[derive(Default)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
}

impl Ledger {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// `None`: the book is full.
    pub(super) fn begin(&self, node: usize, kind: Kind) -> Option<usize> {
        let mut books = self.books();
        let id = books.requests.len();
        if id >= REQUESTS_MAX {
            return None;
        }
        books.requests.push(Request {
            id,
            node,
            kind,
            began: Instant::now(),
            ended: None,
            connection: None,
            failure: None,
            resent: false,
            ready_throughout: false,
        });
        Some(id)
    }

    pub(super) fn written(&self, request: usize, connection: usize) {
        if let Some(request) = self.books().requests.get_mut(request) {
            request.connection = Some(connection);
        }
    }

    pub(super) fn resent(&self, request: usize) {
        if let Some(request) = self.books().requests.get_mut(request) {
            request.resent = true;
        }
    }

    /// `ready_since`: since when some server has been ready without a break.
    pub(super) fn end(&self, request: usize, failure: Option<String>, ready_since: Option<Instant>) {
        if let Some(request) = self.books().requests.get_mut(request) {
            request.ended = Some(Instant::now());
            request.failure = failure;
            request.ready_throughout = ready_since.is_some_and(|since| since <= request.began);
        }
    }

    pub(super) fn opened(&self, node: usize, kind: Kind) -> usize {
        let mut books = self.books();
        let id = books.connections.len();
        if id < CONNECTIONS_MAX {
            books.connections.push(Connection {
                id,
                node,
                kind,
                opened: Instant::now(),
                ended: None,
                cut: None,
            });
        }
        id
    }

    pub(super) fn closed(&self, connection: usize, cut: Option<String>) {
        if let Some(connection) = self.books().connections.get_mut(connection) {
            connection.ended = Some(Instant::now());
            connection.cut = cut;
        }
    }

    /// All requests so far, in the order of their beginning.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.books().requests.clone()
    }

    /// All connections so far, in the order of their opening.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.books().connections.clone()
    }

    /// How many requests were sent, and how many of them failed for whatever reason.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let books = self.books();
        (
            books.requests.len(),
            books
                .requests
                .iter()
                .filter(|request| request.failure.is_some())
                .count(),
        )
    }

    /// Whether a client of the node has had an answer to a request that began after this.
    pub(crate) fn answered_since(&self, node: usize, since: Instant) -> bool {
        let books = self.books();
        books
            .requests
            .iter()
            .rev()
            .take_while(|r| r.began >= since)
            .any(|r| r.node == node && r.answered())
    }
}
