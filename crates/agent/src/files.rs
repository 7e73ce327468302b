//! The few things that state and journal do with files, behind a trait, so that tests can have full, torn and read-only
//! disks. Everything here may block: only threads of their own come here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// What is made is its owner's alone.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
/// So many files of a folder are looked at.
const LIST_MAX: usize = 4096;

/// Files, as far as they are needed. Each call is whole or an error.
pub(crate) trait Files: Send + Sync + 'static {
    /// Makes `dir` and what is above it, where it is not there yet.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// The first `max` bytes at most.
    fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>>;
    /// The names in `dir` and their sizes in bytes.
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Makes `path` end with `bytes` from `offset` on; it is made where it is not there. Not yet safe on disk.
    fn write(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Waits until `path` is safe on disk.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Renames, at once and over what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The real ones.
pub(crate) struct Disk;

impl Files for Disk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        fs::read_dir(dir)?
            .take(LIST_MAX)
            .map(|entry| {
                let entry = entry?;
                Ok((
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.metadata()?.len(),
                ))
            })
            .collect()
    }

    fn write(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)?;
        if file.metadata()?.len() < offset {
            return Err(io::Error::other("somebody cut the file short"));
        }
        // What is behind the offset is left of an attempt that failed.
        file.set_len(offset)?;
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

#[cfg(test)]
pub(crate) mod faulty {
    //! A real disk that fails when it is told to.

    use std::io;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Disk, Files};

    /// What goes wrong.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// Nothing.
        #[default]
        None,
        /// There is room for so many bytes of each write: the rest is lost, and told.
        Full(usize),
        /// Nothing may be changed.
        ReadOnly,
        /// The power goes off at this call, counted from 0 over all calls that change something: a write is torn in
        /// the middle, everything later has no effect.
        DeadFrom(u64),
    }

    #[derive(Default)]
    pub(crate) struct FaultyDisk {
        fault: Mutex<Fault>,
        changes: AtomicU64,
    }

    impl FaultyDisk {
        pub(crate) fn set(&self, fault: Fault) {
            *self.fault.lock().expect("unpoisoned") = fault;
            self.changes.store(0, Ordering::SeqCst);
        }

        pub(crate) fn changes(&self) -> u64 {
            self.changes.load(Ordering::SeqCst)
        }

        /// How many bytes of a change of `wanted` bytes go through, and how it ends.
        fn admit(&self, wanted: usize) -> (usize, io::Result<()>) {
            let count = self.changes.fetch_add(1, Ordering::SeqCst);
            let dead = || Err(io::Error::other("no power"));
            match *self.fault.lock().expect("unpoisoned") {
                Fault::Full(room) if wanted > room => {
                    (room, Err(io::Error::from(io::ErrorKind::StorageFull)))
                }
                Fault::ReadOnly => (0, Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))),
                Fault::DeadFrom(from) if count == from => (wanted / 2, dead()),
                Fault::DeadFrom(from) if count > from => (0, dead()),
                _ => (wanted, Ok(())),
            }
        }
    }

    impl Files for FaultyDisk {
        fn make_dir(&self, dir: &Path) -> io::Result<()> {
            if dir.is_dir() {
                return Ok(());
            }
            self.admit(0).1.and_then(|()| Disk.make_dir(dir))
        }

        fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
            Disk.read(path, max)
        }

        fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
            Disk.list(dir)
        }

        fn write(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
            let (room, end) = self.admit(bytes.len());
            if room > 0 || end.is_ok() {
                Disk.write(path, offset, &bytes[..room])?;
            }
            end
        }

        fn sync(&self, path: &Path) -> io::Result<()> {
            self.admit(0).1.and_then(|()| Disk.sync(path))
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.admit(0).1.and_then(|()| Disk.rename(from, to))
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.admit(0).1.and_then(|()| Disk.remove(path))
        }
    }
}
