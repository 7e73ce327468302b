//! The swarm: seeds that are safe and come to rest; the same seed is the same world.

use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use jackline_sim::policy::{Jackline, Kind};
use jackline_sim::swarm;

fn kind() -> Rc<dyn Kind> {
    Rc::new(Jackline::default())
}

#[test]
fn seeds_are_safe_and_come_to_rest() {
    let from: u64 = std::env::var("SEED_FROM").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let to: u64 = std::env::var("SEED_TO").ok().and_then(|s| s.parse().ok()).unwrap_or(40);
    let report = swarm::run(from..to, 2, kind, &AtomicBool::new(false), &|_| {});
    for failed in &report.failures {
        println!("{} {:?}\n{}\n{}", failed.seed, failed.failure, failed.command, failed.story);
    }
    println!("{} seeds, {} failed, {} steps, {} node seconds", report.seeds, report.failed, report.steps, report.node_seconds);
    assert_eq!(report.failed, 0);
}
