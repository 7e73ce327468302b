//! The real Prometheus, and promtool, which comes with it.

use std::path::PathBuf;

use crate::{on_this_machine, unpacked};

/// What brings Prometheus where it cannot be borrowed.
pub const BRING_PROMETHEUS: &str = "apt-get install prometheus";

/// The program `name` of Prometheus (`prometheus`, `promtool`): the machine's own, else Debian's.
///
/// # Errors
/// In words, when it cannot be had.
pub fn prometheus(name: &str) -> Result<PathBuf, String> {
    match on_this_machine(name) {
        Some(program) => Ok(program),
        None => unpacked("prometheus", &["prometheus"])?
            .program(name)
            .ok_or_else(|| format!("Debian's prometheus has no {name}")),
    }
}
