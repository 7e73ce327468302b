//! M: which endpoints are known, and what it takes to forget one.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::Notice;
use crate::action::Action;
use crate::bend::Bend;
use crate::endpoint::{Absence, Endpoint, Weight};
use crate::event::{RefreshId, SourceId};
use crate::policy::Policy;
use crate::report::{NodeListing, Report};
use crate::settings::SourceKind;
use crate::snapshot::{SourceState, Standing};
use crate::standing::Told;

/// Endpoints taken from one report at most; the rest is dropped and told.
pub const REPORT_MAX: usize = 512;

impl Policy {
    pub(crate) fn has_room(&self) -> bool {
        self.endpoints.len() < self.settings.endpoints_max
    }

    /// M1, M2: a source's complete answer replaces its own earlier one; an answer to an older question only adds.
    pub(crate) fn take_report(
        &mut self,
        id: SourceId,
        order: (RefreshId, u32),
        report: Report,
        actions: &mut Vec<Action>,
    ) {
        let Some(source) = self.source(id) else { return };
        let kind = source.kind;
        // M2: an empty answer knows nothing. A Node source's word is in its Nodes.
        let (mut addresses, dropped) = self.addresses(&report);
        if kind == SourceKind::Registration && self.is_bent(Bend::M4) {
            addresses.truncate(1);
        }
        let empty = addresses.is_empty() && report.nodes.is_empty() && report.heartbeat.is_none();
        let newer = order >= source.order || self.is_bent(Bend::M2Order);
        // M6: an answer that nobody verified, without quorum or that tells a part only adds, and takes nothing away.
        let says_something = !empty || self.is_bent(Bend::M2Empty);
        let counts = report.verified || !kind.asks_the_cluster() || self.is_bent(Bend::M6);
        let whole = newer && says_something && !report.partial && counts;
        let mut note = report.note.clone();
        if dropped > 0 {
            note = format!(
                "{note}{}{dropped} addresses left out",
                if note.is_empty() { "" } else { "; " }
            );
        }
        self.source_answered(id, order, &report, empty, note, actions);
        if kind == SourceKind::Heartbeat {
            if newer && report.verified {
                self.take_heartbeat(report.heartbeat, actions);
            }
            return;
        }
        if kind == SourceKind::Nodes {
            self.take_nodes(&report.nodes, whole);
            if newer && report.verified {
                for node in &report.nodes {
                    self.learn_zone(node, actions);
                }
            }
            return;
        }
        if let (SourceKind::Kubernetes, true, Some(draining)) =
            (kind, newer && report.verified, &report.draining)
        {
            self.take_fleet_drains(draining);
        }
        let before = self
            .source(id)
            .map(|source| source.current.clone())
            .unwrap_or_default();
        for listing in &addresses {
            self.add(listing.0, listing.1.clone(), id, order, actions);
        }
        let listed_now = |address: &SocketAddr| {
            self.endpoints
                .get(address)
                .is_some_and(|e| e.membership.listed_by.contains(&id))
        };
        let now_listed: BTreeSet<SocketAddr> = addresses
            .into_iter()
            .map(|(address, _)| address)
            .filter(listed_now)
            .collect();
        let current = match whole {
            true => now_listed.clone(),
            false => before.union(&now_listed).copied().collect(),
        };
        if let Some(source) = self.source_mut(id) {
            source.current = current;
            if whole {
                source.order = order;
            }
        }
        if whole {
            for &gone in before.difference(&now_listed) {
                self.unlist(gone, id, actions);
            }
            self.note_absences(id, kind, order, &now_listed);
            if self.is_bent(Bend::M1) {
                self.take_from_all(&now_listed, actions);
            }
        }
    }

    /// M7: the addresses of a report; a missing port is that of a listed endpoint or of the settings, never invented.
    fn addresses(&self, report: &Report) -> (Vec<(SocketAddr, Option<String>)>, usize) {
        let mut taken: Vec<(SocketAddr, Option<String>)> = Vec::new();
        let mut dropped = 0;
        for listing in &report.endpoints {
            let port = listing
                .port
                .or_else(|| self.port_for(listing.ip))
                .or(self.settings.port)
                .or(self.is_bent(Bend::M7).then_some(6443));
            match port {
                Some(port) if port != 0 && !listing.ip.is_unspecified() && taken.len() < REPORT_MAX => {
                    taken.push((SocketAddr::new(listing.ip, port), listing.zone.clone()));
                }
                _ => dropped += 1,
            }
        }
        (taken, dropped)
    }

    /// The port of the endpoint at `ip`, else of any listed one.
    fn port_for(&self, ip: IpAddr) -> Option<u16> {
        let at_ip = self.endpoints.keys().find(|address| address.ip() == ip);
        let listed = || {
            self.endpoints
                .iter()
                .find(|(_, endpoint)| endpoint.membership.standing == Standing::Listed)
                .map(|(address, _)| address)
        };
        at_ip.or_else(listed).map(|address| address.port())
    }

    /// What a report adds counts always (M2), also from a source that may only add (M6).
    fn add(
        &mut self,
        address: SocketAddr,
        zone: Option<String>,
        id: SourceId,
        order: (RefreshId, u32),
        actions: &mut Vec<Action>,
    ) {
        if !self.endpoints.contains_key(&address) {
            if !self.has_room() && !self.make_room() {
                return;
            }
            self.endpoints.insert(address, Endpoint::new(self.now));
            self.call_waiting_sources();
        }
        let Some(source) = self.source(id) else { return };
        let (name, kind) = (source.name.clone(), source.kind);
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let before_archived = endpoint.membership.archived.is_some();
        let membership = &mut endpoint.membership;
        let first = membership.listed_by.is_empty();
        let new = membership.listed_by.insert(id);
        membership.last_seen = Some(now);
        membership.hint = false;
        membership.told_by_cluster |= kind.speaks_for_the_cluster();
        if zone.is_some() {
            membership.zone = zone;
        }
        match kind {
            kind if kind.tells_endpoints() => {
                membership.listed_at = membership.listed_at.max(order);
                membership.unlisted = None;
            }
            SourceKind::Registration => membership.unresolved = None,
            _ => {}
        }
        membership.tell(match (kind, before_archived) {
            (SourceKind::Import, true) => Told::NothingSaid,
            _ => Told::Listed,
        });
        if first {
            membership.seen_by.clear();
        }
        if !membership.seen_by.contains(&name) {
            membership.seen_by.push(name.clone());
            membership.seen_by.sort();
        }
        if new {
            // H7: a new word about an endpoint is worth a test at once.
            endpoint.probing.next = Some(now);
            self.remember();
            let again = if before_archived { "listed again" } else { "listed" };
            self.announce_endpoint(
                address,
                Notice::EndpointListed,
                format!("{again} by {name}"),
                actions,
            );
        }
    }

    /// M3: an endpoint that was listed and is no longer becomes retained, and is looked at once.
    pub(crate) fn unlist(&mut self, address: SocketAddr, id: SourceId, actions: &mut Vec<Action>) {
        let name = self
            .source(id)
            .map(|source| source.name.clone())
            .unwrap_or_default();
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        endpoint.membership.listed_by.remove(&id);
        let retained = endpoint.membership.listed_by.is_empty();
        if retained {
            endpoint.membership.tell(Told::Unlisted);
        }
        let text = match retained {
            true => format!("no longer listed by {name}; retained (M3)"),
            false => format!("no longer listed by {name}; listed by others"),
        };
        self.suspect(address, Weight::Question);
        self.remember();
        self.announce_endpoint(address, Notice::EndpointUnlisted, text, actions);
    }

    /// M3, M4: the answer to a question asked after the last one that had it says that it is absent.
    fn note_absences(
        &mut self,
        id: SourceId,
        kind: SourceKind,
        order: (RefreshId, u32),
        listed: &BTreeSet<SocketAddr>,
    ) {
        let attached = self.attached_clock.now();
        let bent = kind == SourceKind::Supervisor && self.is_bent(Bend::M6);
        let tells = kind.tells_endpoints() || bent;
        let name = self
            .source(id)
            .map(|source| source.name.clone())
            .unwrap_or_default();
        for (_, endpoint) in self
            .endpoints
            .iter_mut()
            .filter(|(address, _)| !listed.contains(address))
        {
            let membership = &mut endpoint.membership;
            match kind {
                _ if tells && order > membership.listed_at => {
                    membership.unlisted = Absence::told(membership.unlisted, attached);
                }
                SourceKind::Registration if membership.seen_by.contains(&name) => {
                    membership.unresolved = Absence::told(membership.unresolved, attached);
                }
                _ => {}
            }
        }
    }

    /// M3a: the Nodes that exist. `whole`: those that are not among them do not.
    fn take_nodes(&mut self, nodes: &[NodeListing], whole: bool) {
        for node in nodes {
            self.take_node(&node.name, Some(node));
        }
        if whole {
            let gone: BTreeSet<String> = self
                .endpoints
                .values()
                .filter_map(|endpoint| endpoint.membership.node.clone())
                .filter(|name| !nodes.iter().any(|node| node.name == *name))
                .collect();
            for name in gone {
                self.take_node(&name, None);
            }
        }
    }

    /// M3a: one Node exists, or does not. It speaks only of endpoints that it is, or once was, tied to. One that is being
    /// deleted counts as gone: nobody can take that back, and a finalizer must not keep its endpoint for ever. One that is
    /// NotReady has a silent kubelet, which says nothing of its apiserver: that is asked at once, and no more.
    pub(crate) fn take_node(&mut self, name: &str, node: Option<&NodeListing>) {
        let (attached, now) = (self.attached_clock.now(), self.now);
        let mut remembered = false;
        let mut fallen = Vec::new();
        for (address, endpoint) in &mut self.endpoints {
            let membership = &mut endpoint.membership;
            let own = membership.node.as_deref() == Some(name);
            let holder = node.filter(|node| node.control_plane && node.addresses.contains(&address.ip()));
            // The Node of the machine that follows at this address speaks for it, not the one that leaves.
            let holder = holder.filter(|node| own || membership.node.is_none() || !node.leaving);
            let Some(node) = holder else {
                if own {
                    membership.node_ready = None;
                    membership.node_leaving = false;
                    membership.node_gone = Absence::told(membership.node_gone, attached);
                }
                continue;
            };
            if !own {
                membership.node = Some(name.to_string());
                remembered = true;
            }
            if let Some(zone) = &node.zone {
                membership.zone = Some(zone.clone());
            }
            if node.ready == Some(false) && membership.node_ready != Some(false) {
                fallen.push(*address);
            }
            membership.node_ready = node.ready;
            membership.node_leaving = node.leaving;
            membership.node_gone = match node.leaving {
                true => Absence::told(membership.node_gone, attached),
                false => None,
            };
            if membership.archived.is_some() && !node.leaving {
                // M3: its Node is back, so the proof of its absence is overtaken.
                membership.tell(match membership.listed_by.is_empty() {
                    true => Told::Proven,
                    false => Told::Listed,
                });
                endpoint.probing.next = Some(now);
                remembered = true;
            }
        }
        for address in fallen {
            self.suspect(address, Weight::Question);
        }
        match remembered {
            true => self.remember(),
            false => self.changed = true,
        }
    }

    /// Whether the source of this name speaks for the cluster; one that is no longer configured counts as such.
    pub(crate) fn is_of_the_cluster(&self, name: &str) -> bool {
        self.kind_of(name).is_none_or(SourceKind::speaks_for_the_cluster)
    }

    pub(crate) fn kind_of(&self, name: &str) -> Option<SourceKind> {
        self.settings
            .sources
            .iter()
            .find(|spec| spec.name == name)
            .map(|spec| spec.kind)
    }

    /// The state of a source after an answer.
    fn source_answered(
        &mut self,
        id: SourceId,
        order: (RefreshId, u32),
        report: &Report,
        empty: bool,
        note: String,
        actions: &mut Vec<Action>,
    ) {
        let now = self.now;
        self.changed = true;
        let Some(source) = self.source_mut(id) else { return };
        let was = source.state;
        source.state = if empty {
            SourceState::Empty
        } else {
            SourceState::Good
        };
        source.last_report = Some(now);
        source.error = None;
        source.note = note;
        source.mode = report.mode;
        if report.mode == crate::Mode::Watch && source.watch.is_none_or(|watch| watch <= order.0) {
            source.watch = Some(order.0);
            source.watched_through = report.answered_by;
        }
        if was != source.state {
            let text = match empty {
                _ if report.heartbeat.is_some() => "answers: the node's own Lease is read".to_string(),
                true => "answers emptily: it knows nothing, nothing is forgotten (M2)".to_string(),
                false => format!(
                    "answers: {} endpoints, {} nodes",
                    report.endpoints.len(),
                    report.nodes.len()
                ),
            };
            self.announce_source(id, Notice::SourceAnswers, text, actions);
        }
    }
}
