//! Tests do not sleep: below the end-to-end rung time is virtual, and what happens is awaited, not slept for.

use super::code::{blanked, has_word, item_lines, test_lines};
use super::tree::{File, Finding, Tree};

/// The end-to-end rung: the real binary and real sockets, where waiting takes real time.
const END_TO_END: &str = "crates/cli/tests/";

/// Under it a test's time is virtual: a sleep takes none, and proves that nothing else happened in it.
const VIRTUAL: &str = "#[tokio::test(start_paused = true)]";

const SLEEPS: [&str; 4] = ["thread::sleep", "time::sleep", "sleep", "sleep_until"];

/// Sleeps in tests.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    tree.ending(".rs")
        .filter(|file| !file.path.starts_with(END_TO_END))
        .flat_map(in_file)
        .collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    let code = blanked(&file.text);
    let whole = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let (marks, timeless) = (test_lines(&code), item_lines(&code, VIRTUAL));
    code.lines()
        .enumerate()
        .filter(|(index, line)| (whole || marks[*index]) && !timeless[*index] && calls_sleep(line))
        .map(|(index, _)| {
            Finding::at(
                &file.path,
                index,
                "a test sleeps: await what is to happen, with a deadline",
            )
        })
        .collect()
}

fn calls_sleep(line: &str) -> bool {
    SLEEPS.iter().any(|call| has_word(line, &format!("{call}(")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLEEPY: &str =
        "fn a() { tokio::time::sleep(x).await }\n#[cfg(test)]\nmod tests {\n fn b() { sleep(y) }\n}\n";

    #[test]
    fn only_tests_are_looked_at() {
        let findings = find(&Tree::of(&[("crates/lab/src/clock.rs", SLEEPY)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [4]
        );
    }

    #[test]
    fn a_file_of_tests_is_looked_at_as_a_whole() {
        assert_eq!(find(&Tree::of(&[("crates/lab/tests/play.rs", SLEEPY)])).len(), 2);
    }

    #[test]
    fn virtual_time_may_pass() {
        let text = "#[tokio::test(start_paused = true)]\nasync fn a() {\n sleep(x).await;\n}\n#[tokio::test]\nasync fn b() {\n sleep(x).await;\n}\n";
        let findings = find(&Tree::of(&[("crates/x/tests/a.rs", text)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [7]
        );
    }

    #[test]
    fn the_end_to_end_rung_may_wait() {
        assert!(find(&Tree::of(&[("crates/cli/tests/run.rs", SLEEPY)])).is_empty());
    }
}
