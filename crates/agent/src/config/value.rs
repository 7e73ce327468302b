//! The types that a value of the configuration can have: how each is read from a word, and how it is shown again.
//! Bounds that hang on the key are the key's ([`super::read`]).

mod address;
mod measure;
mod secret;
mod way;

use std::path::PathBuf;

use super::problem::Place;
use super::tree::{Node, Tree};
use crate::profile::Profile;

pub use address::{MemberUrl, NameServer, ServerUrl};
pub use measure::ByteSize;
pub(crate) use measure::show_duration;
pub use secret::Secret;
pub(crate) use way::ProxyChoice;

/// So many items a list may have.
pub(crate) const LIST_MAX: usize = 64;

/// What is wrong with a value, and where: the place of the item, if it is one of a list.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) place: Option<Place>,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            place: None,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// A type that a key can have.
pub(crate) trait Value: Sized {
    /// What is expected, for the sentence "write …".
    const EXPECTED: &'static str;

    /// From a word: of a flag, of the environment, or a text of the file.
    fn from_word(word: &str) -> Result<Self, Wrong>;

    /// From the file. Only a text will do, if the type says nothing else.
    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        match &tree.node {
            Node::Text(word) => Self::from_word(word),
            other => Err(wrong_type::<Self>(other)),
        }
    }

    /// As YAML, to be read back to the same value.
    fn show(&self) -> String;
}

fn wrong_type<V: Value>(node: &Node) -> Wrong {
    let hint = match node {
        Node::Number(_) | Node::Bool(_) if V::EXPECTED == String::EXPECTED => " (in quotes)",
        _ => "",
    };
    Wrong::new(
        format!("this is {}", node.kind()),
        format!("write {}{hint}", V::EXPECTED),
    )
}

fn unreadable<V: Value>(word: &str) -> Wrong {
    Wrong::new(
        format!("{} cannot be read", quoted(word)),
        format!("write {}", V::EXPECTED),
    )
}

/// A word as it may be shown: in quotes, cut, without control characters.
pub(crate) fn quoted(word: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let mut shown: String = word.chars().take(SHOWN_MAX).collect();
    if shown.len() < word.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

impl Value for String {
    const EXPECTED: &'static str = "a text";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const TEXT_MAX: usize = 253;
        let good = !word.is_empty() && word.len() <= TEXT_MAX && !word.chars().any(char::is_control);
        good.then(|| word.to_owned()).ok_or_else(|| {
            Wrong::new(
                format!("{} is empty, too long or holds control characters", quoted(word)),
                format!("write a text of 1 to {TEXT_MAX} bytes, or leave the key out"),
            )
        })
    }

    fn show(&self) -> String {
        quoted_yaml(self)
    }
}

/// A plain word stays plain, anything that YAML could take for something else gets quotes (a JSON text is YAML).
fn quoted_yaml(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|_| unreadable::<Self>(word))
    }

    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        match &tree.node {
            Node::Bool(value) => Ok(*value),
            other => Err(wrong_type::<Self>(other)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! number {
    ($type:ty, $expected:literal) => {
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn from_word(word: &str) -> Result<Self, Wrong> {
                word.parse().map_err(|_| unreadable::<Self>(word))
            }

            fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
                match &tree.node {
                    Node::Number(digits) => Self::from_word(digits),
                    other => Err(wrong_type::<Self>(other)),
                }
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}

number!(u16, "a whole number from 0 to 65535");
number!(u32, "a whole number from 0 to 4294967295");

impl Value for PathBuf {
    const EXPECTED: &'static str = "the path of a file or folder, from / on";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        if word.starts_with('/') && !word.contains('\0') {
            Ok(Self::from(word))
        } else {
            Err(Wrong::new(
                format!("{} is not a path from / on", quoted(word)),
                "write the whole path: a service has no folder of its own to start from",
            ))
        }
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string_lossy())
    }
}

macro_rules! choice {
    ($type:ty, $expected:literal, $($word:literal => $variant:ident),+) => {
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn from_word(word: &str) -> Result<Self, Wrong> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(unreadable::<Self>(word)),
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $word.to_owned(),)+
                }
            }
        }
    };
}

/// Whose supervisor it is: paths and ports hang on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// K3s.
    K3s,
    /// RKE2.
    Rke2,
}

choice!(Distribution, "k3s or rke2", "k3s" => K3s, "rke2" => Rke2);

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only dangers.
    Error,
    /// Changes for the worse too.
    Warn,
    /// Every change.
    Info,
    /// Every connection.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

choice!(LogFormat, "text or json", "text" => Text, "json" => Json);

choice!(LogLevel, "error, warn, info, debug or trace",
    "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace);

choice!(Profile, "auto, k3s, rke2, kubeadm, k0s, microk8s or generic",
    "auto" => Auto, "k3s" => K3s, "rke2" => Rke2, "kubeadm" => Kubeadm, "k0s" => K0s, "microk8s" => Microk8s,
    "generic" => Generic);

impl<V: Value> Value for Vec<V> {
    const EXPECTED: &'static str = "a list";

    /// Items apart by commas.
    fn from_word(word: &str) -> Result<Self, Wrong> {
        bounded(
            word.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(V::from_word)
                .collect(),
        )
    }

    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        let Node::List(items) = &tree.node else {
            return Err(Wrong::new(
                format!("this is {}, and a list is wanted", tree.node.kind()),
                format!("write a list, even of one: [ … ]; each item: {}", V::EXPECTED),
            ));
        };
        bounded(
            items
                .iter()
                .map(|item| {
                    V::from_tree(item).map_err(|wrong| Wrong {
                        place: wrong.place.or(Some(item.place)),
                        ..wrong
                    })
                })
                .collect(),
        )
    }

    fn show(&self) -> String {
        format!(
            "[{}]",
            self.iter().map(Value::show).collect::<Vec<_>>().join(", ")
        )
    }
}

fn bounded<V>(list: Result<Vec<V>, Wrong>) -> Result<Vec<V>, Wrong> {
    let list = list?;
    if list.len() > LIST_MAX {
        return Err(Wrong::new(
            format!("the list has {} items", list.len()),
            format!("{LIST_MAX} are the most"),
        ));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn texts_that_yaml_would_take_for_something_else_are_shown_in_quotes() {
        for (text, shown) in [
            ("node-1", "node-1"),
            ("true", "\"true\""),
            ("1", "\"1\""),
            ("a: b", "\"a: b\""),
        ] {
            assert_eq!(text.to_owned().show(), shown);
        }
    }
}
