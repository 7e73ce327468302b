//! What becomes of an archived endpoint that answers in a storm (M5).

use jackline_core::*;

use crate::world::*;

/// Three servers; the first is archived, and then none of them is reached.
fn storm_with_an_archived_one() -> World {
    let settings = Settings {
        unwitnessed_grace: seconds(100),
        ..settings()
    };
    let mut world = World::attached_with(3, settings);
    world.set(at(1), Server::Refuses);
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(2), at(3)]));
    world.run_until(seconds(400), |world| {
        world.endpoint(at(1)).standing == Standing::Archived
    });
    for n in [2, 3] {
        world.set(at(n), Server::Refuses);
    }
    world.sources.clear();
    world.run_until(seconds(60), |world| world.state() == NodeState::Isolated);
    world.run(seconds(20));
    world
}

#[test]
fn the_only_ready_one_is_retained_again_and_looked_at_soon() {
    let mut world = storm_with_an_archived_one();
    world.set(at(1), Server::Ready);
    world.log.clear();
    world.run_until(seconds(15), |world| world.state() == NodeState::Attached);
    assert_eq!(world.endpoint(at(1)).standing, Standing::Retained);
    let told = world.log.iter().any(|(_, action)| {
        matches!(action, Action::Announce(announcement) if announcement.text == "retained again: it is ready, and the only one")
    });
    assert!(told, "an operator must be able to see why it is back");
    let tests = world.probes_of(at(1)).len();
    world.run(ms(200));
    assert_eq!(world.probes_of(at(1)).len(), tests, "not at once");
    world.run(ms(60));
    assert_eq!(world.probes_of(at(1)).len(), tests + 1, "soon");
}

#[test]
fn what_is_archived_while_others_are_ready_is_judged_no_more() {
    let settings = Settings {
        unwitnessed_grace: seconds(100),
        ..settings()
    };
    let mut world = World::attached_with(2, settings);
    world.set(at(1), Server::NotReady("poststarthook/x"));
    world.sources.insert(KUBERNETES, Answers::List(vec![at(2)]));
    world.run_until(seconds(400), |world| {
        world.endpoint(at(1)).standing == Standing::Archived
    });
    let archived = world.endpoint(at(1));
    assert_eq!(
        archived.health,
        Health::Unknown,
        "an old judgement must not count"
    );
    assert!(archived.reason.contains("M5"), "{}", archived.reason);
    world.log.clear();
    world.run(seconds(120));
    assert_eq!(world.probes_of(at(1)).len(), 0);
}

#[test]
fn one_that_took_sessions_in_a_storm_stays_archived_and_goes_on_being_tested() {
    let mut world = storm_with_an_archived_one();
    world.set(at(1), Server::Slow(ms(900)));
    world.open_sessions(at(1), 1);
    world.log.clear();
    world.run_until(seconds(20), |world| !world.probes_of(at(1)).is_empty());
    world.set(at(2), Server::Ready);
    world.run_until(seconds(2), |world| world.state() == NodeState::Attached);
    world.run(seconds(30));
    assert_eq!(world.endpoint(at(1)).standing, Standing::Archived);
    assert_eq!(world.endpoint(at(1)).health, Health::Ready);
    world.log.clear();
    world.run(seconds(60));
    assert!(!world.probes_of(at(1)).is_empty(), "a session is on it");
}
