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
    world.scene.plane.herd = 0;
    world.run_until(at - NEXT + COUNTED);
    let busiest_per_mean = busiest_per_mean(&world);
    for id in (0..SERVERS).map(ServerId) {
        world.apply(&Fault::Kill(id));
        let back = world.after(OUTAGE);
        world.plan(back, Fault::Start(id));
    }
    let end = world.after(OUTAGE * 2);
    world.run_until(end);
    Row {
        nodes: 0,
        stuck: 0,
        isolated_ms: 0,
        herd: world.scene.plane.herd,
        busiest_per_mean,
        ..row_of(contestant, &world, 0)
    }
}

fn spec(contestant: &Contestant, nodes: u32) -> WorldSpec {
    let server = |number: usize| ServerSpec {
        name: format!("cp{}", number + 1),
        role: Role::Server,
        without_node: false,
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

/// Lasting sessions on the busiest server, to the mean over all servers.
pub(super) fn busiest_per_mean(world: &World) -> f64 {
    let mut counts = vec![0_u32; world.scene.plane.servers.len()];
    for node in &world.nodes {
        let lasting = node.sessions.values().filter(|session| node.is_lasting(session.client));
        lasting.for_each(|session| counts[session.peer.server.0] += 1);
    }
    let serving = world.scene.plane.servers.iter().filter(|server| server.has_api());
    let servers = u32::try_from(serving.count()).unwrap_or(1).max(1);
    let all: u32 = counts.iter().sum();
    let most = counts.into_iter().max().unwrap_or(0);
    f64::from(most) * f64::from(servers) / f64::from(all.max(1))
}
