//! Where values come from: flags before `JACKLINE_*` before the file before the profile before defaults. Each key is asked for once, by
//! [`super::read`]; what was asked for is what is known, so an unknown key is one that nobody asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::problem::{Origin, PROBLEMS_MAX, Place, Problem};
use super::tree::{Entry, Node, Tree};
use super::value::{Value, Wrong, quoted};
use super::{Environment, Flags};
use crate::profile::Found;

mod common;

/// Keys that belong together: where one is given by hand, the profile gives none of them, for two halves of different
/// origin make no credential.
const TOGETHER: [&[&str]; 4] = [
    &[
        "cluster.ca-file",
        "cluster.kubeconfig",
        "cluster.client-certificate",
        "cluster.client-key",
        "cluster.token-file",
    ],
    &["supervisor.token", "supervisor.token-file"],
    &["etcd.ca-file", "etcd.client-certificate", "etcd.client-key"],
    &[
        "services.etcd.ca-file",
        "services.etcd.client-certificate",
        "services.etcd.client-key",
    ],
];

/// A value as `config show` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key, e.g. `timing.grace`.
    pub key: &'static str,
    /// The value as YAML; a secret is hidden; `None`: there is no value.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// All layers, and what was found in them so far.
pub(crate) struct Layers<'a> {
    flags: BTreeMap<&'static str, (&'static str, Vec<String>)>,
    environment: &'a Environment,
    path: PathBuf,
    root: Tree,
    /// What the profile gives: key, word, profile, place.
    profile: BTreeMap<&'static str, (String, &'static str, String)>,
    warnings: Vec<String>,
    shown: Vec<Shown>,
    sections: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(flags: &Flags, environment: &'a Environment, path: PathBuf, root: Tree) -> Self {
        Self {
            flags: flags.words(),
            environment,
            path,
            root,
            profile: BTreeMap::new(),
            warnings: Vec::new(),
            shown: Vec::new(),
            sections: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Puts what the profile found between the file and the defaults.
    pub(crate) fn take_profile(&mut self, found: &mut Found) {
        let by_hand = |key: &&str| self.is_by_hand(key);
        found
            .missing
            .retain(|missing| !missing.instead.iter().any(by_hand));
        if let Some(folder) = self.environment.handed_over() {
            found.is_handed_over(folder);
        }
        let spoken_for: Vec<&str> = TOGETHER
            .into_iter()
            .filter(|together| together.iter().any(by_hand))
            .flatten()
            .copied()
            .collect();
        let given = found
            .values
            .iter()
            .filter(|given| !spoken_for.contains(&given.key));
        let name = found.profile.name();
        self.profile = given
            .map(|given| (given.key, (given.word.clone(), name, given.from.clone())))
            .collect();
    }

    /// Whether a flag, a variable or the file gives `key`.
    fn is_by_hand(&self, key: &str) -> bool {
        self.flags.contains_key(key)
            || self.environment.word(&variable(key)).is_some()
            || self.find(key).is_some_and(|tree| tree.node != Node::Null)
    }

    /// The value of `key`, or `default`.
    pub(crate) fn value<V: Value>(&mut self, key: &'static str, default: V) -> V {
        self.derived(key, "", || Some(default))
            .unwrap_or_else(|| unreachable!("{key} has a default"))
    }

    /// The value of `key`, if one is given.
    pub(crate) fn optional<V: Value>(&mut self, key: &'static str) -> Option<V> {
        self.derived(key, "", || None)
    }

    /// The value of `key`, or what `default` finds; `how` says in words how it does.
    pub(crate) fn derived<V: Value>(
        &mut self,
        key: &'static str,
        how: &'static str,
        default: impl FnOnce() -> Option<V>,
    ) -> Option<V> {
        let (value, origin) = match self.given(key) {
            Some((origin, Ok(value))) => (Some(value), origin),
            Some((origin, Err(wrong))) => {
                self.problem_at(origin.clone(), key, wrong);
                (default(), origin)
            }
            None => (default(), Origin::Default(how)),
        };
        self.shown.push(Shown {
            key,
            value: value.as_ref().map(Value::show),
            origin,
        });
        value
    }

    /// Whether the section `key` is there, if only as an empty one, or any of its keys is given elsewhere.
    pub(crate) fn section(&mut self, key: &'static str) -> bool {
        self.sections.push(key);
        let prefix = format!("{}_", variable(key));
        let inside = |given: &&str| given.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        self.find(key).is_some()
            || self.environment.names().any(|name| name.starts_with(&prefix))
            || self.profile.keys().any(inside)
    }

    /// Where `key` came from, for a problem that shows only when all is read.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let shown = self.shown.iter().find(|shown| shown.key == key);
        shown.map_or(Origin::Default(""), |shown| shown.origin.clone())
    }

    /// Whether somebody gave `key` a value.
    pub(crate) fn is_given(&self, key: &str) -> bool {
        !matches!(self.origin(key), Origin::Default(_))
    }

    /// Whether something is wrong with `key` already.
    pub(crate) fn is_refused(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// Records that `key`, wherever it came from, will not do; unless its value could not be read in the first place.
    pub(crate) fn refuse(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        if self.is_refused(key) {
            return;
        }
        let origin = self.origin(key);
        self.problem_at(origin, key, Wrong::new(what, remedy));
    }

    /// Ends the reading: looks for what nobody asked for.
    pub(crate) fn finish(mut self) -> Result<(Vec<Shown>, Vec<String>), Vec<Problem>> {
        self.look_for_unknown_keys();
        let mut warnings = self.unknown_variables();
        warnings.append(&mut self.warnings);
        if self.problems.is_empty() {
            return Ok((self.shown, warnings));
        }
        self.problems.sort_by_key(|problem| problem.origin.rank());
        self.problems.truncate(PROBLEMS_MAX);
        Err(self.problems)
    }

    fn given<V: Value>(&mut self, key: &'static str) -> Option<(Origin, Result<V, Wrong>)> {
        if let Some((flag, words)) = self.flags.get(key) {
            return Some((Origin::Flag(flag), V::from_word(&words.join(","))));
        }
        let name = variable(key);
        if let Some(word) = self.environment.word(&name) {
            return Some((Origin::Environment(name), V::from_word(word)));
        }
        if let Some(tree) = self.find(key).filter(|tree| tree.node != Node::Null) {
            return Some((Origin::File(self.path.clone(), tree.place), V::from_tree(tree)));
        }
        self.found(key)
    }

    /// What the profile gives. Another program's file that makes no sense is told, and no reason to refuse ours.
    fn found<V: Value>(&mut self, key: &'static str) -> Option<(Origin, Result<V, Wrong>)> {
        let (word, profile, from) = self.profile.get(key)?;
        match V::from_word(word) {
            Ok(value) => Some((Origin::Profile(profile, from.clone()), Ok(value))),
            Err(wrong) => {
                self.warnings.push(format!(
                    "profile {profile}: {key} is not taken from there ({from}): {}; {}",
                    wrong.what, wrong.remedy
                ));
                None
            }
        }
    }

    fn find(&self, key: &str) -> Option<&Tree> {
        key.split('.')
            .try_fold(&self.root, |tree, name| match &tree.node {
                Node::Map(entries) => entries
                    .iter()
                    .find(|entry| entry.key == name)
                    .map(|entry| &entry.value),
                _ => None,
            })
    }

    fn problem_at(&mut self, origin: Origin, key: &str, wrong: Wrong) {
        let origin = match (origin, wrong.place) {
            (Origin::File(path, _), Some(place)) => Origin::File(path, place),
            (origin, _) => origin,
        };
        self.problems.push(Problem {
            origin,
            key: key.to_owned(),
            what: wrong.what,
            remedy: wrong.remedy,
        });
    }

    fn look_for_unknown_keys(&mut self) {
        let known: Vec<&str> = self
            .shown
            .iter()
            .map(|shown| shown.key)
            .chain(self.sections.iter().copied())
            .collect();
        let mut found = Vec::new();
        unknown_in(&self.root, "", &known, &mut found);
        for (place, key, what, remedy) in found {
            let origin = Origin::File(self.path.clone(), place);
            self.problems.push(Problem {
                origin,
                key,
                what,
                remedy,
            });
        }
    }

    /// A variable may be another program's, or a Kubernetes service's of this name: told, not refused.
    fn unknown_variables(&self) -> Vec<String> {
        let known: Vec<String> = self.shown.iter().map(|shown| variable(shown.key)).collect();
        self.environment
            .names()
            .filter(|name| ![super::CONFIG_VARIABLE, super::environment::HANDED_OVER].contains(name))
            .filter(|name| !known.iter().any(|known| known == name))
            .map(|name| format!("the environment variable {name} is none of jackline's and is ignored"))
            .collect()
    }
}

/// `timing.probe-used` → `JACKLINE_TIMING_PROBE_USED`.
pub(crate) fn variable(key: &str) -> String {
    let name: String = key
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("{}{name}", super::PREFIX)
}

type Unknown = (Place, String, String, String);

fn unknown_in(tree: &Tree, path: &str, known: &[&str], found: &mut Vec<Unknown>) {
    match &tree.node {
        Node::Map(entries) => entries
            .iter()
            .for_each(|entry| unknown_entry(entry, path, known, found)),
        Node::Null => {}
        // A leaf was read, and complained of, as the value that it is; a section must be a map.
        other => found.push((
            tree.place,
            path.to_owned(),
            format!("this is {}, and a section is wanted", other.kind()),
            format!(
                "write its keys, each on a line of its own: {}",
                children(path, known).join(", ")
            ),
        )),
    }
}

fn unknown_entry(entry: &Entry, path: &str, known: &[&str], found: &mut Vec<Unknown>) {
    let full = if path.is_empty() {
        entry.key.clone()
    } else {
        format!("{path}.{}", entry.key)
    };
    let inside = format!("{full}.");
    if known.iter().any(|key| key.starts_with(&inside)) {
        unknown_in(&entry.value, &full, known, found);
    } else if !known.contains(&full.as_str()) {
        let siblings = children(path, known);
        let remedy = match siblings.iter().find(|sibling| alike(sibling, &entry.key)) {
            Some(sibling) => format!("did you mean {sibling}?"),
            None => format!("the keys here are: {}", siblings.join(", ")),
        };
        let section = if path.is_empty() {
            "this file".to_owned()
        } else {
            format!("the section {path}")
        };
        found.push((
            entry.place,
            String::new(),
            format!("{section} has no key {}", quoted(&entry.key)),
            remedy,
        ));
    }
}

/// The names right under `path`, each once, in the order of their reading.
fn children<'k>(path: &str, known: &[&'k str]) -> Vec<&'k str> {
    let mut names = Vec::new();
    for key in known {
        let inside = if path.is_empty() {
            Some(*key)
        } else {
            key.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'))
        };
        let Some(name) = inside.and_then(|rest| rest.split('.').next()) else {
            continue;
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether somebody who wrote `word` probably meant `name`: at most two letters wrong, missing or too many.
fn alike(name: &str, word: &str) -> bool {
    const WORD_MAX: usize = 40;
    if word.len() > WORD_MAX {
        return false;
    }
    let word = word.to_ascii_lowercase().replace('_', "-");
    let (name, word): (Vec<char>, Vec<char>) = (name.chars().collect(), word.chars().collect());
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (i, a) in name.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in word.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[word.len()] <= 2 && row[word.len()] < name.len()
}

#[cfg(test)]
mod tests {
    use super::{alike, variable};

    #[test]
    fn a_key_has_its_variable() {
        assert_eq!(variable("timing.probe-used"), "JACKLINE_TIMING_PROBE_USED");
        assert_eq!(variable("servers"), "JACKLINE_SERVERS");
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        for word in ["sevrers", "server", "Servers", "serverss"] {
            assert!(alike("servers", word), "{word}");
        }
        assert!(alike("state-dir", "state_dir"));
        assert!(!alike("servers", "endpoints"));
        assert!(!alike("m", "zz"));
    }
}
