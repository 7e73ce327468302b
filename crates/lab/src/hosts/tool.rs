//! The tools of the machine that networks are made with, `ip` and `nft`: run, and their complaints understood.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Where administrators' tools are, on a machine whose users have not these folders in their PATH.
const ADMINISTRATORS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Where a program is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs it in the network of the calling thread; its standard output.
///
/// # Errors
/// When it cannot be run, or fails: with what it said.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    feed(program, arguments, "")
}

/// The same, with something on its standard input.
///
/// # Errors
/// As [`run`].
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let shown = || format!("{program} {}", arguments.join(" "));
    let file = find(program).with_context(|| format!("there is no {program} on this machine"))?;
    let mut child = Command::new(file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(shown)?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that ends without having read it says why.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(shown)?;
    anyhow::ensure!(
        output.status.success(),
        "{}: {}",
        shown(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn path() -> OsString {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    folders.extend(ADMINISTRATORS.map(PathBuf::from));
    std::env::join_paths(folders).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_fails_is_told_with_its_own_words() {
        let error = run("sh", &["-c", "echo no such link >&2; exit 2"]).expect_err("it fails");
        assert_eq!(
            format!("{error:#}"),
            "sh -c echo no such link >&2; exit 2: no such link"
        );
    }

    #[test]
    fn what_is_fed_is_read() {
        assert_eq!(feed("cat", &[], "table").expect("it runs"), "table");
    }

    #[test]
    fn a_tool_that_is_not_there_is_told_by_name() {
        let error = run("jackline-no-such-tool", &[]).expect_err("it is not there");
        assert!(format!("{error:#}").contains("there is no jackline-no-such-tool"));
    }
}
