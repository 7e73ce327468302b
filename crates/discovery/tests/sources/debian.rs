//! Programs that the machine has not: Debian's packages, unpacked under the target folder. Nothing is installed, and no
//! service is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The tree of one of Debian's packages, fetched and unpacked unless it is there: whole, or not at all.
///
/// # Errors
/// Why it cannot be had: no Debian, no mirror, no room.
pub(crate) fn unpacked(package: &str) -> Result<PathBuf, String> {
    let debian = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debian");
    let tree = debian.join(package);
    if !tree.is_dir() {
        unpack(&debian, package)?;
    }
    Ok(tree)
}

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
