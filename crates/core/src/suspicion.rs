//! H7: a suspicion has an endpoint tested at once, and puts it after its equals until that test has answered.

use core::net::SocketAddr;
use core::time::Duration;

use crate::bend::Bend;
use crate::endpoint::{Outstanding, Suspicion, Weight};
use crate::health::BURST_EVERY;
use crate::policy::Policy;
use crate::snapshot::Health;

/// How long probes follow each other closely after a suspicion (H7).
pub(crate) const BURST_FOR: Duration = Duration::from_secs(3);
/// Suspicions are heard in full again after this long without one.
pub(crate) const SUSPICION_MEMORY: Duration = Duration::from_secs(60);

/// H7: how long suspicions of a kind are not heard after so many in a row that proved empty.
fn suspicion_pause(empty: u8, longest: Duration) -> Duration {
    (BURST_EVERY * (1 << empty.min(8))).min(longest)
}

impl Policy {
    /// H7: a suspicion from outside has the endpoint probed afresh at once; suspicions that prove empty are heard less
    /// and less. All but mere questions put it after its equals (S1) until they are answered.
    pub(crate) fn suspect(&mut self, address: SocketAddr, weight: Weight) {
        let now = self.now;
        let longest = self.settings.probe_used;
        let waits = self.is_bent(Bend::H7Urgency);
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        if matches!(judgement.health, Health::Unreachable | Health::Impostor) {
            return;
        }
        if judgement
            .suspicion
            .is_some_and(|suspicion| suspicion.weight >= weight)
        {
            return;
        }
        let heard = &mut judgement.heard[weight as usize];
        let pause = suspicion_pause(heard.empty, longest);
        if heard.last.is_some_and(|last| now.since(last) >= SUSPICION_MEMORY) {
            heard.empty = 0;
        } else if heard.empty > 0 && heard.last.is_some_and(|last| now.since(last) < pause) {
            return;
        }
        heard.last = Some(now);
        self.raise_suspicion(address, weight);
        if weight > Weight::Question {
            self.ask_heartbeat(address);
        }
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        if waits {
            return;
        }
        endpoint.probing.fresh_wanted = true;
        endpoint.probing.next = Some(now);
    }

    /// Something speaks against an endpoint: probes follow each other closely for a while (H7).
    pub(crate) fn raise_suspicion(&mut self, address: SocketAddr, weight: Weight) {
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let suspicion = endpoint
            .judgement
            .suspicion
            .get_or_insert(Suspicion { since: now, weight });
        if weight > suspicion.weight {
            // A test that is under way, be it of this very millisecond, cannot answer what is asked now.
            let under_way = endpoint.probing.outstanding.is_some();
            let since = now + Duration::from_millis(u64::from(under_way));
            *suspicion = Suspicion { since, weight };
        }
        endpoint.probing.burst_until.get_or_insert(now + BURST_FOR);
        self.changed = true;
    }

    /// A probe that began after the suspicion has answered it.
    pub(crate) fn clear_suspicion(&mut self, address: SocketAddr, outstanding: Outstanding, empty: bool) {
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        let answered = judgement
            .suspicion
            .filter(|suspicion| outstanding.fresh && outstanding.started >= suspicion.since);
        if let Some(suspicion) = answered {
            judgement.suspicion = None;
            endpoint.probing.burst_until = None;
            let heard = &mut judgement.heard[suspicion.weight as usize];
            heard.empty = if empty {
                heard.empty.saturating_add(1).min(8)
            } else {
                0
            };
            self.changed = true;
        }
    }
}
