//! Bounded reading of small files, and a cheap way to notice that one of them changed.
//!
//! What the bytes mean is for others.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The most that is read of a CA bundle, a certificate, a key or a kubeconfig.
pub(crate) const FILE_MAX: usize = 1024 * 1024;

/// A file whose last change is younger than this when it is read may change once more without its time moving:
/// file systems keep time in coarse ticks.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The kernel refused.
    #[error("{} cannot be read: {source}{}", path.display(), remedy(source))]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A folder, a device, a pipe or a socket.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// More than it may hold.
    #[error("{} is larger than {limit} bytes: it is not what it should be", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; create it or correct the path",
        io::ErrorKind::PermissionDenied => "; let the user that jackline runs as read it",
        _ => "",
    }
}

/// Reads a regular file of at most `limit` bytes. Never waits for a pipe's writer, never reads a device.
///
/// # Errors
/// As [`FileError`] says; a file longer than `limit` is refused whole.
pub fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    read_stamped(path, limit).map(|(bytes, _)| bytes)
}

fn read_stamped(path: &Path, limit: usize) -> Result<(Vec<u8>, Stamp), FileError> {
    let unreadable = |source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let not_a_file = || FileError::NotAFile {
        path: path.to_owned(),
    };
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(not_a_file());
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok((bytes, Stamp::of(&metadata)))
}

/// What a file looked like from outside when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    /// Whose it is and who may read it, for a file that may be read at last; the time of change tells the rest (lists of access).
    access: (u32, u32, u32),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            access: (metadata.mode(), metadata.uid(), metadata.gid()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn look(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    /// Whether a later change must show in the stamp. A time in the future counts as settled, else a wrong clock would mean reading for ever.
    fn settled(&self, now: SystemTime) -> bool {
        let modified = u64::try_from(self.modified.0).map_or(SystemTime::UNIX_EPOCH, |seconds| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        });
        match now.duration_since(modified) {
            Ok(age) => age >= SETTLED_AFTER,
            Err(ahead) => ahead.duration() >= SETTLED_AFTER,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// `None`: it could not be read.
    stamp: Option<Stamp>,
    settled: bool,
}

/// The files that were read for one [`crate::material::Material`], and how each looked. Bounded: at most a handful of configured
/// files and those that one kubeconfig names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    seen: BTreeMap<PathBuf, Seen>,
}

impl Files {
    /// Reads a file of at most [`FILE_MAX`] bytes and remembers how it looked, also when reading fails.
    pub(crate) fn read(&mut self, path: &Path) -> Result<Vec<u8>, FileError> {
        let (outcome, seen) = match read_stamped(path, FILE_MAX) {
            Ok((bytes, stamp)) => {
                let settled = stamp.settled(SystemTime::now());
                (
                    Ok(bytes),
                    Seen {
                        stamp: Some(stamp),
                        settled,
                    },
                )
            }
            Err(error) => (
                Err(error),
                Seen {
                    stamp: Stamp::look(path),
                    settled: true,
                },
            ),
        };
        self.seen.insert(path.to_owned(), seen);
        outcome
    }

    /// Whether a file may hold something else than when it was read. Costs one `stat` a file.
    pub(crate) fn changed(&self) -> bool {
        self.seen
            .iter()
            .any(|(path, seen)| !seen.settled || Stamp::look(path) != seen.stamp)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Writes a file whose last change lies a minute back, as if it had long been there.
    fn write_old(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        let past = SystemTime::now() - Duration::from_secs(60);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_times(FileTimes::new().set_modified(past))
            .unwrap();
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_byte_more_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, vec![b'x'; 100]).unwrap();
        assert_eq!(read_file(&path, 100).unwrap().len(), 100);
        assert!(matches!(
            read_file(&path, 99),
            Err(FileError::TooLarge { limit: 99, .. })
        ));
    }

    #[test]
    fn folders_and_devices_are_refused_without_reading_them() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            read_file(dir.path(), 10),
            Err(FileError::NotAFile { .. })
        ));
        assert!(matches!(
            read_file(Path::new("/dev/zero"), 10),
            Err(FileError::NotAFile { .. })
        ));
    }

    #[test]
    fn a_missing_file_is_told_with_what_to_do() {
        let error = read_file(Path::new("/nonexistent/ca.crt"), 10)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nonexistent/ca.crt") && error.contains("correct the path"),
            "{error}"
        );
    }

    #[test]
    fn a_change_shows_once_and_only_when_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_old(&path, "one");
        let mut files = Files::default();
        files.read(&path).unwrap();
        assert!(!files.changed());
        write_old(&path, "three");
        assert!(files.changed(), "another length");
        files.read(&path).unwrap();
        assert!(!files.changed());
        let other = dir.path().join("other");
        fs::copy(&path, &other).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(files.changed(), "another inode");
        files.read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(files.changed(), "it is gone");
        assert!(files.read(&path).is_err());
        assert!(!files.changed(), "still gone");
    }

    #[test]
    fn a_file_that_may_be_read_at_last_shows_as_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_old(&path, "one");
        let mut files = Files::default();
        files.read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(files.changed());
    }

    #[test]
    fn a_file_read_in_the_tick_of_its_change_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "one").unwrap();
        let mut files = Files::default();
        files.read(&path).unwrap();
        assert!(
            files.changed(),
            "a second write within the tick would not move its time"
        );
    }
}
