//! What `crates/discovery` does: one question to several servers under one deadline, the next one after a failure or a
//! short silence; names, lists and files besides.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jackline_core::{
    Ask, Breadth, Event, LocalFault, Mode, Phase, ProbeFailure, ProbeLimits, RefreshId, RefreshSource,
    Report, SourceFailure, SourceId, SourceKind,
};

use crate::node::Node;
use crate::node::flow::{Ended, Purpose};
use crate::node::watching::Refresh;
use crate::plane::answers::Question;
use crate::plane::{API_PORT, ETCD_PORT};
use crate::scene::{Happening, Scene};

/// `crates/discovery`'s own limits: servers asked at a time, the silence before the next, a server's least share of the
/// time, and the phases of one exchange.
const UNDER_WAY_MAX: usize = 3;
const SILENCE: Duration = Duration::from_millis(250);
const SHARE_MIN: Duration = Duration::from_secs(1);
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);
const TLS_LIMIT: Duration = Duration::from_secs(5);
/// How long a resolver takes.
const LOOKUP: (u64, u64) = (1, 20);

impl Node {
    pub(crate) fn start_refresh(&mut self, scene: &mut Scene, order: RefreshSource) {
        let index = usize::from(order.source.0);
        let Some(&kind) = self.spec.sources.get(index) else {
            return;
        };
        self.end_refresh(index, Some(order.refresh), scene);
        let deadline = scene.now + order.timeout;
        let targets = match kind {
            SourceKind::Etcd => self.etcd_members(scene),
            _ => order.targets,
        };
        let waves = u32::try_from(targets.len().div_ceil(UNDER_WAY_MAX))
            .unwrap_or(1)
            .max(1);
        self.refreshes[index] = Some(Refresh {
            id: order.refresh,
            ask: order.ask,
            breadth: order.breadth,
            waiting: VecDeque::from(targets),
            under_way: Vec::new(),
            next_start: scene.now,
            deadline,
            share: (order.timeout / waves).max(SHARE_MIN),
            reported: 0,
            empty: None,
            tried: Vec::new(),
            unreached: Vec::new(),
            local: None,
            retry_after: None,
            mode: None,
        });
        match kind {
            SourceKind::Static | SourceKind::Import => self.plan_refresh(scene, index, Duration::ZERO),
            SourceKind::Registration => {
                let fixed = self.spec.joined_to().is_some();
                let takes = match (fixed, scene.names.silent) {
                    (true, _) => Duration::ZERO,
                    (false, true) => order.timeout,
                    (false, false) => scene.chance.millis(LOOKUP.0, LOOKUP.1),
                };
                self.plan_refresh(scene, index, takes);
            }
            _ => {
                self.plan_refresh(scene, index, order.timeout);
                self.advance_refresh(scene, index);
            }
        }
    }

    fn plan_refresh(&self, scene: &mut Scene, source: usize, after: Duration) {
        if let Some(refresh) = &self.refreshes[source] {
            let what = Happening::Refresh(self.id, source, refresh.id);
            scene.later(after, what);
        }
    }

    fn etcd_members(&self, scene: &Scene) -> Vec<SocketAddr> {
        let members = scene.plane.servers.iter().filter(|server| server.is_member());
        members
            .map(|server| SocketAddr::new(IpAddr::V4(server.ip), ETCD_PORT))
            .collect()
    }

    /// A refresh's moment: a list or a name is answered, the next server is asked, or the time is over.
    pub(crate) fn refresh_due(&mut self, scene: &mut Scene, source: usize, id: RefreshId) {
        let Some(refresh) = self.refreshes.get(source).and_then(Option::as_ref) else {
            return;
        };
        if refresh.id != id {
            return;
        }
        match self.spec.sources[source] {
            SourceKind::Static => {
                let report = report_of(self.spec.statics.clone(), Mode::Fixed);
                self.conclude(scene, source, Ok(report));
            }
            SourceKind::Import => {
                let there = scene.plane.servers.iter();
                let there = there.filter(|server| server.has_api() && !server.foreign);
                let told = match self.spec.outside {
                    true => there.map(crate::plane::Server::address).collect(),
                    false => self.spec.imported.clone(),
                };
                let report = report_of(told, Mode::Poll);
                self.conclude(scene, source, Ok(report));
            }
            SourceKind::Registration => {
                let answer = self.resolve(scene);
                self.conclude(scene, source, answer);
            }
            _ if scene.now >= refresh.deadline => self.finish_refresh(scene, source),
            _ => self.advance_refresh(scene, source),
        }
    }

    /// What the registration address leads to.
    fn resolve(&self, scene: &Scene) -> Result<Report, Box<SourceFailure>> {
        if let Some(address) = self.spec.joined_to() {
            return Ok(report_of(vec![address], Mode::Fixed));
        }
        let names = &scene.names;
        if let Some(fault) = self.fault {
            return Err(failure("this machine could not ask", Some(fault)));
        }
        if names.silent || names.failing || names.records.is_empty() {
            return Err(failure("the resolver gives nothing", None));
        }
        let addresses = names
            .records
            .iter()
            .map(|ip| SocketAddr::new(IpAddr::V4(*ip), API_PORT))
            .collect();
        Ok(Report {
            valid_for: Some(names.ttl),
            ..report_of(addresses, Mode::Poll)
        })
    }

    /// Ends a refresh that needed one answer only.
    fn conclude(&mut self, scene: &mut Scene, source: usize, answer: Result<Report, Box<SourceFailure>>) {
        let Some(refresh) = self.refreshes[source].take() else {
            return;
        };
        let id = source_id(source);
        let event = match answer {
            Ok(report) => Event::SourceReported {
                source: id,
                refresh: refresh.id,
                position: 0,
                report,
            },
            Err(failure) => Event::SourceFailed {
                source: id,
                refresh: refresh.id,
                failure: *failure,
            },
        };
        self.tell(scene, event);
    }

    /// Asks the next servers whose time has come; ends the refresh when there is nobody left.
    pub(crate) fn advance_refresh(&mut self, scene: &mut Scene, source: usize) {
        let kind = self.spec.sources[source];
        loop {
            let Some(refresh) = self.refreshes[source].as_mut() else {
                return;
            };
            let may = refresh.under_way.len() < UNDER_WAY_MAX && scene.now >= refresh.next_start;
            let next = match may && scene.now < refresh.deadline {
                true => refresh.waiting.pop_front(),
                false => None,
            };
            let Some(target) = next else { break };
            refresh.next_start = scene.now + SILENCE;
            let question = question_of(kind, &refresh.ask, self.id);
            let share = refresh.share;
            let limits = ProbeLimits {
                connect: CONNECT_LIMIT.min(share),
                tls: TLS_LIMIT.min(share),
                http: share,
            };
            let number = self.open_flow(scene, Purpose::Attempt { source, question }, target, limits, None);
            if let Some(refresh) = self.refreshes[source].as_mut() {
                refresh.under_way.push(number);
            }
        }
        let Some(refresh) = &self.refreshes[source] else {
            return;
        };
        if refresh.under_way.is_empty() {
            return self.finish_refresh(scene, source);
        }
        if !refresh.waiting.is_empty() && refresh.under_way.len() < UNDER_WAY_MAX {
            let wait = refresh.next_start.since(scene.now);
            self.plan_refresh(scene, source, wait);
        }
    }

    /// Nobody is left to be asked, or the time is over.
    fn finish_refresh(&mut self, scene: &mut Scene, source: usize) {
        let Some(refresh) = self.refreshes[source].take() else {
            return;
        };
        for number in &refresh.under_way {
            self.drop_flow(scene, *number);
        }
        if refresh.reported > 0 {
            return;
        }
        let id = source_id(source);
        let event = match refresh.empty {
            Some(report) => Event::SourceReported {
                source: id,
                refresh: refresh.id,
                position: 0,
                report,
            },
            None => Event::SourceFailed {
                source: id,
                refresh: refresh.id,
                failure: SourceFailure {
                    reason: "no server answered".to_owned(),
                    tried: refresh.tried,
                    unreached: refresh.unreached,
                    retry_after: refresh.retry_after,
                    local: refresh.local,
                },
            },
        };
        self.tell(scene, event);
    }

    /// A newer refresh takes the place of an older one, which ends if it has not.
    pub(crate) fn end_refresh(&mut self, source: usize, newer: Option<RefreshId>, scene: &mut Scene) {
        let Some(older) = self.refreshes[source].take() else {
            return;
        };
        for number in &older.under_way {
            self.drop_flow(scene, *number);
        }
        // The core no longer waits for it, so that the ending would be ignored: it is not told.
        if newer.is_some() && older.reported == 0 && scene.log.is_on() {
            scene.log.mark([scene.now.as_millis(), older.id.0, 0x0053_5550]);
        }
    }

    /// A server's turn ended.
    pub(crate) fn end_attempt(
        &mut self,
        scene: &mut Scene,
        source: usize,
        number: u32,
        (target, phase): (SocketAddr, Phase),
        ended: Ended,
    ) {
        let Some(refresh) = self.refreshes[source].as_mut() else {
            return;
        };
        refresh.under_way.retain(|other| *other != number);
        refresh.next_start = scene.now;
        match ended {
            Ended::Said(said, server) => self.take_answer(scene, source, target, server, said),
            Ended::Failed(failure) => {
                if let ProbeFailure::Local { fault } = failure {
                    refresh.local = Some(fault);
                }
                // A connect that came to nothing; resets later are told apart by their phase in the real one too.
                if phase == Phase::Connect && !matches!(failure, ProbeFailure::Local { .. }) {
                    refresh.unreached.push(target);
                }
                refresh.tried.push((target, format!("{failure:?}")));
            }
            Ended::Deep => {}
        }
        self.advance_refresh(scene, source);
    }
}

/// The question that a source's refresh comes down to.
fn question_of(kind: SourceKind, ask: &Ask, node: crate::network::NodeId) -> Question {
    match kind {
        SourceKind::Nodes => Question::Nodes(ask.clone()),
        SourceKind::Heartbeat => Question::Lease(node),
        SourceKind::Supervisor => Question::Supervisor,
        SourceKind::Etcd => Question::Etcd,
        SourceKind::Kubernetes
        | SourceKind::Static
        | SourceKind::Registration
        | SourceKind::Import
        | SourceKind::Service => Question::Endpoints,
    }
}

pub(crate) fn report_of(addresses: Vec<SocketAddr>, mode: Mode) -> Report {
    Report {
        endpoints: addresses.into_iter().map(Into::into).collect(),
        mode,
        ..Report::default()
    }
}

pub(crate) fn source_id(index: usize) -> SourceId {
    SourceId(u16::try_from(index).unwrap_or(u16::MAX))
}

fn failure(reason: &str, local: Option<LocalFault>) -> Box<SourceFailure> {
    Box::new(SourceFailure {
        reason: reason.to_owned(),
        tried: Vec::new(),
        unreached: Vec::new(),
        retry_after: None,
        local,
    })
}

impl Refresh {
    /// Whether one answer is enough and is there.
    pub(crate) fn is_content(&self) -> bool {
        self.breadth == Breadth::First && self.reported > 0
    }
}
