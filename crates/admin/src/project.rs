//! From what the core and the data plane publish to what people read: one pure function. It judges nothing; each
//! word that it shows was chosen by the core (H9).

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jackline_core::heartbeat::NOT_READY_AFTER;
use jackline_core::{EndpointView, HeartbeatView, Service, SourceId, SourceView, Timestamp};
use jiff::Timestamp as Time;
use jiff::{TimestampRound, Unit};

use crate::status::{
    Endpoint, Heartbeat, Node, ServiceStatus, Sessions, Source, StateFile, Status, Trust, TrustState,
};
use crate::view::{Reading, SessionsView, StateFileView};

/// The status of the node as `reading` has it.
pub fn status(reading: &Reading) -> Status {
    let snapshot = &*reading.snapshot;
    let identity = &reading.identity;
    Status {
        version: identity.version.clone(),
        node: identity.node.clone(),
        pid: identity.pid,
        started: at(reading, identity.started),
        now: time(reading.clock.wall),
        state: snapshot.state,
        since: at(reading, snapshot.state_since),
        state_reason: snapshot.state_reason.clone(),
        zone: snapshot.zone.clone(),
        trust: trust(reading),
        heartbeat: snapshot.heartbeat.map(|view| heartbeat(reading, view)),
        listen: identity.listen.clone(),
        warnings: reading.warnings.clone(),
        endpoints: endpoints(reading),
        sources: sources(reading),
        sessions: sessions(&reading.sessions),
        state_file: state_file(&reading.state_file),
        services: reading
            .services
            .iter()
            .map(|(name, reading)| service(*name, reading))
            .collect(),
    }
}

/// The same of a service besides the API.
fn service(name: Service, reading: &Reading) -> ServiceStatus {
    let snapshot = &*reading.snapshot;
    ServiceStatus {
        name,
        state: snapshot.state,
        since: at(reading, snapshot.state_since),
        state_reason: snapshot.state_reason.clone(),
        trust: trust(reading),
        listen: reading.identity.listen.clone(),
        warnings: reading.warnings.clone(),
        endpoints: endpoints(reading),
        sources: sources(reading),
        sessions: sessions(&reading.sessions),
        state_file: state_file(&reading.state_file),
    }
}

fn endpoints(reading: &Reading) -> Vec<Endpoint> {
    let views = &reading.snapshot.endpoints;
    views.iter().map(|view| endpoint(reading, view)).collect()
}

fn sources(reading: &Reading) -> Vec<Source> {
    let views = &reading.snapshot.sources;
    views.iter().map(|view| source(reading, view)).collect()
}

fn trust(reading: &Reading) -> Trust {
    match &reading.snapshot.trust {
        jackline_core::Trust::Held => Trust {
            state: TrustState::Held,
            since: None,
            reason: None,
        },
        jackline_core::Trust::Lost { since, reason } => Trust {
            state: TrustState::Lost,
            since: Some(at(reading, *since)),
            reason: Some(reason.clone()),
        },
    }
}

fn heartbeat(reading: &Reading, view: HeartbeatView) -> Heartbeat {
    let renewed = SystemTime::UNIX_EPOCH + Duration::from_micros(view.renewed);
    Heartbeat {
        renewed: time(renewed),
        read: at(reading, view.read),
        late: view.late,
        not_ready: time(renewed + NOT_READY_AFTER),
    }
}

fn endpoint(reading: &Reading, view: &EndpointView) -> Endpoint {
    let in_this_run = view.last_ready.map(|moment| at(reading, moment));
    Endpoint {
        address: view.address,
        standing: view.standing,
        health: view.health,
        health_since: at(reading, view.health_since),
        administration: view.administration,
        drained_by: view.drained_by.clone(),
        reason: view.reason.clone(),
        class: view.class,
        suspected: view.suspected,
        avoided: view.avoided,
        api: view.api,
        discovery: view.discovery,
        depth: view.depth,
        sessions: reading
            .sessions
            .by_endpoint
            .get(&view.address)
            .copied()
            .unwrap_or(0),
        sources: view.sources.iter().map(|id| source_name(reading, *id)).collect(),
        last_probe: view.last_probe.map(|moment| at(reading, moment)),
        last_ready: in_this_run.or_else(|| ready_before(reading, view.address)),
        zone: view.zone.clone(),
        node: view.node.as_ref().map(|node| Node {
            name: node.name.clone(),
            ready: node.ready,
            leaving: node.leaving,
        }),
    }
}

fn ready_before(reading: &Reading, address: SocketAddr) -> Option<Time> {
    reading.state_file.last_ready.get(&address).copied().map(time)
}

fn source_name(reading: &Reading, id: SourceId) -> String {
    match reading.snapshot.sources.get(usize::from(id.0)) {
        Some(source) => source.name.clone(),
        // The core lists only sources that it has; a number still tells more than nothing.
        None => format!("source {}", id.0),
    }
}

fn source(reading: &Reading, view: &SourceView) -> Source {
    Source {
        name: view.name.clone(),
        kind: view.kind,
        state: view.state,
        mode: view.mode,
        endpoints: view.endpoints.clone(),
        last_report: view.last_report.map(|moment| at(reading, moment)),
        next_refresh: view.next_refresh.map(|moment| at(reading, moment)),
        error: view.error.clone(),
        note: (!view.note.is_empty()).then(|| view.note.clone()),
    }
}

fn sessions(view: &SessionsView) -> Sessions {
    Sessions {
        open: view.open,
        opened_total: view.opened_total,
        closed_total: view.closed_total,
        refused_total: view.refused_total,
        bytes_upstream_total: view.bytes_upstream_total,
        bytes_downstream_total: view.bytes_downstream_total,
    }
}

fn state_file(view: &StateFileView) -> StateFile {
    StateFile {
        path: view.path.display().to_string(),
        saved: view.saved.map(time),
        status: view.status,
        note: view.note.clone(),
    }
}

fn at(reading: &Reading, moment: Timestamp) -> Time {
    time(reading.clock.wall(moment))
}

/// A wall-clock time in milliseconds: more would only make the lines longer. A clock beyond the year 9999 or before
/// −9999 tells the epoch.
fn time(wall: SystemTime) -> Time {
    Time::try_from(wall)
        .and_then(|exact| exact.round(TimestampRound::new().smallest(Unit::Millisecond)))
        .unwrap_or(Time::UNIX_EPOCH)
}
