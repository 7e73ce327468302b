//! Refreshes under way and watches that they left open.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Ask, Breadth, Event, LocalFault, Mode, RefreshId, Report, SourceKind, Timestamp};

use crate::node::Node;
use crate::node::asking::source_id;
use crate::plane::ServerId;
use crate::scene::{Happening, Peer, Reach, Scene};

/// From etcd to a watcher.
const SPREADS: (u64, u64) = (2, 40);

/// A refresh under way.
#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) id: RefreshId,
    pub(crate) ask: Ask,
    pub(crate) breadth: Breadth,
    pub(crate) waiting: VecDeque<SocketAddr>,
    pub(crate) under_way: Vec<u32>,
    pub(crate) next_start: Timestamp,
    pub(crate) deadline: Timestamp,
    pub(crate) share: Duration,
    pub(crate) reported: u32,
    pub(crate) empty: Option<Report>,
    pub(crate) tried: Vec<(SocketAddr, String)>,
    /// Those with whom no connection came about.
    pub(crate) unreached: Vec<SocketAddr>,
    pub(crate) local: Option<LocalFault>,
    /// The longest pause that a server asked for.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) mode: Option<Mode>,
}

/// An open watch of the Endpoints.
#[derive(Debug)]
pub(crate) struct Watch {
    refresh: RefreshId,
    address: SocketAddr,
    peer: Peer,
    position: u32,
    told: (Vec<SocketAddr>, Vec<SocketAddr>),
    /// Nothing has come since.
    silent: Option<(Timestamp, Duration)>,
}

impl Node {
    pub(crate) fn open_watch(
        &mut self,
        scene: &mut Scene,
        source: usize,
        refresh: RefreshId,
        address: SocketAddr,
        server: ServerId,
    ) {
        let peer = Peer {
            server,
            incarnation: scene.plane[server].incarnation,
        };
        let told = standing(scene, server);
        let older = self.watches[source].replace(Watch {
            refresh,
            address,
            peer,
            position: 0,
            told,
            silent: None,
        });
        if let Some(older) = older {
            self.tell(
                scene,
                Event::WatchEnded {
                    source: source_id(source),
                    refresh: older.refresh,
                    reason: "a newer one is open".to_owned(),
                },
            );
        }
    }

    /// What some servers tell changed, or the fleet's drain.
    pub(crate) fn hear_of_change(&self, scene: &mut Scene, spoken: &[ServerId]) {
        for (source, watch) in self.watches.iter().enumerate() {
            if let Some(watch) = watch.as_ref().filter(|watch| spoken.contains(&watch.peer.server)) {
                let after = scene.network.round_trip() + scene.chance.millis(SPREADS.0, SPREADS.1);
                scene.later(after, Happening::WatchTells(self.id, source, watch.refresh));
            }
        }
    }

    /// A change arrives on a watch, if its way is open.
    pub(crate) fn watch_tells(&mut self, scene: &mut Scene, source: usize, refresh: RefreshId) {
        let id = self.id;
        let Some(watch) = self.watches[source]
            .as_mut()
            .filter(|watch| watch.refresh == refresh)
        else {
            return;
        };
        if !matches!(scene.reach(id, watch.address, watch.peer), Reach::Open(_)) {
            return;
        }
        let told = standing(scene, watch.peer.server);
        if told == watch.told {
            return;
        }
        watch.told.clone_from(&told);
        watch.position += 1;
        let (position, address) = (watch.position, watch.address);
        let mut report = self.report_list(scene, SourceKind::Kubernetes, told.0, true);
        report.answered_by = Some(address);
        let event = Event::SourceReported {
            source: source_id(source),
            refresh,
            position,
            report,
        };
        self.tell(scene, event);
    }

    /// The world changed: which watches still live?
    pub(crate) fn reconsider_watches(&mut self, scene: &mut Scene) {
        let (id, manner) = (self.id, self.manner);
        for (source, watch) in self.watches.iter_mut().enumerate() {
            let Some(watch) = watch else { continue };
            let dies = Happening::WatchDies(id, source, watch.refresh);
            let silence = match scene.reach(id, watch.address, watch.peer) {
                Reach::Open(_) => {
                    if watch.silent.take().is_some() {
                        let after = scene.network.round_trip() * 2;
                        scene.later(after, Happening::WatchTells(id, source, watch.refresh));
                    }
                    continue;
                }
                Reach::Reset => {
                    let after = scene.network.round_trip();
                    watch.silent = Some((scene.now, Duration::ZERO));
                    scene.later(after, dies);
                    continue;
                }
                Reach::Silent => manner.watch_silent_after,
                Reach::Mute(_) => manner.watch_mute_after,
            };
            if watch.silent.is_none_or(|(_, before)| before != silence) {
                watch.silent = Some((scene.now, silence));
                scene.later(silence, dies);
            }
        }
    }

    /// A watch that has heard nothing for long, or was reset, ends.
    pub(crate) fn watch_dies(&mut self, scene: &mut Scene, source: usize, refresh: RefreshId) {
        let dead = |watch: &Watch| {
            watch.refresh == refresh
                && watch
                    .silent
                    .is_some_and(|(since, silence)| scene.now >= since + silence)
        };
        if self.watches[source].as_ref().is_some_and(dead) {
            self.watches[source] = None;
            self.tell(
                scene,
                Event::WatchEnded {
                    source: source_id(source),
                    refresh,
                    reason: "the server is gone".to_owned(),
                },
            );
        }
    }
}

/// What a server tells its watchers now.
fn standing(scene: &Scene, server: ServerId) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let server = &scene.plane[server];
    let seen = server.says_instead.as_ref().unwrap_or(&server.seen);
    (seen.clone(), scene.plane.drained.clone())
}
