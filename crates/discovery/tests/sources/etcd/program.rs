//! Where etcd comes from: `ETCD_BIN`, or Debian's packages unpacked under the target folder. Nothing is installed, and no
//! service is started.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::debian::unpacked;

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
    let [server, client] = PACKAGES.map(unpacked);
    let mut programs = with_tools(server?.join("usr/bin/etcd"));
    let etcdctl = client?.join("usr/bin/etcdctl");
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
