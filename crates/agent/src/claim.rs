//! What only one jackline at a time may have: the admin socket and the state folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why something could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Somebody answers on the socket.
    #[error("jackline is already running: {} is answered; stop it, or give this one a --socket of its own", path.display())]
    AlreadyRunning {
        /// The socket.
        path: PathBuf,
    },
    /// There is something in the socket's place that is none.
    #[error("{} is no socket and is left alone; remove it, or choose another --socket", path.display())]
    NoSocket {
        /// Where.
        path: PathBuf,
    },
    /// The socket could not be made.
    #[error("the admin socket {} cannot be made: {source}; choose a --socket of less than 100 characters in a folder that this user may write", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another process has the state folder.
    #[error("{} is in use by another jackline; give this one a --state-dir of its own", path.display())]
    StateInUse {
        /// The folder.
        path: PathBuf,
    },
}

/// The admin socket. Dropped, its file is removed.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Makes the socket, owner only, in a folder that is made owner only where it is not there. A stale one is replaced,
    /// one that somebody answers on is not.
    pub(crate) fn open(path: &Path) -> Result<Self, ClaimError> {
        let failed = |source| ClaimError::Socket {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed)?;
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ClaimError::NoSocket {
                    path: path.to_owned(),
                });
            }
            Ok(_) => match UnixStream::connect(path) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(failed)?
                }
                // A full backlog is an answer too.
                Ok(_) => {
                    return Err(ClaimError::AlreadyRunning {
                        path: path.to_owned(),
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ClaimError::AlreadyRunning {
                        path: path.to_owned(),
                    });
                }
                Err(error) => return Err(failed(error)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // The process's umask keeps others out until the mode is set.
        let listener = UnixListener::bind(path).map_err(failed)?;
        let socket = Self {
            path: path.to_owned(),
            listener,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        socket.listener.set_nonblocking(true).map_err(failed)?;
        Ok(socket)
    }

    /// The socket as another process hands it over.
    pub(crate) fn handed_over(path: PathBuf, listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file where it is: another process has the socket now.
    pub(crate) fn leave(mut self) {
        self.path = PathBuf::new();
    }

    /// A second handle on the listener, for the one who serves it.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        // A stale file is no harm: the next start replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Locks the state folder for as long as the file is kept. `None`: the folder cannot be written, so nobody writes it.
pub(crate) fn lock(folder: &Path) -> Result<Option<File>, ClaimError> {
    let open = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join("lock"))
    };
    let Ok(file) = open() else { return Ok(None) };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ClaimError::StateInUse {
            path: folder.to_owned(),
        }),
        // A file system that knows no locks.
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use super::{ClaimError, Socket, lock};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn the_socket_is_its_owners_alone_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("run/jackline.sock");
        let socket = Socket::open(&path).expect("made");
        assert_eq!((mode(&path), mode(&dir.path().join("run"))), (0o600, 0o700));
        UnixStream::connect(&path).expect("it listens");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_live_socket_is_left_alone_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("jackline.sock");
        let live = Socket::open(&path).expect("made");
        let refused = Socket::open(&path).expect_err("it is answered");
        assert!(matches!(refused, ClaimError::AlreadyRunning { .. }), "{refused}");
        UnixStream::connect(&path).expect("the first one still listens");
        // As after a kill: the file stays, nobody listens.
        let stale = dir.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).expect("bound"));
        Socket::open(&stale).expect("replaced");
        drop(live);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("precious");
        fs::write(&path, b"data").expect("written");
        assert!(matches!(Socket::open(&path), Err(ClaimError::NoSocket { .. })));
        assert_eq!(fs::read(&path).expect("there"), b"data");
        let long = dir.path().join("x".repeat(120));
        let error = Socket::open(&long)
            .expect_err("too long for the kernel")
            .to_string();
        assert!(error.contains("less than 100 characters"), "{error}");
    }

    #[test]
    fn the_state_folder_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("state");
        let first = lock(&folder).expect("free").expect("locked");
        assert!(matches!(lock(&folder), Err(ClaimError::StateInUse { .. })));
        drop(first);
        lock(&folder).expect("free again").expect("locked");
        let file = dir.path().join("file");
        fs::write(&file, b"").expect("written");
        assert!(
            lock(&file.join("state"))
                .expect("nobody can write there")
                .is_none()
        );
    }
}
