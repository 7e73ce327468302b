//! What is wrong with a configuration, in words: where, what, and what to do. Says nothing on how it was found.

use std::fmt;
use std::path::{Path, PathBuf};

/// So many problems are told at a time; people mend the first ones first.
pub const PROBLEMS_MAX: usize = 20;

/// A configuration that is refused. Shows one line for each problem, and under it what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// What is wrong: at least one, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was found.
    pub origin: Origin,
    /// The key, e.g. `timing.grace`; empty where the problem is the file's.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.origin, Origin::Default(_)) {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n    {}", self.what, self.remedy)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, e.g. `--server`.
    Flag(&'static str),
    /// An environment variable, e.g. `JACKLINE_SERVERS`.
    Environment(String),
    /// The file.
    File(PathBuf, Place),
    /// The profile of this name found it on the node; the words say where.
    Profile(&'static str, String),
    /// Nobody gave one: the default. The words say how it is found, where it is no constant.
    Default(&'static str),
}

impl Origin {
    /// The order in which problems are told: as the layers are read, the file from top to bottom, at last what nobody gave.
    pub(crate) const fn rank(&self) -> (u8, u64, u64) {
        match self {
            Self::Flag(_) => (0, 0, 0),
            Self::Environment(_) => (1, 0, 0),
            Self::File(_, place) => (2, place.line, place.column),
            Self::Profile(..) => (3, 0, 0),
            Self::Default(_) => (4, 0, 0),
        }
    }

    /// A file as a whole.
    pub(crate) fn whole_file(path: &Path) -> Self {
        Self::File(path.to_owned(), Place::default())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => f.write_str(name),
            Self::File(path, place) if place.line == 0 => write!(f, "{}", path.display()),
            Self::File(path, place) => write!(f, "{}:{}:{}", path.display(), place.line, place.column),
            Self::Profile(name, from) => write!(f, "profile {name}: {from}"),
            Self::Default("") => f.write_str("default"),
            Self::Default(words) => write!(f, "default: {words}"),
        }
    }
}

/// A place in a file; both count from 1. Line 0: the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}
