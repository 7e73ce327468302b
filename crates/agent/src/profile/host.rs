//! The node's files, under a root: read whole and bounded, symbolic links followed as if the root were `/`, so that neither
//! an image nor a test ever looks at the machine it is looked at from.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};

/// A larger file is none of those that are looked at.
const FILE_MAX: u64 = 1 << 20;
/// So many names of a folder are looked at.
const NAMES_MAX: usize = 256;
/// So many symbolic links are followed, as in the kernel.
const LINKS_MAX: usize = 40;

/// What reading a file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// It is not there.
    Missing,
    /// It is there, or may be, and cannot be read; in words.
    Unreadable(String),
}

impl Reading {
    /// The text, if it is there and is one; `problem` hears what else is wrong.
    pub(crate) fn text(self, path: &str, mut problem: impl FnMut(String)) -> Option<String> {
        match self {
            Self::Bytes(bytes) => String::from_utf8(bytes)
                .map_err(|_| problem(format!("{path} is no text; is it damaged?")))
                .ok(),
            Self::Missing => None,
            Self::Unreadable(words) => {
                problem(format!("{words}; let jackline's user read it"));
                None
            }
        }
    }
}

/// A node, seen through its files.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    root: PathBuf,
    instead: BTreeMap<String, Option<Vec<u8>>>,
}

impl Host {
    /// The node whose `/` is `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            instead: BTreeMap::new(),
        }
    }

    /// From now on `path` is seen with these bytes, or as missing.
    pub(crate) fn see_instead(&mut self, path: &str, bytes: Option<Vec<u8>>) {
        self.instead.insert(path.to_owned(), bytes);
    }

    /// Whether there is anything at `path`: a file, a folder, a link wherever it leads; or in words why nobody can tell.
    pub(crate) fn is_there(&self, path: &str) -> Result<bool, String> {
        if let Some(seen) = self.instead.get(path) {
            return Ok(seen.is_some());
        }
        let looked = self.entry(path).and_then(fs::symlink_metadata);
        match looked {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(words(path, &error)),
        }
    }

    /// The whole file.
    pub(crate) fn read(&self, path: &str) -> Reading {
        if let Some(seen) = self.instead.get(path) {
            return seen.clone().map_or(Reading::Missing, Reading::Bytes);
        }
        match self.resolve(path).and_then(|real| read_whole(&real)) {
            Ok(bytes) => Reading::Bytes(bytes),
            Err(error) if is_absent(&error) => Reading::Missing,
            Err(error) => Reading::Unreadable(words(path, &error)),
        }
    }

    /// The names in a folder, sorted; or in words why it cannot be read. One that is not there has none.
    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let listed = self.resolve(folder).and_then(fs::read_dir).and_then(|entries| {
            entries
                .take(NAMES_MAX)
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<String>>>()
        });
        let mut names = match listed {
            Ok(names) => names,
            Err(error) if is_absent(&error) => Vec::new(),
            Err(error) => return Err(words(folder, &error)),
        };
        let inside = |path: &String| {
            path.strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
                .filter(|name| !name.contains('/'))
                .map(str::to_owned)
        };
        for (name, seen) in self
            .instead
            .iter()
            .filter_map(|(path, seen)| Some((inside(path)?, seen)))
        {
            names.retain(|there| *there != name);
            if seen.is_some() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where `path` really lies. What is not there is where it would be made.
    pub(crate) fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut links = 0;
        let mut real = self.root.clone();
        let mut rest: VecDeque<OsString> = parts(Path::new(path)).collect();
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                if real != self.root {
                    real.pop();
                }
                continue;
            }
            let next = real.join(&part);
            match fs::symlink_metadata(&next) {
                Ok(found) if found.is_symlink() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(io::Error::other("too many symbolic links"));
                    }
                    let target = fs::read_link(&next)?;
                    if target.is_absolute() {
                        real.clone_from(&self.root);
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                Err(error) if !is_absent(&error) => return Err(error),
                _ => real = next,
            }
        }
        Ok(real)
    }

    /// The entry itself: like [`Host::resolve`], but a link at the end is not followed.
    fn entry(&self, path: &str) -> io::Result<PathBuf> {
        let path = Path::new(path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(self.root.clone());
        };
        Ok(self.resolve(&parent.to_string_lossy())?.join(name))
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}

fn words(path: &str, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => format!("{path} may not be read by this user"),
        _ => format!("{path} cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{Host, Reading};

    #[test]
    fn links_stay_under_the_root() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("pki/a")).expect("folders");
        fs::write(root.join("pki/real"), "inside").expect("a file");
        fs::write(dir.path().join("real"), "outside").expect("a file");
        symlink("/pki/real", root.join("pki/absolute")).expect("a link");
        symlink("../../../../real", root.join("pki/up")).expect("a link");
        symlink("loop", root.join("pki/loop")).expect("a link");
        symlink("/gone", root.join("pki/dangling")).expect("a link");
        let host = Host::new(&root);
        assert_eq!(host.read("/pki/absolute"), Reading::Bytes(b"inside".to_vec()));
        assert_eq!(host.read("/pki/up"), Reading::Missing, "the root has no parent");
        assert!(matches!(host.read("/pki/loop"), Reading::Unreadable(_)));
        assert_eq!(host.read("/pki/dangling"), Reading::Missing);
        assert_eq!(
            host.is_there("/pki/dangling"),
            Ok(true),
            "the link itself is there"
        );
        assert_eq!(host.is_there("/pki/nothing"), Ok(false));
        assert!(matches!(host.read("/pki/a"), Reading::Unreadable(words) if words.contains("no file")));
    }

    #[test]
    fn what_is_seen_instead_hides_what_is_there() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("d")).expect("a folder");
        fs::write(dir.path().join("d/a"), "now").expect("a file");
        let mut host = Host::new(dir.path());
        host.see_instead("/d/a", None);
        host.see_instead("/d/b", Some(b"before".to_vec()));
        assert_eq!(host.read("/d/a"), Reading::Missing);
        assert_eq!(host.is_there("/d/b"), Ok(true));
        assert_eq!(host.names("/d"), Ok(vec!["b".to_owned()]));
    }
}
