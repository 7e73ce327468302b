//! Debian's packages, fetched and unpacked: whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where they are unpacked under the target folder, each set of packages in a folder of its own.
const FOLDER: &str = "debian";

/// Written last, with the names of the packages: the folder is complete, and of these.
const COMPLETE: &str = "complete";

/// Where a Debian system keeps programs and libraries.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// An unpacked set of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    root: PathBuf,
}

/// Unpacks these packages under the target folder of the running program, unless they are there. `packages` has to name the
/// libraries that the programs need too, as far as the machine has not got them.
///
/// # Errors
/// In words: no Debian, no mirror, no room, or a program that cargo did not build.
pub fn unpacked(name: &str, packages: &[&str]) -> Result<Unpacked, String> {
    unpacked_in(&crate::target_folder()?, name, packages)
}

/// The same under another target folder.
///
/// # Errors
/// As [`unpacked`].
pub fn unpacked_in(target: &Path, name: &str, packages: &[&str]) -> Result<Unpacked, String> {
    let debian = target.join(FOLDER);
    let root = debian.join(name);
    let wanted = packages.join("\n");
    let words = |error: std::io::Error| format!("{}: {error}", root.display());
    let is_complete = || fs::read_to_string(root.join(COMPLETE)).is_ok_and(|had| had == wanted);
    if !is_complete() {
        fs::create_dir_all(&debian).map_err(words)?;
        // Several tests may want it at the same time: one fetches, the others wait for it.
        let lock = File::create(debian.join(format!("{name}.lock"))).map_err(words)?;
        lock.lock().map_err(words)?;
        if !is_complete() {
            // What an interrupted run has left, or one that wanted other packages.
            match fs::remove_dir_all(&root) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(words(error)),
                _ => {}
            }
            fs::create_dir_all(&root).map_err(words)?;
            unpack(&root, packages)?;
            fs::write(root.join(COMPLETE), &wanted).map_err(words)?;
        }
    }
    Ok(Unpacked { root })
}

fn unpack(root: &Path, packages: &[&str]) -> Result<(), String> {
    // apt fetches as another user, who may not write here, and else only complains.
    run(Command::new("apt-get")
        .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
        .args(["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"])
        .args(packages)
        .current_dir(root))?;
    let fetched = fs::read_dir(root).map_err(|error| error.to_string())?.flatten();
    let archives: Vec<PathBuf> = fetched
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .collect();
    for archive in archives {
        run(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(root))?;
        fs::remove_file(&archive).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{name} failed: {}",
            said.lines().last().unwrap_or_default()
        )),
    }
}

impl Unpacked {
    /// The folder that stands for `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program of these packages.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        PROGRAMS
            .into_iter()
            .map(|folder| self.root.join(folder).join(name))
            .find(|path| path.is_file())
    }

    /// Lets a command, and all that it starts, find these programs and their libraries, after the machine's own.
    pub fn offer(&self, to: &mut Command) {
        let before = |variable| {
            let set = to.get_envs().find(|(name, _)| *name == variable);
            set.and_then(|(_, value)| value.map(ToOwned::to_owned))
                .or_else(|| std::env::var_os(variable))
                .filter(|value| !value.is_empty())
        };
        let paths = [("PATH", self.programs()), ("LD_LIBRARY_PATH", self.libraries())]
            .map(|(variable, folders)| (variable, joined(before(variable), folders)));
        for (variable, value) in paths {
            if let Some(value) = value {
                to.env(variable, value);
            }
        }
    }

    fn programs(&self) -> Vec<PathBuf> {
        PROGRAMS.map(|folder| self.root.join(folder)).to_vec()
    }

    fn libraries(&self) -> Vec<PathBuf> {
        let machine = std::env::consts::ARCH;
        LIBRARIES
            .map(|folder| self.root.join(folder).join(format!("{machine}-linux-gnu")))
            .to_vec()
    }
}

fn joined(before: Option<OsString>, more: Vec<PathBuf>) -> Option<OsString> {
    let mut all: Vec<PathBuf> = before
        .map(|value| std::env::split_paths(&value).collect())
        .unwrap_or_default();
    all.extend(more);
    std::env::join_paths(all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(command: &Command) -> Vec<PathBuf> {
        let path = command.get_envs().find(|(name, _)| *name == "PATH");
        std::env::split_paths(path.and_then(|(_, value)| value).unwrap()).collect()
    }

    #[test]
    fn the_machines_own_programs_come_first_and_then_each_set() {
        let mut command = Command::new("nft");
        for root in ["/unpacked", "/more"] {
            let root = PathBuf::from(root);
            Unpacked { root }.offer(&mut command);
        }
        let path = path_of(&command);
        let own = std::env::var_os("PATH").unwrap();
        let own: Vec<PathBuf> = std::env::split_paths(&own).collect();
        assert!(path.starts_with(&own));
        assert_eq!(path[own.len()..][1], PathBuf::from("/unpacked/usr/sbin"));
        assert_eq!(path[own.len() + 4..][1], PathBuf::from("/more/usr/sbin"));
    }

    #[test]
    fn a_set_that_is_there_is_not_fetched_again_and_one_of_other_packages_is() {
        let target = tempfile::tempdir().unwrap();
        let root = target.path().join("debian/tools");
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/tool"), "").unwrap();
        fs::write(root.join(COMPLETE), "no-such-package\nno-such-library").unwrap();
        let there = unpacked_in(target.path(), "tools", &["no-such-package", "no-such-library"]).unwrap();
        assert_eq!(there.program("tool"), Some(root.join("usr/bin/tool")));
        assert_eq!(there.program("another"), None);
        assert!(unpacked_in(target.path(), "tools", &["no-such-package"]).is_err());
        assert!(
            !root.join("usr/bin/tool").exists(),
            "what is not whole is not there"
        );
    }
}
