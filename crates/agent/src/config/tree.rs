//! The file as a tree in which every node knows its line and column. Knows YAML; knows no key of ours.
//!
//! The configuration is read as a tree first and key by key afterwards, because all problems are to be told at once and
//! in our own words: a derived `Deserialize` stops at the first and speaks of "struct" and "expected u64".

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{MessageFormatter, Options, Spanned, UserMessageFormatter};

use super::problem::Place;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// What a node holds. Numbers keep their digits: what they mean is for the reader of the key to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) key: String,
    pub(crate) value: Tree,
}

impl Node {
    /// What this is, for the sentence "this is …". Never shows the value: it may be a secret in the wrong place.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a section with keys of its own",
        }
    }
}

/// Parses `text`; an empty document is [`Node::Null`]. The error says where and what, without a snippet of the file,
/// which may hold secrets.
pub(crate) fn parse(text: &str) -> Result<Tree, (Place, String)> {
    let mut options = Options::default();
    options.with_snippet = false;
    options.strict_booleans = true;
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options) {
        Ok(spanned) => Ok(placed(spanned)),
        Err(error) => {
            let place = error.location().map(place_of).unwrap_or_default();
            let words = UserMessageFormatter
                .format_message(error.without_snippet())
                .into_owned();
            Err((place, words))
        }
    }
}

fn place_of(location: serde_saphyr::Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

fn placed(spanned: Spanned<Tree>) -> Tree {
    Tree {
        place: place_of(spanned.referenced),
        node: spanned.value.node,
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = deserializer.deserialize_any(Nodes)?;
        Ok(Self {
            place: Place::default(),
            node,
        })
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(placed(item));
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = placed(entries.next_value::<Spanned<Tree>>()?);
            map.push(Entry {
                place: place_of(key.referenced),
                key: key.value,
                value,
            });
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, parse};

    #[test]
    fn every_node_knows_its_line_and_column() {
        let tree = parse("node:\n  name: a\nservers:\n  - 'x'\n  - y\nn: 7\nb: true\n").expect("valid");
        let Node::Map(entries) = &tree.node else {
            panic!("a map, not {:?}", tree.node)
        };
        assert_eq!((entries[0].place.line, entries[0].place.column), (1, 1));
        let Node::Map(inner) = &entries[0].value.node else {
            panic!("a map")
        };
        assert_eq!(inner[0].value.node, Node::Text("a".into()));
        assert_eq!((inner[0].value.place.line, inner[0].value.place.column), (2, 9));
        let Node::List(items) = &entries[1].value.node else {
            panic!("a list")
        };
        assert_eq!((items[1].place.line, items[1].place.column), (5, 5));
        assert_eq!(entries[2].value.node, Node::Number("7".into()));
        assert_eq!(entries[3].value.node, Node::Bool(true));
    }

    #[test]
    fn an_empty_file_is_nothing_and_rubbish_is_an_error_with_a_place() {
        assert_eq!(parse("").expect("valid").node, Node::Null);
        assert_eq!(parse("# only a comment\n").expect("valid").node, Node::Null);
        let (place, words) = parse("a: 1\nb: [1, 2\n").expect_err("an open bracket");
        assert!(place.line >= 2, "{place:?}");
        assert!(!words.is_empty());
        assert!(parse("a: 1\na: 2\n").is_err(), "a key given twice");
        assert!(parse("a: 1\n---\na: 2\n").is_err(), "two documents");
    }
}
