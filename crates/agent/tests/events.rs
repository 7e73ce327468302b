//! The reference of events is the tables of the code, and every line of the agent's log has its kind.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use jackline_agent::lines;
use jackline_core::{Level, Notice};

#[test]
fn the_reference_page_is_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md");
    let page = reference();
    if std::env::var_os("JACKLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/events.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/events.md is not what the tables say; write it anew: JACKLINE_WRITE_DOCS=1 cargo test -p jackline-agent --test events"
    );
}

#[test]
fn no_two_kinds_have_one_name() {
    let ours = lines::ALL.iter().map(|line| line.name);
    let names: Vec<&str> = Notice::ALL
        .iter()
        .map(|notice| notice.name())
        .chain(ours)
        .collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), different.len(), "{names:?}");
}

/// A line that people read without a kind could not be looked up.
#[test]
fn every_line_of_the_agents_log_has_a_kind() {
    let mut lines_seen = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("source");
            for (at, _) in text.match_indices("target: \"jackline\",") {
                let before = &text[..at];
                let line = &text[at..(at + 90).min(text.len())];
                let loud = ["info!(", "warn!(", "error!("]
                    .iter()
                    .any(|word| before.trim_end().ends_with(word));
                // Those of the core's announcements are given theirs by `announce`.
                if loud && !line.contains("$($line)") {
                    lines_seen += 1;
                    assert!(line.contains("event = lines::"), "{}: {line}", path.display());
                }
            }
        }
    }
    assert!(lines_seen >= 20, "{lines_seen} lines");
}

fn reference() -> String {
    let mut page = String::from(
        "# Events\n\n\
         What jackline tells people: a line of the log each, with the name as its field `event`; `jackline events` reads those of the first\n\
         table back from the journal, and `jackline_events_total` counts them ([metrics](metrics.md)). Letters and numbers are\n\
         [rules](design.md). This page is written from `crates/core/src/notice.rs` and `crates/agent/src/lines.rs`; a test keeps it so.\n\n\
         ## What was learnt, decided and moved\n\n\
         | event | level | meaning | what to do |\n|---|---|---|---|\n",
    );
    for notice in Notice::ALL {
        let level = match notice.level() {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        row(&mut page, notice.name(), level, notice.meaning(), notice.remedy());
    }
    page.push_str("\n## The program itself\n\n| event | level | meaning | what to do |\n|---|---|---|---|\n");
    for line in lines::ALL {
        row(&mut page, line.name, line.level, line.meaning, line.remedy);
    }
    page
}

fn row(page: &mut String, name: &str, level: &str, meaning: &str, remedy: &str) {
    writeln!(page, "| `{name}` | {level} | {meaning} | {remedy} |").expect("a string");
}
