//! The policy: the state, the one way to change it, and the deadlines it waits for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::administration::Named;
use crate::bend::Bend;
use crate::chance::Chance;
use crate::endpoint::{Endpoint, Weight};
use crate::event::{ProbeId, RefreshId, SourceId};
use crate::heartbeat::Pulse;
use crate::local_fault::LocalFault;
use crate::persistence::{AttachedClock, PersistPlan};
use crate::recovery::LOST_AFTER;
use crate::snapshot::{Capability, Health, NodeState, Snapshot, Trust};
use crate::source::Source;
use crate::{Action, Event, Settings, Timestamp};

/// Every deadline has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A source is to be refreshed (R1, R2).
    Refresh(SourceId),
    /// A refresh has not ended for so long that the shell must have lost it.
    RefreshLost(SourceId),
    /// An endpoint is to be probed (H7, R1).
    Probe(SocketAddr),
    /// A probe has not ended for so long that the shell must have lost it.
    ProbeLost(SocketAddr),
    /// A not-ready endpoint has been the only one for long enough: the cause is its own (S5).
    OwnCause(SocketAddr),
    /// An operator's drain ends (D2).
    DrainEnd(SocketAddr),
    /// The fleet's drain of an endpoint is heeded (D2, R5).
    FleetDrainBegin(SocketAddr),
    /// The fleet's drain of some server ends (D2).
    FleetDrainEnd,
    /// An endpoint that lost writes is judged like all others again.
    AvoidanceEnd(SocketAddr),
    /// The first choice has been ready for long enough (D2).
    Settling,
    /// The CA is to be read again (H8).
    ReloadTrust,
    /// Changes of the membership are to be saved (P1).
    Persist,
}

/// The decision core: learns from events, decides, and says what is to be done.
///
/// The same settings, seed and events give the same actions. There is no other input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// Shared: the checker clones a policy for each of a million moves, and nothing writes here.
    pub(crate) settings: Arc<Settings>,
    pub(crate) now: Timestamp,
    pub(crate) chance: Chance,
    pub(crate) attached_clock: AttachedClock,
    pub(crate) endpoints: BTreeMap<SocketAddr, Endpoint>,
    pub(crate) sources: Vec<Source>,
    pub(crate) node: Node,
    /// The own zone: configured, or told by the own Node (S1).
    pub(crate) zone: Option<String>,
    /// Servers that are drained for the whole fleet (D2).
    pub(crate) fleet_drains: Vec<Named>,
    /// The node's own Lease, where it is read.
    pub(crate) heartbeat: Option<Pulse>,
    pub(crate) trust: Trust,
    pub(crate) trust_reload_due: Option<Timestamp>,
    pub(crate) last_refresh: RefreshId,
    pub(crate) last_probe: ProbeId,
    pub(crate) persist: PersistPlan,
    /// Who has been the ready first choice, and since when (D2).
    pub(crate) settling: Option<(SocketAddr, Timestamp)>,
    /// Something that the snapshot shows has changed in this step.
    pub(crate) changed: bool,
    /// The rule that is switched off, for doubt only: no checkpoint and no setting can bring one.
    #[serde(skip)]
    pub(crate) bend: Option<Bend>,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// The node's own state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) state: NodeState,
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
    /// What failed on this machine last, until something works again (H3).
    pub(crate) local_fault: Option<(LocalFault, Timestamp)>,
    /// It has been attached since this process began: its credential can tell who is ready.
    #[serde(default)]
    pub(crate) was_attached: bool,
}

impl Policy {
    /// A policy that knows nothing yet: isolated, every source due at once. `seed` is all the chance there is (R5).
    pub fn new(settings: Settings, seed: u64, now: Timestamp) -> Self {
        let sources = settings
            .sources
            .iter()
            .map(|spec| Source::new(spec, now))
            .collect();
        let node = Node {
            state: NodeState::Isolated,
            since: now,
            reason: String::from("no endpoint is known yet"),
            local_fault: None,
            was_attached: false,
        };
        let mut policy = Self {
            zone: settings.zone.clone(),
            fleet_drains: Vec::new(),
            heartbeat: None,
            settings: Arc::new(settings),
            now,
            chance: Chance::new(seed),
            attached_clock: AttachedClock::new(),
            endpoints: BTreeMap::new(),
            sources,
            node,
            trust: Trust::Held,
            trust_reload_due: None,
            last_refresh: RefreshId(0),
            last_probe: ProbeId(0),
            persist: PersistPlan::default(),
            settling: None,
            changed: false,
            bend: None,
            snapshot: Arc::new(Snapshot {
                generation: 0,
                state: NodeState::Isolated,
                state_since: now,
                state_reason: String::new(),
                trust: Trust::Held,
                zone: None,
                heartbeat: None,
                endpoints: Vec::new(),
                sources: Vec::new(),
            }),
        };
        policy.snapshot = Arc::new(policy.view(0));
        policy
    }

    /// The only mutation: `event` happened at `now`; what is to be done is pushed to `actions`.
    ///
    /// A `now` before that of an earlier step counts as that one's. In debug builds every numbered invariant of
    /// [`crate::invariants`] is checked, and a breach panics with its number.
    pub fn step(&mut self, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        let first = actions.len();
        self.advance(now);
        self.take(event, actions);
        self.decide(actions);
        // A bent policy breaks them on purpose: whoever made it checks.
        if cfg!(debug_assertions) && self.bend.is_none() {
            crate::invariants::assert_all(self, &actions[first..]);
        }
    }

    /// What an event says, written down.
    fn take(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::SourceReported {
                source,
                refresh,
                position,
                report,
            } => {
                let (answered_by, valid_for) = (report.answered_by, report.valid_for);
                for &server in report.tried.iter().take(crate::refreshing::TARGETS_MAX) {
                    self.take_discovery(source, Some(server), Capability::No);
                }
                self.take_report(source, (refresh, position), report, actions);
                self.take_discovery(source, answered_by, Capability::Yes);
                self.plan_after_report(source, refresh, valid_for);
            }
            Event::SourceFailed {
                source,
                refresh,
                failure,
            } => {
                self.take_source_failure(source, refresh, failure, actions);
            }
            Event::NodeReported {
                source,
                refresh,
                name,
                node,
                ..
            } => {
                self.take_node_answer(source, refresh, &name, node.as_ref(), actions);
            }
            Event::WatchEnded {
                source,
                refresh,
                reason,
            } => self.take_watch_end(source, refresh, reason),
            Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            } => self.take_finding(endpoint, probe, finding, actions),
            Event::ProbeFailed {
                endpoint,
                probe,
                failure,
            } => self.take_failure(endpoint, probe, failure, actions),
            Event::DialFailed { endpoint, failure } => self.take_dial_failure(endpoint, failure, actions),
            Event::HedgeWon { silent, .. } => self.suspect(silent, Weight::Strong),
            Event::SessionOpened { endpoint, connect } => self.take_session(endpoint, connect),
            Event::SessionAnswered { endpoint, after } => self.take_answer(endpoint, after),
            Event::SessionsProgressed { endpoint } => self.take_progress(endpoint),
            Event::SessionStalled { endpoint, again } => self.take_stall(endpoint, again, actions),
            Event::SessionClosed { endpoint, ending } => self.take_session_end(endpoint, ending),
            Event::DrainRequested { endpoint, duration } => self.start_drain(endpoint, duration, actions),
            Event::UndrainRequested { endpoint } => {
                self.end_drain(endpoint, "an operator took the drain back", actions)
            }
            Event::RefreshRequested => self.refresh_all(),
            Event::ResetRequested => self.reset(actions),
            Event::MembershipRestored { records, trusted } => self.restore(records, trusted, actions),
            Event::TrustReloaded { changed } => self.take_trust(changed),
            Event::LocalFaultSeen { fault } => self.take_local_fault(fault, actions),
            Event::DeadlineReached => {}
        }
    }

    /// What follows from the state as it is now. The order matters: judgements, then what hangs on them.
    fn decide(&mut self, actions: &mut Vec<Action>) {
        self.judge_drains(actions);
        self.judge_silent(actions);
        self.judge_trust(actions);
        self.promote_held(actions);
        self.judge_node(actions);
        self.seek();
        self.revive(actions);
        self.archive(actions);
        self.end_avoidance();
        self.settle_first();
        self.move_sessions(actions);
        self.reload_trust(actions);
        self.start_refreshes(actions);
        self.call_missing_witnesses();
        self.start_probes(actions);
        self.persist(actions);
        if core::mem::take(&mut self.changed) {
            self.snapshot = Arc::new(self.view(self.snapshot.generation + 1));
        }
    }

    /// When [`Event::DeadlineReached`] is due next, and why. `None` only where nothing is configured or known.
    pub fn next_deadline(&self) -> Option<(Timestamp, Timer)> {
        self.deadlines().min()
    }

    /// Every deadline that is waited for, in no order.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        let sources = self.sources.iter().enumerate().filter_map(|(index, source)| {
            let id = SourceId(u16::try_from(index).ok()?);
            let lost = source.asking.map(|asking| {
                (
                    asking.started + asking.timeout + LOST_AFTER,
                    Timer::RefreshLost(id),
                )
            });
            lost.or(source.next.map(|next| (next, Timer::Refresh(id))))
        });
        let isolated = self.is_isolated();
        let endpoints = self.endpoints.iter().flat_map(move |(&address, endpoint)| {
            let overtaken = endpoint.gives_way_at().filter(|_| !isolated);
            let lost = endpoint
                .probing
                .outstanding
                .map(|outstanding| (outstanding.lost_at(), Timer::ProbeLost(address)));
            let probe = overtaken
                .map(|at| (at, Timer::Probe(address)))
                .or(lost)
                .or(endpoint.probing.next.map(|next| (next, Timer::Probe(address))));
            [
                probe,
                self.own_cause_due(endpoint)
                    .map(|due| (due, Timer::OwnCause(address))),
            ]
            .into_iter()
            .flatten()
        });
        let settled = self
            .settling
            .map(|(_, since)| (since + self.settings.settling_time, Timer::Settling));
        sources
            .chain(endpoints)
            .chain(self.drain_deadlines())
            .chain(self.avoidance_deadlines())
            .chain(settled.filter(|&(due, _)| due > self.now))
            .chain(self.trust_reload_due.map(|due| (due, Timer::ReloadTrust)))
            .chain(self.persist.due.map(|due| (due, Timer::Persist)))
    }

    fn own_cause_due(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        let judgement = &endpoint.judgement;
        let due = self.own_cause_at(endpoint);
        let waits = judgement.health == Health::NotReady && endpoint.traffic.sessions > 0;
        (waits && due > self.now).then_some(due)
    }

    /// The published value.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// What the policy was told at construction.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same policy, from now on under other settings of the same sources: what a journal's events would have led to.
    /// What was planned under the old ones stays planned.
    #[must_use]
    pub fn under(mut self, settings: Settings) -> Self {
        debug_assert_eq!(settings.sources, self.settings.sources);
        self.settings = Arc::new(settings);
        self
    }

    pub(crate) fn index(&self, id: SourceId) -> Option<usize> {
        let index = usize::from(id.0);
        (index < self.sources.len()).then_some(index)
    }

    pub(crate) fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(usize::from(id.0))
    }

    pub(crate) fn source_mut(&mut self, id: SourceId) -> Option<&mut Source> {
        self.sources.get_mut(usize::from(id.0))
    }
}
