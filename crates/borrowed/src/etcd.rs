//! Real etcd.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::unpacked;

/// Debian's packages: the server, and the tool that takes and restores snapshots.
const PACKAGES: [&str; 2] = ["etcd-server", "etcd-client"];

/// What brings etcd where it cannot be borrowed.
pub const BRING_ETCD: &str = "ETCD_BIN=/path/to/etcd, or apt-get update";

/// The programs of etcd.
#[derive(Clone, Debug)]
pub struct EtcdPrograms {
    /// The server.
    pub etcd: PathBuf,
    /// What restores snapshots: `etcdutl`, or `etcdctl` where that still does.
    pub restorer: Option<PathBuf>,
    /// What takes them.
    pub etcdctl: Option<PathBuf>,
}

/// The programs of etcd, looked for and fetched once: those beside `ETCD_BIN`, else Debian's.
///
/// # Errors
/// In words, when they cannot be had.
pub fn etcd() -> Result<EtcdPrograms, String> {
    static FOUND: OnceLock<Result<EtcdPrograms, String>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<EtcdPrograms, String> {
    if let Some(given) = std::env::var_os("ETCD_BIN") {
        let etcd = PathBuf::from(given);
        return match etcd.is_file() {
            true => Ok(with_tools(etcd)),
            false => Err(format!("ETCD_BIN names {}, which is no file", etcd.display())),
        };
    }
    let debian = unpacked("etcd", &PACKAGES)?;
    let etcdctl = debian.program("etcdctl");
    Ok(EtcdPrograms {
        etcd: debian.program("etcd").ok_or("Debian's etcd-server has no etcd")?,
        restorer: etcdctl.clone(),
        etcdctl,
    })
}

fn with_tools(etcd: PathBuf) -> EtcdPrograms {
    let beside = |name: &str| Some(etcd.with_file_name(name)).filter(|path| path.is_file());
    EtcdPrograms {
        restorer: beside("etcdutl").or_else(|| beside("etcdctl")),
        etcdctl: beside("etcdctl"),
        etcd,
    }
}
