//! Programs of Debian that this machine has not installed: downloaded and unpacked under `target/`, without root.
//!
//! Nothing is installed, no service is started, and `cargo clean` takes it away again.

use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::workspace::Workspace;

/// Where they are unpacked, each set of packages in a folder of its own.
const FOLDER: &str = "debian";

/// Written last: the folder is complete.
const COMPLETE: &str = "complete";

/// Where a Debian system keeps programs and libraries.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// An unpacked set of packages.
#[derive(Clone, Debug)]
pub(crate) struct Unpacked {
    root: PathBuf,
}

impl Unpacked {
    /// Unpacks these packages, which have to name their libraries too. `None`: this is no Debian, or its mirror is out of
    /// reach.
    pub(crate) fn fetch(workspace: &Workspace, name: &str, packages: &[&str]) -> Option<Self> {
        let root = workspace.target.join(FOLDER).join(name);
        if root.join(COMPLETE).is_file() {
            return Some(Self { root });
        }
        // What an interrupted run has left.
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).ok()?;
        let mut download = Command::new("apt-get");
        download.arg("download").args(packages).current_dir(&root);
        command::ask(download)?;
        for entry in std::fs::read_dir(&root).ok()? {
            let package = entry.ok()?.path();
            if package.extension().is_some_and(|end| end == "deb") {
                let mut unpack = Command::new("dpkg-deb");
                unpack.arg("-x").arg(package).arg(&root);
                command::ask(unpack)?;
            }
        }
        std::fs::write(root.join(COMPLETE), "").ok()?;
        Some(Self { root })
    }

    /// Lets a command, and all that it starts, find these programs and their libraries, after the machine's own.
    pub(crate) fn offer(&self, to: &mut Command) {
        let machine = std::env::consts::ARCH;
        let libraries = LIBRARIES.map(|folder| self.root.join(folder).join(format!("{machine}-linux-gnu")));
        offer(to, "PATH", PROGRAMS.map(|folder| self.root.join(folder)).to_vec());
        offer(to, "LD_LIBRARY_PATH", libraries.to_vec());
    }
}

fn offer(to: &mut Command, variable: &str, folders: Vec<PathBuf>) {
    // What was offered before comes first.
    let before = to.get_envs().find(|(name, _)| *name == variable);
    let before = before.and_then(|(_, value)| value.map(ToOwned::to_owned));
    let mut all: Vec<PathBuf> = before
        .or_else(|| std::env::var_os(variable))
        .filter(|value| !value.is_empty())
        .map(|value| std::env::split_paths(&value).collect())
        .unwrap_or_default();
    all.extend(folders);
    if let Ok(value) = std::env::join_paths(all) {
        to.env(variable, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_programs_come_first() {
        let mut command = Command::new("nft");
        let unpacked = Unpacked {
            root: PathBuf::from("/unpacked"),
        };
        unpacked.offer(&mut command);
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, value)| value)
            .unwrap();
        let path: Vec<PathBuf> = std::env::split_paths(path).collect();
        let own = std::env::var_os("PATH").unwrap();
        let own: Vec<PathBuf> = std::env::split_paths(&own).collect();
        assert!(path.starts_with(&own));
        assert_eq!(path[own.len()..][1], PathBuf::from("/unpacked/usr/sbin"));
        let more = Unpacked {
            root: PathBuf::from("/more"),
        };
        more.offer(&mut command);
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, value)| value)
            .unwrap();
        let path: Vec<PathBuf> = std::env::split_paths(path).collect();
        let found = |root: &str| path.iter().any(|folder| folder.starts_with(root));
        assert!(found("/unpacked") && found("/more"), "both sets are offered");
    }
}
