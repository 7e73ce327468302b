//! What servers and sources answer, and when an answer would come if nobody held it up.

use std::time::Duration;

use jackline_core::{
    Answer, Depth, Event, Finding, Listing, Mode, Phase, ProbeFailure, Report, SourceFailure, SourceId,
    Timestamp,
};

use super::cast::{ETCD, KUBERNETES, SERVERS, STATIC, SUPERVISOR, address, server_at};
use super::subject::Subject;
use super::world::{Life, ProbeUnderWay, Question, Watch, World};

/// A round trip to a server that lives.
const PROMPT: Duration = Duration::from_millis(3);
/// A refused connect.
const REFUSED: Duration = Duration::from_millis(1);

/// What a source's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Word {
    /// How it is now.
    Current,
    /// How it was when the question was asked.
    Late,
    /// Nothing: the question failed.
    Missing,
}

impl<S: Subject> World<'_, S> {
    pub(super) fn probe_end(&self, server: usize, probe: &ProbeUnderWay) -> Timestamp {
        probe.started
            + match self.servers[server].life {
                Life::Up | Life::Starting => PROMPT,
                Life::Stopped => REFUSED,
                Life::Off => probe.limits.connect,
            }
    }

    /// The probe that is under way finds the server as it is now.
    pub(super) fn end_probe(&mut self, server: usize) {
        let Some(under_way) = self.probes[server].take() else {
            return;
        };
        let (endpoint, probe) = (address(server), under_way.probe);
        let failed = |failure| Event::ProbeFailed {
            endpoint,
            probe,
            failure,
        };
        let found = |answer| Event::ProbeSucceeded {
            endpoint,
            probe,
            finding: Finding {
                depth: Depth::Readyz,
                answer,
                connect: Some(REFUSED),
                total: PROMPT,
                authenticated: false,
            },
        };
        let serves_api = self.setting.cast.serves_api(server);
        let event = match self.servers[server].life {
            Life::Up | Life::Starting if !serves_api => found(Answer::NoApi),
            Life::Up => found(Answer::Ready),
            Life::Starting => found(Answer::NotReady {
                status: 500,
                failed: vec!["poststarthook/start".to_owned()],
            }),
            Life::Stopped => failed(ProbeFailure::Refused {
                detail: "connection refused".to_owned(),
            }),
            Life::Off => failed(ProbeFailure::TimedOut {
                phase: Phase::Connect,
            }),
        };
        self.tell(event);
    }

    /// Who would answer this question.
    fn answering(&self, source: SourceId, question: &Question) -> Option<usize> {
        let can = |&server: &usize| {
            let lives = matches!(self.servers[server].life, Life::Up | Life::Starting);
            lives && (source == SUPERVISOR || self.setting.cast.serves_api(server))
        };
        question
            .targets
            .iter()
            .filter_map(|&target| server_at(target))
            .find(can)
    }

    fn needs_server(source: SourceId) -> bool {
        source == KUBERNETES || source == SUPERVISOR
    }

    pub(super) fn question_end(&self, source: SourceId, question: &Question) -> Timestamp {
        let off = |&target: &std::net::SocketAddr| {
            server_at(target).is_some_and(|server| self.servers[server].life == Life::Off)
        };
        let takes = if !Self::needs_server(source) || self.answering(source, question).is_some() {
            PROMPT
        } else if question.targets.iter().any(off) {
            question.timeout
        } else {
            REFUSED
        };
        question.started + takes
    }

    /// Whether the answer to a question may come late: it would differ from the present one.
    pub(super) fn may_be_late(&self, source: SourceId) -> bool {
        let index = usize::from(source.0);
        let differs = self
            .servers
            .iter()
            .any(|server| server.listed_then[index] != server.listed);
        let answered = self.questions[index].as_ref().is_some_and(|question| {
            !Self::needs_server(source) || self.answering(source, question).is_some()
        });
        source != ETCD && differs && answered
    }

    /// A source's question ends.
    pub(super) fn end_question(&mut self, source: SourceId, word: Word) {
        let index = usize::from(source.0);
        let Some(question) = self.questions[index].take() else {
            return;
        };
        let answering = self.answering(source, &question);
        let refresh = question.refresh;
        if word == Word::Missing || (Self::needs_server(source) && answering.is_none()) {
            let failure = SourceFailure {
                reason: "no answer".to_owned(),
                tried: Vec::new(),
                retry_after: None,
                unreached: Vec::new(),
                local: None,
            };
            self.tell(Event::SourceFailed {
                source,
                refresh,
                failure,
            });
            return;
        }
        let told = match (source, word) {
            (STATIC, _) => [true, false, false],
            (ETCD, _) => self.servers.map(|server| server.lease),
            (_, Word::Late) => self.servers.map(|server| server.listed_then[index]),
            _ => self.listed(),
        };
        let mode = match (source, answering) {
            (STATIC, _) => Mode::Fixed,
            (KUBERNETES, Some(through)) => {
                self.watch = Some(Watch {
                    through,
                    refresh,
                    position: 0,
                    told,
                });
                Mode::Watch
            }
            _ => Mode::Poll,
        };
        let report = report(told, mode, answering);
        self.tell(Event::SourceReported {
            source,
            refresh,
            position: 0,
            report,
        });
    }

    /// The open watch tells a change, or that it is over.
    pub(super) fn watch_tells(&mut self) {
        let Some(mut watch) = self.watch.filter(|_| self.watch_has_news()) else {
            return;
        };
        if self.servers[watch.through].life == Life::Stopped {
            self.watch = None;
            self.tell(Event::WatchEnded {
                source: KUBERNETES,
                refresh: watch.refresh,
                reason: "the server ended it".to_owned(),
            });
            return;
        }
        watch.position += 1;
        watch.told = self.listed();
        self.watch = Some(watch);
        let report = report(watch.told, Mode::Watch, Some(watch.through));
        self.tell(Event::SourceReported {
            source: KUBERNETES,
            refresh: watch.refresh,
            position: watch.position,
            report,
        });
    }
}

fn report(told: [bool; SERVERS], mode: Mode, answered_by: Option<usize>) -> Report {
    let listed = (0..SERVERS).filter(|&server| told[server]);
    Report {
        endpoints: listed.map(|server| Listing::from(address(server))).collect(),
        mode,
        answered_by: answered_by.map(address),
        verified: true,
        ..Report::default()
    }
}
