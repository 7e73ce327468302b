//! Packages that `cargo xtask package` has made, tried by the tools that they are for, which are borrowed from Debian. What is done to them is in
//! the scripts beside what they are made of.

use std::fs;
use std::path::{Path, PathBuf};

use super::skip;
use crate::command;
use crate::outcome::Outcome;
use crate::workspace::Workspace;

/// A package that `cargo xtask package` has made: installed, upgraded, removed, in a tree of its own by its own tools.
struct Trial {
    end: &'static str,
    what: &'static str,
    script: &'static str,
    /// A folder for what is borrowed, and Debian's packages in it.
    borrowed: (&'static str, &'static [&'static str]),
}

const TRIALS: [Trial; 2] = [
    Trial {
        end: "deb",
        what: "a .deb in a Debian tree of its own",
        script: "packaging/debian/try.sh",
        borrowed: (
            "packaging",
            &[
                "busybox-static",
                "systemd-standalone-sysusers",
                "systemd-standalone-tmpfiles",
            ],
        ),
    },
    Trial {
        end: "rpm",
        what: "an .rpm in a tree of its own",
        script: "packaging/rpm/try.sh",
        borrowed: (
            "packaging-rpm",
            &[
                "busybox-static",
                "systemd-standalone-sysusers",
                "systemd-standalone-tmpfiles",
                "rpm",
                "rpm-common",
                "librpm9",
                "librpmio9",
                "librpmbuild9",
                "librpmsign9",
                "liblua5.3-0",
                "libpopt0",
                "libarchive13",
                "libfsverity0",
            ],
        ),
    },
];

/// Each kind that was made.
pub(super) fn packages(workspace: &Workspace, trees: &Path) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for trial in &TRIALS {
        outcome = outcome.and(package(workspace, trial, &trees.join(trial.end))?);
    }
    Ok(outcome)
}

fn package(workspace: &Workspace, trial: &Trial, tree: &Path) -> anyhow::Result<Outcome> {
    let made = fs::read_dir(workspace.target.join("package"))
        .into_iter()
        .flatten();
    let made: Option<PathBuf> = made
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == trial.end));
    let Some(made) = made else {
        return Ok(skip(trial.what, "none is made", "cargo xtask package"));
    };
    let (folder, wanted) = trial.borrowed;
    let borrowed = match jackline_borrowed::unpacked_in(&workspace.target, folder, wanted) {
        Ok(borrowed) => borrowed,
        Err(why) => return Ok(skip(trial.what, &why, "apt-get update")),
    };
    fs::create_dir_all(tree)?;
    let mut attempt = workspace.program("sh");
    attempt.arg(trial.script).arg(made).arg(tree).arg(borrowed.root());
    Ok(Outcome::of(
        command::run(attempt)?.success,
        &format!("{}: it does not install, upgrade and remove (above)", trial.what),
    ))
}
