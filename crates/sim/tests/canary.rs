//! Canaries: each rule's absence is noticed, and its presence is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jackline_core::Bend;
use jackline_sim::canary::table::{ELSEWHERE, rule_of};
use jackline_sim::canary::{SEEDS_MAX, caught_by_worlds};

#[test]
fn the_core_that_ships_breaks_no_law() {
    if let Some(caught) = caught_by_worlds(None, SEEDS_MAX) {
        let broken = caught.broken;
        panic!("seed {}: {}: {}", caught.seed, broken.rule, broken.seen);
    }
}

#[test]
fn every_bend_is_caught() {
    let missed: Vec<Bend> = Bend::ALL
        .into_iter()
        .filter(|&bend| caught_by_worlds(Some(bend), SEEDS_MAX).is_none())
        .collect();
    assert_eq!(missed, [], "not caught within {SEEDS_MAX} worlds");
}

#[test]
fn every_rule_of_the_page_has_a_canary() {
    let page = read("docs/design.md");
    let rules: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.split(' ').next())
        .filter(|word| {
            let mut letters = word.chars();
            let family = letters.next().is_some_and(|letter| "MHSRDP".contains(letter));
            family && letters.next().is_some_and(|digit| digit.is_ascii_digit())
        })
        .collect();
    assert!(
        rules.len() >= 36,
        "the page's rules were not to be read: {rules:?}"
    );
    let bent = Bend::ALL.into_iter().map(rule_of);
    let held: BTreeSet<&str> = bent
        .chain(ELSEWHERE.iter().map(|elsewhere| elsewhere.rule))
        .collect();
    let without: Vec<&&str> = rules.difference(&held).collect();
    assert!(without.is_empty(), "rules without a canary: {without:?}");
    for unlettered in ["heartbeat witness", "drain for the whole fleet"] {
        assert!(
            page.contains(unlettered),
            "the page no longer speaks of the {unlettered}"
        );
        assert!(held.contains(unlettered), "{unlettered} has no canary");
    }
    let letters = |rule: &&&str| rule.len() <= 3;
    let unknown: Vec<&&str> = held.difference(&rules).filter(letters).collect();
    assert!(
        unknown.is_empty(),
        "canaries of rules that the page does not have: {unknown:?}"
    );
}

#[test]
fn the_tests_that_hold_rules_elsewhere_are_there() {
    for elsewhere in ELSEWHERE {
        let text = read(elsewhere.file);
        let head = format!("fn {}(", elsewhere.test);
        assert!(
            text.contains(&head),
            "{}: {} has no {head}",
            elsewhere.rule,
            elsewhere.file
        );
    }
}

#[test]
fn nothing_that_ships_can_bend_a_rule() {
    let mut files = Vec::new();
    for name in ["trust", "discovery", "probe", "proxy", "admin", "agent", "lab"] {
        rust_files(&root().join("crates").join(name).join("src"), &mut files);
    }
    assert!(files.len() > 50, "only {} files were found", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file that was just listed");
        for word in ["Bend::", "Policy::bent", "choose_jitter"] {
            assert!(!text.contains(word), "{} says {word}", file.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
