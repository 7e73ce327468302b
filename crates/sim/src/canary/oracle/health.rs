//! H: what tests found, and what was made of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jackline_core::*;

use super::{Broken, Seen, another_is_ready};

/// H4.
const THRESHOLD: u8 = 2;

#[derive(Default)]
pub(super) struct Tests {
    started: BTreeMap<ProbeId, Timestamp>,
    pub(super) under_way: BTreeMap<SocketAddr, ProbeId>,
    good: BTreeMap<SocketAddr, u8>,
    bad: BTreeMap<SocketAddr, u8>,
    pub(super) no_api: BTreeMap<SocketAddr, bool>,
    /// Since when its findings have named only checks whose cause may lie outside.
    pub(super) shared: BTreeMap<SocketAddr, Timestamp>,
    /// When the test began that first found that it does not verify.
    doubted: BTreeMap<SocketAddr, Timestamp>,
    /// When the latest test began that verified it.
    verified: BTreeMap<SocketAddr, Timestamp>,
}

impl Tests {
    pub(super) fn observe(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        let ended = self.hear(seen);
        let broken = ended
            .and_then(|address| {
                self.thresholds(seen, address)
                    .or_else(|| self.evidence(seen, address))
            })
            .or_else(|| self.impostors_have_witnesses(seen))
            .or_else(|| self.without_api_is_isolated(seen))
            .or_else(|| passive(seen))
            .or_else(|| changes_are_told(seen));
        for action in seen.actions {
            if let Action::StartProbe(start) = action {
                self.started.insert(start.probe, seen.now);
                self.under_way.insert(start.endpoint, start.probe);
            }
        }
        broken
    }

    /// Counts what a test found; gives whom it found it of, if it was the test that is waited for.
    fn hear(&mut self, seen: &Seen<'_>) -> Option<SocketAddr> {
        let (address, probe) = match seen.event {
            Event::ProbeSucceeded { endpoint, probe, .. } | Event::ProbeFailed { endpoint, probe, .. } => {
                (*endpoint, *probe)
            }
            Event::DialFailed {
                endpoint,
                failure: DialFailure::Refused,
            } => {
                let bad = self.bad.entry(*endpoint).or_default();
                *bad = (*bad).max(1);
                self.good.remove(endpoint);
                return None;
            }
            Event::DialFailed {
                endpoint,
                failure: DialFailure::TimedOut | DialFailure::Unreachable,
            } => {
                self.good.remove(endpoint);
                return None;
            }
            _ => return None,
        };
        if self.under_way.get(&address) != Some(&probe) {
            return None;
        }
        self.under_way.remove(&address);
        let began = self.started.remove(&probe)?;
        match seen.event {
            Event::ProbeSucceeded { finding, .. } => {
                self.verified.insert(address, began);
                self.doubted.remove(&address);
                self.no_api.insert(address, finding.answer == Answer::NoApi);
                let shared = match &finding.answer {
                    Answer::NotReady { failed, .. } => failed.iter().all(|name| name.starts_with("etcd")),
                    _ => false,
                };
                if shared {
                    self.shared.entry(address).or_insert(seen.now);
                } else {
                    self.shared.remove(&address);
                }
                match finding.answer {
                    Answer::Ready => {
                        let good = self.good.entry(address).or_default();
                        *good = good.saturating_add(1);
                        self.bad.remove(&address);
                    }
                    _ => self.count_bad(address),
                }
            }
            Event::ProbeFailed { failure, .. } => match failure {
                ProbeFailure::Local { .. } | ProbeFailure::Aborted => {}
                ProbeFailure::Untrusted { .. } => {
                    self.doubted.entry(address).or_insert(began);
                    self.verified.remove(&address);
                    self.good.remove(&address);
                }
                _ => self.count_bad(address),
            },
            _ => {}
        }
        Some(address)
    }

    fn count_bad(&mut self, address: SocketAddr) {
        let bad = self.bad.entry(address).or_default();
        *bad = bad.saturating_add(1);
        self.good.remove(&address);
    }

    /// H4, R4: how many ends in a row a change of health takes.
    fn thresholds(&self, seen: &Seen<'_>, address: SocketAddr) -> Option<Broken> {
        let (was, is) = (seen.was(address)?, seen.is(address)?);
        let (good, bad) = (
            self.good.get(&address).copied().unwrap_or_default(),
            self.bad.get(&address).copied().unwrap_or_default(),
        );
        let fell = was.health == Health::Ready
            && matches!(is.health, Health::Unreachable | Health::NotReady | Health::Alive);
        if fell && bad < THRESHOLD && !is_shutdown(seen.event) {
            return Some(Broken::new("H4", format!("{address} fell after {bad} bad ends")));
        }
        let rose = is.health == Health::Ready && !matches!(was.health, Health::Ready | Health::Unknown);
        let not_alone = another_is_ready(seen.before, address) && another_is_ready(seen.after, address);
        if rose && good < THRESHOLD && not_alone {
            return Some(Broken::new(
                "H4",
                format!("{address} rose after {good} good ends"),
            ));
        }
        let nobody = !another_is_ready(seen.after, address);
        if good > 0
            && nobody
            && is.health != Health::Ready
            && !self.no_api.get(&address).is_some_and(|no| *no)
        {
            return Some(Broken::new(
                "R4",
                format!("{address} is the only good one, and held back"),
            ));
        }
        None
    }

    /// H2, H3: what the names of checks say, and what our own failures do not.
    fn evidence(&self, seen: &Seen<'_>, address: SocketAddr) -> Option<Broken> {
        let (was, is) = (seen.was(address)?, seen.is(address)?);
        if is_shutdown(seen.event) && was.health == Health::Ready && is.health == Health::Ready {
            return Some(Broken::new(
                "H2",
                format!("{address} shuts down, and is taken to be ready"),
            ));
        }
        let local = matches!(
            seen.event,
            Event::ProbeFailed {
                failure: ProbeFailure::Local { .. } | ProbeFailure::Aborted,
                ..
            }
        );
        (local && (was.health != is.health || was.suspected != is.suspected))
            .then(|| Broken::new("H3", format!("{address} is judged by a failure of this machine")))
    }

    /// H8: an impostor needs a witness that verified since.
    fn impostors_have_witnesses(&self, seen: &Seen<'_>) -> Option<Broken> {
        let impostors = seen
            .after
            .endpoints
            .iter()
            .filter(|view| view.health == Health::Impostor);
        for view in impostors {
            let was = seen.was(view.address).map(|view| view.health);
            let Some(doubted) = self
                .doubted
                .get(&view.address)
                .filter(|_| was != Some(Health::Impostor))
            else {
                continue;
            };
            let witness = self
                .verified
                .iter()
                .any(|(other, at)| *other != view.address && at >= doubted);
            if !witness {
                let text = format!("{} is an impostor, and nobody verifies", view.address);
                return Some(Broken::new("H8", text));
            }
        }
        None
    }

    /// H6: servers without an API are nobody.
    fn without_api_is_isolated(&self, seen: &Seen<'_>) -> Option<Broken> {
        let counts = |view: &EndpointView| {
            matches!(view.health, Health::Ready | Health::Alive | Health::NotReady)
                && !self.no_api.get(&view.address).is_some_and(|no| *no)
        };
        let somebody = seen.after.endpoints.iter().any(counts);
        (!somebody && seen.after.state != NodeState::Isolated)
            .then(|| Broken::new("H6", "not isolated though nobody serves the API".to_owned()))
    }
}

fn is_shutdown(event: &Event) -> bool {
    let Event::ProbeSucceeded { finding, .. } = event else {
        return false;
    };
    matches!(&finding.answer, Answer::NotReady { failed, .. } if failed.iter().any(|name| name == "shutdown"))
}

/// H3: the end of a session is a question and puts nobody back.
fn passive(seen: &Seen<'_>) -> Option<Broken> {
    let Event::SessionClosed {
        endpoint,
        ending: Ending::Upstream | Ending::UpstreamSilent | Ending::Downstream,
    } = seen.event
    else {
        return None;
    };
    let (was, is) = (seen.was(*endpoint)?, seen.is(*endpoint)?);
    (is.suspected && !was.suspected)
        .then(|| Broken::new("H3", format!("{endpoint} is put back for the end of a session")))
}

/// H9: each change of health has a reason, and is told.
fn changes_are_told(seen: &Seen<'_>) -> Option<Broken> {
    let changed = seen.after.endpoints.iter().filter(|view| {
        seen.was(view.address)
            .is_some_and(|was| was.health != view.health && view.standing != Standing::Archived)
    });
    changed.into_iter().find_map(|view| {
        let told = seen.actions.iter().any(
            |action| matches!(action, Action::Announce(line) if line.subject == Subject::Endpoint(view.address)),
        );
        (!told || view.reason.is_empty())
            .then(|| Broken::new("H9", format!("{} is {:?} without a word", view.address, view.health)))
    })
}
