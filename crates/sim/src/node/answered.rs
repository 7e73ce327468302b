//! What a server's answer becomes: a whole report, or no answer at all.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Ask, Event, FleetDrain, Heartbeat, Mode, NodeListing, RefreshId, Report, SourceKind};

use crate::node::Node;
use crate::node::asking::{report_of, source_id};
use crate::plane::ServerId;
use crate::plane::answers::{NodeTold, Said};
use crate::scene::Scene;

/// `Retry-After` of a server without a place: what Kubernetes's own limit of requests in flight says.
const COME_AGAIN: Duration = Duration::from_secs(1);

impl Node {
    pub(crate) fn take_answer(
        &mut self,
        scene: &mut Scene,
        source: usize,
        target: SocketAddr,
        server: ServerId,
        said: Said,
    ) {
        let Some(refresh) = self.refreshes[source].as_ref() else {
            return;
        };
        let (id, ask) = (refresh.id, refresh.ask.clone());
        let kind = self.spec.sources[source];
        let report = match said {
            Said::List(list, whole) => self.report_list(scene, kind, list, whole),
            Said::Nodes(nodes) => {
                if let Ask::Node(name) = ask {
                    return self.take_one_node(scene, source, id, name, nodes.into_iter().next(), target);
                }
                report_nodes(nodes)
            }
            Said::Lease(renewed) => self.report_lease(scene, renewed),
            Said::Refused if kind == SourceKind::Heartbeat => verified(Report::default()),
            other => {
                if let Some(refresh) = self.refreshes[source].as_mut() {
                    if other == Said::Busy {
                        refresh.retry_after = Some(COME_AGAIN);
                    }
                    refresh.tried.push((target, format!("{other:?}")));
                }
                return;
            }
        };
        let Some(refresh) = self.refreshes[source].as_mut() else {
            return;
        };
        let mut report = Report {
            answered_by: Some(target),
            ..report
        };
        let empty = report.endpoints.is_empty() && report.nodes.is_empty() && report.heartbeat.is_none();
        if empty && kind != SourceKind::Heartbeat {
            refresh.empty.get_or_insert(report);
            return;
        }
        report.mode = *refresh.mode.get_or_insert(report.mode);
        let position = refresh.reported;
        refresh.reported += 1;
        if refresh.is_content() {
            self.end_refresh(source, None, scene);
        }
        let watched = report.mode == Mode::Watch && position == 0;
        let event = Event::SourceReported {
            source: source_id(source),
            refresh: id,
            position,
            report,
        };
        self.tell(scene, event);
        if watched {
            self.open_watch(scene, source, id, target, server);
        }
    }

    pub(crate) fn report_list(
        &self,
        scene: &Scene,
        kind: SourceKind,
        list: Vec<SocketAddr>,
        whole: bool,
    ) -> Report {
        let watches = kind == SourceKind::Kubernetes && self.spec.may_watch;
        let mode = if watches { Mode::Watch } else { Mode::Poll };
        let drained = scene.plane.drained.iter().map(|address| FleetDrain {
            ip: address.ip(),
            port: Some(address.port()),
            lasts: None,
        });
        Report {
            draining: (kind == SourceKind::Kubernetes).then(|| drained.collect()),
            verified: whole,
            ..report_of(list, mode)
        }
    }

    fn report_lease(&self, scene: &Scene, renewed: jackline_core::Timestamp) -> Report {
        // The kubelet's clock is this machine's: a jump shows as an age until the next renewal by the new clock.
        let age = scene.now.since(renewed);
        verified(Report {
            heartbeat: Some(Heartbeat {
                renewed: renewed.as_millis() * 1000,
                age,
            }),
            ..Report::default()
        })
    }

    /// The Node source was asked for one Node: the first answer is the answer.
    fn take_one_node(
        &mut self,
        scene: &mut Scene,
        source: usize,
        refresh: RefreshId,
        name: String,
        node: Option<NodeTold>,
        target: SocketAddr,
    ) {
        self.end_refresh(source, None, scene);
        let event = Event::NodeReported {
            source: source_id(source),
            refresh,
            name,
            node: node.map(listing),
            answered_by: Some(target),
        };
        self.tell(scene, event);
    }
}

fn verified(report: Report) -> Report {
    Report {
        verified: true,
        ..report
    }
}

fn report_nodes(nodes: Vec<NodeTold>) -> Report {
    let nodes: Vec<NodeListing> = nodes
        .into_iter()
        .filter(|node| node.control_plane)
        .map(listing)
        .collect();
    verified(Report {
        partial: nodes.is_empty(),
        nodes,
        ..Report::default()
    })
}

fn listing(node: NodeTold) -> NodeListing {
    NodeListing {
        name: node.name,
        addresses: vec![node.ip.into()],
        control_plane: node.control_plane,
        zone: node.zone,
        ready: None,
        leaving: false,
    }
}
