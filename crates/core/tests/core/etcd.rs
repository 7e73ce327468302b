//! Etcd as a source (M3, M6, R1): a word of the Endpoints source, where it has quorum.

use jackline_core::*;

use crate::world::*;

/// A world in which etcd is the only one that tells the Endpoints; Nodes a, b and c are 1, 2 and 3.
fn world_told_by_etcd() -> World {
    let mut world = World::new(settings_with_etcd());
    for n in 1..=3 {
        world.set(at(n), Server::Ready);
    }
    world
        .sources
        .insert(ETCD, Answers::List(vec![at(1), at(2), at(3)]));
    world
        .sources
        .insert(NODES, nodes(&[("a", at(1)), ("b", at(2)), ("c", at(3))]));
    world.run(seconds(300));
    assert_eq!(world.state(), NodeState::Attached);
    world
}

#[test]
fn etcds_word_counts_as_the_endpoints_sources() {
    let mut world = world_told_by_etcd();
    world.set(at(3), Server::Refuses);
    world.sources.insert(ETCD, Answers::List(vec![at(1), at(2)]));
    world.run(seconds(7200));
    assert_eq!(
        world.endpoint(at(3)).standing,
        Standing::Retained,
        "its Node is still there"
    );
    world.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    world.run(seconds(590));
    assert_eq!(
        world.endpoint(at(3)).standing,
        Standing::Retained,
        "no sooner than the grace period"
    );
    world.run(seconds(300));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Archived);
}

#[test]
fn without_quorum_etcds_word_adds_and_takes_nothing_away() {
    let mut world = world_told_by_etcd();
    world.set(at(3), Server::Refuses);
    world
        .sources
        .insert(ETCD, Answers::WithoutQuorum(vec![at(1), at(4)]));
    world.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    world.run(seconds(48 * 3600));
    for n in 1..=4 {
        assert_eq!(world.endpoint(at(n)).standing, Standing::Listed, "{n}");
    }
    // Nor has the time without quorum counted for anything, once there is one again.
    world.sources.insert(ETCD, Answers::List(vec![at(1), at(2)]));
    world.run(seconds(590));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Retained);
    world.run(seconds(300));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Archived);
}

#[test]
fn what_etcd_has_is_not_absent_because_kubernetes_left_it_out() {
    let mut world = world_told_by_etcd();
    world.set(at(3), Server::Refuses);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2)]));
    world.sources.insert(NODES, nodes(&[("a", at(1)), ("b", at(2))]));
    world.run(seconds(48 * 3600));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Listed);
    // An answer to an older question of etcd does not outdo a later one of Kubernetes (M2).
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2), at(3)]));
    world.sources.insert(ETCD, Answers::Never);
    world.run(seconds(130));
    world.tell(reported(ETCD, RefreshId(1), &[at(1), at(2)]));
    assert_eq!(world.endpoint(at(3)).standing, Standing::Listed);
}

#[test]
fn etcd_speaks_for_the_cluster_and_is_asked_without_targets() {
    let mut world = World::new(settings_with_etcd());
    world.set(at(1), Server::Ready);
    world.set(at(7), Server::Ready);
    world.sources.insert(STATIC, Answers::List(vec![at(7)]));
    world.sources.insert(ETCD, Answers::List(vec![at(1)]));
    world.run(seconds(300));
    // S1: what the cluster tells comes before what only configuration knows.
    assert_eq!(world.first(), at(1));
    let asked = world.refreshes_of(ETCD);
    assert!(asked.len() > 1);
    assert!(asked.iter().all(|(_, refresh)| refresh.targets.is_empty()));
}

#[test]
fn while_isolated_etcd_is_asked_at_least_every_two_seconds() {
    let mut world = World::new(settings_with_etcd());
    world.sources.insert(ETCD, Answers::Fails);
    world.run(seconds(60));
    world.log.clear();
    world.run(seconds(600));
    assert_eq!(world.state(), NodeState::Isolated);
    let times: Vec<Timestamp> = world.refreshes_of(ETCD).into_iter().map(|(at, _)| at).collect();
    let longest = times.windows(2).map(|pair| pair[1].since(pair[0])).max();
    assert!(times.len() > 300, "{} in ten minutes", times.len());
    assert!(longest <= Some(ms(2_010)), "{longest:?}");
    // What is told at last attaches the node within the target.
    world.set(at(1), Server::Ready);
    world.sources.insert(ETCD, Answers::WithoutQuorum(vec![at(1)]));
    let took = world.run_until(ms(2_500), |world| world.state() == NodeState::Attached);
    assert!(took <= ms(2_500), "{took:?}");
}
