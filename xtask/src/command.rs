//! Running a child process: its output is shown as it comes, and kept for those who count in it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, pipe};
use std::process::{Command, Stdio};

use anyhow::Context;

/// How many lines of a child's output are kept. A full test run prints a few thousand; the oldest go first.
const KEPT_LINES: usize = 100_000;

/// How long a kept line may be; the rest of it is still shown.
const KEPT_LINE: usize = 4096;

/// Where programs and libraries are looked for: long, and nothing that a person would type.
const SEARCHED: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// A child that has ended.
pub(crate) struct Finished {
    /// Whether it ended with code 0.
    pub(crate) success: bool,
    /// What it said, standard output and standard error in the order in which they came.
    pub(crate) lines: Vec<String>,
}

/// Runs it to its end without standard input, and shows what it says.
pub(crate) fn run(command: Command) -> anyhow::Result<Finished> {
    run_showing(command, |_| true)
}

/// The same, showing only the lines that `wanted` picks; all are kept.
pub(crate) fn run_showing(
    mut command: Command,
    wanted: impl FnMut(&str) -> bool,
) -> anyhow::Result<Finished> {
    println!("$ {}", shown(&command));
    let (reader, writer) = pipe().context("no pipe for a child's output")?;
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("{name} could not be started"))?;
    // The command holds the writing ends: without dropping it, reading would never come to an end.
    drop(command);
    let lines = echo(reader, wanted)?;
    let status = child.wait()?;
    Ok(Finished {
        success: status.success(),
        lines,
    })
}

/// Runs it to its end and keeps its standard output, whatever its exit code; its standard error is shown.
pub(crate) fn capture(mut command: Command) -> anyhow::Result<String> {
    println!("$ {}", shown(&command));
    let name = command.get_program().to_string_lossy().into_owned();
    let command = command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it quietly; `None` when it cannot be started or fails. For questions whose answer is a line or a file.
pub(crate) fn ask(mut command: Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter(|(name, _)| !SEARCHED.iter().any(|searched| name == searched))
        .filter_map(|(name, value)| {
            value.map(|value| format!("{}={}", name.to_string_lossy(), quoted(value)))
        })
        .collect();
    let program = command.get_program();
    let program = std::path::Path::new(program).file_name().unwrap_or(program);
    words.push(program.to_string_lossy().into_owned());
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains([' ', '*', '"', '$']) {
        format!("'{word}'")
    } else {
        word.into_owned()
    }
}

fn echo(reader: impl Read, mut wanted: impl FnMut(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let mut reader = BufReader::new(reader);
    let mut lines = std::collections::VecDeque::new();
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']);
        if wanted(line) {
            println!("{line}");
        }
        lines.push_back(line.chars().take(KEPT_LINE).collect());
        if lines.len() > KEPT_LINES {
            lines.pop_front();
        }
        bytes.clear();
    }
    Ok(lines.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_of_a_child_are_kept_in_order() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two >&2; echo three; exit 3"]);
        let finished = run(shell).unwrap();
        assert!(!finished.success);
        assert_eq!(finished.lines, ["one", "two", "three"]);
    }

    #[test]
    fn a_child_has_no_standard_input() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat && echo at its end"]);
        assert_eq!(run(shell).unwrap().lines, ["at its end"]);
    }

    #[test]
    fn a_program_that_is_not_there_is_told_by_name() {
        let error = run(Command::new("jackline-no-such-program")).err().unwrap();
        assert!(format!("{error:#}").contains("jackline-no-such-program could not be started"));
    }
}
