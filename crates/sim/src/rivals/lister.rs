//! How a rival keeps its list: told once, asked again and again, or watched.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{
    Action, Ask, Breadth, Event, Mode, RefreshId, RefreshSource, Settings, SourceId, SourceKind, Timestamp,
};

/// How long a question may take: client-go's dial.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One source of a rival's.
#[derive(Clone, Debug)]
pub(super) struct Lister {
    source: SourceId,
    /// Asked again so long after an answer; `None`: never.
    again: Option<Duration>,
    /// … and so long after a failure, or the end of a watch.
    retry: Duration,
    asking: Option<(RefreshId, Option<SocketAddr>)>,
    watching: Option<(RefreshId, Option<SocketAddr>)>,
    next: Option<Timestamp>,
    last: u64,
}

/// What an event says to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is not its.
    Nothing,
    List(Vec<SocketAddr>),
    /// Nobody answered; these were not even reached.
    Failed(Vec<SocketAddr>),
    /// The watch is over.
    Ended,
}

impl Lister {
    /// The source of this kind among those of a node. It is asked first at `now`.
    pub(super) fn of(
        settings: &Settings,
        kind: SourceKind,
        again: Option<Duration>,
        retry: Duration,
    ) -> Self {
        let index = settings.sources.iter().position(|source| source.kind == kind);
        Self {
            source: SourceId(u16::try_from(index.unwrap_or(usize::from(u16::MAX))).unwrap_or(u16::MAX)),
            again,
            retry,
            asking: None,
            watching: None,
            next: Some(Timestamp::ZERO),
            last: 0,
        }
    }

    /// Asks, if its time has come: all of `targets` until one answers. An empty list of targets asks nobody, which is right
    /// for what needs no server.
    pub(super) fn advance(&mut self, now: Timestamp, targets: Vec<SocketAddr>, actions: &mut Vec<Action>) {
        if self.is_due(now) {
            self.ask(targets, actions);
        }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.asking.is_none() && self.watching.is_none() && self.next.is_some_and(|next| next <= now)
    }

    fn ask(&mut self, targets: Vec<SocketAddr>, actions: &mut Vec<Action>) {
        self.last += 1;
        let refresh = RefreshId(self.last);
        self.asking = Some((refresh, targets.first().copied()));
        actions.push(Action::RefreshSource(RefreshSource {
            source: self.source,
            refresh,
            ask: Ask::Everything,
            targets,
            breadth: Breadth::First,
            timeout: TIMEOUT,
        }));
    }

    /// When it wants to ask next, if it may.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let idle = self.asking.is_none() && self.watching.is_none();
        self.next.filter(|_| idle)
    }

    /// Not before then.
    pub(super) fn put_off(&mut self, until: Timestamp) {
        self.next = Some(until);
    }

    /// The balancer has closed its connections to this server: a question or a watch over one of them is over.
    pub(super) fn cut(&mut self, server: SocketAddr, now: Timestamp) -> bool {
        let over = |held: &Option<(RefreshId, Option<SocketAddr>)>| {
            held.as_ref().is_some_and(|(_, with)| *with == Some(server))
        };
        let cut = over(&self.asking) || over(&self.watching);
        if cut {
            self.asking = None;
            self.watching = None;
            self.next = Some(now);
        }
        cut
    }

    pub(super) fn hear(&mut self, now: Timestamp, event: &Event) -> Heard {
        match event {
            Event::SourceReported {
                source,
                refresh,
                report,
                ..
            } if *source == self.source => {
                let is = |held: &Option<(RefreshId, Option<SocketAddr>)>| {
                    held.as_ref().is_some_and(|(id, _)| id == refresh)
                };
                if is(&self.asking) {
                    let asked = self.asking.take();
                    if report.mode == Mode::Watch {
                        self.watching = asked.map(|(id, _)| (id, report.answered_by));
                    }
                    self.next = self.again.map(|again| now + again);
                } else if !is(&self.watching) {
                    return Heard::Nothing;
                }
                let told = report.endpoints.iter();
                let told = told.filter_map(|listing| Some(SocketAddr::new(listing.ip, listing.port?)));
                Heard::List(told.collect())
            }
            Event::SourceFailed {
                source,
                refresh,
                failure,
            } if *source == self.source && self.asking.is_some_and(|(id, _)| id == *refresh) => {
                self.asking = None;
                self.next = Some(now + self.retry);
                Heard::Failed(failure.unreached.clone())
            }
            Event::WatchEnded { source, refresh, .. }
                if *source == self.source && self.watching.is_some_and(|(id, _)| id == *refresh) =>
            {
                self.watching = None;
                self.next = Some(now + self.retry);
                Heard::Ended
            }
            _ => Heard::Nothing,
        }
    }
}
