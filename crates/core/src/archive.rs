//! M3, M4, M5: what it takes to give an endpoint up, and what becomes of it then.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Notice;
use crate::action::Action;
use crate::bend::Bend;
use crate::endpoint::{Absence, Endpoint, Probing};
use crate::event::SourceId;
use crate::policy::Policy;
use crate::settings::SourceKind;
use crate::snapshot::{Health, Standing};
use crate::standing::Told;

impl Policy {
    /// Whether nobody lists it but other balancers' old files: these must not keep for ever what is proven gone (M6).
    pub(crate) fn is_only_imported(&self, endpoint: &Endpoint) -> bool {
        let imported = |&id: &SourceId| {
            self.source(id)
                .is_some_and(|source| source.kind == SourceKind::Import)
        };
        endpoint.membership.listed_by.iter().all(imported)
    }

    /// An archived endpoint that answered: one of the cluster's again where nobody else of it is ready, else left alone.
    pub(crate) fn revive(&mut self, actions: &mut Vec<Action>) {
        let answered: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.membership.standing == Standing::Archived && endpoint.is_ready())
            .map(|(&address, _)| address)
            .collect();
        for address in answered {
            if self.another_of_the_cluster_is_ready(address) {
                if !self.is_tested_for_its_sessions(address) {
                    self.set_aside(address);
                }
                continue;
            }
            let soon = self.now + crate::health::BURST_EVERY;
            if let Some(endpoint) = self.endpoints.get_mut(&address) {
                let listed = !endpoint.membership.listed_by.is_empty();
                endpoint
                    .membership
                    .tell(if listed { Told::Listed } else { Told::Proven });
                endpoint.membership.unlisted = None;
                endpoint.membership.node_gone = None;
                endpoint.membership.unresolved = None;
                endpoint.probing.next.get_or_insert(soon);
            }
            self.remember();
            self.announce_endpoint(
                address,
                Notice::EndpointRevived,
                "retained again: it is ready, and the only one".to_string(),
                actions,
            );
        }
    }

    /// M3, M5: whether somebody other than `address` is ready that is not archived itself.
    fn another_of_the_cluster_is_ready(&self, address: SocketAddr) -> bool {
        self.ready_besides(address)
            .any(|endpoint| endpoint.membership.standing != Standing::Archived)
    }

    /// M5: whether sessions are on it: an archived endpoint is tested until they have gone, so that none is left where nobody looks.
    fn is_tested_for_its_sessions(&self, address: SocketAddr) -> bool {
        let busy = |endpoint: &Endpoint| endpoint.traffic.sessions > 0;
        self.endpoints.get(&address).is_some_and(busy) && !self.is_bent(Bend::M5Sessions)
    }

    /// M5: an archived endpoint without sessions is not tested while attached, so an old judgement must not count for it.
    fn set_aside(&mut self, address: SocketAddr) {
        let now = self.now;
        let tried = self.is_bent(Bend::M5Tries);
        if let Some(endpoint) = self.endpoints.get_mut(&address) {
            endpoint.probing = Probing::default();
            endpoint.probing.next = tried.then(|| now + crate::health::BURST_EVERY);
            let judgement = &mut endpoint.judgement;
            // H8: what was found to be another's stays that until a test says otherwise.
            if judgement.health != Health::Impostor {
                judgement.health = Health::Unknown;
                judgement.since = now;
                judgement.reason = "archived: tried while isolated only (M5)".to_string();
            }
            judgement.good = 0;
            judgement.good_since = None;
            judgement.suspicion = None;
        }
        self.changed = true;
    }

    /// M3, M4, M5: archives what is proven gone, and lets go of the oldest that is archived.
    pub(crate) fn archive(&mut self, actions: &mut Vec<Action>) {
        let proven: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| {
                endpoint.membership.standing != Standing::Archived
                    && self.is_only_imported(endpoint)
                    && self.absence_proven(endpoint)
            })
            .map(|(&address, _)| address)
            .collect();
        let attached = self.attached_clock.now();
        for address in proven {
            // One after the other: two that are gone must not be each other's reason.
            if !self.another_of_the_cluster_is_ready(address) {
                continue;
            }
            if let Some(endpoint) = self.endpoints.get_mut(&address) {
                endpoint.membership.tell(Told::AbsenceProven);
                endpoint.membership.archived = Some(attached);
            }
            if !self.is_tested_for_its_sessions(address) {
                self.set_aside(address);
            }
            self.remember();
            let text = "archived: proven gone for the grace period while another is ready (M3)".to_string();
            self.announce_endpoint(address, Notice::EndpointArchived, text, actions);
        }
        self.bound_archive(actions);
    }

    /// Whether the reports prove that the endpoint is gone for good.
    pub(crate) fn absence_proven(&self, endpoint: &Endpoint) -> bool {
        let membership = &endpoint.membership;
        if self.is_bent(Bend::M3) {
            return membership.unlisted.is_some();
        }
        let lasted = |absence: Option<Absence>, least: Duration| {
            absence.is_some_and(|absence| absence.lasted() >= least)
        };
        let grace = self.settings.grace;
        // M4: only DNS ever told it, DNS does not any more, and it is not ready.
        let only_resolved = !membership.told_by_cluster
            && !membership.seen_by.is_empty()
            && membership
                .seen_by
                .iter()
                .all(|name| self.kind_of(name) == Some(SourceKind::Registration));
        if only_resolved && !endpoint.is_ready() && lasted(membership.unresolved, grace) {
            return true;
        }
        match membership.node {
            // M3: both must have it no more.
            Some(_) => lasted(membership.unlisted, grace) && lasted(membership.node_gone, grace),
            // M3: no Node source speaks of it, so absence must last much longer.
            None => lasted(membership.unlisted, self.settings.unwitnessed_grace),
        }
    }

    /// M5: the archive is bounded in count and age.
    fn bound_archive(&mut self, actions: &mut Vec<Action>) {
        let attached = self.attached_clock.now();
        let mut archived: Vec<_> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| {
                endpoint.membership.standing == Standing::Archived && endpoint.traffic.sessions == 0
            })
            .filter_map(|(&address, endpoint)| Some((endpoint.membership.archived?, address)))
            .collect();
        archived.sort();
        let excess = archived.len().saturating_sub(self.settings.archive_max);
        for (index, (since, address)) in archived.into_iter().enumerate() {
            let too_many = index < excess || self.is_bent(Bend::M5Forgets);
            if too_many || attached.since(since) >= self.settings.archive_age {
                self.forget(address);
                self.remember();
                self.announce_endpoint(
                    address,
                    Notice::EndpointForgotten,
                    "forgotten: archived for long (M5)".to_string(),
                    actions,
                );
            }
        }
    }

    /// Room for a new endpoint, at the cost of the oldest archived one.
    pub(crate) fn make_room(&mut self) -> bool {
        let oldest = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| {
                endpoint.membership.standing == Standing::Archived && endpoint.traffic.sessions == 0
            })
            .min_by_key(|(_, endpoint)| endpoint.membership.archived)
            .map(|(&address, _)| address);
        oldest.is_some_and(|address| self.forget(address))
    }

    /// Lets go of an endpoint: an archived one (M5), or at an operator's word.
    pub(crate) fn forget(&mut self, address: SocketAddr) -> bool {
        for source in &mut self.sources {
            source.current.remove(&address);
        }
        self.endpoints.remove(&address).is_some()
    }
}
