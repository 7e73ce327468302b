//! The snapshot, made from the state; and the lines for people.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::{Action, Announcement, Subject};
use crate::bend::Bend;
use crate::endpoint::Endpoint;
use crate::event::SourceId;
use crate::evidence::health_word;
use crate::notice::Notice;
use crate::policy::Policy;
use crate::snapshot::{Administration, Class, EndpointView, Health, NodeView, Snapshot, SourceView};

impl Policy {
    /// The state as others see it.
    pub(crate) fn view(&self, generation: u64) -> Snapshot {
        Snapshot {
            generation,
            state: self.node.state,
            state_since: self.node.since,
            state_reason: self.node.reason.clone(),
            trust: self.trust.clone(),
            zone: self.zone.clone(),
            heartbeat: self.heartbeat_view(),
            endpoints: self
                .ordered()
                .into_iter()
                .filter_map(|address| Some(self.endpoint_view(address, self.endpoints.get(&address)?)))
                .filter(|view| view.class < Class::Unreachable || !self.is_bent(Bend::S6))
                .collect(),
            sources: self.sources.iter().map(source_view).collect(),
        }
    }

    fn endpoint_view(&self, address: SocketAddr, endpoint: &Endpoint) -> EndpointView {
        let judgement = &endpoint.judgement;
        let standing = endpoint.membership.standing;
        EndpointView {
            address,
            standing,
            health: judgement.health,
            administration: match endpoint.is_draining() {
                true => Administration::Draining,
                false => Administration::Enabled,
            },
            drained_by: endpoint.drained_by(),
            reason: match judgement.blocked {
                Some(fault) => format!("{}; no way to it from here: {fault}", judgement.reason),
                None => judgement.reason.clone(),
            },
            health_since: judgement.since,
            suspected: endpoint.is_suspected(),
            avoided: endpoint.avoided.is_some(),
            api: judgement.api,
            discovery: judgement.discovery,
            sources: endpoint.membership.listed_by.iter().copied().collect(),
            depth: judgement.depth,
            last_probe: judgement.last_probe,
            last_ready: judgement.last_ready,
            zone: endpoint.membership.zone.clone(),
            node: node_view(endpoint),
            class: self.class(address, endpoint, standing),
            connect_usual: judgement.connect_usual.told(),
            answer_usual: judgement.answer_usual.told(),
        }
    }

    pub(crate) fn announce_node(&self, notice: Notice, text: String, actions: &mut Vec<Action>) {
        announce(Subject::Node, notice, text, actions);
    }

    pub(crate) fn announce_endpoint(
        &self,
        address: SocketAddr,
        notice: Notice,
        text: String,
        actions: &mut Vec<Action>,
    ) {
        announce(Subject::Endpoint(address), notice, text, actions);
    }

    /// H9: a new judgement is told with its reason.
    pub(crate) fn announce_health(&mut self, address: SocketAddr, is: Health, actions: &mut Vec<Action>) {
        let bent = self.is_bent(Bend::H9);
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        if bent {
            endpoint.judgement.reason = String::new();
            return;
        }
        let text = format!("{}: {}", health_word(is), endpoint.judgement.reason);
        self.announce_endpoint(address, Notice::of_health(is), text, actions);
    }

    pub(crate) fn announce_source(
        &self,
        source: SourceId,
        notice: Notice,
        text: String,
        actions: &mut Vec<Action>,
    ) {
        announce(Subject::Source(source), notice, text, actions);
    }
}

fn announce(subject: Subject, notice: Notice, text: String, actions: &mut Vec<Action>) {
    actions.push(Action::Announce(Announcement {
        notice,
        level: notice.level(),
        subject,
        text,
    }));
}

fn node_view(endpoint: &Endpoint) -> Option<NodeView> {
    let membership = &endpoint.membership;
    Some(NodeView {
        name: membership.node.clone()?,
        ready: membership.node_ready,
        leaving: membership.node_leaving,
    })
}

fn source_view(source: &crate::source::Source) -> SourceView {
    SourceView {
        name: source.name.clone(),
        kind: source.kind,
        state: source.state,
        mode: source.mode,
        endpoints: source.current.iter().copied().collect(),
        last_report: source.last_report,
        next_refresh: source.next,
        error: source.error.clone(),
        note: source.note.clone(),
    }
}
