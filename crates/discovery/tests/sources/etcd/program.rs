//! Where etcd comes from: `ETCD_BIN`, or Debian's packages unpacked under the target folder. Nothing is installed, and no
//! service is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Debian's packages: the server, and the tool that restores snapshots.
const PACKAGES: [&str; 2] = ["etcd-server", "etcd-client"];

/// The programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    /// What restores snapshots: `etcdutl`, or `etcdctl` where that still does.
    pub(super) restorer: Option<PathBuf>,
    /// What takes them.
    pub(super) etcdctl: Option<PathBuf>,
}

/// The programs, or `None` when they cannot be had, which is told.
#[expect(
    clippy::print_stderr,
    reason = "what was not run is told to whoever ran the tests"
)]
pub(super) fn programs() -> Option<Programs> {
    static FOUND: OnceLock<Result<Programs, String>> = OnceLock::new();
    match FOUND.get_or_init(find) {
        Ok(programs) => Some(programs.clone()),
        Err(why) => {
            eprintln!("not run: there is no etcd: {why} (ETCD_BIN=/path/to/etcd, or apt-get update)");
            None
        }
    }
}

/// Says that a test needs a tool that came without etcd.
#[expect(
    clippy::print_stderr,
    reason = "what was not run is told to whoever ran the tests"
)]
pub(super) fn no_restorer() {
    eprintln!("not run: no etcdctl or etcdutl is beside ETCD_BIN (put them there, or leave ETCD_BIN unset)");
}

fn find() -> Result<Programs, String> {
    if let Some(given) = std::env::var_os("ETCD_BIN") {
        let etcd = PathBuf::from(given);
        return match etcd.is_file() {
            true => Ok(with_tools(etcd)),
            false => Err(format!("ETCD_BIN names {}, which is no file", etcd.display())),
        };
    }
    let debian = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debian");
    for package in PACKAGES {
        if !debian.join(package).is_dir() {
            unpack(&debian, package)?;
        }
    }
    let mut programs = with_tools(debian.join("etcd-server/usr/bin/etcd"));
    let etcdctl = debian.join("etcd-client/usr/bin/etcdctl");
    programs.etcdctl = Some(etcdctl.clone());
    programs.restorer = Some(etcdctl);
    Ok(programs)
}

fn with_tools(etcd: PathBuf) -> Programs {
    let beside = |name: &str| Some(etcd.with_file_name(name)).filter(|path| path.is_file());
    Programs {
        restorer: beside("etcdutl").or_else(|| beside("etcdctl")),
        etcdctl: beside("etcdctl"),
        etcd,
    }
}

/// Fetches one of Debian's packages and unpacks it to `debian/package`: whole, or not at all.
fn unpack(debian: &Path, package: &str) -> Result<(), String> {
    let words = |error: std::io::Error| format!("{}: {error}", debian.display());
    fs::create_dir_all(debian).map_err(words)?;
    let folder = tempfile::tempdir_in(debian).map_err(words)?;
    // apt fetches as another user, who may not write here, and else only complains.
    run(Command::new("apt-get")
        .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
        .args(["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20"])
        .arg(package)
        .current_dir(folder.path()))?;
    let fetched = fs::read_dir(folder.path()).map_err(words)?.flatten();
    let archive = fetched
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .ok_or_else(|| format!("apt-get brought no {package}"))?;
    let tree = folder.path().join("tree");
    run(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&tree))?;
    match fs::rename(&tree, debian.join(package)) {
        Err(error) if !debian.join(package).is_dir() => Err(words(error)),
        // Here, or by another run of the tests at the same time.
        _ => Ok(()),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{name} failed: {}",
            said.lines().last().unwrap_or_default()
        )),
    }
}
