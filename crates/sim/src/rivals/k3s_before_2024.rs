//! K3s's embedded balancer before December 2024: the list and its turning are the exhaustive checker's own subject, here with
//! the boolean health check that the last versions before it had.
//!
//! A server whose tunnel breaks loses its connections and is passed over while another one's is up. The default that is in no
//! list counts as failing always, and loses its connections as soon as somebody's tunnel is up.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{
    Action, CloseSessions, DialFailure, Event, NodeState, Pace, RefreshSource, Settings, SourceKind,
    Timestamp, Which,
};

use super::lister::{Heard, Lister};
use super::tunnels::Tunnels;
use super::{K3S_MANNER, candidate};
use crate::exhaustive::K3sBefore2024;
use crate::exhaustive::Subject;
use crate::policy::{Candidate, Manner, Policy};

const RETRY: Duration = Duration::from_secs(5);

pub(super) struct Mind {
    settings: Settings,
    registration: Lister,
    tunnels: Tunnels,
    /// Nothing before the registration address is known.
    inner: Option<K3sBefore2024>,
    restored: Option<Event>,
    known: Vec<SocketAddr>,
    generation: u64,
}

impl Mind {
    pub(super) fn start(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            registration: Lister::of(settings, SourceKind::Registration, None, RETRY),
            tunnels: Tunnels::new(),
            inner: None,
            restored: None,
            known: Vec::new(),
            generation: 1,
        }
    }

    fn begin(&mut self, now: Timestamp, default: SocketAddr, actions: &mut Vec<Action>) {
        let place = |kind| {
            self.settings
                .sources
                .iter()
                .position(|source| source.kind == kind)
        };
        let source = |kind| jackline_core::SourceId(u16::try_from(place(kind).unwrap_or(0)).unwrap_or(0));
        let inner = K3sBefore2024::joined_to(
            default,
            source(SourceKind::Kubernetes),
            source(SourceKind::Supervisor),
            now,
        );
        self.inner = Some(inner);
        let first = self.restored.take().unwrap_or(Event::DeadlineReached);
        self.pass_on(now, first, actions);
    }

    /// A fact for the list; its questions go through the balancer, whose pick is not always the list's own.
    fn pass_on(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let Some(inner) = &mut self.inner else { return };
        let from = actions.len();
        inner.step(now, event, actions);
        let order = self.order();
        for action in &mut actions[from..] {
            if let Action::RefreshSource(RefreshSource { targets, .. }) = action {
                *targets = order.iter().copied().take(1).collect();
            }
        }
        let mut servers = order;
        servers.sort();
        if servers != self.known {
            self.generation += 1;
            self.tunnels.set(&servers, now);
            self.known = servers;
        }
    }

    fn is_healthy(&self, server: SocketAddr) -> bool {
        let listed = self.inner.as_ref().is_some_and(|inner| inner.lists(server));
        listed && self.tunnels.is_up(server).unwrap_or(true)
    }

    /// From the current one on; those that fail their check only where all do.
    fn order(&self) -> Vec<SocketAddr> {
        let all = self.inner.as_ref().map(Subject::candidates).unwrap_or_default();
        let healthy: Vec<SocketAddr> = all
            .iter()
            .copied()
            .filter(|server| self.is_healthy(*server))
            .collect();
        match healthy.is_empty() {
            true => all,
            false => {
                let failing = all.into_iter().filter(|server| !healthy.contains(server));
                healthy.iter().copied().chain(failing).collect()
            }
        }
    }

    fn hear_tunnels(&mut self, event: &Event, actions: &mut Vec<Action>) {
        let before: Vec<(SocketAddr, bool)> = self
            .known
            .iter()
            .map(|server| (*server, self.tunnels.is_up(*server).unwrap_or(true)))
            .collect();
        let Some((server, up)) = self.tunnels.hear(event) else {
            return;
        };
        if before.contains(&(server, !up)) {
            self.generation += 1;
            if !up {
                actions.push(close(server, "its health check fails"));
            }
        }
        let healthy = self.known.iter().any(|server| self.is_healthy(*server));
        let default = self.known.iter().copied().find(|server| {
            let inner = self.inner.as_ref();
            inner.is_some_and(|inner| !inner.lists(*server))
        });
        if let Some(default) = default.filter(|_| healthy) {
            actions.push(close(default, "it is in no list, and another one is healthy"));
        }
    }
}

fn close(endpoint: SocketAddr, reason: &str) -> Action {
    Action::CloseSessions(CloseSessions {
        endpoint,
        which: Which::All,
        pace: Pace::Reset(Duration::ZERO),
        reason: reason.to_owned(),
    })
}

impl Policy for Mind {
    fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let registered = self.registration.hear(now, &event);
        if let Heard::List(told) = &registered
            && self.inner.is_none()
            && let Some(default) = told.first()
        {
            self.begin(now, *default, actions);
        }
        self.hear_tunnels(&event, actions);
        match event {
            _ if registered != Heard::Nothing => {}
            Event::MembershipRestored { .. } if self.inner.is_none() => self.restored = Some(event),
            Event::DialFailed {
                failure: DialFailure::Local(_),
                ..
            } => {}
            Event::SourceFailed { ref failure, .. } => {
                // The balancer's own dial.
                for &endpoint in &failure.unreached {
                    let failure = DialFailure::Refused;
                    self.pass_on(now, Event::DialFailed { endpoint, failure }, actions);
                }
                self.pass_on(now, event, actions);
            }
            event => self.pass_on(now, event, actions),
        }
        self.registration.advance(now, Vec::new(), actions);
        self.tunnels.advance(now, actions);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let inner = self.inner.as_ref().and_then(Subject::next_deadline);
        [inner, self.registration.next(), self.tunnels.next()]
            .into_iter()
            .flatten()
            .min()
    }

    fn candidates(&self) -> Vec<Candidate> {
        self.order().into_iter().map(candidate).collect()
    }

    fn manner(&self) -> Manner {
        K3S_MANNER
    }

    fn state(&self) -> NodeState {
        match self.known.iter().any(|server| self.is_healthy(*server)) {
            true => NodeState::Attached,
            false => NodeState::Isolated,
        }
    }

    fn known(&self) -> Vec<(SocketAddr, bool)> {
        self.known.iter().map(|server| (*server, false)).collect()
    }

    fn breach(&self, _: &[Action]) -> Option<String> {
        None
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}
