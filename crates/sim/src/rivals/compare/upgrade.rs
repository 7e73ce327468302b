//! One rolling upgrade of three servers under many nodes: how sessions are spread after it, and how many handshakes one
//! server had to bear in a second, in it and when all servers come back from an outage.

use std::time::Duration;

use jackline_core::Timestamp;

use super::{Row, Size, populate, row_of};
use crate::fault::Fault;
use crate::plane::{Role, ServerId};
use crate::rivals::Contestant;
use crate::spec::{NodeSpec, Registration, ServerSpec, WorldSpec};
use crate::timeline::Telling;
use crate::world::World;

const SERVERS: usize = 3;
/// The first server is stopped then, the next so much later each, and started again so long after.
const FIRST: Duration = Duration::from_secs(120);
const NEXT: Duration = Duration::from_secs(90);
const AWAY: Duration = Duration::from_secs(30);
/// Everybody's sessions are counted so long after the last one was stopped; then all are killed.
const COUNTED: Duration = Duration::from_secs(630);
/// … and start again so much later; the world ends after as much again.
const OUTAGE: Duration = Duration::from_secs(40);

pub(super) fn play(contestant: &Contestant, size: Size) -> Row {
    let mut world = World::new(&spec(contestant, size.fleet), &contestant.kind, Telling::Nothing);
    let mut at = Timestamp::ZERO + FIRST;
    for id in (0..SERVERS).map(ServerId) {
        world.plan(at, Fault::Stop(id, Duration::ZERO));
        world.plan(at + AWAY, Fault::Start(id));
        at = at + NEXT;
    }
    // What a fresh world's first connections come to is nobody's herd.
    world.run_until(Timestamp::ZERO + FIRST - Duration::from_secs(1));
    let servers = world.scene.plane.servers.iter_mut();
    servers.for_each(|server| server.meter.reset());
    world.run_until(at - NEXT + COUNTED);
    let busiest_per_mean = world.busiest_per_mean();
    for id in (0..SERVERS).map(ServerId) {
        world.apply(&Fault::Kill(id));
        let back = world.after(OUTAGE);
        world.plan(back, Fault::Start(id));
    }
    let end = world.after(OUTAGE * 2);
    world.run_until(end);
    let servers = || world.scene.plane.servers.iter();
    Row {
        nodes: 0,
        stuck: 0,
        isolated_ms: 0,
        herd: servers()
            .map(|server| server.meter.clients.peak)
            .max()
            .unwrap_or(0),
        busiest_per_mean,
        ..row_of(contestant, &world, 0)
    }
}

fn spec(contestant: &Contestant, nodes: u32) -> WorldSpec {
    let server = |number: usize| ServerSpec {
        name: format!("cp{}", number + 1),
        role: Role::Server,
        without_node: false,
        zone: None,
    };
    let registration = Registration::Address(WorldSpec::address(ServerId(0)));
    let mut world = WorldSpec {
        seed: 1,
        servers: (0..SERVERS).map(server).collect(),
        nodes: vec![NodeSpec::usual("n1", 1, registration)],
        anonymous: true,
        delay: Duration::from_millis(1),
        name_tells: Vec::new(),
    };
    populate(&mut world, contestant, nodes, &[]);
    world
}
