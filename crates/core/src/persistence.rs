//! P: what is remembered, and ages that count attached running time only (P5).

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::bend::Bend;
use crate::endpoint::{Absence, Endpoint};
use crate::event::Record;
use crate::policy::Policy;
use crate::snapshot::NodeState;
use crate::standing::Told;
use crate::time::millis;
use crate::{Notice, Timestamp};

/// Changes are gathered for this long before they are saved (P1).
pub const PERSIST_DEBOUNCE: Duration = Duration::from_secs(1);

/// Ages are saved at least this often while attached, so that a restart loses no more of them.
pub const PERSIST_AGES_EVERY: Duration = Duration::from_secs(600);

/// A reading of the attached clock: the running time of this and earlier processes that was spent attached (P5).
///
/// It starts high, so that ages of earlier runs can be taken off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct AttachedTime(u64);

impl AttachedTime {
    const START: Self = Self(1 << 48);

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    fn before(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(millis(age)))
    }
}

/// P5: adds up attached running time. A clock that jumps decides nothing, since none is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct AttachedClock(AttachedTime);

impl AttachedClock {
    pub(crate) fn new() -> Self {
        Self(AttachedTime::START)
    }

    pub(crate) fn now(self) -> AttachedTime {
        self.0
    }

    fn advance(&mut self, elapsed: Duration) {
        self.0.0 = self.0.0.saturating_add(millis(elapsed));
    }
}

/// When the membership is to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PersistPlan {
    pub(crate) due: Option<Timestamp>,
    saved_at: Option<AttachedTime>,
}

impl Policy {
    /// Time has passed: only the attached part of it makes anything older (P5).
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let now = now.max(self.now);
        if self.node.state == NodeState::Attached || self.is_bent(Bend::P5) {
            self.attached_clock.advance(now.since(self.now));
        }
        self.now = now;
    }

    /// Something worth remembering changed: it is saved soon, together with what changes meanwhile (P1).
    pub(crate) fn remember(&mut self) {
        self.changed = true;
        if self.is_bent(Bend::P1) {
            return;
        }
        self.persist.due.get_or_insert(self.now + PERSIST_DEBOUNCE);
    }

    /// Saves what is due.
    pub(crate) fn persist(&mut self, actions: &mut Vec<Action>) {
        let attached = self.attached_clock.now();
        let saved_at = *self.persist.saved_at.get_or_insert(attached);
        if self.persist.due.is_none()
            && !self.is_bent(Bend::P1)
            && attached.since(saved_at) >= PERSIST_AGES_EVERY
        {
            self.persist.due = Some(self.now);
        }
        if self.persist.due.is_some_and(|due| due <= self.now) {
            self.persist = PersistPlan {
                due: None,
                saved_at: Some(attached),
            };
            actions.push(Action::PersistMembership {
                records: self.records(),
            });
        }
    }

    /// What would be saved now: every endpoint with what is known of it.
    pub fn records(&self) -> Vec<Record> {
        let attached = self.attached_clock.now();
        let age = |absence: Option<Absence>| absence.map(|absence| absence.lasted());
        self.endpoints
            .iter()
            .map(|(&address, endpoint)| {
                let membership = &endpoint.membership;
                Record {
                    address,
                    archived: membership.archived.is_some(),
                    seen_by: membership.seen_by.clone(),
                    node: membership.node.clone(),
                    zone: membership.zone.clone(),
                    unlisted_for: age(membership.unlisted),
                    node_gone_for: age(membership.node_gone),
                    archived_for: membership.archived.map(|since| attached.since(since)),
                    last_seen: membership.last_seen,
                    last_ready: endpoint.judgement.last_ready,
                }
            })
            .collect()
    }

    /// P2: what the state file holds comes back as hints; everything starts as unknown.
    pub(crate) fn restore(&mut self, records: Vec<Record>, trusted: bool, actions: &mut Vec<Action>) {
        let attached = self.attached_clock.now();
        let count = records.len();
        let (foreign_is_ours, ready) = (self.is_bent(Bend::P2Foreign), self.is_bent(Bend::P2Ready));
        for record in records {
            if self.endpoints.contains_key(&record.address) || !self.has_room() {
                continue;
            }
            let absence = |age: Duration| Absence {
                first: attached.before(age),
                last: attached,
            };
            let mut endpoint = Endpoint::new(self.now);
            let membership = &mut endpoint.membership;
            membership.hint = !trusted && !foreign_is_ours;
            membership.told_by_cluster = record.seen_by.iter().any(|name| self.is_of_the_cluster(name));
            membership.seen_by = record.seen_by;
            membership.node = record.node;
            membership.zone = record.zone;
            membership.unlisted = record.unlisted_for.map(absence);
            membership.node_gone = record.node_gone_for.map(absence);
            if record.archived {
                membership.tell(Told::AbsenceProven);
                membership.archived = Some(attached.before(record.archived_for.unwrap_or_default()));
            }
            if ready {
                endpoint.judgement.health = crate::snapshot::Health::Ready;
            }
            endpoint.probing.next = Some(self.now);
            self.endpoints.insert(record.address, endpoint);
        }
        self.call_waiting_sources();
        self.changed = true;
        let text = match trusted {
            true => alloc::format!("{count} endpoints remembered from the state file"),
            false => alloc::format!(
                "{count} endpoints of a state file whose CA is not today's: kept as unverified hints, tried last"
            ),
        };
        self.announce_node(Notice::MembershipRestored, text, actions);
    }
}
