//! A world from a seed: who there is, what they can do. What is done to them is `draw_faults`'s.

use std::time::Duration;

use jackline_core::{Settings, SourceKind};

use crate::chance::Chance;
use crate::plane::{Role, ServerId};
use crate::spec::{ClientKind, NodeSpec, Registration, ServerSpec, WorldSpec};
use crate::swarm::draw_faults::draw_faults;
use crate::swarm::story::Story;

/// The part of a seed's chance that draws its story.
const STORY: u64 = 7_777_777;

/// The story of a seed.
pub(crate) fn draw(seed: u64) -> Story {
    let mut chance = Chance::of(seed, STORY);
    let servers = draw_servers(&mut chance);
    let by_name = chance.happens(500);
    let anonymous = chance.happens(400);
    let name_tells = draw_name(&mut chance, servers.len());
    let nodes = 1 + chance.below(4);
    let first_has_api = servers[0].role != Role::EtcdOnly;
    let common = Common {
        registration: match by_name {
            true => Registration::Name,
            false => Registration::Address(WorldSpec::address(ServerId(0))),
        },
        // Who is joined to a server without an API learns of others only by asking its supervisor.
        needs_supervisor: !first_has_api,
        settings: draw_settings(&mut chance),
    };
    let nodes = (0..nodes).map(|number| draw_node(&mut chance, number, servers.len(), &common));
    let nodes = nodes.collect();
    let world = WorldSpec {
        seed,
        servers,
        nodes,
        anonymous,
        delay: Duration::from_millis(*chance.pick(&[0, 0, 1, 1, 5, 40]).unwrap_or(&0)),
        name_tells,
    };
    let (faults, healed_at) = draw_faults(&mut chance, &world);
    Story {
        world,
        faults,
        healed_at,
    }
}

/// What all nodes of a world have in common.
struct Common {
    registration: Registration,
    needs_supervisor: bool,
    settings: Settings,
}

fn draw_servers(chance: &mut Chance) -> Vec<ServerSpec> {
    let roles: &[Role] = match chance.below(6) {
        0 => &[Role::Server],
        1 | 2 => &[Role::Server; 3],
        3 => &[Role::EtcdOnly, Role::ControlPlane, Role::ControlPlane],
        4 => &[
            Role::EtcdOnly,
            Role::EtcdOnly,
            Role::EtcdOnly,
            Role::ControlPlane,
            Role::ControlPlane,
        ],
        _ => &[Role::Server; 5],
    };
    let nodeless = chance.happens(150);
    let named = roles.iter().enumerate().map(|(number, role)| ServerSpec {
        name: match role {
            Role::EtcdOnly => format!("etcd{}", number + 1),
            Role::Server | Role::ControlPlane => format!("cp{}", number + 1),
        },
        role: *role,
        without_node: nodeless,
        zone: None,
    });
    named.collect()
}

/// The name tells one server, some, or all.
fn draw_name(chance: &mut Chance, servers: usize) -> Vec<ServerId> {
    let first = ServerId(0);
    match chance.below(3) {
        0 => vec![first],
        1 => (0..servers)
            .map(ServerId)
            .filter(|id| *id == first || chance.happens(500))
            .collect(),
        _ => (0..servers).map(ServerId).collect(),
    }
}

fn draw_settings(chance: &mut Chance) -> Settings {
    let seconds = |chance: &mut Chance, of: &[u64]| Duration::from_secs(*chance.pick(of).unwrap_or(&60));
    Settings {
        // A person's waits are shortened, so that forgetting happens within a story; the ratio of the two stays.
        grace: seconds(chance, &[30, 60, 120, 600]),
        unwitnessed_grace: seconds(chance, &[150, 600, 1200, 86_400]),
        drain_time: seconds(chance, &[5, 10, 30]),
        settling_time: seconds(chance, &[10, 30, 60]),
        fleet_size: *chance.pick(&[0, 0, 0, 100, 2000]).unwrap_or(&0),
        ..Settings::default()
    }
}

fn draw_node(chance: &mut Chance, number: usize, servers: usize, common: &Common) -> NodeSpec {
    let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
    let credential = common.needs_supervisor || chance.happens(900);
    let mut sources = vec![SourceKind::Registration];
    for (kind, per_mille) in [
        (SourceKind::Kubernetes, 900),
        (SourceKind::Nodes, 700),
        (SourceKind::Supervisor, 600),
        (SourceKind::Heartbeat, 300),
        (SourceKind::Etcd, 250),
        (SourceKind::Static, 200),
        (SourceKind::Import, 150),
    ] {
        let needed = kind == SourceKind::Supervisor && common.needs_supervisor;
        if chance.happens(per_mille) || needed {
            sources.push(kind);
        }
    }
    let some = |chance: &mut Chance| {
        let some = (0..servers).map(ServerId).filter(|_| chance.happens(600));
        some.map(WorldSpec::address).collect()
    };
    let mut clients = vec![ClientKind::Kubelet];
    if chance.happens(600) {
        clients.push(ClientKind::Caller(chance.millis(700, 5000)));
    }
    for _ in 0..chance.below(4) {
        clients.push(ClientKind::Watcher);
    }
    NodeSpec {
        name: format!("n{number}"),
        number,
        registration: common.registration,
        sources,
        statics: some(chance),
        imported: some(chance),
        outside: false,
        credential,
        may_watch: chance.happens(600),
        clients,
        settings: common.settings.clone(),
    }
}
