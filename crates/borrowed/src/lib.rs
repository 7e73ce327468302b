//! Programs that tests and benchmarks borrow: the machine's own, or Debian's packages unpacked under cargo's target folder. Nothing
//! is installed, no service is started, and `cargo clean` takes all of it away again.
//!
//! What cannot be borrowed is told by [`not_run`], never passed over in silence.

mod browser;
mod chromium;
mod etcd;
mod haproxy;
mod kubectl;
mod packages;
mod prometheus;
mod skips;

use std::path::PathBuf;

pub use browser::{Browser, View};
pub use chromium::{BRING_CHROMIUM, Chromium, chromium};
pub use etcd::{BRING_ETCD, EtcdPrograms, etcd};
pub use haproxy::{BRING_HAPROXY, Haproxy, haproxy};
pub use kubectl::{BRING_KUBECTL, kubectl};
pub use packages::{Unpacked, unpacked, unpacked_in};
pub use prometheus::{BRING_PROMETHEUS, prometheus};
pub use skips::not_run;

/// Every folder that cargo builds into has this file.
const OF_CARGO: &str = ".rustc_info.json";

/// The folder that cargo built the running program into, whatever the profile and the kind of program.
///
/// # Errors
/// In words, where the program lies in no such folder.
pub fn target_folder() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    program
        .ancestors()
        .find(|folder| folder.join(OF_CARGO).is_file())
        .map(ToOwned::to_owned)
        .ok_or_else(|| format!("{} lies in no folder of cargo's", program.display()))
}

/// The program called `name` on this machine, from `PATH`.
#[must_use]
pub fn on_this_machine(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
