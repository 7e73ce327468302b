//! Carries out what `--fix` may do: a rename and a change of mode, both of which can be taken back. Nothing is deleted, and no program is
//! run here: which units should be restarted is only told.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use super::finding::{Finding, Fix};
use crate::profile::host::Host;

/// The end of the name of what is set aside; a number follows where that is taken.
const ASIDE: &str = ".jackline-aside";
/// So many are kept beside each other.
const ASIDE_MAX: u32 = 100;
/// Its owner's alone.
const PRIVATE: u32 = 0o600;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// A line each, with the way back.
    pub done: Vec<String>,
    /// What could not be done, and why.
    pub failed: Vec<String>,
    /// Units whose restart makes it count.
    pub restart: Vec<String>,
}

/// Carries out the fixes of these findings, each once.
pub(super) fn carry_out(host: &Host, findings: &[Finding]) -> Fixed {
    let mut fixed = Fixed::default();
    let mut seen: Vec<&Fix> = Vec::new();
    for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        if seen.contains(&fix) {
            continue;
        }
        seen.push(fix);
        match fix {
            Fix::SetAside { path, restart } => match set_aside(host, path) {
                Ok(aside) => {
                    fixed.done.push(format!(
                        "set {path} aside as {aside}; to take it back: mv {aside} {path}"
                    ));
                    let unit = restart.iter().filter(|unit| !fixed.restart.contains(unit));
                    let unit: Vec<String> = unit.cloned().collect();
                    fixed.restart.extend(unit);
                }
                Err(error) => fixed
                    .failed
                    .push(format!("{path} could not be set aside: {error}")),
            },
            Fix::Close { path } => match close(host, path) {
                Ok(before) => fixed.done.push(format!(
                    "{path} is its owner's alone; to take it back: chmod {before:04o} {path}"
                )),
                Err(error) => fixed.failed.push(format!("{path} could not be closed: {error}")),
            },
        }
    }
    fixed
}

/// Renames the file; gives its new path, as it is on the node.
fn set_aside(host: &Host, path: &str) -> io::Result<String> {
    let real = host.resolve(path)?;
    for number in 0..ASIDE_MAX {
        let end = match number {
            0 => ASIDE.to_owned(),
            number => format!("{ASIDE}-{number}"),
        };
        let aside = format!("{path}{end}");
        let mut name = real.clone().into_os_string();
        name.push(&end);
        // A hard link fails where the name is taken, a rename would write over it.
        match fs::hard_link(&real, &name) {
            Ok(()) => {
                fs::remove_file(&real)?;
                return Ok(aside);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a hundred files lie aside already"))
}

/// Takes it from others; gives the mode that it had.
fn close(host: &Host, path: &str) -> io::Result<u32> {
    let real = host.resolve(path)?;
    let before = fs::metadata(&real)?.permissions().mode() & 0o7777;
    fs::set_permissions(&real, Permissions::from_mode(PRIVATE))?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{Finding, Fix, Host, carry_out};
    use crate::doctor::finding::Severity;

    fn finding(fix: Fix) -> Finding {
        Finding::new("damaged-file", Severity::Warning, "x").fixed_by(fix)
    }

    #[test]
    fn a_file_is_set_aside_and_never_over_another() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state.json");
        let fix = finding(Fix::SetAside {
            path: "/state.json".to_owned(),
            restart: Some("k3s-agent".to_owned()),
        });
        for text in ["one", "two"] {
            fs::write(&path, text).expect("written");
            let fixed = carry_out(&Host::new(dir.path()), &[fix.clone(), fix.clone()]);
            assert_eq!((fixed.done.len(), fixed.failed.len()), (1, 0), "{fixed:?}");
            assert_eq!(fixed.restart, ["k3s-agent"]);
            assert!(!path.exists());
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect(name);
        assert_eq!(read("state.json.jackline-aside"), "one");
        assert_eq!(read("state.json.jackline-aside-1"), "two");
        let fixed = carry_out(&Host::new(dir.path()), &[fix]);
        assert_eq!((fixed.done.len(), fixed.failed.len()), (0, 1), "it is gone");
        assert_eq!(fixed.restart, [""; 0], "what was not done needs no restart");
    }

    #[test]
    fn a_key_is_closed_and_its_mode_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        fs::write(&path, "x").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
        let path_on_node = "/key".to_owned();
        let fixed = carry_out(
            &Host::new(dir.path()),
            &[finding(Fix::Close { path: path_on_node })],
        );
        assert!(fixed.done[0].contains("chmod 0644 /key"), "{fixed:?}");
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}
