//! M3a: what a control-plane Node's own state counts for: that it is being deleted, that it is NotReady.

use jackline_core::*;

use crate::world::*;

/// Nodes of three control planes; the third as `change` makes it.
fn third_node(change: impl Fn(&mut NodeListing)) -> Answers {
    let Answers::Nodes(mut all) = nodes(&[("a", at(1)), ("b", at(2)), ("c", at(3))]) else {
        unreachable!("these are Nodes")
    };
    change(&mut all[2]);
    Answers::Nodes(all)
}

#[test]
fn a_node_that_is_being_deleted_counts_as_gone() {
    let mut world = World::attached(3);
    let leaving = third_node(|node| node.leaving = true);
    world.sources.insert(NODES, leaving);
    world.run(seconds(3600));
    assert_eq!(
        world.endpoint(at(3)).standing,
        Standing::Listed,
        "the Node alone proves nothing"
    );
    let told = world.endpoint(at(3)).node.expect("its Node is told");
    assert_eq!((told.name.as_str(), told.leaving), ("c", true));
    // A finalizer keeps the Node for ever; its apiserver is gone for good.
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.set(at(3), Server::Refuses);
    world.run(seconds(590));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
    world.run(seconds(300));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Archived);
}

#[test]
fn a_new_node_at_the_address_of_one_that_leaves_speaks_for_it() {
    let mut world = World::attached(3);
    let mut both = third_node(|node| node.leaving = true);
    if let Answers::Nodes(all) = &mut both {
        let follower = NodeListing {
            name: "another-c".into(),
            leaving: false,
            ..all[2].clone()
        };
        all.insert(0, follower);
    }
    world.sources.insert(NODES, both);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.run(seconds(7200));
    let told = world.endpoint(at(3));
    assert_eq!(told.standing, Standing::Retained, "its Node is there");
    assert_eq!(told.node.map(|node| node.name).as_deref(), Some("another-c"));
}

#[test]
fn a_node_that_is_not_ready_has_its_apiserver_tested_and_no_more() {
    let mut world = World::attached(3);
    world
        .sources
        .insert(NODES, third_node(|node| node.ready = Some(true)));
    world.run(seconds(300));
    let order: Vec<_> = world
        .policy
        .snapshot()
        .endpoints
        .iter()
        .map(|e| e.address)
        .collect();
    world.log.clear();
    let Answers::Nodes(fallen) = third_node(|node| node.ready = Some(false)) else {
        unreachable!("these are Nodes")
    };
    world.sources.insert(NODES, Answers::Nodes(fallen.clone()));
    world.tell(Event::SourceReported {
        source: NODES,
        refresh: RefreshId(1_000_000),
        position: 0,
        report: Report {
            nodes: fallen,
            verified: true,
            ..Report::default()
        },
    });
    let asked = |world: &World| {
        let probes = world.log.iter().filter(
            |(_, action)| matches!(action, Action::StartProbe(probe) if probe.endpoint == at(3) && probe.fresh),
        );
        probes.count()
    };
    assert_eq!(asked(&world), 1, "tested at once, afresh");
    let told = world.endpoint(at(3));
    assert!(!told.suspected, "a question puts it after nobody");
    assert_eq!(told.node.and_then(|node| node.ready), Some(false));
    world.run(seconds(3 * 3600));
    let still: Vec<_> = world
        .policy
        .snapshot()
        .endpoints
        .iter()
        .map(|e| e.address)
        .collect();
    assert_eq!(still, order, "NotReady moves nobody");
    assert_eq!(world.endpoint(at(3)).standing, Standing::Listed);
    // Gone from the Endpoints too: a Node that is there, however it is, keeps its endpoint.
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.run(seconds(24 * 3600));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
}
