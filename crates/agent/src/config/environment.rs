//! The layers above the file, as plain data: flags, which the command line fills in, and the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{CONFIG_VARIABLE, PREFIX};

/// Variables of all programs that we heed, in the order in which they count.
pub(crate) const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
pub(crate) const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The variable that `jackline hand-over` leaves beside the values that it found.
pub(crate) const HANDED_OVER: &str = "JACKLINE_HANDED_OVER";

/// What the command line says. Words are read by the same rules as the file's, so the command line need not check them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config FILE`: must exist, unlike the default file.
    pub config: Option<PathBuf>,
    /// `--server URL`, repeatable: replaces the file's list.
    pub servers: Vec<String>,
    /// `--listen ADDR`, repeatable: replaces the file's list.
    pub listen: Vec<String>,
    /// `--state-dir DIR`; relative to the folder where the command is given.
    pub state_dir: Option<PathBuf>,
    /// `--socket PATH`; relative to the folder where the command is given.
    pub socket: Option<PathBuf>,
    /// `--status-listen ADDR`.
    pub status_listen: Option<String>,
    /// `--log-level LEVEL`.
    pub log_level: Option<String>,
    /// `--log-format FORMAT`.
    pub log_format: Option<String>,
    /// `--profile PROFILE`.
    pub profile: Option<String>,
    /// Where the profile looks for the node's files: the folder that stands for its `/`. `None`: `/` itself. What is found is told by the
    /// paths that it has on the node. The configuration file is not looked for under it.
    pub root: Option<PathBuf>,
}

impl Flags {
    /// Flag and words of each key that a flag gives.
    pub(crate) fn words(&self) -> BTreeMap<&'static str, (&'static str, Vec<String>)> {
        let path = |path: &PathBuf| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            vec![absolute.to_string_lossy().into_owned()]
        };
        let mut words = BTreeMap::new();
        let mut give = |key, flag, list: Vec<String>| {
            if !list.is_empty() {
                words.insert(key, (flag, list));
            }
        };
        give("servers", "--server", self.servers.clone());
        give("listen", "--listen", self.listen.clone());
        give(
            "state-dir",
            "--state-dir",
            self.state_dir.as_ref().map(path).unwrap_or_default(),
        );
        give(
            "socket",
            "--socket",
            self.socket.as_ref().map(path).unwrap_or_default(),
        );
        give(
            "status-listen",
            "--status-listen",
            self.status_listen.iter().cloned().collect(),
        );
        give(
            "log.level",
            "--log-level",
            self.log_level.iter().cloned().collect(),
        );
        give(
            "log.format",
            "--log-format",
            self.log_format.iter().cloned().collect(),
        );
        give("profile", "--profile", self.profile.iter().cloned().collect());
        words
    }
}

/// The variables `JACKLINE_*`, and the few of all programs that are heeded. An empty one counts as not set, as service files write them.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of those that are ours alone.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(PREFIX))
    }

    /// Where root has handed over what this user may not read; `None`: it has not ([`crate::hand_over`]).
    pub(crate) fn handed_over(&self) -> Option<&str> {
        self.word(HANDED_OVER)
    }

    pub(crate) fn config(&self) -> Option<&Path> {
        self.word(CONFIG_VARIABLE).map(Path::new)
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    /// What is not UTF-8 is carried on with replacement characters: the value's own rules refuse it in words.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let ours = variables
            .into_iter()
            .map(|(name, value)| (text(name.into()), text(value.into())))
            .filter(|(name, value)| is_heeded(name) && !value.trim().is_empty());
        Self(ours.collect())
    }
}

fn is_heeded(name: &str) -> bool {
    name.starts_with(PREFIX) || PROXY.contains(&name) || NO_PROXY.contains(&name)
}
