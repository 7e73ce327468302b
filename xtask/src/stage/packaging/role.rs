//! The Ansible role, played on this machine into a folder: it installs, and a second time it changes nothing. Ansible is borrowed from Debian;
//! what the role does to services is left out in a folder, and so not seen here.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{skip, stand_in};
use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

const WHAT: &str = "the Ansible role on localhost";
/// Debian's packages: Ansible's core, and what it imports.
const WANTED: [&str; 6] = [
    "ansible-core",
    "python3-jinja2",
    "python3-markupsafe",
    "python3-packaging",
    "python3-resolvelib",
    "python3-yaml",
];
/// Debian's, which these packages are made for.
const PYTHON: &str = "/usr/bin/python3";

pub(super) fn run(workspace: &Workspace, folder: &Path) -> anyhow::Result<Outcome> {
    let borrowed = match jackline_borrowed::unpacked_in(&workspace.target, "ansible", &WANTED) {
        Ok(borrowed) => borrowed,
        Err(why) => return Ok(skip(WHAT, &why, "apt-get update")),
    };
    let modules = borrowed.root().join("usr/lib/python3/dist-packages");
    let mut version = Command::new(PYTHON);
    version.args(["-m", "ansible", "playbook", "--version"]);
    version.env("PYTHONPATH", &modules).env("HOME", folder);
    if command::ask(version).is_none() {
        let why = "Debian's ansible-core does not run with this machine's python3";
        return Ok(skip(WHAT, why, "apt-get install ansible-core"));
    }
    let (archive, sums) = stand_in(workspace, folder)?;
    let prefix = folder.join("prefix");
    let play = || {
        let mut play = workspace.program(PYTHON);
        play.args(["-m", "ansible", "playbook", "-i", "localhost,", "-c", "local"]);
        let variables = [
            ("jackline_prefix", &prefix),
            ("jackline_archive", &archive),
            ("jackline_checksums", &sums),
        ];
        for (name, value) in variables {
            play.arg("-e").arg(format!("{name}={}", value.display()));
        }
        play.args(["-e", &format!("ansible_python_interpreter={PYTHON}")]);
        play.arg("packaging/ansible/playbook.yaml");
        play.env("PYTHONPATH", &modules)
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8");
        command::run_showing(play, |line| !line.trim().is_empty())
    };
    let first = play()?;
    let installed = first.success && prefix.join("usr/local/bin/jackline").is_file();
    let outcome = Outcome::of(installed, "the Ansible role does not install (above)");
    let second = play()?;
    let settled = second.success && second.lines.iter().any(|line| line.contains(" changed=0 "));
    let outcome = outcome.and(Outcome::of(
        settled,
        "the Ansible role changes something the second time (above)",
    ));
    fs::remove_dir_all(folder)?;
    Ok(outcome)
}
