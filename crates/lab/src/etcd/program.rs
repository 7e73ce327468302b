//! Where real etcd comes from: `ETCD_BIN`, else Debian's packages unpacked under the target folder of the build. Nothing is
//! installed, and no service is started.
//!
//! Tests of other crates take this file in as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Debian's packages: the server, and the tool that takes and restores snapshots.
const PACKAGES: [&str; 2] = ["etcd-server", "etcd-client"];

/// Every folder that cargo builds into has this file.
const OF_CARGO: &str = ".rustc_info.json";

/// What would bring it where it is not.
pub(crate) const BRING: &str = "ETCD_BIN=/path/to/etcd, or apt-get update";

/// The programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) etcd: PathBuf,
    /// What restores snapshots: `etcdutl`, or `etcdctl` where that still does.
    pub(crate) restorer: Option<PathBuf>,
    /// What takes them.
    pub(crate) etcdctl: Option<PathBuf>,
}

/// The programs, looked for and fetched once.
///
/// # Errors
/// When they cannot be had: why.
pub(crate) fn programs() -> Result<Programs, String> {
    static FOUND: OnceLock<Result<Programs, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<Programs, String> {
    if let Some(given) = std::env::var_os("ETCD_BIN") {
        let etcd = PathBuf::from(given);
        return match etcd.is_file() {
            true => Ok(with_tools(etcd)),
            false => Err(format!("ETCD_BIN names {}, which is no file", etcd.display())),
        };
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program
        .ancestors()
        .find(|folder| folder.join(OF_CARGO).is_file())
        .ok_or("this program lies in no folder of cargo's, and ETCD_BIN is not set")?;
    let debian = target.join("debian");
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
        // Here, or by another program at the same time.
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
