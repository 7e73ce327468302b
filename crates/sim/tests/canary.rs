//! Canaries: each rule's absence is noticed.

use jackline_core::Bend;
use jackline_sim::canary::*;

#[test]
fn the_core_that_ships_breaks_no_law() {
    if let Some(caught) = caught_by_worlds(None, SEEDS_MAX) {
        panic!(
            "seed {}: {}: {}",
            caught.seed, caught.broken.rule, caught.broken.seen
        );
    }
}

#[test]
fn each() {
    for bend in Bend::ALL {
        let caught = caught_by_worlds(Some(bend), SEEDS_MAX);
        match caught {
            Some(c) => println!(
                "{bend:?}: seed {} {}: {}",
                c.seed,
                c.broken.rule,
                c.broken.seen.chars().take(120).collect::<String>()
            ),
            None => println!("{bend:?}: NOT CAUGHT"),
        }
    }
}
