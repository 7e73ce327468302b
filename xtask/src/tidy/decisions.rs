//! Decisions are numbered, and every one stands in their index.

use std::collections::BTreeMap;

use super::tree::{File, Finding, Tree};

const FOLDER: &str = "docs/decisions/";
const INDEX: &str = "docs/decisions/README.md";

/// Decisions without a proper number or without a line in the index.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let Some(index) = tree.file(INDEX) else {
        return vec![Finding::in_file(INDEX, "there is no index of decisions")];
    };
    let mut findings = Vec::new();
    let mut numbers: BTreeMap<&str, &str> = BTreeMap::new();
    for file in decisions(tree) {
        let name = &file.path[FOLDER.len()..];
        match number(name) {
            Some(number) => {
                if let Some(other) = numbers.insert(number, name) {
                    findings.push(Finding::in_file(
                        &file.path,
                        format!("{other} has the same number"),
                    ));
                }
            }
            None => findings.push(Finding::in_file(
                &file.path,
                "is not named like 0001-what-was-decided.md",
            )),
        }
        if !index.text.contains(&format!("]({name})")) {
            findings.push(Finding::in_file(&file.path, format!("is not linked in {INDEX}")));
        }
    }
    findings
}

fn decisions(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.ending(".md")
        .filter(|file| file.path.starts_with(FOLDER) && file.path != INDEX)
}

fn number(name: &str) -> Option<&str> {
    let (number, rest) = name.split_once('-')?;
    (number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()) && rest.len() > ".md".len())
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indexed_decision_with_a_number_is_good() {
        let tree = Tree::of(&[
            (INDEX, "- [Record](0001-record.md)"),
            ("docs/decisions/0001-record.md", ""),
        ]);
        assert_eq!(find(&tree), []);
    }

    #[test]
    fn a_decision_that_the_index_lacks_is_found() {
        let tree = Tree::of(&[(INDEX, "none yet"), ("docs/decisions/0001-record.md", "")]);
        assert_eq!(find(&tree).len(), 1);
    }

    #[test]
    fn a_number_is_given_once_and_has_four_digits() {
        let tree = Tree::of(&[
            (INDEX, "[a](0001-a.md) [b](0001-b.md) [c](2-c.md)"),
            ("docs/decisions/0001-a.md", ""),
            ("docs/decisions/0001-b.md", ""),
            ("docs/decisions/2-c.md", ""),
        ]);
        assert_eq!(find(&tree).len(), 2);
    }
}
