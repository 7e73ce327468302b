//! H7, R2, R3, M5, R5: when whom is tested and asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

use super::health::Tests;
use super::{Broken, Seen};

/// R2: the longest pause of a source beside a healthy watch, jitter included, and a question's own time.
const ASKED_WITHIN: Duration = Duration::from_secs(145);
/// H7: suspicions are heard in full again after so long.
const UNMUTED_AFTER: Duration = Duration::from_secs(61);
/// H7: at rest nobody is tested more often than each 13 s.
const PAUSE_MIN: Duration = Duration::from_secs(13);

#[derive(Default)]
pub(super) struct Pace {
    /// When a suspicion of it was last told.
    suspected: BTreeMap<SocketAddr, Timestamp>,
    asked_kubernetes: Option<Timestamp>,
    attached_since: Option<Timestamp>,
    rest: Option<Timestamp>,
    tested: BTreeMap<SocketAddr, Vec<Timestamp>>,
}

impl Pace {
    pub(super) fn observe(&mut self, seen: &Seen<'_>, tests: &Tests) -> Option<Broken> {
        self.suspicions_are_urgent(seen, tests)
            .or_else(|| self.sources_are_asked_again(seen))
            .or_else(|| archived_rest(seen))
            .or_else(|| {
                self.count(seen);
                None
            })
    }

    /// H7, D3, D4: a suspicion has a ready server tested at once.
    fn suspicions_are_urgent(&mut self, seen: &Seen<'_>, tests: &Tests) -> Option<Broken> {
        let (address, rule) = match seen.event {
            Event::SessionClosed {
                endpoint,
                ending: Ending::PeerDead,
            } => (*endpoint, "D3"),
            Event::SessionStalled { endpoint, .. } => (*endpoint, "D4"),
            Event::DialFailed {
                endpoint,
                failure: DialFailure::Refused | DialFailure::TimedOut,
            } => (*endpoint, "H7"),
            Event::HedgeWon { silent, .. } => (*silent, "H7"),
            _ => return None,
        };
        let last = self.suspected.insert(address, seen.now);
        let (was, is) = (seen.was(address)?, seen.is(address)?);
        let fresh = last.is_none_or(|last| seen.now.since(last) >= UNMUTED_AFTER);
        let calm = was.health == Health::Ready && !was.suspected;
        let testing = seen.tests(address) || tests.under_way.contains_key(&address);
        (fresh && calm && !(is.suspected && testing))
            .then(|| Broken::new(rule, format!("{address} is in doubt, and is not tested")))
    }

    /// R2, R3: an attached node asks again and again, and several servers at a time.
    fn sources_are_asked_again(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        self.attached_since = match seen.after.state {
            NodeState::Attached => self.attached_since.or(Some(seen.now)),
            _ => None,
        };
        for action in seen.actions {
            let Action::RefreshSource(asked) = action else {
                continue;
            };
            let kind = seen
                .after
                .sources
                .get(usize::from(asked.source.0))
                .map(|source| source.kind);
            if kind != Some(SourceKind::Kubernetes) {
                continue;
            }
            self.asked_kubernetes = Some(seen.now);
            let ready = |view: &&EndpointView| view.health == Health::Ready && view.api != Capability::No;
            if asked.targets.len() < 2 && seen.after.endpoints.iter().filter(ready).count() > 1 {
                return Some(Broken::new(
                    "R3",
                    "only one server may answer a source".to_owned(),
                ));
            }
        }
        let (attached, asked) = (self.attached_since?, self.asked_kubernetes?);
        let waited = seen.now.since(attached.max(asked));
        (waited > ASKED_WITHIN).then(|| {
            Broken::new(
                "R2",
                format!("the list has not been asked for again for {waited:?}"),
            )
        })
    }

    fn count(&mut self, seen: &Seen<'_>) {
        if self.rest.is_none() {
            return;
        }
        for action in seen.actions {
            if let Action::StartProbe(start) = action {
                self.tested.entry(start.endpoint).or_default().push(seen.now);
            }
        }
    }

    pub(super) fn begin_rest(&mut self, now: Timestamp) {
        self.rest = Some(now);
    }

    /// H7: the price of a calm node.
    pub(super) fn at_rest(&self, now: Timestamp, snapshot: &Snapshot) -> Option<Broken> {
        let rested = now.since(self.rest?);
        for view in snapshot
            .endpoints
            .iter()
            .filter(|view| view.standing != Standing::Archived)
        {
            let tested = self.tested.get(&view.address).map_or(0, Vec::len);
            let pauses = self.pauses_of(view.address);
            if tested == 0 || pauses.iter().any(|pause| *pause < PAUSE_MIN) {
                let text = format!("{} was tested {tested} times in {rested:?} of rest", view.address);
                return Some(Broken::new("H7", text));
            }
        }
        None
    }

    fn pauses_of(&self, address: SocketAddr) -> BTreeSet<Duration> {
        let times = self.tested.get(&address).map(Vec::as_slice).unwrap_or_default();
        times.windows(2).map(|pair| pair[1].since(pair[0])).collect()
    }

    pub(super) fn pauses(&self) -> BTreeSet<Duration> {
        self.tested
            .keys()
            .flat_map(|address| self.pauses_of(*address))
            .collect()
    }
}

/// M5: while somebody is ready, an archived endpoint without sessions is left alone.
fn archived_rest(seen: &Seen<'_>) -> Option<Broken> {
    if seen.before.state != NodeState::Attached || seen.after.state != NodeState::Attached {
        return None;
    }
    let archived = |view: &&EndpointView| {
        view.standing == Standing::Archived
            && !seen.sessions.contains_key(&view.address)
            && seen.was(view.address).is_some_and(|was| was.standing == Standing::Archived)
            // A client's own bad dial of it may well be looked into.
            && !matches!(seen.event, Event::DialFailed { .. } | Event::HedgeWon { .. } | Event::SessionClosed { .. } | Event::SessionStalled { .. } | Event::SessionOpened { .. })
    };
    let tested = seen
        .after
        .endpoints
        .iter()
        .filter(archived)
        .find(|view| seen.tests(view.address))?;
    Some(Broken::new(
        "M5",
        format!("{} is archived, and tested upon {:?}", tested.address, seen.event),
    ))
}
