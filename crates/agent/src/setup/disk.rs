//! Replacing and removing files of the node: at once, with owner and mode, and safe on disk before anybody relies on it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SetupError;
use crate::profile::host::{Host, Reading};

/// A folder that is made can be looked into by everybody, as those of the distributions.
const DIR_MODE: u32 = 0o755;
/// The permission bits of a mode.
const BITS: u32 = 0o7777;

/// Owner and mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The file with its stamp; `None`: it is not there.
pub(crate) fn read(host: &Host, path: &str) -> Result<Option<(Vec<u8>, Stamp)>, SetupError> {
    let fail = |source| failed(path, "read", source);
    let bytes = match host.read(path) {
        Reading::Bytes(bytes) => bytes,
        Reading::Missing => return Ok(None),
        Reading::Unreadable(words) => return Err(fail(io::Error::other(words))),
    };
    let found = host.resolve(path).and_then(fs::metadata).map_err(fail)?;
    let stamp = Stamp {
        mode: found.mode() & BITS,
        uid: found.uid(),
        gid: found.gid(),
    };
    Ok(Some((bytes, stamp)))
}

/// Puts `bytes` at `path`, at once; without a stamp it is its owner's alone.
pub(crate) fn put(host: &Host, path: &str, bytes: &[u8], stamp: Option<Stamp>) -> Result<(), SetupError> {
    host.resolve(path)
        .and_then(|real| put_really(&real, bytes, stamp))
        .map_err(|source| failed(path, "written", source))
}

fn put_really(real: &Path, bytes: &[u8], stamp: Option<Stamp>) -> io::Result<()> {
    let folder = real.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if let Some(stamp) = stamp {
        fchown(file.as_file(), Some(stamp.uid), Some(stamp.gid))?;
        file.as_file()
            .set_permissions(Permissions::from_mode(stamp.mode))?;
    }
    file.as_file().sync_all()?;
    file.persist(real)?;
    File::open(folder)?.sync_all()
}

/// Removes the file; one that is not there is removed already.
pub(crate) fn remove(host: &Host, path: &str) -> Result<(), SetupError> {
    match host.resolve(path).and_then(fs::remove_file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, "removed", error)),
        _ => Ok(()),
    }
}

/// The folders above `path` that are not there yet, the topmost first.
pub(crate) fn missing_folders(host: &Host, path: &str) -> Vec<String> {
    let above = Path::new(path).ancestors().skip(1);
    let mut missing: Vec<String> = above
        .map(|folder| folder.to_string_lossy().into_owned())
        .filter(|folder| folder != "/")
        .take_while(|folder| host.is_there(folder) == Ok(false))
        .collect();
    missing.reverse();
    missing
}

/// Makes one folder; one that is there will do.
pub(crate) fn make_folder(host: &Host, folder: &str) -> Result<(), SetupError> {
    let made = host
        .resolve(folder)
        .and_then(|real| DirBuilder::new().mode(DIR_MODE).create(real));
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(folder, "written", error)),
        _ => Ok(()),
    }
}

/// Removes a folder if nothing is in it.
pub(crate) fn remove_empty(host: &Host, folder: &str) {
    // What is not empty has become somebody else's.
    let _ = host.resolve(folder).and_then(fs::remove_dir);
}

pub(crate) fn failed(path: &str, action: &'static str, source: io::Error) -> SetupError {
    SetupError::File {
        path: path.to_owned(),
        action,
        source,
    }
}
