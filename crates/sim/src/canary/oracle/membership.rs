//! M, P: what sources told, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

use super::{Broken, Seen};

/// P1: what is new is on its way to the disk after so long.
const SAVED_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Told {
    settings: Settings,
    /// What each source lists by its own words.
    lists: BTreeMap<SourceId, BTreeSet<SocketAddr>>,
    /// The latest question whose answer counted whole.
    order: BTreeMap<SourceId, RefreshId>,
    /// The latest question to the Endpoints source whose answer had it.
    listed_at: BTreeMap<SocketAddr, RefreshId>,
    /// Since when, in attached time, the Endpoints source's answers have not had it.
    unlisted: BTreeMap<SocketAddr, Duration>,
    /// Since when its Node has been told to be gone.
    node_gone: BTreeMap<SocketAddr, Duration>,
    tied: BTreeMap<SocketAddr, String>,
    nodes_answered: bool,
    known: BTreeSet<SocketAddr>,
    unsaved: BTreeMap<SocketAddr, Timestamp>,
    /// Time that was spent attached.
    attached: Duration,
    now: Timestamp,
}

impl Told {
    pub(super) fn new(settings: Settings, now: Timestamp) -> Self {
        Self {
            settings,
            lists: BTreeMap::new(),
            order: BTreeMap::new(),
            listed_at: BTreeMap::new(),
            unlisted: BTreeMap::new(),
            node_gone: BTreeMap::new(),
            tied: BTreeMap::new(),
            nodes_answered: false,
            known: BTreeSet::new(),
            unsaved: BTreeMap::new(),
            attached: Duration::ZERO,
            now,
        }
    }

    pub(super) fn observe(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        if seen.before.state == NodeState::Attached {
            self.attached += seen.now.since(self.now);
        }
        self.now = seen.now;
        self.hear(seen);
        self.lists_are_their_own(seen)
            .or_else(|| self.nothing_is_forgotten(seen))
            .or_else(|| self.archived_with_proof(seen))
            .or_else(|| self.nodes_are_asked_by_name(seen))
            .or_else(|| self.what_is_new_is_saved(seen))
            .or_else(|| restored_as_hints(seen))
    }

    fn hear(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::SourceReported {
                source,
                refresh,
                report,
                ..
            } => self.hear_report(seen, *source, *refresh, report),
            Event::NodeReported {
                refresh,
                name,
                node,
                source,
                ..
            } if *refresh >= self.order.get(source).copied().unwrap_or_default() => {
                self.hear_node(seen, name, node.as_ref());
                self.nodes_answered = true;
            }
            _ => {}
        }
    }

    fn hear_report(&mut self, seen: &Seen<'_>, source: SourceId, refresh: RefreshId, report: &Report) {
        let Some(kind) = self
            .settings
            .sources
            .get(usize::from(source.0))
            .map(|spec| spec.kind)
        else {
            return;
        };
        if kind == SourceKind::Heartbeat {
            return;
        }
        let told: BTreeSet<SocketAddr> = report
            .endpoints
            .iter()
            .filter_map(|listing| {
                Some(SocketAddr::new(
                    listing.ip,
                    listing.port.or(port_of(seen, listing))?,
                ))
            })
            .collect();
        let newer = refresh >= self.order.get(&source).copied().unwrap_or_default();
        let empty = told.is_empty() && report.nodes.is_empty();
        let configured = matches!(
            kind,
            SourceKind::Registration | SourceKind::Static | SourceKind::Import
        );
        let whole = newer && !empty && !report.partial && (report.verified || configured);
        if kind == SourceKind::Nodes {
            for node in &report.nodes {
                self.hear_node(seen, &node.name, Some(node));
            }
            if whole {
                let gone: Vec<String> = self.tied.values().cloned().collect();
                for name in gone
                    .iter()
                    .filter(|name| !report.nodes.iter().any(|node| node.name == **name))
                {
                    self.hear_node(seen, name, None);
                }
            }
            self.nodes_answered = true;
            return;
        }
        let speaks = matches!(kind, SourceKind::Kubernetes | SourceKind::Etcd);
        if speaks {
            for address in &told {
                let at = self.listed_at.entry(*address).or_default();
                *at = (*at).max(refresh);
                self.unlisted.remove(address);
            }
        }
        if whole {
            self.order.insert(source, refresh);
            if speaks {
                for address in self.known.iter().filter(|address| !told.contains(address)) {
                    let asked_later = self.listed_at.get(address).is_none_or(|at| refresh > *at);
                    if asked_later {
                        self.unlisted.entry(*address).or_insert(self.attached);
                    }
                }
            }
        }
        let list = self.lists.entry(source).or_default();
        if whole {
            list.clear();
        }
        list.extend(told);
    }

    fn hear_node(&mut self, seen: &Seen<'_>, name: &str, node: Option<&NodeListing>) {
        for record in seen.known {
            let address = record.address;
            let has = node.is_some_and(|node| node.control_plane && node.addresses.contains(&address.ip()));
            if has {
                self.tied.insert(address, name.to_owned());
                self.node_gone.remove(&address);
            } else if self.tied.get(&address).is_some_and(|tied| tied == name) {
                self.node_gone.entry(address).or_insert(self.attached);
            }
        }
    }

    /// M1, M2, M4, M6, M7: a source lists what it told by its own words, and nothing else does.
    fn lists_are_their_own(&self, seen: &Seen<'_>) -> Option<Broken> {
        for (index, source) in seen.after.sources.iter().enumerate() {
            let id = SourceId(u16::try_from(index).ok()?);
            let listed: BTreeSet<SocketAddr> = source.endpoints.iter().copied().collect();
            let told = self.lists.get(&id).cloned().unwrap_or_default();
            if listed != told {
                let rule = match seen.event {
                    Event::SourceReported { source, .. } if *source != id => "M1",
                    _ if listed.difference(&told).next().is_some() => "M7",
                    _ if source.kind == SourceKind::Registration => "M4",
                    Event::SourceReported { report, .. } if !report.verified => "M6",
                    _ => "M2",
                };
                let text = format!("{} told {told:?}, and is taken to list {listed:?}", source.name);
                return Some(Broken::new(rule, text));
            }
        }
        None
    }

    /// M3, M5: what was known once is known.
    fn nothing_is_forgotten(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        let known: BTreeSet<SocketAddr> = seen.known.iter().map(|record| record.address).collect();
        let forgotten = self.known.difference(&known).next().copied();
        for address in known.difference(&self.known) {
            self.unsaved.insert(*address, seen.now);
        }
        self.known = known;
        forgotten.map(|address| Broken::new("M5", format!("{address} is forgotten")))
    }

    /// M3, M3a, M6, P5: archived only when Endpoints and Nodes have not had it for the grace, in attached time.
    fn archived_with_proof(&self, seen: &Seen<'_>) -> Option<Broken> {
        let archived = seen
            .after
            .endpoints
            .iter()
            .filter(|view| view.standing == Standing::Archived);
        let new = |view: &&EndpointView| {
            seen.was(view.address)
                .is_none_or(|before| before.standing != Standing::Archived)
        };
        for view in archived.filter(new) {
            let address = view.address;
            let only_dns = self
                .lists
                .iter()
                .all(|(id, list)| id.0 == 0 || !list.contains(&address));
            let told_by_dns_only = only_dns && !self.listed_at.contains_key(&address);
            let least = |since: Option<&Duration>, grace: Duration| {
                since.is_some_and(|since| self.attached.saturating_sub(*since) >= grace)
            };
            let proven = match self.tied.contains_key(&address) {
                true => {
                    least(self.unlisted.get(&address), self.settings.grace)
                        && least(self.node_gone.get(&address), self.settings.grace)
                }
                false => least(self.unlisted.get(&address), self.settings.unwitnessed_grace),
            };
            if !proven && !told_by_dns_only {
                let text = format!("{address} is archived: nobody has proven that it is gone");
                return Some(Broken::new("M3", text));
            }
        }
        None
    }

    /// M3a: once every endpoint is tied to a Node, Nodes are asked for by name.
    fn nodes_are_asked_by_name(&self, seen: &Seen<'_>) -> Option<Broken> {
        let all_tied = seen
            .known
            .iter()
            .all(|record| self.tied.contains_key(&record.address));
        let list = seen.actions.iter().any(|action| match action {
            Action::RefreshSource(asked) => {
                let kind = self
                    .settings
                    .sources
                    .get(usize::from(asked.source.0))
                    .map(|spec| spec.kind);
                kind == Some(SourceKind::Nodes) && asked.ask == Ask::Everything
            }
            _ => false,
        });
        let needless = list && all_tied && self.nodes_answered && !seen.known.is_empty();
        needless.then(|| {
            Broken::new(
                "M3a",
                "all Nodes are listed though each is known by name".to_owned(),
            )
        })
    }

    /// P1: what is new is saved soon.
    fn what_is_new_is_saved(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        for action in seen.actions {
            if let Action::PersistMembership { records } = action {
                for record in records {
                    self.unsaved.remove(&record.address);
                }
            }
        }
        if let Event::MembershipRestored { records, .. } = seen.event {
            for record in records {
                self.unsaved.remove(&record.address);
            }
        }
        let late = self
            .unsaved
            .iter()
            .find(|(_, since)| seen.now.since(**since) > SAVED_WITHIN);
        late.map(|(address, _)| Broken::new("P1", format!("{address} is not saved")))
    }
}

/// M7: the port of an endpoint at the same address, else of a listed one.
fn port_of(seen: &Seen<'_>, listing: &Listing) -> Option<u16> {
    let views = &seen.before.endpoints;
    let there = views.iter().find(|view| view.address.ip() == listing.ip);
    let listed = || views.iter().find(|view| view.standing == Standing::Listed);
    there.or_else(listed).map(|view| view.address.port())
}

/// P2: what the state file holds is unknown until it is tested, and another cluster's a hint.
fn restored_as_hints(seen: &Seen<'_>) -> Option<Broken> {
    let Event::MembershipRestored { records, trusted } = seen.event else {
        return None;
    };
    records.iter().find_map(|record| {
        let view = seen.is(record.address)?;
        let believed = view.health != Health::Unknown || (!trusted && view.class != Class::Hint);
        let text = || {
            format!(
                "{} comes from a file and is taken for {:?}",
                view.address, view.class
            )
        };
        believed.then(|| Broken::new("P2", text()))
    })
}
