//! Why something was done: the chain of events that led to it. A fact that answers a question leads back to the step that
//! asked; a deadline to what was last heard of the endpoint or source that it is about.

use jackline_core::{Action, Ending, Event, ProbeId, RefreshId, SourceId, Timer};

use std::net::SocketAddr;

use super::{Joint, Played};

/// So many links has a chain at the most.
const LINKS_MAX: usize = 12;
/// So many steps are looked back through for each.
const BACK_MAX: usize = 20_000;

/// What a step leads back to.
enum Lead {
    Probe(ProbeId),
    Refresh(SourceId, RefreshId),
    Closing(SocketAddr),
    Trust,
    About(SocketAddr),
    Of(SourceId),
}

impl Played {
    /// The steps that led to this one, by their places, oldest first; the last is this one.
    #[must_use]
    pub fn chain(&self, step: usize) -> Vec<usize> {
        let mut chain = vec![step];
        let mut at = step;
        while let Some(before) = self.cause(at).filter(|_| chain.len() < LINKS_MAX) {
            chain.push(before);
            at = before;
        }
        chain.reverse();
        chain
    }

    /// The steps with a word for people or a turn, among these.
    pub fn telling(&self, steps: impl Iterator<Item = usize>) -> Vec<usize> {
        let tells = |place: &usize| {
            self.steps.get(*place).is_some_and(|step| {
                !step.changes.is_empty()
                    || step
                        .actions
                        .iter()
                        .any(|action| matches!(action, Action::Announce(_) | Action::CloseSessions(_)))
            })
        };
        steps.filter(tells).collect()
    }

    fn cause(&self, place: usize) -> Option<usize> {
        let step = self.steps.get(place)?;
        let lead = lead_of(&step.event, step.timer)?;
        let mut segment = step.segment;
        for before in (place.saturating_sub(BACK_MAX)..place).rev() {
            let earlier = self.steps.get(before)?;
            if earlier.segment != segment {
                // Numbers of another run mean something else.
                if self.segments.get(segment)?.joint != Joint::Whole {
                    return None;
                }
                segment = earlier.segment;
            }
            if leads(&lead, &earlier.event, &earlier.actions) {
                return Some(before);
            }
        }
        None
    }
}

fn lead_of(event: &Event, timer: Option<Timer>) -> Option<Lead> {
    Some(match event {
        Event::ProbeSucceeded { probe, .. } | Event::ProbeFailed { probe, .. } => Lead::Probe(*probe),
        Event::SourceReported { source, refresh, .. }
        | Event::SourceFailed { source, refresh, .. }
        | Event::NodeReported { source, refresh, .. }
        | Event::WatchEnded { source, refresh, .. } => Lead::Refresh(*source, *refresh),
        Event::SessionClosed {
            endpoint,
            ending: Ending::Ours,
        } => Lead::Closing(*endpoint),
        Event::TrustReloaded { .. } => Lead::Trust,
        Event::DeadlineReached => match timer? {
            Timer::Probe(endpoint)
            | Timer::ProbeLost(endpoint)
            | Timer::OwnCause(endpoint)
            | Timer::DrainEnd(endpoint)
            | Timer::FleetDrainBegin(endpoint)
            | Timer::AvoidanceEnd(endpoint) => Lead::About(endpoint),
            Timer::Refresh(source) | Timer::RefreshLost(source) => Lead::Of(source),
            Timer::FleetDrainEnd | Timer::Settling | Timer::ReloadTrust | Timer::Persist => return None,
        },
        _ => return None,
    })
}

fn leads(lead: &Lead, event: &Event, actions: &[Action]) -> bool {
    match lead {
        Lead::Probe(id) => actions
            .iter()
            .any(|action| matches!(action, Action::StartProbe(start) if start.probe == *id)),
        Lead::Refresh(source, id) => actions.iter().any(|action| {
            matches!(action, Action::RefreshSource(order) if order.source == *source && order.refresh == *id)
        }),
        Lead::Closing(endpoint) => actions
            .iter()
            .any(|action| matches!(action, Action::CloseSessions(order) if order.endpoint == *endpoint)),
        Lead::Trust => actions.contains(&Action::ReloadTrust),
        Lead::About(endpoint) => endpoint_of(event) == Some(*endpoint),
        Lead::Of(source) => source_of(event) == Some(*source),
    }
}

/// The endpoint that a fact is about.
#[must_use]
pub fn endpoint_of(event: &Event) -> Option<SocketAddr> {
    match event {
        Event::ProbeSucceeded { endpoint, .. }
        | Event::ProbeFailed { endpoint, .. }
        | Event::DialFailed { endpoint, .. }
        | Event::HedgeWon { silent: endpoint, .. }
        | Event::SessionOpened { endpoint, .. }
        | Event::SessionAnswered { endpoint, .. }
        | Event::SessionsProgressed { endpoint }
        | Event::SessionStalled { endpoint, .. }
        | Event::SessionClosed { endpoint, .. }
        | Event::DrainRequested { endpoint, .. }
        | Event::UndrainRequested { endpoint } => Some(*endpoint),
        _ => None,
    }
}

/// The source that a fact is about.
#[must_use]
pub fn source_of(event: &Event) -> Option<SourceId> {
    match event {
        Event::SourceReported { source, .. }
        | Event::SourceFailed { source, .. }
        | Event::NodeReported { source, .. }
        | Event::WatchEnded { source, .. } => Some(*source),
        _ => None,
    }
}
