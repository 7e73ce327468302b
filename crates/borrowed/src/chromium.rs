//! The real Chromium, without a window.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Unpacked, on_this_machine, unpacked};

/// Debian's package.
const PACKAGE: &str = "chromium-headless-shell";

/// Where it has the program, under the tree and under `/` alike: `/usr/bin` has a script that expects to be installed.
const PROGRAM: &str = "usr/lib/chromium/chromium-headless-shell";

/// A folder of libraries besides the usual ones.
const PULSE: &str = "pulseaudio";

/// What brings Chromium where it cannot be borrowed.
pub const BRING_CHROMIUM: &str =
    "apt-get install chromium-headless-shell, or CHROMIUM=/path/to/chromium, or apt-get update";

/// Chromium, and the libraries that came with it.
#[derive(Clone, Debug)]
pub struct Chromium {
    program: PathBuf,
    debian: Option<Unpacked>,
}

/// Chromium, looked for and fetched once: `CHROMIUM`, the machine's own, else Debian's with what this machine lacks of it.
///
/// # Errors
/// In words, when it cannot be had.
pub fn chromium() -> Result<Chromium, String> {
    static FOUND: OnceLock<Result<Chromium, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<Chromium, String> {
    let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let own = || on_this_machine(PACKAGE).or_else(|| on_this_machine("chromium"));
    if let Some(program) = given.or_else(own) {
        return Ok(Chromium {
            program,
            debian: None,
        });
    }
    let packages = lacking()?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let debian = unpacked("chromium", &names)?;
    let program = debian.root().join(PROGRAM);
    match program.is_file() {
        true => Ok(Chromium {
            program,
            debian: Some(debian),
        }),
        false => Err(format!("Debian's {PACKAGE} has no {PROGRAM}")),
    }
}

/// The packages that an installation would bring here: it is only asked for, not made.
fn lacking() -> Result<Vec<String>, String> {
    let output = Command::new("apt-get")
        .args(["-s", "install", "--no-install-recommends", PACKAGE])
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("apt-get cannot be run: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    let names = told.lines().filter_map(|line| line.strip_prefix("Inst "));
    let mut packages: Vec<String> = names
        .filter_map(|rest| rest.split_whitespace().next())
        .map(ToOwned::to_owned)
        .collect();
    packages.sort_unstable();
    match packages.is_empty() {
        false => Ok(packages),
        true => Err(format!("apt-get knows no {PACKAGE}")),
    }
}

impl Chromium {
    /// A call of it that shows no window, keeps what it remembers in `folder`, and reaches nobody but this machine: names
    /// resolve to nothing, and everything off loopback would go through a proxy that is not there.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--headless", "--disable-gpu", "--no-first-run"])
            // It shows pages of the project's own only, and root may not have its sandbox.
            .arg("--no-sandbox")
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--proxy-server=127.0.0.1:9",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*",
            ])
            .arg(format!("--user-data-dir={}", folder.display()));
        if let Some(debian) = &self.debian {
            debian.offer(&mut command);
            let pulse = format!("usr/lib/{}-linux-gnu/{PULSE}", std::env::consts::ARCH);
            let libraries = command
                .get_envs()
                .find(|(name, _)| *name == "LD_LIBRARY_PATH")
                .and_then(|(_, value)| value.map(ToOwned::to_owned))
                .unwrap_or_default();
            let all = std::env::split_paths(&libraries).chain([debian.root().join(pulse)]);
            if let Ok(all) = std::env::join_paths(all) {
                command.env("LD_LIBRARY_PATH", all);
            }
        }
        command
    }
}
