//! What the books of the clients prove: which requests failed, which died with their server, how long a session hung.
//!
//! Pure: it is given the books and what the control plane saw.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Kind;
use super::ledger::{Connection, Request};
use crate::verdict::Requests;

/// A request that never reached a server counts as "under way on the killed one" if it failed within this time of the
/// kill: its dial or its handshake was with the server that died.
const DIED_WITH_IT: Duration = Duration::from_secs(1);

/// A server was killed.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) server: String,
    pub(crate) at: Instant,
}

/// The books, and which server each request reached.
pub(crate) struct Evidence {
    pub(crate) requests: Vec<Request>,
    pub(crate) connections: Vec<Connection>,
    server_of_request: HashMap<usize, String>,
    server_of_connection: HashMap<usize, String>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// Failed, and held against the node.
    Failed,
    /// It was under way on a server that was killed.
    DiedWithServer,
    /// It failed, but it began before the fault or while there was no server that could have answered.
    Excused,
    UnderWay,
}

impl Evidence {
    /// `seen`: the server that a request reached last.
    pub(crate) fn new(
        requests: Vec<Request>,
        connections: Vec<Connection>,
        seen: impl Fn(usize) -> Option<String>,
    ) -> Self {
        let mut server_of_request = HashMap::new();
        let mut server_of_connection = HashMap::new();
        for request in &requests {
            let Some(server) = seen(request.id) else { continue };
            if let Some(connection) = request.connection {
                server_of_connection.insert(connection, server.clone());
            }
            server_of_request.insert(request.id, server);
        }
        Self {
            requests,
            connections,
            server_of_request,
            server_of_connection,
        }
    }

    pub(crate) fn fate(&self, request: &Request, fault: Option<Instant>, kills: &[Kill]) -> Fate {
        let Some(ended) = request.ended else {
            return Fate::UnderWay;
        };
        if request.failure.is_none() {
            return Fate::Answered;
        }
        if kills.iter().any(|kill| self.died_with(request, ended, kill)) {
            return Fate::DiedWithServer;
        }
        let after_fault = fault.is_some_and(|fault| request.began >= fault);
        if after_fault && request.ready_throughout {
            Fate::Failed
        } else {
            Fate::Excused
        }
    }

    fn died_with(&self, request: &Request, ended: Instant, kill: &Kill) -> bool {
        if request.began > kill.at || ended < kill.at {
            return false;
        }
        let server = self.server_of_request.get(&request.id).or_else(|| {
            request
                .connection
                .and_then(|id| self.server_of_connection.get(&id))
        });
        match server {
            Some(server) => *server == kill.server,
            None => ended.saturating_duration_since(kill.at) <= DIED_WITH_IT,
        }
    }

    /// The tally of the verdict.
    pub(crate) fn tally(&self, fault: Option<Instant>, kills: &[Kill]) -> Requests {
        let mut tally = Requests {
            sent: self.requests.len() as u64,
            ..Requests::default()
        };
        for request in &self.requests {
            match self.fate(request, fault, kills) {
                Fate::Failed => tally.failed += 1,
                Fate::DiedWithServer => tally.in_flight_on_killed += 1,
                Fate::Answered | Fate::Excused | Fate::UnderWay => {}
            }
            tally.resent += u64::from(request.resent);
        }
        tally
    }

    /// The commonest reasons of failed requests, for what a check got.
    pub(crate) fn reasons(&self, fault: Option<Instant>, kills: &[Kill]) -> String {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for request in &self.requests {
            if self.fate(request, fault, kills) == Fate::Failed {
                let why = request.failure.as_deref().unwrap_or_default();
                *counts.entry(format!("{}: {why}", request.kind)).or_default() += 1;
            }
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let words: Vec<String> = counts
            .iter()
            .take(4)
            .map(|(why, count)| format!("{count} × {why}"))
            .collect();
        words.join("; ")
    }

    /// Requests that needed a new connection, begun after `since`: on a connection that was opened after their
    /// beginning, or on none at all because the dial failed.
    pub(crate) fn on_new_connections(&self, since: Instant) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| {
            request.began >= since
                && match request.connection.and_then(|id| self.connections.get(id)) {
                    Some(connection) => connection.opened >= request.began,
                    None => true,
                }
        })
    }

    /// How long each session with `server` hung that was open at the fault and sent something after it or had
    /// sent it before and was not answered; `None` for one that is still open.
    pub(crate) fn hung(&self, server: &str, fault: Instant) -> Vec<(Kind, Option<Duration>)> {
        let victims = self.connections.iter().filter(|connection| {
            connection.opened < fault
                && connection.ended.is_none_or(|ended| ended >= fault)
                && self
                    .server_of_connection
                    .get(&connection.id)
                    .is_some_and(|name| name == server)
        });
        let mut hung = Vec::new();
        for connection in victims {
            let unanswered = self.requests.iter().filter(|request| {
                request.connection == Some(connection.id)
                    && !(request.answered() && request.ended < Some(fault))
            });
            // A watch has had its answer, and sends nothing.
            let Some(first) = unanswered.map(|request| request.began.max(fault)).min() else {
                continue;
            };
            if connection.kind == Kind::Watch {
                continue;
            }
            hung.push((
                connection.kind,
                connection
                    .ended
                    .map(|ended| ended.saturating_duration_since(first)),
            ));
        }
        hung
    }

    /// When a node's client was first served: the end of the first answered request that began at or after `since`.
    pub(crate) fn first_served(&self, node: usize, since: Instant) -> Option<Instant> {
        let later = self
            .requests
            .iter()
            .filter(|request| request.node == node && request.began >= since);
        later
            .filter(|request| request.answered())
            .filter_map(|request| request.ended)
            .min()
    }

    /// Sessions, open at `from`, that were cut by the other side until `to`.
    pub(crate) fn cut(&self, from: Instant, to: Instant) -> Vec<&Connection> {
        let between = |at: Instant| at >= from && at <= to;
        let cut = self.connections.iter().filter(|connection| {
            connection.kind != Kind::Fresh
                && connection.opened < from
                && connection.cut.is_some()
                && connection.ended.is_some_and(between)
        });
        cut.collect()
    }

    /// The server that a connection reached.
    pub(crate) fn server_of(&self, connection: usize) -> Option<&str> {
        self.server_of_connection.get(&connection).map(String::as_str)
    }
}

/// The middle of the times that answered requests took; zero of none.
pub(crate) fn median_time<'a>(requests: impl Iterator<Item = &'a Request>) -> Duration {
    let mut times: Vec<Duration> = requests
        .filter(|r| r.answered())
        .filter_map(Request::took)
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Story {
        zero: Instant,
        evidence: Evidence,
    }

    /// A request on a connection of its own number: (began, ended, failed, server).
    fn story(requests: &[(u64, Option<u64>, bool, Option<&str>)]) -> Story {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let books = requests
            .iter()
            .enumerate()
            .map(|(id, &(began, ended, failed, _))| Request {
                id,
                node: 0,
                kind: Kind::Http1,
                began: at(began),
                ended: ended.map(at),
                connection: Some(id),
                failure: failed.then(|| "reset".to_owned()),
                resent: false,
                ready_throughout: true,
            });
        let connections = (0..requests.len()).map(|id| Connection {
            id,
            node: 0,
            kind: Kind::Http1,
            opened: zero,
            ended: requests[id].1.map(at),
            cut: requests[id].2.then(|| "reset".to_owned()),
        });
        let evidence = Evidence::new(books.collect(), connections.collect(), |id| {
            requests[id].3.map(str::to_owned)
        });
        Story { zero, evidence }
    }

    impl Story {
        fn at(&self, ms: u64) -> Instant {
            self.zero + Duration::from_millis(ms)
        }

        fn fates(&self, fault: Option<Instant>, kills: &[Kill]) -> Vec<Fate> {
            self.evidence
                .requests
                .iter()
                .map(|request| self.evidence.fate(request, fault, kills))
                .collect()
        }
    }

    #[test]
    fn only_what_began_after_the_fault_is_held_against_the_node() {
        let story = story(&[
            (10, Some(90), true, None),
            (60, Some(90), true, None),
            (60, Some(90), false, None),
        ]);
        assert_eq!(
            story.fates(Some(story.at(50)), &[]),
            [Fate::Excused, Fate::Failed, Fate::Answered]
        );
        assert_eq!(
            story.fates(None, &[]),
            [Fate::Excused, Fate::Excused, Fate::Answered]
        );
    }

    #[test]
    fn nobody_can_answer_while_no_server_is_ready() {
        let mut story = story(&[(60, Some(90), true, None)]);
        story.evidence.requests[0].ready_throughout = false;
        assert_eq!(story.fates(Some(story.at(50)), &[]), [Fate::Excused]);
    }

    #[test]
    fn those_in_flight_on_a_killed_server_are_counted_apart() {
        let story = story(&[
            (10, Some(101), true, Some("a")),  // in flight on it
            (10, Some(101), true, Some("b")),  // in flight on another
            (120, Some(130), true, Some("a")), // began after the kill
            (10, Some(101), true, None),       // its handshake died
            (10, Some(1_900), true, None),     // hung for another reason
        ]);
        let kill = Kill {
            server: "a".into(),
            at: story.at(100),
        };
        let fates = story.fates(Some(story.zero), &[kill]);
        assert_eq!(
            fates,
            [
                Fate::DiedWithServer,
                Fate::Failed,
                Fate::Failed,
                Fate::DiedWithServer,
                Fate::Failed
            ]
        );
        let tally = story.evidence.tally(
            Some(story.zero),
            &[Kill {
                server: "a".into(),
                at: story.at(100),
            }],
        );
        assert_eq!(
            tally,
            Requests {
                sent: 5,
                failed: 3,
                in_flight_on_killed: 2,
                resent: 0
            }
        );
    }

    #[test]
    fn a_session_hangs_from_its_first_unanswered_byte_after_the_fault() {
        let story = story(&[
            (10, Some(700), true, Some("a")), // sent before the fault, unanswered: from the fault on
            (200, Some(700), true, Some("a")), // sent after the fault
            (300, None, false, Some("a")),    // still open
            (10, Some(50), false, Some("a")), // ended before the fault
            (200, Some(700), true, Some("b")), // another server's
        ]);
        let hung = story.evidence.hung("a", story.at(100));
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(
            hung,
            [
                (Kind::Http1, ms(600)),
                (Kind::Http1, ms(500)),
                (Kind::Http1, None)
            ]
        );
    }
}
