//! How each fault is done to the world.

use std::net::Ipv4Addr;

use jackline_core::{Event, Timestamp};

use crate::fault::Fault;
use crate::network::NodeId;
use crate::plane::{Host, Process, Role, Server, ServerId};
use crate::scene::Happening;
use crate::world::World;

/// The CA of other clusters' servers.
const FOREIGN_AUTHORITY: u32 = 1_000_000;

impl World {
    /// Does `fault` to the world, now.
    pub fn apply(&mut self, fault: &Fault) {
        self.scene.shaken = true;
        let scene = &mut self.scene;
        match fault {
            Fault::Start(id) => {
                scene.wake(*id);
                scene.boot(*id);
            }
            Fault::Stop(id, delay) => scene.stop(*id, *delay),
            Fault::Kill(id) => scene.kill(*id),
            Fault::Freeze(id) => scene.freeze(*id, true),
            Fault::Thaw(id) => scene.freeze(*id, false),
            Fault::PowerOff(id) => scene.silence(*id, true),
            Fault::Silence(id) => scene.silence(*id, false),
            Fault::Return(id) => scene.wake(*id),
            Fault::Move(id, ip) => scene.move_to(*id, *ip),
            Fault::TakeAddress(ip) => self.take_address(*ip),
            Fault::GiveBack(ip) => self.give_back(*ip),
            Fault::Elect => {
                if let Some(settled) = scene.plane.elect(scene.now, &mut scene.chance) {
                    scene.queue.push(settled, Happening::EtcdSettles);
                }
            }
            Fault::ReplaceCa => {
                scene.plane.authority += 1;
                let authority = scene.plane.authority;
                for server in scene.plane.servers.iter_mut().filter(|server| !server.foreign) {
                    server.authority = authority;
                }
            }
            Fault::DrainForAll(addresses) => {
                scene.plane.drained.clone_from(addresses);
                let all = scene.plane.ids();
                scene.spoken.extend(all);
            }
            _ => self.apply_to_server(fault),
        }
        self.settle();
    }

    /// What bears on one server's answers.
    fn apply_to_server(&mut self, fault: &Fault) {
        let scene = &mut self.scene;
        match fault {
            Fault::Slow(id, readyz, request) => scene.plane[*id].slow = Some((*readyz, *request)),
            Fault::Fast(id) => scene.plane[*id].slow = None,
            Fault::Fail(id, check) => scene.plane[*id].failing.push(check.clone()),
            Fault::Pass(id) => scene.plane[*id].failing.clear(),
            Fault::Say(id, servers) => {
                let said = servers.iter().map(|id| scene.plane[*id].address()).collect();
                scene.plane[*id].says_instead = Some(said);
                scene.spoken.push(*id);
            }
            Fault::SayTruth(id) => {
                scene.plane[*id].says_instead = None;
                scene.spoken.push(*id);
            }
            Fault::LoseWrites(id, loses) => scene.plane[*id].loses_writes = *loses,
            Fault::CutFromEtcd(id, cut) => {
                scene.plane[*id].cut_from_etcd = *cut;
                let what = if *cut {
                    "is cut off from etcd"
                } else {
                    "reaches etcd again"
                };
                scene.stir(*id, what);
            }
            Fault::DeleteNode(id) => scene.plane[*id].node = None,
            Fault::RegisterNode(id) => {
                let ip = scene.plane[*id].ip;
                if scene.plane[*id].role != Role::EtcdOnly {
                    scene.plane[*id].node = Some(ip);
                }
            }
            _ => self.apply_to_network(fault),
        }
    }

    fn apply_to_network(&mut self, fault: &Fault) {
        let scene = &mut self.scene;
        match fault {
            Fault::Cut(from, to) => scene.network.cut(*from, *to),
            Fault::Mend(from, to) => scene.network.mend(*from, *to),
            Fault::MendAll => scene.network.mend_all(),
            Fault::Lose(per_mille) => scene.network.loss = *per_mille,
            Fault::Delay(delay) => scene.network.delay = *delay,
            Fault::NameTells(servers) => {
                let records = servers.iter().map(|id| scene.plane[*id].ip).collect();
                scene.names.records = records;
            }
            Fault::NameSilent => scene.names.silent = true,
            Fault::NameFails => scene.names.failing = true,
            Fault::NameAnswers => {
                scene.names.silent = false;
                scene.names.failing = false;
            }
            _ => self.apply_to_node(fault),
        }
    }

    fn apply_to_node(&mut self, fault: &Fault) {
        let scene = &mut self.scene;
        let nodes = &mut self.nodes;
        match fault {
            Fault::RenewCaFile(id) => {
                let authority = scene.plane.authority;
                let Some(node) = nodes.get_mut(id.0) else { return };
                if node.ca_file != authority {
                    node.ca_file = authority;
                    let after = node.looks_at_files_in();
                    scene.later(after, Happening::TrustRead(*id));
                }
            }
            Fault::DiskFull(id, full) => with(nodes, *id, |node| node.disk.full = *full),
            Fault::Spoil(id, entirely) => with(nodes, *id, |node| node.disk.spoil(*entirely)),
            Fault::Clock(id, off) => with(nodes, *id, |node| node.clock_off = *off),
            Fault::DieBeforeRename(id) => with(nodes, *id, |node| node.disk.dies_before_rename = true),
            Fault::Local(id, fault) => with(nodes, *id, |node| node.fault = *fault),
            Fault::KillJackline(id) => with(nodes, *id, |node| node.stop_jackline(scene)),
            Fault::StartJackline(id) => with(nodes, *id, |node| node.start_jackline(scene)),
            Fault::Drain(id, server, lasts) => {
                let endpoint = scene.plane[*server].address();
                let duration = (!lasts.is_zero()).then_some(*lasts);
                let event = Event::DrainRequested { endpoint, duration };
                with(nodes, *id, |node| node.tell(scene, event));
            }
            Fault::Undrain(id, server) => {
                let endpoint = scene.plane[*server].address();
                let event = Event::UndrainRequested { endpoint };
                with(nodes, *id, |node| node.tell(scene, event));
            }
            // All others are done by the functions above.
            _ => {}
        }
    }

    /// Another cluster's server, ready, at an address that was ours.
    fn take_address(&mut self, ip: Ipv4Addr) {
        let name = format!("stranger{}", self.scene.plane.servers.len());
        let mut stranger = Server::new(&name, Role::Server, ip);
        stranger.foreign = true;
        stranger.authority = FOREIGN_AUTHORITY;
        stranger.process = Process::Ready;
        stranger.incarnation = 1;
        stranger.node = None;
        let before = self.scene.plane.at(ip.into());
        if let Some(before) = before.filter(|before| self.scene.plane[*before].host == Host::Up) {
            self.scene.silence(before, true);
        }
        self.scene.plane.add(stranger);
    }

    /// The stranger at this address is gone, and whose it was has it again.
    fn give_back(&mut self, ip: Ipv4Addr) {
        let owner = |server: &Server| server.ip == ip && !server.foreign;
        match self.scene.plane.servers.iter().position(owner).map(ServerId) {
            Some(owner) => self.scene.plane.own(ip, owner),
            None => self.scene.plane.disown(ip),
        }
    }

    /// Plans every fault of a story.
    pub(crate) fn plan_all(&mut self, faults: &[(Timestamp, Fault)]) {
        for (at, fault) in faults {
            self.plan(*at, fault.clone());
        }
    }

    /// The world from now on is as good as it can be: all is up, nothing is cut, names and files are right. Servers that
    /// were down take their time to start.
    pub fn heal(&mut self) {
        let ids: Vec<ServerId> = self.scene.plane.ids().collect();
        self.scene.network.mend_all();
        for &id in &ids {
            self.heal_server(id);
        }
        let ours: Vec<ServerId> = ids
            .iter()
            .copied()
            .filter(|id| !self.scene.plane[*id].foreign)
            .collect();
        self.apply(&Fault::NameTells(ours));
        self.apply(&Fault::NameAnswers);
        self.apply(&Fault::DrainForAll(Vec::new()));
        for id in (0..self.nodes.len()).map(NodeId) {
            self.nodes[id.0].disk.dies_before_rename = false;
            for fault in [
                Fault::DiskFull(id, false),
                Fault::Clock(id, 0),
                Fault::Local(id, None),
                Fault::RenewCaFile(id),
            ] {
                self.apply(&fault);
            }
            for &server in &ids {
                self.apply(&Fault::Undrain(id, server));
            }
            self.apply(&Fault::StartJackline(id));
        }
    }

    fn heal_server(&mut self, id: ServerId) {
        let authority = self.scene.plane.authority;
        let server = &mut self.scene.plane[id];
        if server.foreign {
            server.process = Process::Dead;
            let ip = server.ip;
            return self.give_back(ip);
        }
        server.slow = None;
        server.failing.clear();
        server.says_instead = None;
        server.loses_writes = false;
        server.authority = authority;
        self.apply(&Fault::CutFromEtcd(id, false));
        self.apply(&Fault::Return(id));
        self.apply(&Fault::Thaw(id));
        if matches!(self.scene.plane[id].process, Process::Leaving | Process::Closing) {
            self.apply(&Fault::Kill(id));
        }
        self.apply(&Fault::Start(id));
        self.apply(&Fault::RegisterNode(id));
    }

    /// Whether every server of ours is as good as it can be.
    pub fn is_whole(&self) -> bool {
        let plane = &self.scene.plane;
        plane.has_quorum(self.scene.now)
            && plane
                .servers
                .iter()
                .filter(|server| !server.foreign)
                .all(|server| server.process == Process::Ready && server.runs() && server.failing.is_empty())
    }
}

fn with(nodes: &mut [crate::node::Node], id: NodeId, what: impl FnOnce(&mut crate::node::Node)) {
    if let Some(node) = nodes.get_mut(id.0) {
        what(node);
    }
}
