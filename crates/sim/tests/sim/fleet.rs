//! Fleets, in a short form: `jackline simulate --fleet N` plays the long one.

use std::sync::atomic::AtomicBool;

use jackline_sim::fleet::play::Play;
use jackline_sim::fleet::run;

/// Targets that this fleet misses, by what they are called: docs/simulation.md says why.
const MISSED: [&str; 1] = ["requests per 100 nodes"];

#[test]
fn a_small_fleet_comes_back_and_spreads_as_it_should() {
    let report = run(30, &[3], 2, &AtomicBool::new(false), &|_| {});
    assert_eq!(report.played.len(), Play::ALL.len());
    for figures in &report.played {
        assert!(
            figures.requests_per_100 > 0.1,
            "{}: {}",
            figures.play,
            figures.requests_per_100
        );
        assert_eq!(figures.failed, 0, "{}\n{report}", figures.play);
        for target in &figures.targets {
            let known = MISSED.contains(&target.what);
            assert!(target.met || known, "{}: {target:?}\n{report}", figures.play);
        }
    }
    let late = |play: Play| {
        let found = report.played.iter().find(|figures| figures.play == play.words());
        found
            .and_then(|figures| figures.attached)
            .expect("somebody was isolated")
    };
    assert_eq!(late(Play::BulkRestart).nodes, 30);
    assert_eq!(late(Play::AllLost).nodes, 30);
    assert!(
        late(Play::AllLost).last > 0,
        "nobody is attached before a server is ready"
    );
}
