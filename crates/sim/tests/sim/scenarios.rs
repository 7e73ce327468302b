//! Every scenario of `scenarios/` plays as it is written: what must hold holds, and the timeline is the expected one.
//!
//! `JACKLINE_WRITE_SCENARIOS=1` writes the timelines anew.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use jackline_sim::policy::{Jackline, Kind};
use jackline_sim::scenario::Scenario;

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn every_scenario_plays_as_it_is_written() {
    let write = std::env::var_os("JACKLINE_WRITE_SCENARIOS").is_some();
    let kind: Rc<dyn Kind> = Rc::new(Jackline::default());
    let mut wrong = Vec::new();
    for file in files() {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a text");
        let scenario = match Scenario::read(&text) {
            Ok(scenario) => scenario,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let played = scenario.play(&kind);
        wrong.extend(played.broken.iter().map(|broken| format!("{name}: {broken}")));
        if write {
            fs::write(&file, Scenario::rewritten(&text, &played.timeline)).expect("written");
        } else if played.timeline != scenario.expected {
            let pairs = played.timeline.iter().zip(&scenario.expected);
            let first = pairs.into_iter().find(|(is, was)| is != was);
            wrong.push(format!(
                "{name}: another timeline, first {first:?}; JACKLINE_WRITE_SCENARIOS=1 writes it anew"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
