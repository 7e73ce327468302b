//! Snapshots for unit tests.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{
    Administration, Capability, Class, EndpointView, Health, Mode, NodeState, Snapshot, SourceKind,
    SourceState, SourceView, Standing, Timestamp, Trust,
};

/// A ready, listed endpoint.
pub(crate) fn endpoint(address: SocketAddr) -> EndpointView {
    EndpointView {
        address,
        standing: Standing::Listed,
        health: Health::Ready,
        administration: Administration::Enabled,
        drained_by: Vec::new(),
        reason: String::new(),
        health_since: Timestamp::ZERO,
        suspected: false,
        avoided: false,
        api: Capability::Yes,
        discovery: Capability::Unknown,
        sources: Vec::new(),
        depth: None,
        last_probe: None,
        last_ready: None,
        zone: None,
        node: None,
        class: Class::ReadyListed,
        connect_usual: Duration::from_millis(1),
        answer_usual: Duration::from_millis(5),
    }
}

/// A snapshot of these endpoints, in this order.
pub(crate) fn snapshot(endpoints: Vec<EndpointView>) -> Snapshot {
    Snapshot {
        generation: 1,
        state: NodeState::Attached,
        state_since: Timestamp::ZERO,
        state_reason: String::new(),
        trust: Trust::Held,
        zone: None,
        heartbeat: None,
        endpoints,
        sources: Vec::new(),
    }
}

/// A source of this kind that lists nothing.
pub(crate) fn source(kind: SourceKind) -> SourceView {
    SourceView {
        name: String::new(),
        kind,
        state: SourceState::Good,
        mode: Mode::Poll,
        endpoints: Vec::new(),
        last_report: None,
        next_refresh: None,
        error: None,
        note: String::new(),
    }
}
