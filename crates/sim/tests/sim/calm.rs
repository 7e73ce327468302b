//! A world in which nothing goes wrong: the least that a simulation must show.

use std::rc::Rc;
use std::time::Duration;

use jackline_core::{NodeState, Timestamp};
use jackline_sim::Telling;
use jackline_sim::plane::{Role, ServerId};
use jackline_sim::policy::{Jackline, Kind};
use jackline_sim::spec::{NodeSpec, Registration, ServerSpec, WorldSpec};
use jackline_sim::world::World;

pub(crate) fn spec(servers: usize, nodes: u32) -> WorldSpec {
    let server = |number: usize| ServerSpec {
        name: format!("cp{number}"),
        role: Role::Server,
        without_node: false,
        zone: None,
    };
    let joined = Registration::Address(WorldSpec::address(ServerId(0)));
    WorldSpec {
        seed: 1,
        servers: (1..=servers).map(server).collect(),
        nodes: (1..=nodes)
            .map(|number| NodeSpec::usual(&format!("n{number}"), number, joined))
            .collect(),
        anonymous: false,
        delay: Duration::from_micros(500),
        name_tells: vec![ServerId(0)],
    }
}

#[test]
fn nodes_of_a_calm_world_are_attached_within_a_second_and_lose_no_request() {
    let kind: Rc<dyn Kind> = Rc::new(Jackline::default());
    let mut world = World::new(&spec(3, 4), &kind, Telling::Turns);
    world.run_until(Timestamp::from_millis(3000));
    assert!(
        world
            .states()
            .all(|(_, state)| state == Some(NodeState::Attached))
    );
    world.run_until(Timestamp::from_millis(600_000));
    assert_eq!(world.breach(), None);
    assert!(world.steps() > 5_000, "something happened: {}", world.steps());
    assert!(
        world
            .states()
            .all(|(_, state)| state == Some(NodeState::Attached))
    );
}
