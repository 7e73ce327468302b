//! The same settings, seed and events give the same actions; a checkpoint goes on where it was taken.

use jackline_core::*;

use crate::world::*;

fn played(seed: u64) -> (Policy, Vec<(Timestamp, Action)>) {
    let mut world = World::new(settings());
    world.policy = Policy::new(settings(), seed, world.now);
    for n in 1..=3 {
        world.set(at(n), Server::Ready);
    }
    world
        .sources
        .insert(KUBERNETES, Answers::List(vec![at(1), at(2), at(3)]));
    world.run(seconds(60));
    world.set(at(1), Server::Silent);
    world.set(at(2), Server::Refuses);
    world.run(seconds(60));
    (world.policy, world.log)
}

#[test]
fn the_same_input_gives_the_same_actions() {
    let ((policy, log), (again, log_again)) = (played(42), played(42));
    assert!(log.len() > 50);
    assert_eq!(log, log_again);
    assert_eq!(policy, again);
    assert_ne!(played(43).1, log, "the seed is all the chance there is");
}

#[test]
fn a_checkpoint_survives_its_encoding_and_goes_on_alike() {
    let (mut policy, _) = played(42);
    let text = serde_json::to_string(&policy).unwrap();
    let mut copy: Policy = serde_json::from_str(&text).unwrap();
    assert_eq!(policy, copy);
    for _ in 0..500 {
        let (due, _) = policy.next_deadline().unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        policy.step(due, Event::DeadlineReached, &mut ours);
        copy.step(due, Event::DeadlineReached, &mut theirs);
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_canonical_key_forgets_names_and_clocks_and_nothing_that_matters() {
    let build = |start: u64, order: [u8; 2], second: Server| {
        let mut world = World::new(settings());
        world.now = Timestamp::from_millis(start);
        world.policy = Policy::new(settings(), 7, world.now);
        world.set(at(order[0]), Server::Ready);
        world.set(at(order[1]), second);
        for n in order {
            world.tell(reported(
                STATIC,
                RefreshId(u64::from(n)),
                &[at(order[0]), at(order[1])],
            ));
        }
        world.run(seconds(3));
        let mut row = world.policy.clone();
        row.step(world.now, Event::DeadlineReached, &mut Vec::new());
        format!("{:?}", row.canonical()).replace(char::is_numeric, "")
    };
    assert_eq!(
        build(1000, [1, 2], Server::Refuses),
        build(999_000, [2, 1], Server::Refuses)
    );
    assert_ne!(
        build(1000, [1, 2], Server::Refuses),
        build(1000, [1, 2], Server::NoApi)
    );
}
