//! The heartbeat witness: the node's own Lease, read through another server than the one in use. A server that answers
//! reads and loses writes looks ready to every probe; the Lease tells.
//!
//! P5: the kubelet's wall-clock time decides nothing by itself. What counts is that the Lease stood still between two
//! readings on our own clock; the age only says when a second look is due soon. One stillness moves sessions once: a
//! kubelet that is silent itself would else drive them round and round.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::bend::Bend;
use crate::policy::{Policy, Timer};
use crate::report::Heartbeat;
use crate::settings::SourceKind;
use crate::snapshot::{Health, HeartbeatView};
use crate::{Notice, Timestamp};

/// A Lease that was not renewed for this long is late.
pub const LATE: Duration = Duration::from_secs(20);
/// A node whose Lease is this old is NotReady (kube-controller-manager's node-monitor-grace-period).
pub const NOT_READY_AFTER: Duration = Duration::from_secs(40);
/// A kubelet renews each 10 s: one that stood still for longer by our own clock has missed a beat.
const ONE_BEAT: Duration = Duration::from_secs(11);
/// The pace of second looks at a Lease that may be late, and the least pause between two readings on suspicion.
const SECOND_LOOK: Duration = Duration::from_secs(5);
/// Not renewed for this long after the move: then it was not the server.
const GIVE_UP: Duration = Duration::from_secs(60);
/// A server that lost writes is avoided for this long after the Lease is renewed again.
pub const AVOIDED_FOR: Duration = Duration::from_secs(600);
/// A credential that may not read the Lease is tried again after this at the latest, whatever the refusal says of itself.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);

/// The Lease as it was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Pulse {
    told: Heartbeat,
    /// When this very renewal was read first and last.
    first: Timestamp,
    last: Timestamp,
    /// Since when it is known to be late.
    late: Option<Timestamp>,
    /// Whom it was blamed on.
    blamed: Option<SocketAddr>,
}

/// An endpoint that is avoided, for it lost the node's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Avoided {
    /// Until the Lease is renewed again, or proves that it was not the server.
    Blamed,
    Until(Timestamp),
}

impl Policy {
    /// The one in use: the ready endpoint with the most sessions.
    pub(crate) fn in_use(&self) -> Option<SocketAddr> {
        let busy = self
            .endpoints
            .iter()
            .filter(|(_, e)| e.traffic.sessions > 0 && e.is_ready());
        busy.max_by_key(|(address, e)| (e.traffic.sessions, **address))
            .map(|(&address, _)| address)
    }

    /// A verified answer: the Lease, or that it may not be read or is not there.
    pub(crate) fn take_heartbeat(&mut self, told: Option<Heartbeat>, actions: &mut Vec<Action>) {
        let now = self.now;
        let Some(told) = told else { return };
        let before = self.heartbeat.filter(|pulse| pulse.told.renewed == told.renewed);
        let mut pulse = match before {
            Some(pulse) => Pulse {
                told,
                last: now,
                ..pulse
            },
            None => {
                self.renewed_again(actions);
                Pulse {
                    told,
                    first: now,
                    last: now,
                    late: None,
                    blamed: None,
                }
            }
        };
        let stood = pulse.last.since(pulse.first);
        let is_late = stood >= LATE || (told.age >= LATE && stood >= ONE_BEAT);
        match pulse.late {
            None if is_late => {
                pulse.late = Some(now);
                pulse.blamed = self.blame(actions);
            }
            Some(since) if now.since(since) >= GIVE_UP => {
                if let Some(address) = pulse.blamed.take() {
                    self.acquit(address, actions);
                }
            }
            _ => {}
        }
        self.heartbeat = Some(pulse);
        self.changed = true;
    }

    /// Sessions leave the one in use, if there is somewhere better to go.
    fn blame(&mut self, actions: &mut Vec<Action>) -> Option<SocketAddr> {
        let found = self.in_use().filter(|&address| self.another_is_ready(address));
        let address = found.filter(|_| !self.is_bent(Bend::Heartbeat));
        match address {
            Some(address) => {
                let endpoint = self.endpoints.get_mut(&address)?;
                endpoint.avoided = Some(Avoided::Blamed);
                let text = "looks ready, but the node's Lease is not renewed through it: writes are lost on the way; avoided";
                self.announce_endpoint(address, Notice::EndpointLosesWrites, text.to_string(), actions);
            }
            None => self.announce_node(
                Notice::HeartbeatLate,
                "the node's Lease is not renewed, and no server in use can be left for another".to_string(),
                actions,
            ),
        }
        address
    }

    /// The Lease stands still through the other server too.
    fn acquit(&mut self, address: SocketAddr, actions: &mut Vec<Action>) {
        if let Some(endpoint) = self.endpoints.get_mut(&address) {
            endpoint.avoided = None;
        }
        let text = format!(
            "the node's Lease is not renewed through another server than {address} either: look at the kubelet"
        );
        self.announce_node(Notice::HeartbeatLate, text, actions);
    }

    /// A new renewal: who was blamed stays avoided for a while, so that sessions do not go to and fro.
    fn renewed_again(&mut self, actions: &mut Vec<Action>) {
        let until = self.now + self.chance.about(AVOIDED_FOR);
        let Some(late) = self.heartbeat.filter(|pulse| pulse.late.is_some()) else {
            return;
        };
        let avoided = late.blamed.and_then(|address| self.endpoints.get_mut(&address));
        if let Some(endpoint) = avoided
            && endpoint.avoided == Some(Avoided::Blamed)
        {
            endpoint.avoided = Some(Avoided::Until(until));
        }
        self.announce_node(
            Notice::HeartbeatRenewed,
            "the node's Lease is renewed again".to_string(),
            actions,
        );
    }

    /// Who was avoided long enough, or fails by itself, is judged like all others again.
    pub(crate) fn end_avoidance(&mut self) {
        let now = self.now;
        for endpoint in self.endpoints.values_mut() {
            let over = match endpoint.avoided {
                Some(Avoided::Until(until)) => until <= now,
                Some(Avoided::Blamed) => false,
                None => continue,
            };
            if over || endpoint.judgement.health != Health::Ready {
                endpoint.avoided = None;
                self.changed = true;
            }
        }
    }

    pub(crate) fn avoidance_deadlines(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        self.endpoints
            .iter()
            .filter_map(|(&address, endpoint)| match endpoint.avoided {
                Some(Avoided::Until(until)) => Some((until, Timer::AvoidanceEnd(address))),
                _ => None,
            })
    }

    /// Something speaks against `address`: if it is the one in use, the Lease is looked at now.
    pub(crate) fn ask_heartbeat(&mut self, address: SocketAddr) {
        if self.in_use() != Some(address) {
            return;
        }
        let now = self.now;
        for source in self
            .sources
            .iter_mut()
            .filter(|source| source.kind == SourceKind::Heartbeat)
        {
            let rested = source
                .last_report
                .is_none_or(|last| now.since(last) >= SECOND_LOOK);
            let refused = source.last_report.is_some() && self.heartbeat.is_none();
            if rested && !refused && source.asking.is_none() {
                source.next = Some(now);
            }
        }
    }

    /// When the Lease is read next; R2's period unless it may be late, or may not be read: a refusal tells how long it holds. A Lease
    /// that is only not there yet does not: jackline starts before the kubelet.
    pub(crate) fn heartbeat_pause(&self, empty: bool, holds: Option<Duration>) -> Option<Duration> {
        let suspicious = self
            .heartbeat
            .is_some_and(|pulse| pulse.told.age >= LATE || pulse.late.is_some());
        match (empty, suspicious) {
            (true, _) => holds.map(|holds| holds.min(REFUSED_PAUSE)),
            (false, true) => Some(SECOND_LOOK),
            (false, false) => None,
        }
    }

    /// The Lease as others see it.
    pub(crate) fn heartbeat_view(&self) -> Option<HeartbeatView> {
        let pulse = self.heartbeat?;
        Some(HeartbeatView {
            renewed: pulse.told.renewed,
            read: pulse.last,
            late: pulse.late.is_some(),
        })
    }
}
