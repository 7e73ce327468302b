//! The real kubectl.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::{on_this_machine, unpacked};

/// What brings kubectl where it cannot be borrowed.
pub const BRING_KUBECTL: &str = "apt-get install kubernetes-client, or KUBECTL=/path/to/kubectl";

/// kubectl, looked for and fetched once: `KUBECTL`, the machine's own, else Debian's.
///
/// # Errors
/// In words, when it cannot be had.
pub fn kubectl() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("KUBECTL").map(PathBuf::from) {
        return match given.is_file() {
            true => Ok(given),
            false => Err(format!("KUBECTL names {}, which is no file", given.display())),
        };
    }
    match on_this_machine("kubectl") {
        Some(program) => Ok(program),
        None => unpacked("kubectl", &["kubernetes-client"])?
            .program("kubectl")
            .ok_or_else(|| "Debian's kubernetes-client has no kubectl".to_owned()),
    }
}
