//! Hands over to jackline's own user what only root may read on a node: the credential, the CA, the token, and what the
//! distribution's own files say of servers. Run by root before jackline starts and whenever one of the files changes.
//!
//! An allow-list: only keys that a profile gives, only the files of those, each under the name of its key in one folder; no
//! file is handed over for being beside another. A kubeconfig is made whole, its current context alone. Values lie in a file of
//! variables (`environment`), which the service manager gives to jackline: as strong as variables are, so that only what no operator
//! gave is in it. Paths stay the same across rotations, also of files that are not there yet: jackline reads them again by itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Config, ConfigError, Environment, Flags, Origin, load_to_show};
use crate::profile::found::Given;
use crate::profile::host::{Host, Reading};

/// Where it is handed over on a node: made by `tmpfiles.d`, in memory.
pub const HANDED_OVER: &str = "/run/jackline-credentials";
/// The file of variables.
const VARIABLES: &str = "environment";
/// The service's group reads, and nobody else.
const MODE: u32 = 0o640;
/// So many balancer's files are handed over.
const IMPORTS_MAX: usize = 16;

/// Keys whose value is a file.
const FILES: [&str; 11] = [
    "cluster.ca-file",
    "cluster.client-certificate",
    "cluster.client-key",
    "cluster.token-file",
    "supervisor.token-file",
    "etcd.ca-file",
    "etcd.client-certificate",
    "etcd.client-key",
    "services.etcd.ca-file",
    "services.etcd.client-certificate",
    "services.etcd.client-key",
];
/// Keys whose value is no secret and no file.
const PLAIN: [&str; 12] = [
    "servers",
    "endpoints",
    "node.name",
    "node.address",
    "node.zone",
    "node.prefer-local",
    "supervisor.distribution",
    "etcd.endpoints",
    "etcd.prefix",
    "services.etcd.listen",
    "services.supervisor.listen",
    "services.supervisor.port",
];

/// Why nothing was handed over. Each ends in what to do.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder cannot be written.
    #[error("{} cannot be written: {source}; run it as root, with a folder that is there (--to)", path.display())]
    Folder {
        /// The file or the folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What was handed over, in words.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct HandedOver {
    /// Files that were written, for they are new or have changed.
    pub written: Vec<String>,
    /// Files that were removed, for nothing is behind them any more.
    pub removed: Vec<String>,
    /// What could not be, each a sentence.
    pub missing: Vec<String>,
}

/// Hands over into `folder`, which is there already: its group is the service's.
///
/// # Errors
/// The configuration is refused, or the folder cannot be written. A file of the node that cannot be read is none: it is told, and handed over
/// when it is there.
pub fn hand_over(
    flags: &Flags,
    environment: &Environment,
    folder: &Path,
) -> Result<HandedOver, HandOverError> {
    let config = load_to_show(flags, environment)?;
    let mut hands = Hands {
        host: Host::new(flags.root.as_deref().unwrap_or(Path::new("/"))),
        folder: folder.to_owned(),
        kept: BTreeSet::new(),
        variables: String::new(),
        told: HandedOver::default(),
    };
    for given in &config.profile.values {
        if is_the_profiles(&config, given.key) {
            hands.give(given)?;
        }
    }
    let missing = config.profile.missing.iter().map(ToString::to_string);
    hands.told.missing.extend(missing);
    hands.finish(&config)
}

/// Whether the value in force is what the profile found: one that an operator gave would be hidden by a variable.
fn is_the_profiles(config: &Config, key: &str) -> bool {
    let mut shown = config.shown.iter();
    shown.any(|shown| shown.key == key && matches!(shown.origin, Origin::Profile(..)))
}

struct Hands {
    host: Host,
    folder: PathBuf,
    /// Names in the folder that are still ours.
    kept: BTreeSet<String>,
    variables: String,
    told: HandedOver,
}

impl Hands {
    fn give(&mut self, given: &Given) -> Result<(), HandOverError> {
        let (key, word) = (given.key, given.word.as_str());
        if PLAIN.contains(&key) {
            self.say(key, word);
        } else if FILES.contains(&key) {
            let bytes = self.read(word);
            self.file(key, key, bytes)?;
        } else if key == "cluster.kubeconfig" {
            let bytes = self.kubeconfig(word);
            self.file(key, key, bytes)?;
        } else if key == "supervisor.token" {
            // Not as a variable: those of a process can be read by more programs than its files.
            self.file("supervisor.token-file", key, Ok(word.as_bytes().to_vec()))?;
        } else if key == "import" {
            self.imports(word)?;
        }
        Ok(())
    }

    fn imports(&mut self, word: &str) -> Result<(), HandOverError> {
        let mut copies = Vec::new();
        for (index, path) in word.split(',').enumerate().take(IMPORTS_MAX) {
            let (name, bytes) = (format!("import-{index}"), self.read(path));
            copies.push(self.folder.join(&name).to_string_lossy().into_owned());
            self.copy(&name, bytes)?;
        }
        self.say("import", &copies.join(","));
        Ok(())
    }

    /// Hands over `bytes` under `name`, and says so for `key`; also where there are none yet.
    fn file(&mut self, key: &str, name: &str, bytes: Result<Vec<u8>, String>) -> Result<(), HandOverError> {
        let path = self.folder.join(name).to_string_lossy().into_owned();
        self.say(key, &path);
        self.copy(name, bytes)
    }

    fn copy(&mut self, name: &str, bytes: Result<Vec<u8>, String>) -> Result<(), HandOverError> {
        match bytes {
            Ok(bytes) => self.put(name, &bytes),
            Err(words) => {
                self.told.missing.push(words);
                Ok(())
            }
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.host.read(path) {
            Reading::Bytes(bytes) => Ok(bytes),
            Reading::Missing => Err(format!("{path} is not there yet; it is handed over when it is")),
            Reading::Unreadable(words) => Err(format!("{words}; run this as root")),
        }
    }

    fn kubeconfig(&self, path: &str) -> Result<Vec<u8>, String> {
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        let read = |piece: &Path| self.read(&piece.to_string_lossy());
        jackline_trust::whole_kubeconfig(&self.read(path)?, folder, &read)
            .map(String::into_bytes)
            .map_err(|error| format!("{path}: {error}"))
    }

    /// One variable, as systemd's EnvironmentFile= reads it.
    fn say(&mut self, key: &str, word: &str) {
        if word.chars().any(char::is_control) {
            self.told.missing.push(format!(
                "{key} is not handed over: its value is no line of text; give it in jackline's own configuration"
            ));
            return;
        }
        let mut quoted = String::new();
        for c in word.chars() {
            if matches!(c, '"' | '\\' | '$' | '`') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        let _ = writeln!(self.variables, "{}=\"{quoted}\"", crate::config::variable(key));
    }

    /// Writes the variables, and removes what is nobody's any more.
    fn finish(mut self, config: &Config) -> Result<HandedOver, HandOverError> {
        let folder = self.folder.to_string_lossy().into_owned();
        self.say("handed-over", &folder);
        if is_by_default(config, "profile") {
            self.say("profile", config.profile.profile.name());
        }
        let variables = std::mem::take(&mut self.variables);
        self.put(VARIABLES, variables.as_bytes())?;
        let failed = |source| failed(&self.folder, source);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && !self.kept.contains(&name) {
                fs::remove_file(entry.path()).map_err(failed)?;
                self.told.removed.push(name);
            }
        }
        Ok(self.told)
    }

    /// Puts `bytes` into the folder at once, for the folder's group; the same bytes again are left alone, so that nobody reads them anew.
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), HandOverError> {
        self.kept.insert(name.to_owned());
        let path = self.folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        write(&self.folder, &path, bytes).map_err(|source| failed(&path, source))?;
        self.told.written.push(name.to_owned());
        Ok(())
    }
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    let group = fs::metadata(folder)?.gid();
    if file.as_file().metadata()?.gid() != group {
        fchown(file.as_file(), None, Some(group))?;
    }
    file.as_file().set_permissions(Permissions::from_mode(MODE))?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

fn is_by_default(config: &Config, key: &str) -> bool {
    let mut shown = config.shown.iter();
    shown.any(|shown| shown.key == key && matches!(shown.origin, Origin::Default(_)))
}

fn failed(path: &Path, source: io::Error) -> HandOverError {
    HandOverError::Folder {
        path: path.to_owned(),
        source,
    }
}

/// Takes back all that was handed over into `folder`; the folder itself stays. The names of what was removed.
///
/// # Errors
/// A file cannot be removed.
pub fn take_back(folder: &Path) -> Result<Vec<String>, HandOverError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, error)),
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder, error))?;
        fs::remove_file(entry.path()).map_err(|error| failed(&entry.path(), error))?;
        removed.push(entry.file_name().to_string_lossy().into_owned());
    }
    removed.sort_unstable();
    Ok(removed)
}
