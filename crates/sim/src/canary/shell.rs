//! What stands around the core in a world: servers that answer probes, sources that answer questions, clients.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

use super::dice::Dice;
use super::play::{ETCD, HEARTBEAT, KUBERNETES, NODES, REGISTRATION, World, at};

/// How a server fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fares {
    Ready,
    NotReady(&'static str),
    Alive,
    NoApi,
    Refuses,
    Silent,
    Foreign,
    LocalFault,
}

impl Fares {
    pub(super) fn drawn(dice: &mut Dice) -> Self {
        let all = [
            Self::Ready,
            Self::Ready,
            Self::Ready,
            Self::NotReady("shutdown"),
            Self::NotReady("etcd"),
            Self::NotReady("poststarthook/x"),
            Self::Alive,
            Self::NoApi,
            Self::Refuses,
            Self::Refuses,
            Self::Silent,
            Self::Silent,
            Self::Foreign,
            Self::LocalFault,
        ];
        dice.one_of(&all).unwrap_or(Self::Ready)
    }
}

/// How a source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// What is true.
    Truly,
    /// What is true of one server only, and verified.
    InPart,
    /// The same, from a server that was not verified.
    Unverified,
    Emptily,
    Fails,
    /// Rightly, but twice: the second time as the answer to the question before.
    AndOldNews,
}

impl Answers {
    pub(super) fn drawn(dice: &mut Dice) -> Self {
        let all = [
            Self::Truly,
            Self::InPart,
            Self::Unverified,
            Self::Emptily,
            Self::Fails,
            Self::AndOldNews,
        ];
        dice.one_of(&all).unwrap_or(Self::Truly)
    }
}

/// What a world does for its node.
pub(super) trait Lives {
    fn carry_out(&mut self, action: &Action);
    fn a_client_does_something(&mut self, endpoint: SocketAddr);
}

const PROMPT: Duration = Duration::from_millis(3);

impl Lives for World {
    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::StartProbe(start) => {
                let (after, event) = self.probe(start);
                self.pending.push((self.now + after, event));
            }
            Action::RefreshSource(asked) => self.answer(asked),
            Action::ReloadTrust => {
                let at = self.now + PROMPT;
                self.pending.push((at, Event::TrustReloaded { changed: false }));
            }
            Action::CloseSessions(close) => {
                let silent = self.servers.get(&close.endpoint) == Some(&Fares::Silent);
                if close.which == Which::All || silent {
                    self.end_all(close.endpoint, Ending::Ours);
                }
            }
            Action::KeepSessions { .. } | Action::PersistMembership { .. } | Action::Announce(_) => {}
        }
    }

    fn a_client_does_something(&mut self, endpoint: SocketAddr) {
        let open = self.sessions.get(&endpoint).copied().unwrap_or_default();
        match self.dice.below(8) {
            0..=2 => {
                // Where it would really go.
                let candidates: Vec<SocketAddr> = selection::candidates(&self.policy.snapshot())
                    .map(|view| view.address)
                    .collect();
                if let Some(&first) = candidates.first() {
                    *self.sessions.entry(first).or_default() += 1;
                    let connect = Duration::from_millis(2);
                    self.tell(Event::SessionOpened {
                        endpoint: first,
                        connect,
                    });
                    self.tell(Event::SessionsProgressed { endpoint: first });
                }
            }
            3 if open > 0 => {
                let all = [
                    Ending::Upstream,
                    Ending::UpstreamSilent,
                    Ending::PeerDead,
                    Ending::Downstream,
                ];
                let ending = self.dice.one_of(&all).unwrap_or(Ending::Ours);
                self.end_one(endpoint, ending);
            }
            4 if open > 0 => {
                let again = self.dice.once_in(2);
                self.tell(Event::SessionStalled { endpoint, again });
            }
            5 => {
                let all = [
                    DialFailure::Refused,
                    DialFailure::TimedOut,
                    DialFailure::Local(LocalFault::Ports),
                ];
                if let Some(failure) = self.dice.one_of(&all) {
                    self.tell(Event::DialFailed { endpoint, failure });
                }
            }
            6 => self.tell(Event::HedgeWon {
                silent: endpoint,
                winner: at(1),
            }),
            _ => {}
        }
    }
}

impl World {
    fn end_one(&mut self, endpoint: SocketAddr, ending: Ending) {
        if let Some(open) = self.sessions.get_mut(&endpoint) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.sessions.remove(&endpoint);
            }
        }
        self.tell(Event::SessionClosed { endpoint, ending });
    }

    fn end_all(&mut self, endpoint: SocketAddr, ending: Ending) {
        for _ in 0..self.sessions.get(&endpoint).copied().unwrap_or_default() {
            self.end_one(endpoint, ending);
        }
    }

    fn probe(&self, start: &StartProbe) -> (Duration, Event) {
        let (endpoint, probe) = (start.endpoint, start.probe);
        let found = |answer| {
            let finding = Finding {
                depth: Depth::Readyz,
                answer,
                connect: Some(Duration::from_millis(1)),
                total: PROMPT,
                authenticated: false,
            };
            let event = Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            };
            (PROMPT, event)
        };
        let failed = |after, failure| {
            let event = Event::ProbeFailed {
                endpoint,
                probe,
                failure,
            };
            (after, event)
        };
        let detail = String::from("as the world has it");
        match self.servers.get(&endpoint).unwrap_or(&Fares::Silent) {
            Fares::Ready => found(Answer::Ready),
            Fares::NotReady(check) => found(Answer::NotReady {
                status: 500,
                failed: vec![(*check).to_owned()],
            }),
            Fares::Alive => found(Answer::Alive),
            Fares::NoApi => found(Answer::NoApi),
            Fares::Refuses => failed(Duration::from_millis(1), ProbeFailure::Refused { detail }),
            Fares::Silent => failed(
                start.limits.connect,
                ProbeFailure::TimedOut {
                    phase: Phase::Connect,
                },
            ),
            Fares::Foreign => {
                let cause = Untrusted::UnknownIssuer;
                failed(PROMPT, ProbeFailure::Untrusted { cause, detail })
            }
            Fares::LocalFault => {
                let fault = LocalFault::Descriptors;
                failed(Duration::ZERO, ProbeFailure::Local { fault })
            }
        }
    }

    fn answer(&mut self, asked: &RefreshSource) {
        let (source, refresh) = (asked.source, asked.refresh);
        let answers = self.sources.get(&source).copied().unwrap_or(Answers::Truly);
        let soon = self.now + PROMPT;
        if answers == Answers::Fails {
            let failure = SourceFailure {
                reason: "as the world has it".to_owned(),
                tried: Vec::new(),
                retry_after: None,
                unreached: Vec::new(),
                local: None,
            };
            self.pending.push((
                soon,
                Event::SourceFailed {
                    source,
                    refresh,
                    failure,
                },
            ));
            return;
        }
        let report = self.report(source, answers);
        if let (NODES, Ask::Node(name)) = (source, &asked.ask) {
            let node = report.nodes.into_iter().find(|node| node.name == *name);
            let event = Event::NodeReported {
                source,
                refresh,
                name: name.clone(),
                node,
                answered_by: None,
            };
            self.pending.push((soon, event));
            return;
        }
        if answers == Answers::AndOldNews && refresh.0 > 2 {
            // A part of the truth, in answer to a question of long ago, comes a little later.
            let event = Event::SourceReported {
                source,
                refresh: RefreshId(refresh.0 - 2),
                position: 0,
                report: self.report(source, Answers::InPart),
            };
            self.pending.push((soon + PROMPT, event));
        }
        self.pending.push((
            soon,
            Event::SourceReported {
                source,
                refresh,
                position: 0,
                report,
            },
        ));
    }

    fn report(&self, source: SourceId, answers: Answers) -> Report {
        let truth: Vec<SocketAddr> = match source {
            REGISTRATION => vec![at(1), at(2)],
            _ => self.listed.iter().copied().collect(),
        };
        let told = match answers {
            Answers::Emptily => Vec::new(),
            Answers::InPart | Answers::Unverified => truth.into_iter().take(1).collect(),
            _ => truth,
        };
        let mut report = Report {
            verified: answers != Answers::Unverified,
            ..Report::default()
        };
        match source {
            NODES => report.nodes = self.node_listings(answers),
            HEARTBEAT => {
                let renewed = self.lease_stands_since.unwrap_or(self.now);
                report.heartbeat = Some(Heartbeat {
                    renewed: renewed.as_millis(),
                    age: self.now.since(renewed),
                });
            }
            _ => report.endpoints = told.into_iter().map(Listing::from).collect(),
        }
        match source {
            // Lease keys have no ports (M7).
            ETCD => report
                .endpoints
                .iter_mut()
                .for_each(|listing| listing.port = None),
            KUBERNETES => {
                report.mode = Mode::Watch;
                let drain = |address: &SocketAddr| FleetDrain {
                    ip: address.ip(),
                    port: None,
                    lasts: None,
                };
                report.draining = Some(self.drained.iter().map(drain).collect());
            }
            _ => {}
        }
        report
    }

    fn node_listings(&self, answers: Answers) -> Vec<NodeListing> {
        let listing = |address: &SocketAddr| NodeListing {
            name: node_of(*address),
            addresses: vec![address.ip()],
            control_plane: true,
            zone: None,
            ready: Some(true),
            leaving: false,
        };
        match answers {
            Answers::Emptily => Vec::new(),
            Answers::InPart | Answers::Unverified => self.nodes.iter().take(1).map(listing).collect(),
            _ => self.nodes.iter().map(listing).collect(),
        }
    }
}

/// The name of the Node at an address.
pub(super) fn node_of(address: SocketAddr) -> String {
    format!("node-at-{}", address.ip())
}

/// A remembered endpoint.
pub(super) fn record(address: SocketAddr) -> Record {
    Record {
        address,
        archived: false,
        seen_by: vec!["kubernetes".to_owned()],
        node: None,
        zone: None,
        unlisted_for: None,
        node_gone_for: None,
        archived_for: None,
        last_seen: None,
        last_ready: None,
    }
}
