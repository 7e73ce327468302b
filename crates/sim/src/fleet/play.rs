//! What happens to a fleet, one world each: an etcd member of its own, servers with an API in three zones, nodes that were
//! joined to the first.

use std::rc::Rc;
use std::time::Duration;

use jackline_core::{Settings, Timestamp};

use super::figures::{Figures, Measured};
use crate::fault::Fault;
use crate::network::NodeId;
use crate::plane::{Role, ServerId};
use crate::policy::{Jackline, Kind};
use crate::spec::{ClientKind, NodeSpec, Registration, ServerSpec, WorldSpec};
use crate::timeline::Telling;
use crate::world::World;

/// The fleet has settled.
const SETTLED: Duration = Duration::from_secs(120);
/// How long a steady fleet is watched, and others after their last fault.
const WATCHED: Duration = Duration::from_secs(300);
const AFTER: Duration = Duration::from_secs(90);
/// A server is away for so long; in an upgrade, the next one is stopped so long after it was; sessions are counted so long
/// after the last one is back.
const AWAY: Duration = Duration::from_secs(30);
const NEXT: Duration = Duration::from_secs(90);
const COUNTED: Duration = Duration::from_secs(600);
const ZONES: [&str; 3] = ["a", "b", "c"];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Nothing, and `fleet-size` is not told.
    Steady,
    /// Nothing, and it is told, as in all that follow.
    SteadyTold,
    /// Every jackline is killed, and all are started within a second.
    BulkRestart,
    /// Servers are stopped one after the other, and started again.
    RollingUpgrade,
    /// A server that was killed comes back.
    OneBack,
    /// All servers of a zone lose their power.
    ZoneLost,
    /// All servers are killed, and one comes back.
    AllLost,
    /// Etcd elects a leader.
    Election,
}

impl Play {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Steady,
        Self::SteadyTold,
        Self::BulkRestart,
        Self::RollingUpgrade,
        Self::OneBack,
        Self::ZoneLost,
        Self::AllLost,
        Self::Election,
    ];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::SteadyTold => "steady, fleet-size told",
            Self::BulkRestart => "bulk restart",
            Self::RollingUpgrade => "rolling upgrade",
            Self::OneBack => "one server back",
            Self::ZoneLost => "a zone lost",
            Self::AllLost => "all lost, one back",
            Self::Election => "an etcd election",
        }
    }

    /// Nodes are isolated in it, and lateness counts.
    pub(super) const fn isolates(self) -> bool {
        matches!(self, Self::BulkRestart | Self::AllLost)
    }

    /// Plays it with so many nodes and servers with an API.
    pub fn run(self, nodes: u32, servers: usize) -> Figures {
        let kind: Rc<dyn Kind> = Rc::new(Jackline::default().unjudged());
        let mut world = World::new(&self.world(nodes, servers), &kind, Telling::Nothing);
        world.run_until(Timestamp::ZERO + SETTLED);
        world
            .scene
            .plane
            .servers
            .iter_mut()
            .for_each(|server| server.meter.reset());
        let since = world.now();
        let spread_before = world.busiest_per_mean();
        let due = self.happen(&mut world, servers);
        Measured {
            play: self,
            nodes,
            servers,
            since,
            due,
            spread_before,
        }
        .figures(&world)
    }

    fn world(self, nodes: u32, servers: usize) -> WorldSpec {
        let zoned = self == Self::ZoneLost;
        let zone = |place: usize| zoned.then(|| ZONES[place % ZONES.len()].to_owned());
        let server = |place: usize| ServerSpec {
            name: format!("cp{}", place + 1),
            role: Role::ControlPlane,
            without_node: false,
            zone: zone(place),
        };
        let etcd = ServerSpec {
            name: "etcd1".to_owned(),
            role: Role::EtcdOnly,
            without_node: true,
            zone: None,
        };
        let registration = Registration::Address(WorldSpec::address(ServerId(0)));
        let node = |number: u32| NodeSpec {
            clients: vec![ClientKind::Kubelet, ClientKind::Watcher, ClientKind::Watcher],
            settings: Settings {
                fleet_size: if self == Self::Steady { 0 } else { nodes },
                zone: zone(usize::try_from(number).unwrap_or(0)),
                ..Settings::default()
            },
            ..NodeSpec::usual(&format!("n{number}"), number, registration)
        };
        WorldSpec {
            seed: 1,
            servers: (0..servers).map(server).chain([etcd]).collect(),
            nodes: (1..=nodes).map(node).collect(),
            anonymous: false,
            delay: Duration::from_millis(1),
            name_tells: Vec::new(),
        }
    }

    /// Lets it happen; gives the moment from which nodes can be attached again.
    fn happen(self, world: &mut World, servers: usize) -> Timestamp {
        let all = (0..servers).map(ServerId);
        let now = world.now();
        match self {
            Self::Steady | Self::SteadyTold => {
                world.run_until(now + WATCHED);
                now
            }
            Self::BulkRestart => {
                restart_all(world);
                now + Duration::from_secs(5)
            }
            Self::RollingUpgrade => {
                let mut at = now;
                for id in all {
                    world.plan(at, Fault::Stop(id, Duration::ZERO));
                    world.plan(at + AWAY, Fault::Start(id));
                    at = at + NEXT;
                }
                world.run_until(at - NEXT + AWAY + COUNTED);
                now
            }
            Self::OneBack => {
                world.apply(&Fault::Kill(ServerId(0)));
                world.run_until(now + AWAY * 2);
                let servers = world.scene.plane.servers.iter_mut();
                servers.for_each(|server| server.meter.reset());
                back(world, ServerId(0))
            }
            Self::ZoneLost => {
                all.filter(|id| id.0 % ZONES.len() == 0)
                    .for_each(|id| world.apply(&Fault::PowerOff(id)));
                world.run_until(now + AFTER);
                now
            }
            Self::AllLost => {
                all.for_each(|id| world.apply(&Fault::Kill(id)));
                world.run_until(now + AWAY);
                back(world, ServerId(1))
            }
            Self::Election => {
                world.apply(&Fault::Elect);
                let over = world.scene.plane.etcd.writable_from;
                world.run_until(now + AFTER);
                over
            }
        }
    }
}

/// A server starts; gives the moment when it is ready.
fn back(world: &mut World, id: ServerId) -> Timestamp {
    world.apply(&Fault::Start(id));
    let limit = world.after(AFTER);
    let is_ready = |world: &World| world.scene.plane.is_ready(id, world.now());
    let ready = world.run_while(limit, is_ready).unwrap_or(limit);
    world.run_until(limit);
    ready
}

/// Every jackline ends, and 5 s later all start, at the same moment: nothing but their own jitter keeps them apart.
fn restart_all(world: &mut World) {
    let ids = || (0..world.nodes.len()).map(NodeId);
    let all: Vec<NodeId> = ids().collect();
    let start = world.after(Duration::from_secs(5));
    for &id in &all {
        world.apply(&Fault::KillJackline(id));
    }
    for &id in &all {
        world.plan(start, Fault::StartJackline(id));
    }
    world.run_until(start + AFTER);
}
