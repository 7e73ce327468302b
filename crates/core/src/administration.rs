//! D2: what an operator says of an endpoint, on this node or for the whole fleet: two causes, side by side.
//!
//! The fleet's drain is an annotation that the Endpoints source reads ([`crate::Report::draining`]). It is taken as it
//! stands now, whole: who is no longer named is enabled again. A report that could not read it changes nothing (M2).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::bend::Bend;
use crate::endpoint::{Endpoint, Onset, Until};
use crate::policy::{Policy, Timer};
use crate::report::FleetDrain;
use crate::snapshot::Drainer;
use crate::{Notice, Timestamp};

/// Servers that the fleet's drain may name; the rest is dropped.
pub const FLEET_DRAINS_MAX: usize = 64;

/// R5: a node heeds the fleet's drain within this time, jittered from its seed. With the watch's own delay below 10 s.
pub const FLEET_DRAIN_SPREAD: Duration = Duration::from_secs(8);

/// A server that the fleet's drain names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Named {
    ip: IpAddr,
    port: Option<u16>,
    until: Option<Timestamp>,
}

impl Named {
    fn means(&self, address: SocketAddr) -> bool {
        self.ip == address.ip() && self.port.is_none_or(|port| port == address.port())
    }
}

impl Endpoint {
    /// Whether an operator drains it, for whichever cause.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_some() || self.fleet_drain == Some(Onset::Now)
    }

    /// Who drains it now.
    pub(crate) fn drained_by(&self) -> Vec<Drainer> {
        let operator = self.drain.map(|_| Drainer::Operator);
        let fleet = (self.fleet_drain == Some(Onset::Now)).then_some(Drainer::Fleet);
        operator.into_iter().chain(fleet).collect()
    }
}

impl Policy {
    // --- this node's operator ---

    pub(crate) fn start_drain(
        &mut self,
        address: SocketAddr,
        duration: Option<Duration>,
        actions: &mut Vec<Action>,
    ) {
        let until = duration.map_or(Until::Undrained, |duration| Until::Time(self.now + duration));
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        endpoint.drain = Some(until);
        self.changed = true;
        let text = match duration.map(|lasts| lasts.as_secs()) {
            None => "draining: asked by an operator".to_string(),
            Some(seconds @ 0..=119) => alloc::format!("draining: asked by an operator, for {seconds} s"),
            Some(seconds) => alloc::format!("draining: asked by an operator, for {} min", seconds / 60),
        };
        self.announce_endpoint(address, Notice::DrainBegan, text, actions);
    }

    pub(crate) fn end_drain(&mut self, address: SocketAddr, why: &str, actions: &mut Vec<Action>) {
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        if endpoint.drain.take().is_some() {
            let text = match endpoint.is_draining() {
                true => alloc::format!("still drained for the whole fleet: {why}"),
                false => alloc::format!("enabled again: {why}"),
            };
            self.changed = true;
            self.announce_endpoint(address, Notice::DrainEnded, text, actions);
        }
    }

    // --- the whole fleet's ---

    /// A newer, verified report of the Endpoints source read the annotation.
    pub(crate) fn take_fleet_drains(&mut self, draining: &[FleetDrain]) {
        if self.is_bent(Bend::FleetDrain) {
            return;
        }
        let now = self.now;
        let named = draining.iter().take(FLEET_DRAINS_MAX).map(|drain| Named {
            ip: drain.ip,
            port: drain.port,
            until: drain.lasts.map(|lasts| now + lasts),
        });
        self.fleet_drains = named.collect();
    }

    /// Drains begin and end. An endpoint that is named before it is known is drained as soon as it is.
    pub(crate) fn judge_drains(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        let over: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| matches!(endpoint.drain, Some(Until::Time(until)) if until <= now))
            .map(|(&address, _)| address)
            .collect();
        for address in over {
            self.end_drain(address, "the drain's time is over", actions);
        }
        self.fleet_drains
            .retain(|named| named.until.is_none_or(|until| until > now));
        let mut told: Vec<(SocketAddr, Notice, String)> = Vec::new();
        for (&address, endpoint) in &mut self.endpoints {
            let named = self.fleet_drains.iter().any(|named| named.means(address));
            match (named, endpoint.fleet_drain) {
                (true, None) => {
                    endpoint.fleet_drain = Some(Onset::At(now + self.chance.up_to(FLEET_DRAIN_SPREAD)));
                }
                (false, Some(onset)) => {
                    endpoint.fleet_drain = None;
                    if onset == Onset::Now {
                        let text = match endpoint.drain {
                            Some(_) => "drained by this node's operator only: the fleet's drain is over",
                            None => "enabled again: the fleet's drain is over",
                        };
                        told.push((address, Notice::DrainEnded, text.to_string()));
                    }
                }
                (true, Some(_)) | (false, None) => {}
            }
            if matches!(endpoint.fleet_drain, Some(Onset::At(at)) if at <= now) {
                endpoint.fleet_drain = Some(Onset::Now);
                let text = "draining: asked for the whole fleet".to_string();
                told.push((address, Notice::DrainBegan, text));
            }
        }
        for (address, notice, text) in told {
            self.changed = true;
            self.announce_endpoint(address, notice, text, actions);
        }
    }

    /// When drains begin or end by themselves.
    pub(crate) fn drain_deadlines(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        let of_endpoint = |(&address, endpoint): (&SocketAddr, &Endpoint)| {
            let end = match endpoint.drain {
                Some(Until::Time(until)) => Some((until, Timer::DrainEnd(address))),
                _ => None,
            };
            let onset = match endpoint.fleet_drain {
                Some(Onset::At(at)) => Some((at, Timer::FleetDrainBegin(address))),
                _ => None,
            };
            end.into_iter().chain(onset)
        };
        let ends = self.fleet_drains.iter().filter_map(|named| named.until);
        self.endpoints
            .iter()
            .flat_map(of_endpoint)
            .chain(ends.map(|until| (until, Timer::FleetDrainEnd)))
    }
}
