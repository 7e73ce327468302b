//! Every `jackline …` that a page tells people to type is one that this program takes: pages and command line cannot part.

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

/// Fewer would say that they are no longer found.
const COMMANDS_MIN: usize = 150;

/// What stands for something of the reader's own, and one such thing.
const STANDS_FOR: [(&str, &str); 6] = [
    ("ADDRESS", "10.0.0.2:6443"),
    ("SHELL", "bash"),
    ("A..B", "0..10"),
    ("NAME", "frozen"),
    ("N", "10"),
    ("IP:PORT", "10.0.0.2:6443"),
];

/// The pages of this checkout.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

/// The commands of a page: lines of its code blocks, and what stands between backticks.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(ToOwned::to_owned));
        }
    }
    found.iter().filter_map(|text| typed(text)).collect()
}

/// What is typed after `jackline`, without what a shell does with it and without a comment; `None`: it is none of ours, or
/// only sketched.
fn typed(text: &str) -> Option<String> {
    let text = text.trim_start_matches("$ ").trim_start_matches("sudo ");
    let text = text.strip_prefix("jackline ")?;
    let end = ["  ", " #", " | ", " && ", " > ", " \\", ";"]
        .iter()
        .filter_map(|end| text.find(end))
        .min();
    let text = text[..end.unwrap_or(text.len())].trim();
    let sketched = text.contains(['…', '[', '<', '{'])
        || !text.starts_with(|first: char| first.is_ascii_lowercase() || first == '-');
    (!sketched).then(|| text.to_owned())
}

/// What is wrong with it.
fn wrong(typed: &str) -> Option<String> {
    let words = typed.split_whitespace().map(|word| {
        let stands_for = STANDS_FOR.iter().find(|(sign, _)| *sign == word);
        stands_for.map_or(word, |(_, one)| one)
    });
    let error = Cli::try_parse_from(std::iter::once("jackline").chain(words)).err()?;
    // Half a command, `jackline config`, or one whose argument the sentence leaves out: what is there is right.
    let well = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::MissingRequiredArgument,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    (!well.contains(&error.kind())).then(|| error.to_string())
}

#[test]
fn every_command_of_every_page_is_one_that_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = vec![
        root.join("README.md"),
        root.join("README.zh.md"),
        root.join("CONTRIBUTING.md"),
    ];
    pages(&root.join("docs"), &mut found);
    let (mut count, mut faults) = (0, Vec::new());
    for page in found {
        let text = std::fs::read_to_string(&page).expect("a page");
        for command in commands(&text) {
            count += 1;
            if let Some(why) = wrong(&command) {
                faults.push(format!("{}: jackline {command}: {why}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count >= COMMANDS_MIN, "only {count} commands are found");
}

#[test]
fn what_is_typed_is_told_from_what_a_shell_does_with_it() {
    let page = "`sudo jackline status` and `jackline … x`, `jackline.service`\n\n    jackline drain 10.0.0.2 --for 30m && ssh\n\
                ```\n$ jackline lab   # words\n```\n    jackline setup --print      # what\n";
    assert_eq!(
        commands(page),
        ["status", "drain 10.0.0.2 --for 30m", "lab", "setup --print"]
    );
    assert!(wrong("status --nonsense").is_some());
    assert!(wrong("setup --mode stand-behind --write").is_none());
}
