//! Every Rust file opens with `//!`: what it is for and what it leaves to others.

use super::tree::{Finding, Tree};

/// Files without a head.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    tree.ending(".rs")
        .filter(|file| !opens_well(&file.text))
        .map(|file| {
            Finding::at(
                &file.path,
                0,
                "does not open with //! (what it is for, what it leaves to others)",
            )
        })
        .collect()
}

fn opens_well(text: &str) -> bool {
    let head = text.lines().next().unwrap_or_default().strip_prefix("//!");
    head.is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_something() {
        let tree = Tree::of(&[
            ("a.rs", "//! Words.\n"),
            ("b.rs", "//!\n"),
            ("c.rs", "// Words.\n"),
            ("d.rs", ""),
            ("e.md", "# no code"),
        ]);
        let paths: Vec<String> = find(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs", "d.rs"]);
    }
}
