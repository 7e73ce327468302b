//! How servers start, stop and die, and what becomes of the Endpoints by that.
//!
//! Measured on three real apiservers (field-notes §4): a restarted one accepts after 0.8 s and is ready and listed after
//! 2.0 s; a killed one leaves the list after 14.8 s, 18.0 at worst; one that stops cleanly takes itself off within 0.1 s;
//! the last one that stops cleanly writes an empty list; with all killed the list freezes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jackline_core::Timestamp;

use crate::plane::{Host, Lease, Process, ServerId};
use crate::scene::{Happening, Scene};

/// From its start to the listener, and from there to ready.
const ACCEPTS_AFTER: Duration = Duration::from_millis(800);
const READY_AFTER: Duration = Duration::from_millis(1200);
/// A server without etcd tries again to become ready.
const RETRY: Duration = Duration::from_millis(500);
/// From the last renewal to the moment when another apiserver takes it off the list.
const LEASE: (u64, u64) = (13_000, 18_000);
/// How long requests in flight keep a stopping process.
const FINISHING: (u64, u64) = (500, 8_000);

impl Scene {
    /// Starts the process of a server whose machine is up.
    pub(crate) fn boot(&mut self, id: ServerId) {
        let authority = self.plane.authority;
        let server = &mut self.plane[id];
        if server.process != Process::Dead || server.host != Host::Up {
            return;
        }
        server.process = Process::Booting;
        server.incarnation += 1;
        server.frozen = false;
        server.finished = false;
        server.failing.clear();
        if !server.foreign {
            server.authority = authority;
        }
        self.later(ACCEPTS_AFTER, self.grows(id));
        self.stir(id, "starts");
    }

    fn grows(&self, id: ServerId) -> Happening {
        let incarnation = self.plane[id].incarnation;
        Happening::ServerGrows { id, incarnation }
    }

    /// The next step of a process that starts or stops.
    pub(crate) fn grow(&mut self, id: ServerId, incarnation: u32) {
        if self.plane[id].incarnation != incarnation {
            return;
        }
        if self.plane[id].frozen || self.plane[id].host != Host::Up {
            return self.later(RETRY, self.grows(id));
        }
        let etcd = self.plane.reaches_etcd(&self.plane[id], self.now);
        let server = &mut self.plane[id];
        match server.process {
            Process::Booting => {
                server.process = Process::Accepting;
                let listed = self.plane.listed.clone();
                self.plane[id].seen = listed;
                self.later(READY_AFTER, self.grows(id));
                self.stir(id, "accepts");
            }
            Process::Accepting if server.has_api() && !server.foreign && !etcd => {
                self.later(RETRY, self.grows(id));
            }
            Process::Accepting => {
                server.process = Process::Ready;
                if server.has_api() && !server.foreign {
                    server.lease = Lease::Held;
                }
                self.stir(id, "is ready");
            }
            Process::Leaving => {
                server.process = Process::Closing;
                let rest = self.chance.millis(FINISHING.0, FINISHING.1);
                self.later(rest, self.grows(id));
                self.stir(id, "closes its listener");
            }
            Process::Closing => {
                server.finished = true;
                self.die(id, "has stopped");
            }
            Process::Ready | Process::Dead => {}
        }
    }

    /// Stops it cleanly: it leaves the list first, fails `/readyz` for `delay`, and then closes its listener.
    pub(crate) fn stop(&mut self, id: ServerId, delay: Duration) {
        let server = &mut self.plane[id];
        match server.process {
            Process::Dead | Process::Leaving | Process::Closing => return,
            Process::Booting => return self.die(id, "stops while starting"),
            Process::Accepting | Process::Ready => {}
        }
        let led = server.lease != Lease::None;
        server.lease = Lease::None;
        server.process = Process::Leaving;
        let etcd = self.plane.reaches_etcd(&self.plane[id], self.now) && self.plane[id].runs();
        if led && etcd {
            // It writes the list itself, even if that is empty then.
            self.write();
        }
        self.later(delay, self.grows(id));
        self.stir(id, "is being stopped");
    }

    /// Kills its process; the kernel resets its connections.
    pub(crate) fn kill(&mut self, id: ServerId) {
        if self.plane[id].process != Process::Dead {
            self.die(id, "is killed");
        }
    }

    fn die(&mut self, id: ServerId, how: &'static str) {
        let server = &mut self.plane[id];
        server.process = Process::Dead;
        server.frozen = false;
        self.stir(id, how);
    }

    /// Stops it as by SIGSTOP, or lets it go on.
    pub(crate) fn freeze(&mut self, id: ServerId, frozen: bool) {
        if self.plane[id].process == Process::Dead || self.plane[id].frozen == frozen {
            return;
        }
        self.plane[id].frozen = frozen;
        self.stir(id, if frozen { "is frozen" } else { "goes on" });
    }

    /// Its machine falls silent, with or without its process surviving that.
    pub(crate) fn silence(&mut self, id: ServerId, for_good: bool) {
        self.plane[id].host = Host::Silent;
        if for_good {
            self.plane[id].process = Process::Dead;
            self.plane[id].frozen = false;
        }
        self.stir(
            id,
            if for_good {
                "loses its power"
            } else {
                "falls silent"
            },
        );
    }

    /// Its machine is there again; a process that died is started.
    pub(crate) fn wake(&mut self, id: ServerId) {
        if self.plane[id].host == Host::Up {
            return;
        }
        self.plane[id].host = Host::Up;
        self.stir(id, "is back on the network");
        self.boot(id);
    }

    /// Gives it another address. Its process, if it runs, is a new one there.
    pub(crate) fn move_to(&mut self, id: ServerId, ip: Ipv4Addr) {
        let before = self.plane[id].ip;
        let ran = self.plane[id].process != Process::Dead;
        self.die(id, "leaves its address");
        if self.plane.at(before.into()) == Some(id) {
            self.plane.disown(before);
        }
        // The lease key is the address's: what was leased stays listed until it runs out.
        self.plane[id].lease = Lease::None;
        let server = &mut self.plane[id];
        server.ip = ip;
        server.node = server.node.map(|_| ip);
        self.plane.own(ip, id);
        if ran {
            self.boot(id);
        }
    }

    /// Something about a server's life changed: etcd, leases, the list and everybody's connections follow.
    pub(crate) fn stir(&mut self, id: ServerId, what: &str) {
        let now = self.now;
        self.shaken = true;
        if self.log.is_on() {
            let name = self.plane[id].name.clone();
            self.log.tell(now, &name, what);
        }
        if let Some(settled) = self.plane.settle_etcd(now, &mut self.chance) {
            self.queue.push(settled, Happening::EtcdSettles);
        }
        self.mind_leases();
        self.write_if_possible();
        self.spread();
    }

    /// Etcd's election is over.
    pub(crate) fn etcd_settles(&mut self) {
        if self.plane.has_quorum(self.now) {
            self.shaken = true;
            self.mind_leases();
            self.write_if_possible();
            self.spread();
        }
    }

    /// Who can renew its lease holds it; whose lease is not renewed any more loses it after a while.
    fn mind_leases(&mut self) {
        let now = self.now;
        for id in self.plane.ids() {
            let server = &self.plane[id];
            let serves = matches!(server.process, Process::Ready);
            let renews = serves && server.runs() && !server.foreign && !server.cut_from_etcd;
            match server.lease {
                // Without quorum nobody renews, and nothing runs out either.
                Lease::Held if !renews => {
                    let until = now + self.chance.millis(LEASE.0, LEASE.1);
                    self.plane[id].lease = Lease::Until(until);
                    self.queue.push(until, Happening::LeaseRunsOut { id });
                }
                Lease::Until(_) | Lease::None if renews && server.has_api() && self.plane.has_quorum(now) => {
                    self.plane[id].lease = Lease::Held;
                }
                _ => {}
            }
        }
    }

    /// A lease may have run out.
    pub(crate) fn lease_runs_out(&mut self, id: ServerId) {
        let Lease::Until(until) = self.plane[id].lease else {
            return;
        };
        if until > self.now {
            return;
        }
        if !self.plane.has_quorum(self.now) {
            // A new leader extends all leases.
            let again = self.now + Duration::from_secs(5);
            self.plane[id].lease = Lease::Until(again);
            return self.queue.push(again, Happening::LeaseRunsOut { id });
        }
        self.plane[id].lease = Lease::None;
        self.write_if_possible();
        self.spread();
    }

    /// The reconciler of a live apiserver makes the list from the leases. With all dead it freezes.
    fn write_if_possible(&mut self) {
        let now = self.now;
        let writes = |server: &crate::plane::Server| {
            server.process == Process::Ready
                && server.runs()
                && server.has_api()
                && !server.foreign
                && self.plane.reaches_etcd(server, now)
        };
        if self.plane.servers.iter().any(writes) {
            self.write();
        }
    }

    fn write(&mut self) {
        let leased = self
            .plane
            .servers
            .iter()
            .filter(|server| server.lease != Lease::None);
        let mut listed: Vec<SocketAddr> = leased.map(crate::plane::Server::address).collect();
        listed.sort();
        if listed != self.plane.listed {
            if self.log.is_on() {
                let names: Vec<String> = listed.iter().map(|address| self.name_of(*address)).collect();
                let text = match names.is_empty() {
                    true => "list nobody".to_owned(),
                    false => format!("list {}", names.join(", ")),
                };
                self.log.tell(self.now, "the endpoints", &text);
            }
            if !listed.is_empty() {
                self.plane.addresses = listed.clone();
            }
            self.plane.listed = listed;
        }
        self.spread();
    }

    /// Whoever's watch of etcd lives sees the list; their watchers are told.
    pub(crate) fn spread(&mut self) {
        let now = self.now;
        for id in self.plane.ids() {
            let server = &self.plane[id];
            let sees = server.runs()
                && server.process != Process::Booting
                && server.has_api()
                && !server.foreign
                && self.plane.reaches_etcd(server, now);
            if sees && server.seen != self.plane.listed {
                self.plane[id].seen = self.plane.listed.clone();
                self.spoken.push(id);
            }
        }
    }

    /// A server's name, or its address where it has none.
    pub(crate) fn name_of(&self, address: SocketAddr) -> String {
        let owner = self
            .plane
            .servers
            .iter()
            .rfind(|server| server.address() == address);
        owner.map_or_else(|| address.to_string(), |server| server.name.clone())
    }

    /// Plans something this much later.
    pub(crate) fn later(&mut self, after: Duration, what: Happening) {
        let at: Timestamp = self.now + after;
        self.queue.push(at, what);
    }
}
