//! `cargo xtask multihost`: faults between several hosts on one machine, some of them on real apiservers. The lab plays them;
//! here it is built, given the tools that the machine lacks, and its words are counted.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use jackline_borrowed::{Unpacked, unpacked_in};

use crate::command;
use crate::outcome::{Outcome, Skip};
use crate::workspace::Workspace;

/// What `nft` needs of Debian.
pub(crate) const NFTABLES: [&str; 10] = [
    "nftables",
    "libnftables1",
    "libnftnl11",
    "libmnl0",
    "libjansson4",
    "libxtables12",
    "libedit2",
    "libgmp10",
    "libbsd0",
    "libmd0",
];

/// Where administrators' tools are, besides the PATH.
const ADMINISTRATORS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Those by which the quick run shows that they can fail, each where it was played.
const CANARIES: [&str; 2] = ["dropped-from-server", "real-alternating"];

/// The programs that play them, ready to be started.
pub(crate) struct Multihost {
    programs: PathBuf,
    tools: Option<Unpacked>,
    workspace_root: PathBuf,
}

impl Multihost {
    /// Builds what is needed.
    pub(crate) fn build(workspace: &Workspace, release: bool) -> anyhow::Result<Self> {
        let mut build = workspace.cargo(["build", "--package", "jackline", "--package", "jackline-lab"]);
        if release {
            build.arg("--release");
        }
        ensure!(command::run(build)?.success, "the build failed (above)");
        let there = |folder: &Path| folder.join("nft").is_file();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|folder| there(&folder))
            || ADMINISTRATORS.iter().any(|folder| there(Path::new(folder)));
        let tools = if found {
            None
        } else {
            // Without it the program itself says what it lacks.
            unpacked_in(&workspace.target, "nftables", &NFTABLES).ok()
        };
        Ok(Self {
            programs: workspace.target.join(if release { "release" } else { "debug" }),
            tools,
            workspace_root: workspace.root.clone(),
        })
    }

    /// A call of it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.call("multihost", arguments)
    }

    /// A call of the program that plays on loopback what has figures with a target.
    pub(crate) fn recovery(&self, arguments: &[&str]) -> Command {
        self.call("recovery", arguments)
    }

    fn call(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .arg("--program")
            .arg(self.programs.join("jackline"))
            .args(arguments)
            .current_dir(&self.workspace_root);
        if let Some(tools) = &self.tools {
            tools.offer(&mut command);
        }
        command
    }

    /// The names of all faults that can be played here.
    pub(crate) fn names(&self) -> anyhow::Result<Vec<String>> {
        let listed = command::capture(self.command(&["--list"]))?;
        let names = listed.lines().filter(|line| skip(line).is_none());
        let names = names.filter_map(|line| line.split_whitespace().next());
        Ok(names.map(str::to_owned).collect())
    }
}

/// The stage: the two faults of a quick run, what is played on real apiservers where there are some, and one of either with a
/// naive balancer, which must fail it.
pub(crate) fn stage(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let multihost = Multihost::build(workspace, false)?;
    let played = command::run(multihost.command(&["short"]))?;
    let mut outcome = count(&played.lines, played.success);
    if outcome.passed == 0 && outcome.failures.is_empty() && !outcome.skips.is_empty() {
        return Ok(outcome);
    }
    for canary in CANARIES {
        if played
            .lines
            .iter()
            .any(|line| verdict(line).is_some_and(|(name, _)| name == canary))
        {
            outcome = outcome.and(dies(&multihost, canary)?);
        }
    }
    Ok(outcome.must_have_run("faults between hosts"))
}

/// That a naive balancer fails it.
fn dies(multihost: &Multihost, canary: &str) -> anyhow::Result<Outcome> {
    let played = command::run_showing(multihost.command(&["--naive", canary]), |line| {
        verdict(line).is_some()
    })?;
    let died = played
        .lines
        .iter()
        .any(|line| verdict(line) == Some((canary, false)));
    let otherwise = format!("{canary}: a naive balancer passes it: it shows nothing");
    Ok(Outcome::of(died, &otherwise))
}

/// The task: plays what the arguments name and shows all of it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<bool> {
    let multihost = Multihost::build(workspace, false)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let status = multihost.command(&arguments).status()?;
    Ok(status.success())
}

/// Reads the results out of what was printed.
fn count(lines: &[String], success: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for line in lines {
        if let Some(skip) = skip(line) {
            outcome.skips.push(skip);
        }
        match verdict(line) {
            Some((_, true)) => outcome.passed += 1,
            Some((name, false)) => outcome.failures.push(format!("{name}, between hosts (above)")),
            None => {}
        }
    }
    if !success && outcome.failures.is_empty() {
        let what = "faults between hosts could not be played (above)";
        outcome.failures.push(what.to_owned());
    }
    outcome
}

/// `NAME passed after …` or `NAME FAILED after …`.
fn verdict(line: &str) -> Option<(&str, bool)> {
    let mut words = line.split(' ');
    let (name, word, after) = (words.next()?, words.next()?, words.next()?);
    match (word, after) {
        ("passed", "after") => Some((name, true)),
        ("FAILED", "after") => Some((name, false)),
        _ => None,
    }
}

/// `not run: WHAT: WHY (THE LINE THAT WOULD BRING IT)`.
fn skip(line: &str) -> Option<Skip> {
    let (what, said) = line.strip_prefix("not run: ")?.split_once(": ")?;
    let (why, bring) = said.rsplit_once(" (").unwrap_or((said, ""));
    Some(Skip {
        what: what.to_owned(),
        why: why.to_owned(),
        bring: bring.trim_end_matches(')').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn verdicts_are_counted_and_failures_named() {
        let printed = lines(
            "    3.81 s  packets from the agents to cp-3 vanish\n\n\
             dropped-to-server passed after 11.90 s. The agents' packets vanish.\n  ok     none failed: 0 of 164\n\n\
             link-down FAILED after 12.14 s. The cable is pulled.\n  FAILED none failed: 3 of 164\n",
        );
        let outcome = count(&printed, false);
        assert_eq!(outcome.passed, 1);
        assert_eq!(outcome.failures, ["link-down, between hosts (above)"]);
    }

    #[test]
    fn what_could_not_be_played_is_told_with_what_would_bring_it() {
        let printed = lines(
            "not run: all faults between hosts: there is no nft on this machine (apt-get install nftables)\n",
        );
        let outcome = count(&printed, true);
        assert_eq!((outcome.passed, outcome.failures.len()), (0, 0));
        assert_eq!(outcome.skips[0].what, "all faults between hosts");
        assert_eq!(outcome.skips[0].why, "there is no nft on this machine");
        assert_eq!(outcome.skips[0].bring, "apt-get install nftables");
    }

    #[test]
    fn a_run_that_died_has_failed_though_no_verdict_says_so() {
        assert_eq!(count(&lines("multihost: interrupted"), false).failures.len(), 1);
    }
}
