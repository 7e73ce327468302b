//! The checkout as the checks see it: every text file that git knows or would add, and our packages.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::Context;

use crate::command;
use crate::workspace::{Package, Workspace};

/// Files above this size hold data, not text for people; none is expected.
const FILE_MAX: u64 = 4 << 20;

/// The checkout.
#[derive(Default)]
pub(crate) struct Tree {
    /// Text files, by path relative to the root, with `/` between the parts.
    pub(crate) files: Vec<File>,
    /// Every file and every folder, also those that are no text.
    pub(crate) paths: BTreeSet<String>,
    /// Our own packages.
    pub(crate) packages: Vec<Package>,
    /// Folders of this very machine that must not be told in a file.
    pub(crate) machine: Vec<String>,
}

/// One text file.
pub(crate) struct File {
    /// Its path.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// In which file.
    pub(crate) path: String,
    /// On which line, from 1; 0: in the file as a whole.
    pub(crate) line: usize,
    /// What, ending in what to do.
    pub(crate) what: String,
}

impl Finding {
    /// A finding on the line with this index, counted from 0 as iterators do.
    pub(crate) fn at(path: &str, index: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: index + 1,
            what: what.into(),
        }
    }

    /// A finding about a file as a whole.
    pub(crate) fn in_file(path: &str, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: 0,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.what),
            line => write!(out, "{}:{line}: {}", self.path, self.what),
        }
    }
}

impl Tree {
    /// Reads the checkout.
    pub(crate) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut git = workspace.program("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = command::ask(git).context("git ls-files failed: tidy looks at what git knows")?;
        let mut tree = Self {
            packages: workspace.packages.clone(),
            ..Self::default()
        };
        for path in listed.split_terminator('\0') {
            // A file that was deleted but is still in the index is not there to be read.
            let full = workspace.root.join(path);
            if full.is_file() {
                tree.add_path(path);
                if let Some(text) = text_of(&full)? {
                    tree.files.push(File {
                        path: path.to_owned(),
                        text,
                    });
                }
            }
        }
        tree.machine.push(workspace.root.to_string_lossy().into_owned());
        Ok(tree)
    }

    /// Files whose name ends so.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }

    /// A file by its path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn add_path(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.paths.insert(path[..end].to_owned());
        }
        self.paths.insert(path.to_owned());
    }

    /// A tree of these files only.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add_path(path);
            tree.files.push(File {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            });
        }
        tree
    }
}

fn text_of(path: &Path) -> anyhow::Result<Option<String>> {
    if path.metadata()?.len() > FILE_MAX {
        return Ok(None);
    }
    let bytes = std::fs::read(path).with_context(|| format!("{} could not be read", path.display()))?;
    Ok(String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_files_are_paths_too() {
        let tree = Tree::of(&[("docs/decisions/0001-x.md", "")]);
        let paths: Vec<&str> = tree.paths.iter().map(String::as_str).collect();
        assert_eq!(paths, ["docs", "docs/decisions", "docs/decisions/0001-x.md"]);
    }

    #[test]
    fn a_finding_names_its_place() {
        assert_eq!(Finding::at("a.rs", 2, "odd").to_string(), "a.rs:3: odd");
        assert_eq!(Finding::in_file("a.rs", "odd").to_string(), "a.rs: odd");
    }
}
